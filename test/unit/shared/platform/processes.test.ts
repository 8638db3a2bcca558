import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { expect } from 'chai'
import { createLifecycle } from '../../../../shared/platform/lifecycle.ts'
import { silentLogger } from '../../../../shared/platform/logger.ts'
import { createMetrics } from '../../../../shared/platform/metrics.ts'
import { serveMetrics } from '../../../../shared/platform/serve-metrics.ts'

const freePort = async (): Promise<number> => {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}

describe('the lifecycle', () => {
  it('closes what was opened in reverse, once, and goes on after a close that fails', async () => {
    const lifecycle = createLifecycle(silentLogger)
    const closed: string[] = []
    lifecycle.onClose('first', () => void closed.push('first'))
    lifecycle.onClose('broken', () => Promise.reject(new Error('no')))
    lifecycle.onClose('last', () => void closed.push('last'))
    await Promise.all([lifecycle.close(), lifecycle.close()])
    expect(closed).to.deep.equal(['last', 'first'])
  })

  it('leaves what does not close in time, and goes on with the rest', async () => {
    const told: unknown[] = []
    const logger = { ...silentLogger, error: (...line: unknown[]) => void told.push(line) }
    const lifecycle = createLifecycle(logger, 0)
    let closed = false
    lifecycle.onClose('first', () => void (closed = true))
    lifecycle.onClose('hanging', () => new Promise(() => {}))
    await lifecycle.close()
    expect(closed).to.equal(true)
    expect(told).to.deep.equal([
      ['closing failed', { part: 'hanging', error: 'hanging did not answer within 500 ms' }],
    ])
  })

  it('closes what a start opens after it was told to end', async () => {
    const lifecycle = createLifecycle(silentLogger)
    await lifecycle.close()
    let closed = false
    lifecycle.onClose('late', () => void (closed = true))
    await lifecycle.close()
    expect(closed).to.equal(true)
  })
})

describe('metrics of a process without an API', () => {
  it('are served until it closes', async () => {
    const lifecycle = createLifecycle(silentLogger)
    const metrics = createMetrics('workers')
    metrics.jobEnded('ml', 'detect.ad', 'succeeded', 0.2)
    const port = await freePort()
    await serveMetrics(metrics, { host: '127.0.0.1', port }, silentLogger, lifecycle)
    const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`)
    const shown = await get('/metrics')
    expect(shown.headers.get('content-type')).to.match(/^text\/plain/)
    expect(await shown.text()).to.match(/vigia_job_duration_seconds_count\{.*job="detect\.ad".*\} 1/)
    expect((await get('/livez')).status).to.equal(200)
    expect((await get('/elsewhere')).status).to.equal(404)
    await lifecycle.close()
    const refused = await get('/livez').then(
      () => false,
      () => true,
    )
    expect(refused).to.equal(true)
  })

  it('are off with port 0, and name a port that is taken', async () => {
    const lifecycle = createLifecycle(silentLogger)
    const metrics = createMetrics('workers')
    await serveMetrics(metrics, { host: '127.0.0.1', port: 0 }, silentLogger, lifecycle)
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as AddressInfo
    const message = await serveMetrics(metrics, { host: '127.0.0.1', port }, silentLogger, lifecycle).then(
      () => '',
      (error: Error) => error.message,
    )
    taken.close()
    expect(message).to.include(`METRICS_PORT ${port} cannot be bound`)
    await lifecycle.close()
  })
})
