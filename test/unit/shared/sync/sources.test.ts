import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { AppError } from '../../../../shared/core/errors.ts'
import type { WorkContext } from '../../../../shared/core/work.ts'
import type { AdsConfig, Configs } from '../../../../shared/entities/configs.ts'
import { silentLogger } from '../../../../shared/platform/logger.ts'
import { createSources } from '../../../../shared/sync/sources.ts'

const NOW = new Date('2026-03-11T05:30:00.000Z')

const textOf = async (request: IncomingMessage): Promise<string> => {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text
}

describe('asking a source for rows', () => {
  let server: Server
  let origin: string
  let answer: number
  let hangs: boolean
  const asked: { method: string | undefined; url: string | undefined; body: unknown }[] = []

  before(async () => {
    const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      asked.push({ method: request.method, url: request.url, body: JSON.parse(await textOf(request)) })
      if (hangs) return
      response.writeHead(answer, answer === 302 ? { location: `${origin}/elsewhere` } : {})
      response.end('thank you')
    }
    server = createServer((request, response) => void serve(request, response))
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve)
    })
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  after(() => {
    server.closeAllConnections()
    server.close()
  })
  beforeEach(() => {
    asked.length = 0
    answer = 202
    hangs = false
  })

  const ask = (sourceUrl: string | null, signal: AbortSignal = new AbortController().signal) => {
    const config = {
      id: 7,
      account_id: 'act_7',
      timezone: 'America/Sao_Paulo',
      source_url: sourceUrl,
    } as AdsConfig
    const configs: Pick<Configs, 'get'> = { get: () => Promise.resolve(config) }
    const context: WorkContext = {
      signal,
      fence: { runId: '00000000-0000-7000-8000-000000000000', attempt: 1 },
      logger: silentLogger,
      progress: () => {},
    }
    return createSources({ configs: configs as Configs }).ask(7, NOW, context)
  }
  const failureOf = (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => null,
      (error: unknown) => error,
    )

  it('posts which days are wanted: the last complete one and the six before, whose leads may still come', async () => {
    expect(await ask(`${origin}/hook?key=1`)).to.deep.include({
      status: 'succeeded',
      counts: { done: 1, skipped: 0, failed: 0 },
    })
    expect(asked).to.deep.equal([
      {
        method: 'POST',
        url: '/hook?key=1',
        body: {
          event: 'import.wanted',
          config_id: 7,
          account_id: 'act_7',
          date_from: '2026-03-04',
          date_to: '2026-03-10',
        },
      },
    ])
  })

  it('is skipped where a config has none', async () => {
    expect(await ask(null)).to.deep.include({ status: 'skipped', reasons: { no_source: 1 } })
    expect(asked).to.deep.equal([])
  })

  for (const status of [400, 401, 404, 410]) {
    it(`is not tried again when the source answers ${status}`, async () => {
      answer = status
      const error = await failureOf(ask(`${origin}/hook`))
      expect(error).to.be.instanceOf(AppError)
      expect((error as AppError).code).to.equal('INVALID_REQUEST')
      expect((error as AppError).message)
        .to.contain(String(status))
        .and.to.contain('source_url')
    })
  }

  for (const status of [408, 429, 500, 503]) {
    it(`is tried again when the source answers ${status}`, async () => {
      answer = status
      const error = await failureOf(ask(`${origin}/hook?key=secret`))
      expect(error).to.be.instanceOf(Error).and.not.to.be.instanceOf(AppError)
      expect((error as Error).message)
        .to.contain(String(status))
        .and.not.to.contain('secret')
    })
  }

  it('follows no redirect', async () => {
    answer = 302
    expect(await failureOf(ask(`${origin}/hook`))).to.have.property('code', 'INVALID_REQUEST')
    expect(asked.map(({ url }) => url)).to.deep.equal(['/hook'])
  })

  it('is tried again when nobody listens, and says where', async () => {
    const port = (server.address() as AddressInfo).port
    const error = (await failureOf(ask(`http://127.0.0.2:${port}/hook?key=secret`))) as Error
    expect(error).not.to.be.instanceOf(AppError)
    expect(error.message).to.contain(`http://127.0.0.2:${port}`).and.not.to.contain('secret')
  })

  it('ends at once when its run is cancelled', async () => {
    hangs = true
    const cancel = new AbortController()
    const work = ask(`${origin}/hook`, cancel.signal)
    cancel.abort(new Error('cancelled'))
    expect(((await failureOf(work)) as Error).message).to.equal('cancelled')
  })
})
