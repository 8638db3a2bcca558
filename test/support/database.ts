/**
 * Real PostgreSQL for tests: one embedded server for the whole mocha run, and a database of its own per
 * file, copied from a migrated template. The server lives in a temporary folder with fsync off; nothing in
 * it outlives the run.
 */
import { rm } from 'node:fs/promises'
import type { Knex } from 'knex'
import { openEmbeddedPostgres } from '../../db/embedded/server.ts'
import type { EmbeddedPostgres } from '../../db/embedded/server.ts'
import { migrateToLatest } from '../../db/migrate.ts'
import { openDatabase } from '../../db/open.ts'
import type { Database } from '../../db/open.ts'
import { silentLogger } from '../../shared/platform/logger.ts'
import { migrateQueues } from '../../shared/queue/open-queues.ts'
import { clearLeftovers, temporaryFolder } from './folders.ts'

const TEMPLATE = 'vigia_template'
export const THROW_AWAY = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }

interface TestServer {
  readonly home: string
  readonly postgres: EmbeddedPostgres
  /** Makes and drops databases. */
  readonly admin: Database
}

let server: Promise<TestServer> | undefined
let databases = 0

const open = (url: string, poolMax: number): Promise<Database> =>
  openDatabase({ url, poolMax, logger: silentLogger, applicationName: 'vigia-test' })

const startServer = async (): Promise<TestServer> => {
  await clearLeftovers()
  const home = await temporaryFolder()
  const postgres = await openEmbeddedPostgres({ home, logger: silentLogger, settings: THROW_AWAY })
  const url = await postgres.urlOf(TEMPLATE)
  const template = await open(url, 2)
  await migrateToLatest(template.knex, {
    migrateQueues: () => migrateQueues({ redisUrl: undefined, databaseUrl: url }),
  })
  // PostgreSQL copies only a database nobody is connected to.
  await template.close()
  return { home, postgres, admin: await open(await postgres.urlOf('postgres'), 2) }
}

export interface TestDatabase {
  readonly knex: Knex
  readonly url: string
  /** Closes the pool and drops the database. */
  close(): Promise<void>
}

const openFrom = async (template: string, poolMax: number): Promise<TestDatabase> => {
  const { postgres, admin } = await (server ??= startServer())
  const name = `vigia_test_${(databases += 1)}`
  await admin.knex.raw('create database ?? template ??', [name, template])
  const url = await postgres.urlOf(name)
  const database = await open(url, poolMax)
  return {
    knex: database.knex,
    url,
    close: async () => {
      await database.close()
      await admin.knex.raw('drop database if exists ?? with (force)', [name])
    },
  }
}

/** A fresh, migrated database, the schema of the queues in it. Open it in `before`, close it in `after`. */
export const openTestDatabase = (poolMax = 8): Promise<TestDatabase> => openFrom(TEMPLATE, poolMax)

/** A fresh database without any table of ours. */
export const openEmptyDatabase = (poolMax = 8): Promise<TestDatabase> => openFrom('template1', poolMax)

/** Ends the server of this run, if a test started one. Called once by the root hooks. */
export const closeTestServer = async (): Promise<void> => {
  if (!server) return
  const { home, postgres, admin } = await server
  server = undefined
  await admin.close()
  await postgres.release()
  await rm(home, { recursive: true, force: true })
}
