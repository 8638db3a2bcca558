/**
 * Real PostgreSQL for tests: one embedded server for the whole mocha run, and a database of its own per
 * file, copied from a migrated template. The server lives in a temporary folder with fsync off; nothing in
 * it outlives the run.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Knex } from 'knex'
import { openEmbeddedPostgres } from '../../db/embedded/server.ts'
import type { EmbeddedPostgres } from '../../db/embedded/server.ts'
import { migrateToLatest } from '../../db/migrate.ts'
import { openDatabase } from '../../db/open.ts'
import { silentLogger } from '../../shared/platform/logger.ts'

const TEMPLATE = 'vigia_template'
/** Not in the middle of a name: PostgreSQL's own template0 and template1 stay untouched. */
const THROW_AWAY = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }

interface TestServer {
  readonly home: string
  readonly postgres: EmbeddedPostgres
}

let server: Promise<TestServer> | undefined
let databases = 0

const startServer = async (): Promise<TestServer> => {
  const home = await mkdtemp(join(tmpdir(), 'vigia-test-'))
  const postgres = await openEmbeddedPostgres({ home, logger: silentLogger, settings: THROW_AWAY })
  const template = await openDatabase({
    url: await postgres.urlOf(TEMPLATE),
    poolMax: 2,
    logger: silentLogger,
    applicationName: 'vigia-test-template',
  })
  await migrateToLatest(template.knex)
  await template.close()
  return { home, postgres }
}

export interface TestDatabase {
  readonly knex: Knex
  readonly url: string
  /** Closes the pool and drops the database. */
  close(): Promise<void>
}

/** A fresh, migrated database. Open it in `before`, close it in `after`. */
export const openTestDatabase = async (poolMax = 8): Promise<TestDatabase> => {
  const { postgres } = await (server ??= startServer())
  const name = `vigia_test_${(databases += 1)}`
  const admin = await openDatabase({
    url: await postgres.urlOf('postgres'),
    poolMax: 1,
    logger: silentLogger,
    applicationName: 'vigia-test-admin',
  })
  try {
    await admin.knex.raw('create database ?? template ??', [name, TEMPLATE])
  } finally {
    await admin.close()
  }
  const url = await postgres.urlOf(name)
  const database = await openDatabase({ url, poolMax, logger: silentLogger, applicationName: 'vigia-test' })
  return {
    knex: database.knex,
    url,
    close: async () => {
      await database.close()
      const dropper = await openDatabase({
        url: await postgres.urlOf('postgres'),
        poolMax: 1,
        logger: silentLogger,
        applicationName: 'vigia-test-admin',
      })
      try {
        await dropper.knex.raw('drop database if exists ?? with (force)', [name])
      } finally {
        await dropper.close()
      }
    },
  }
}

/** Ends the server of this run, if a test started one. Called once by the root hooks. */
export const closeTestServer = async (): Promise<void> => {
  if (!server) return
  const { home, postgres } = await server
  server = undefined
  await postgres.release()
  await rm(home, { recursive: true, force: true })
}
