/**
 * Opens the record every process works on: the PostgreSQL of DATABASE_URL, or vigia's own under VIGIA_HOME.
 * What is opened goes on the lifecycle stack, the server at the bottom.
 */
import { AppError } from '../shared/core/errors.ts'
import type { Config } from '../shared/config.ts'
import type { Lifecycle } from '../shared/platform/lifecycle.ts'
import type { Logger } from '../shared/platform/logger.ts'
import type { Store } from '../shared/store.ts'
import { openEmbeddedPostgres } from './embedded/server.ts'
import type { EmbeddedPostgres } from './embedded/server.ts'
import { pendingMigrations } from './migrate.ts'
import { openDatabase } from './open.ts'
import type { Database } from './open.ts'
import { createStore } from './store.ts'

const EMBEDDED_NAME = 'vigia'

export interface RecordOptions {
  readonly config: Pick<Config, 'DATABASE_URL' | 'VIGIA_HOME' | 'PG_POOL_MAX' | 'MODELS_STORAGE_PATH'>
  readonly logger: Logger
  readonly lifecycle: Lifecycle
  /** Shown in pg_stat_activity, e.g. `vigia-api`. */
  readonly applicationName: string
  /** How long to wait for a server of DATABASE_URL that does not answer yet. */
  readonly patienceMs?: number
}

export interface OpenRecord extends Database {
  readonly url: string
  readonly store: Store
  /** null with DATABASE_URL. */
  readonly embedded: EmbeddedPostgres | null
}

export const openRecord = async ({
  config,
  logger,
  lifecycle,
  applicationName,
  patienceMs,
}: RecordOptions): Promise<OpenRecord> => {
  let url = config.DATABASE_URL
  let embedded: EmbeddedPostgres | null = null
  if (url === undefined) {
    const server = await openEmbeddedPostgres({ home: config.VIGIA_HOME, logger })
    lifecycle.onClose('embedded PostgreSQL', () => server.release())
    embedded = server
    url = await server.urlOf(EMBEDDED_NAME)
  }
  const database = await openDatabase({
    url,
    poolMax: config.PG_POOL_MAX,
    logger,
    applicationName,
    ...(patienceMs === undefined ? {} : { patienceMs }),
  })
  lifecycle.onClose('database', () => database.close())
  return {
    knex: database.knex,
    close: () => database.close(),
    url,
    embedded,
    store: createStore(database.knex, config.MODELS_STORAGE_PATH),
  }
}

/** What readiness asks of the record; each rejects when it cannot be used. */
export const recordChecks = (
  database: Database,
): Readonly<Record<'postgres' | 'migrations', () => Promise<void>>> => ({
  postgres: async () => void (await database.knex.raw('select 1')),
  migrations: () => assertMigrated(database),
})

/** @throws CONFLICT when the schema is older than this program */
export const assertMigrated = async ({ knex }: Database): Promise<void> => {
  const pending = await pendingMigrations(knex)
  if (pending.length > 0) {
    throw new AppError(
      'CONFLICT',
      `the database lacks ${pending.length} migrations (${pending.join(', ')}); run "vigia migrate" first`,
    )
  }
}
