/** Traces of a job from the process that enqueues it to the worker, over real OTLP. */
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { eventually } from '../support/eventually.ts'
import { temporaryFolder } from '../support/folders.ts'
import { startProcess } from '../support/processes.ts'

const CLI = fileURLToPath(new URL('../../cli/main.js', import.meta.url))

interface Span {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
}

/** A collector that keeps the spans it is sent. */
const startCollector = async (): Promise<{ server: Server; url: string; spans: Span[] }> => {
  const spans: Span[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const sent = JSON.parse(Buffer.concat(chunks).toString()) as {
        resourceSpans?: { scopeSpans: { spans: Span[] }[] }[]
      }
      for (const resource of sent.resourceSpans ?? []) {
        for (const scope of resource.scopeSpans) spans.push(...scope.spans)
      }
      response.setHeader('content-type', 'application/json').end('{}')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans }
}

describe('traces', () => {
  it('join what enqueues a run and what executes it', async () => {
    const { server, url, spans } = await startCollector()
    const folder = await temporaryFolder()
    const up = startProcess(CLI, {
      args: ['up', '--json'],
      cwd: folder,
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: url,
        OTEL_BSP_SCHEDULE_DELAY: '100',
        PORT: '0',
        VIGIA_HOME: `${folder}/home`,
      },
    })
    try {
      const api = (JSON.parse(await up.line(/^\{"url"/)) as { url: string }).url
      const started = await fetch(`${api}/api/v1/jobs`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name: 'retention.nightly', payload: { asOf: '2026-03-10T01:30:00.000Z' } }),
      })
      expect(started.status).to.equal(202)
      const traceId = started.headers.get('x-trace-id')
      const shared = await eventually('spans of both sides in one trace', () => {
        const added = new Set(spans.filter((span) => /^add/i.test(span.name)).map((span) => span.traceId))
        return spans.find((span) => /^process/i.test(span.name) && added.has(span.traceId))
      })
      // The request began it, and its reply named it.
      expect(shared.traceId).to.equal(traceId)
      const request = await eventually('the span of the request', () =>
        spans.find((span) => span.name === 'http.request' && span.traceId === traceId),
      )
      const added = spans.find((span) => /^add/i.test(span.name) && span.traceId === traceId)
      expect(added?.parentSpanId).to.equal(request.spanId)

      const caller = '4bf92f3577b34da6a3ce929d0e0e4736'
      const asked = await fetch(`${api}/api/v1/configs/1`, {
        headers: { traceparent: `00-${caller}-00f067aa0ba902b7-01` },
      })
      expect(asked.headers.get('x-trace-id')).to.equal(caller)
      const continued = await eventually('the trace of the caller goes on', () =>
        spans.find((span) => span.traceId === caller),
      )
      expect(continued).to.include({ name: 'http.request', parentSpanId: '00f067aa0ba902b7' })
    } finally {
      expect((await up.end('SIGTERM')).code).to.equal(0)
      server.close()
    }
  })
})
