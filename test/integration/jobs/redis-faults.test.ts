import { expect } from 'chai'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { eventually } from '../../support/eventually.ts'
import { openJobSystem } from '../../support/job-system.ts'
import type { JobSystem } from '../../support/job-system.ts'
import { ownRedisAvailable, startOwnRedis } from '../../support/redis.ts'
import type { TestRedis } from '../../support/redis.ts'
import { createTestTables, effectsOf, openGate, testEffect, testGated } from '../../support/test-jobs.ts'
import { AppError } from '../../../shared/core/errors.ts'
import { silentLogger } from '../../../shared/platform/logger.ts'
import { openQueues } from '../../../shared/queue/open-queues.ts'
;(ownRedisAvailable() ? describe : describe.skip)('Redis that fails', () => {
  let database: TestDatabase
  let redis: TestRedis
  let system: JobSystem

  before(async () => {
    database = await openTestDatabase()
    await createTestTables(database.knex)
    redis = await startOwnRedis()
    system = await openJobSystem({
      knex: database.knex,
      databaseUrl: database.url,
      redisUrl: redis.url,
      prefix: 'faults',
    })
    await system.queues.ready()
  })
  after(async () => {
    await system.close()
    await redis.close()
    await database.close()
  })

  const status = async (id: string): Promise<string | undefined> => (await system.runs.get(id))?.status

  it('is rebuilt from PostgreSQL within 60 s when it was wiped, and nothing happens twice', async () => {
    const workers = system.work()
    const done = await system.enqueue(testEffect, { key: 'done before' })
    await eventually('the first run', async () => (await status(done.id)) === 'succeeded')
    const running = await system.enqueue(testGated, { key: 'running' })
    await eventually('the gated run', () => database.knex('entered').where({ run_id: running.id }).first())
    // Waits in the queue for a while, so that the wipe takes it.
    const waiting = await system.enqueueMany(
      testEffect,
      Array.from({ length: 25 }, (_, index) => ({ key: `waiting ${index}` })),
      { delayMs: 3000 },
    )
    await redis.stop({ wipe: true })
    const accepted = await system.enqueue(testEffect, { key: 'accepted while it is down' })
    expect(accepted).to.include({ created: true, status: 'queued' })
    const refusal: unknown = await system.queues.check().catch((error: unknown) => error)
    expect(refusal).to.include({ code: 'STORAGE_UNAVAILABLE' })
    await redis.start()
    await openGate(database.knex, 'running')

    const all = [done, running, accepted, ...waiting].map(({ id }) => id)
    await eventually(
      'every run',
      async () => {
        const open = await database
          .knex('runs')
          .whereIn('id', all)
          .whereNot('status', 'succeeded')
          .first('id')
        return open === undefined
      },
      60_000,
    )
    for (const id of all) expect(await effectsOf(database.knex, id)).to.deep.equal(['done'])
    await workers.close()
  })

  it('is refused with what to do when it may evict jobs', async () => {
    const evicting = await startOwnRedis(['--maxmemory-policy', 'allkeys-lru'])
    const queues = await openQueues({
      redisUrl: evicting.url,
      databaseUrl: database.url,
      logger: silentLogger,
    })
    const refusal: unknown = await queues.ready().catch((error: unknown) => error)
    expect(refusal).to.be.instanceOf(AppError)
    expect(refusal)
      .to.have.property('message')
      .that.contains('maxmemory-policy is allkeys-lru; set it to noeviction')
    await queues.close()
    await evicting.close()
  })

  it('is named, and waited for no longer than said, when it was never there', async () => {
    const absent = await startOwnRedis()
    await absent.stop()
    const queues = await openQueues({
      redisUrl: absent.url,
      databaseUrl: database.url,
      logger: silentLogger,
      patienceMs: 200,
    })
    const refusal: unknown = await queues.ready().catch((error: unknown) => error)
    expect(refusal)
      .to.have.property('message')
      .that.contains(`Redis at 127.0.0.1:${absent.port} does not answer`)
      .and.contains('check REDIS_URL')
    await queues.close()
    await absent.close()
  })

  it('is taken up as soon as it comes', async () => {
    const late = await startOwnRedis()
    await late.stop()
    const queues = await openQueues({ redisUrl: late.url, databaseUrl: database.url, logger: silentLogger })
    const ready = queues.ready()
    await late.start()
    await ready
    expect(await queues.workersAlive('ml')).to.equal(0)
    await queues.close()
    await late.close()
  })
})
