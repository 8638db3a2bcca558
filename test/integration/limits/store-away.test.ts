import { expect } from 'chai'
import { openLimitCounters } from '../../../db/limits/open.ts'
import { openDatabase } from '../../../db/open.ts'
import { loadConfig } from '../../../shared/config.ts'
import { createLifecycle } from '../../../shared/platform/lifecycle.ts'
import type { Lifecycle } from '../../../shared/platform/lifecycle.ts'
import { silentLogger } from '../../../shared/platform/logger.ts'
import { createSeriesLimits } from '../../../shared/series/series-limits.ts'
import type { SeriesLimits } from '../../../shared/series/limits.ts'
import { openWire } from '../../support/api.ts'
import { openTestDatabase } from '../../support/database.ts'
import { eventually } from '../../support/eventually.ts'
import { ownRedisAvailable, startOwnRedis } from '../../support/redis.ts'

const CALLER = { address: '192.0.2.1', exempt: false, rules: {} }

describe('limits while their store is away', () => {
  let lifecycle: Lifecycle
  let states: string[]
  beforeEach(() => {
    lifecycle = createLifecycle(silentLogger)
    states = []
  })
  afterEach(() => lifecycle.close())

  const open = async (databaseUrl: string, redisUrl = ''): Promise<SeriesLimits> => {
    const database = await openDatabase({
      url: databaseUrl,
      poolMax: 4,
      logger: silentLogger,
      applicationName: 'vigia-test',
    })
    lifecycle.onClose('database', () => database.close())
    const counters = await openLimitCounters({
      config: loadConfig({ REDIS_URL: redisUrl }),
      knex: database.knex,
      logger: silentLogger,
      lifecycle,
      metrics: { breakerState: (_target, state) => states.push(state) },
    })
    if (!counters) throw new Error('limits are off')
    return createSeriesLimits({ ...counters, onRefused: () => undefined })
  }
  const isTrained = (limits: SeriesLimits, series: string): Promise<boolean> =>
    limits.spendTraining(series, CALLER).then(
      () => true,
      () => false,
    )

  it('memory counts for PostgreSQL, which takes over again', async () => {
    const database = await openTestDatabase()
    lifecycle.onClose('test database', () => database.close())
    const wire = await openWire(database.url)
    lifecycle.onClose('wire', () => wire.close())
    const limits = await open(wire.url)
    expect(await isTrained(limits, 'a')).to.equal(true)
    expect(await isTrained(limits, 'a')).to.equal(false)
    await wire.cut()
    // Nobody remembers the first, but what happens now is counted.
    expect(await isTrained(limits, 'a')).to.equal(true)
    expect(await isTrained(limits, 'a')).to.equal(false)
    expect(await limits.spendPrediction('a', CALLER, 1000)).to.include({ remaining: 0 })
    expect(states).to.deep.equal(['closed', 'open'])
    await wire.mend()
    let n = 0
    await eventually('PostgreSQL counts again', async () => {
      await isTrained(limits, `s${(n += 1)}`)
      return states.at(-1) === 'closed'
    })
    expect(await isTrained(limits, 'a')).to.equal(false)
  })

  ;(ownRedisAvailable() ? it : it.skip)('memory counts for Redis, which takes over again', async () => {
    const database = await openTestDatabase()
    lifecycle.onClose('test database', () => database.close())
    const redis = await startOwnRedis()
    lifecycle.onClose('redis server', () => redis.close())
    const limits = await open(database.url, redis.url)
    expect(await limits.spendPrediction('a', CALLER, 999)).to.include({ remaining: 1 })
    await redis.stop()
    expect(await limits.spendPrediction('a', CALLER, 1000)).to.include({ remaining: 0 })
    expect(await limits.spendPrediction('a', CALLER, 1).catch((error: Error) => error.message)).to.match(
      /at most 1000/,
    )
    expect(states).to.deep.equal(['closed', 'open'])
    await redis.start()
    let n = 0
    await eventually('Redis counts again', async () => {
      await limits.spendPrediction(`s${(n += 1)}`, CALLER, 1)
      return states.at(-1) === 'closed'
    })
  })
})
