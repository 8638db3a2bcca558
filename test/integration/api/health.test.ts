/** /healthcheck over HTTP: of one process, of several with Redis, and while things are away. */
import { expect } from 'chai'
import { sharedSlots } from '../../../db/redis/shared-slots.ts'
import { openRedis } from '../../../db/redis/open.ts'
import type { RedisConnection } from '../../../db/redis/open.ts'
import { SLOT_MS, createRecent } from '../../../shared/core/slots.ts'
import { createHealth } from '../../../shared/platform/health.ts'
import type { Health } from '../../../shared/platform/health.ts'
import { silentLogger } from '../../../shared/platform/logger.ts'
import { openTestApi, openWire } from '../../support/api.ts'
import type { TestApi, Wire } from '../../support/api.ts'
import { eventually } from '../../support/eventually.ts'
import { ownRedisAvailable, redisAvailable, sharedRedisUrl, startOwnRedis } from '../../support/redis.ts'

const NOTHING = {
  seriesTrained: 0,
  versions: {},
  drifting: { warn: 0, alert: 0 },
  training: { averageMs: null, p95Ms: null },
}

describe('/healthcheck', () => {
  let api: TestApi
  before(async () => {
    api = await openTestApi()
  })
  after(() => api.close())

  it('needs no key on this machine while there is none, and then a viewer', async () => {
    expect((await api.ask('/healthcheck')).status).to.equal(200)
    const key = await api.key('watcher', 'viewer')
    expect((await api.ask('/healthcheck')).status).to.equal(401)
    expect((await api.ask('/healthcheck', { key })).status).to.equal(200)
    await api.services.keys.revoke('watcher')
  })

  it('says of a system that has done nothing yet just that', async () => {
    const { body } = await api.ask('/healthcheck')
    const { uptime_seconds, checks, ...rest } = body
    expect(rest).to.deep.equal({
      status: 'ok',
      series_trained: 0,
      models_cached: 0,
      models_registered: 0,
      inference_latency_ms: { avg: null, p95: null },
      training_latency_ms: { avg: null, p95: null },
      cache: { hits: 0, misses: 0, hit_rate: null },
      version: '0.0.0-test',
      scope: 'process',
    })
    expect(uptime_seconds).to.be.at.least(0)
    const names = (checks as { name: string }[]).map(({ name }) => name)
    expect(names).to.have.members(['postgres', 'migrations', 'queues'])
    for (const check of checks as object[]) expect(check).to.have.keys('name', 'ok', 'ms')
  })

  it('tells of latency and the cache as they are', async () => {
    const { metrics } = api
    metrics.inferenceTook('zscore', 0.002)
    metrics.inferenceTook('zscore', 0.004)
    for (let n = 0; n < 3; n += 1) metrics.seriesCacheRequest('hit')
    metrics.seriesCacheRequest('miss')
    metrics.modelCacheEntries(7)
    const { body } = await api.ask('/healthcheck')
    const latency = body['inference_latency_ms'] as { avg: number; p95: number }
    expect(latency.avg).to.equal(3)
    expect(latency.p95).to.be.within(4, 4.8)
    expect(body['cache']).to.deep.equal({ hits: 3, misses: 1, hit_rate: 0.75 })
    expect(body['models_cached']).to.equal(7)
  })

  it('is in the documentation', async () => {
    const { paths } = (await api.ask('/openapi.json')).body as { paths: object }
    expect(paths).to.include.keys('/healthcheck')
  })
})

describe('/healthcheck while PostgreSQL is away', () => {
  let api: TestApi
  let wire: Wire
  let now = Date.parse('2026-06-16T15:00:00Z')
  before(async () => {
    api = await openTestApi({
      clock: { now: () => new Date(now) },
      through: async (url) => {
        wire = await openWire(url)
        return wire.url
      },
    })
  })
  after(async () => {
    await api.close()
    await wire.close()
  })

  it('a warm replica stays ready for a minute, degraded, and answers after that too', async () => {
    expect((await api.ask('/readyz')).body).to.deep.equal({ status: 'ok' })
    await wire.cut()
    const degraded = await api.ask('/readyz?verbose')
    expect(degraded.status).to.equal(200)
    expect(degraded.body['status']).to.equal('degraded')
    const { body } = await api.ask('/healthcheck')
    expect(body).to.include({ status: 'degraded', series_trained: null, models_registered: null })

    now += 59_999
    expect((await api.ask('/readyz')).status).to.equal(200)
    now += 1
    const after = await api.ask('/readyz')
    expect(after.status).to.equal(503)
    expect(after.body).to.deep.equal({ status: 'unavailable' })
    expect((await api.ask('/livez')).status).to.equal(200)

    await wire.mend()
    await eventually('it is ready again', async () => (await api.ask('/readyz')).body['status'] === 'ok')
  })
})

