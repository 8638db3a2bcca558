import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { openEmbeddedPostgres } from '../../../db/embedded/server.ts'
import type { EmbeddedPostgres } from '../../../db/embedded/server.ts'
import { migrateToLatest } from '../../../db/migrate.ts'
import { openDatabase } from '../../../db/open.ts'
import type { Database } from '../../../db/open.ts'
import { silentLogger } from '../../../shared/platform/logger.ts'
import { migrateQueues, openQueues } from '../../../shared/queue/open-queues.ts'
import { eventually } from '../../support/eventually.ts'
import { openJobSystem } from '../../support/job-system.ts'
import type { JobSystem } from '../../support/job-system.ts'
import { createTestTables, effectsOf, openGate, testEffect, testGated } from '../../support/test-jobs.ts'

/** ReadyForQuery, and an ErrorResponse (PostgreSQL, "Message Formats"). */
const READY = Buffer.from('Z\0\0\0\x05I', 'latin1')
const FAREWELL = Buffer.concat([
  Buffer.from('E\0\0\0\x36', 'latin1'),
  Buffer.from('SFATAL\0C57P01\0Mterminating connection in between\0\0', 'latin1'),
])

/** In front of PostgreSQL; the first connection ends in one piece with the reply to its first query. */
const openEndingProxy = async (url: string): Promise<{ url: string; close(): void }> => {
  const { hostname, port } = new URL(url)
  let replies = 0
  const server = createServer((near) => {
    const far = connect(Number(port), hostname)
    near.on('error', () => far.destroy())
    far.on('error', () => near.destroy())
    near.pipe(far)
    far.on('data', (chunk: Buffer) => {
      // The first is the login's.
      if (chunk.subarray(-READY.length).equals(READY)) replies += 1
      if (replies !== 2) return near.write(chunk)
      replies += 1
      far.destroy()
      return near.end(Buffer.concat([chunk, FAREWELL]))
    })
    far.on('end', () => near.end())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const through = new URL(url)
  through.hostname = '127.0.0.1'
  through.port = String((server.address() as AddressInfo).port)
  return { url: through.href, close: () => server.close() }
}

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

  it('ends no process when it ends a connection between two queries', async () => {
    await migrateQueues({ redisUrl: undefined, databaseUrl: url })
    const proxy = await openEndingProxy(url)
    const queues = await openQueues({ databaseUrl: proxy.url, logger: silentLogger })
    expect(await queues.workersAlive('ml')).to.equal(0)
    await queues.close()
    proxy.close()
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
    // The enqueue may have slipped in before the server was gone.
    await patiently('the gate', async () => {
      await openGate(database.knex, 'running')
      return true
    })
    const all = [running, later, ...waiting].map(({ id }) => id)
    await patiently('every run', async () => {
      const open: unknown = await database.knex('runs').whereNot('status', 'succeeded').first('id')
      return open === undefined ? true : null
    })
    for (const id of all) expect(await effectsOf(database.knex, id)).to.deep.equal(['done'])
  })
})
