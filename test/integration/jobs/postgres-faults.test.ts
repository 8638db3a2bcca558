import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { openEmbeddedPostgres } from '../../../db/embedded/server.ts'
import type { EmbeddedPostgres } from '../../../db/embedded/server.ts'
import { migrateToLatest } from '../../../db/migrate.ts'
import { openDatabase } from '../../../db/open.ts'
import type { Database } from '../../../db/open.ts'
import { silentLogger } from '../../../shared/platform/logger.ts'
import { openQueues } from '../../../shared/queue/open-queues.ts'
import { eventually } from '../../support/eventually.ts'
import { openJobSystem } from '../../support/job-system.ts'
import type { JobSystem } from '../../support/job-system.ts'
import { createTestTables, effectsOf, openGate, testEffect, testGated } from '../../support/test-jobs.ts'

describe('PostgreSQL that is killed under jobs', () => {
  let home: string
  let postgres: EmbeddedPostgres
  let url: string
  let database: Database
  let system: JobSystem

  before(async () => {
    home = await mkdtemp(join(tmpdir(), 'vigia-faults-'))
    postgres = await openEmbeddedPostgres({ home, logger: silentLogger })
    url = await postgres.urlOf('vigia')
    database = await openDatabase({ url, poolMax: 6, logger: silentLogger, applicationName: 'vigia-test' })
    await migrateToLatest(database.knex)
    await createTestTables(database.knex)
  })
  after(async () => {
    await system.close()
    await database.close()
    await postgres.release()
    await rm(home, { recursive: true, force: true })
  })

  it('says what to do when the schema of the queues is missing', async () => {
    const refusal: unknown = await openQueues({ databaseUrl: url, logger: silentLogger }).catch(
      (error: unknown) => error,
    )
    expect(refusal).to.include({ code: 'STORAGE_UNAVAILABLE' })
    expect(refusal).to.have.property('message').that.contains('run "vigia migrate"')
  })

  it('loses no accepted work and does nothing twice', async () => {
    system = await openJobSystem({
      knex: database.knex,
      databaseUrl: url,
      redisUrl: undefined,
      prefix: '',
    })
    system.work()
    const running = await system.enqueue(testGated, { key: 'running' })
    await eventually('the gated run', () => database.knex('entered').where({ run_id: running.id }).first())
    const waiting = await system.enqueueMany(
      testEffect,
      Array.from({ length: 10 }, (_, index) => ({ key: `waiting ${index}` })),
      { delayMs: 1500 },
    )
    process.kill((await postgres.serverPid()) ?? 0, 'SIGKILL')
    // Refused while it is away, taken as soon as it is back.
    const patiently = <T>(what: string, ask: () => Promise<T | null>): Promise<NonNullable<T>> =>
      eventually(what, () => ask().catch(() => null), 60_000)
    const later = await patiently('an enqueue', () => system.enqueue(testEffect, { key: 'later' }))
    await openGate(database.knex, 'running')
    const all = [running, later, ...waiting].map(({ id }) => id)
    await patiently('every run', async () => {
      const open: unknown = await database.knex('runs').whereNot('status', 'succeeded').first('id')
      return open === undefined ? true : null
    })
    for (const id of all) expect(await effectsOf(database.knex, id)).to.deep.equal(['done'])
  }).timeout(90_000)
})