;(redisAvailable() ? describe : describe.skip)('health of several processes', () => {
  let connection: RedisConnection
  let now = 1_800_000_000_000
  let files = 0
  before(async () => {
    connection = await openRedis({ redisUrl: await sharedRedisUrl(), logger: silentLogger })
  })
  after(() => connection.close())

  const open = (prefix: string, name: string) => {
    const recent = createRecent(() => now)
    const health: Health = createHealth({
      recent,
      registry: () => Promise.resolve(NOTHING),
      shared: sharedSlots(connection.redis, prefix),
      process: name,
      logger: silentLogger,
    })
    return { recent, health }
  }
  const freshPrefix = (): string => `vigia:test:${process.pid}:${Date.now()}:${(files += 1)}`

  it('is put together, nothing counted twice', async () => {
    const prefix = freshPrefix()
    const [one, two] = [open(prefix, 'one'), open(prefix, 'two')]
    one.recent.inference(0.001)
    one.recent.cache('hit')
    one.recent.entries(5)
    two.recent.inference(0.003)
    two.recent.cache('miss')
    two.recent.entries(6)
    now += SLOT_MS
    await one.health.share()
    await two.health.share()
    await two.health.share()
    two.recent.cache('hit')
    const ofOne = await one.health.figures()
    expect(ofOne).to.deep.include({ scope: 'cluster', cache: { hits: 1, misses: 1 }, modelsCached: 11 })
    expect(ofOne.inference.averageMs).to.equal(2)
    expect(ofOne.inference.p95Ms).to.be.within(3, 3.6)
    // What it has not handed over yet it knows of itself.
    expect((await two.health.figures()).cache).to.deep.equal({ hits: 2, misses: 1 })
  })

  it('is forgotten after five minutes, and what is gone holds no models', async () => {
    const prefix = freshPrefix()
    const [one, two] = [open(prefix, 'one'), open(prefix, 'two')]
    one.recent.cache('hit')
    one.recent.entries(5)
    now += SLOT_MS
    await one.health.share()
    two.recent.entries(1)
    expect((await two.health.figures()).modelsCached).to.equal(6)
    now += 3 * SLOT_MS
    expect(await two.health.figures()).to.deep.include({ modelsCached: 6, cache: { hits: 1, misses: 0 } })
    now += SLOT_MS
    expect((await two.health.figures()).modelsCached).to.equal(1)
    now += 24 * SLOT_MS
    expect((await two.health.figures()).cache.hits).to.equal(1)
    now += SLOT_MS
    expect((await two.health.figures()).cache.hits).to.equal(0)
    const keys = await connection.redis.keys(`${prefix}:*`)
    for (const key of keys) expect(await connection.redis.ttl(key)).to.be.within(1, 330)
  })
})

;(ownRedisAvailable() ? describe : describe.skip)('health while Redis is away', () => {
  it('is that of the process, and what could not be shared is shared later', async () => {
    const redis = await startOwnRedis()
    const connection = await openRedis({ redisUrl: redis.url, logger: silentLogger })
    let now = 1_800_000_000_000
    const recent = createRecent(() => now)
    const health = createHealth({
      recent,
      registry: () => Promise.reject(new Error('away')),
      shared: sharedSlots(connection.redis),
      process: 'one',
      logger: silentLogger,
    })
    try {
      await redis.stop()
      recent.cache('hit')
      now += SLOT_MS
      await health.share()
      expect(await health.figures()).to.deep.include({
        scope: 'process',
        cache: { hits: 1, misses: 0 },
        registry: null,
      })
      await redis.start()
      await eventually('Redis is back', async () => {
        await health.share()
        return (await health.figures()).scope === 'cluster'
      })
      now += SLOT_MS
      await health.share()
      expect((await health.figures()).cache).to.deep.equal({ hits: 1, misses: 0 })
    } finally {
      await connection.close()
      await redis.close()
    }
  })
})
