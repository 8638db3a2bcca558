import { mock } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { memoryCounter } from '../../../db/limits/memory-counter.ts'
import { postgresCounter } from '../../../db/limits/postgres-counter.ts'
import { redisCounter } from '../../../db/limits/redis-counter.ts'
import { openRedis } from '../../../db/redis/open.ts'
import type { RedisConnection } from '../../../db/redis/open.ts'
import { silentLogger } from '../../../shared/platform/logger.ts'
import { describeSeriesLimits } from '../../contract/series-limits.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { redisAvailable, sharedRedisUrl } from '../../support/redis.ts'

/** Both windows are measured with `Date.now`, which the test moves. */
const fakeClock = {
  now: () => Date.now(),
  pass: (ms: number): Promise<void> => {
    mock.timers.setTime(Date.now() + ms)
    return Promise.resolve()
  },
  seconds: 100,
}

describe('limits on a clock of the test', () => {
  let database: TestDatabase
  before(async () => {
    database = await openTestDatabase()
    mock.timers.enable({ apis: ['Date'], now: Date.now() })
  })
  after(async () => {
    mock.timers.reset()
    await database.close()
  })
  describeSeriesLimits('memory', () => ({ ...fakeClock, make: memoryCounter, schedules: 300 }))
  describeSeriesLimits('PostgreSQL', () => ({
    ...fakeClock,
    make: postgresCounter(database.knex),
    schedules: 20,
  }))
})

;(redisAvailable() ? describe : describe.skip)('limits on the clock of Redis', () => {
  let connection: RedisConnection
  before(async () => {
    connection = await openRedis({ redisUrl: await sharedRedisUrl(), logger: silentLogger })
  })
  after(() => connection.close())
  const redis = (): Redis => connection.redis
  describeSeriesLimits('Redis', () => ({
    make: redisCounter(redis(), `vigia:test:${process.pid}`),
    now: () => performance.now(),
    pass: (ms) => delay(ms),
    schedules: 40,
    seconds: 1,
  }))
})
