/**
 * Brings the schema to the newest version, or one step back. Several processes may try at once: an advisory
 * lock lets one work, and ends with its connection, so a killed migrator blocks nobody (knex' own lock row
 * stays behind then, and is freed by the next one). All steps of one call are one transaction.
 *
 * The pool needs two connections: one holds the lock while the other works.
 */
import type { Knex } from 'knex'
import { AppError } from '../shared/core/errors.ts'
import type { Logger } from '../shared/platform/logger.ts'
import { migrationNames, migrationSource } from './migrations/index.ts'

/** Any fixed number that nothing else in the database locks. */
const LOCK_ID = 7_164_442_031
const POOL_LEAST = 2

/** knex would refuse a schema newer than the code, which is the normal state of a rolling deploy. */
const config = { migrationSource, disableMigrationsListValidation: true } as const

export interface MigrateOptions {
  readonly logger?: Logger
  /** Brings the queue's own schema along, under the same lock; absent when the queues live in Redis. */
  readonly migrateQueues?: () => Promise<void>
}

const exclusively = async <T>(knex: Knex, logger: Logger | undefined, work: () => Promise<T>): Promise<T> => {
  const pool = knex.client.pool as { readonly max: number }
  if (pool.max < POOL_LEAST)
    throw new Error(`migrations need a pool of ${POOL_LEAST}, this one has ${pool.max}`)
  const connection: unknown = await knex.client.acquireConnection()
  const ask = async (sql: string): Promise<unknown> => {
    const { rows } = (await knex.raw(sql, [LOCK_ID]).connection(connection)) as {
      readonly rows: readonly { readonly granted: unknown }[]
    }
    return rows[0]?.granted
  }
  try {
    if ((await ask('select pg_try_advisory_lock(?) as granted')) !== true) {
      logger?.info('another process migrates the database, waiting for it')
      await ask('select pg_advisory_lock(?) as granted')
    }
    try {
      return await work()
    } finally {
      // Also after a failure: the connection goes back to the pool and would keep the lock.
      await ask('select pg_advisory_unlock(?) as granted')
    }
  } finally {
    await knex.client.releaseConnection(connection)
  }
}

/** Names of the applied migrations, oldest first. Reads only: knex' own list would make its tables. */
const appliedMigrations = async (knex: Knex): Promise<readonly string[]> => {
  const { rows } = (await knex.raw("select to_regclass('knex_migrations') is not null as made")) as {
    readonly rows: readonly { readonly made: boolean }[]
  }
  if (!rows[0]?.made) return []
  return (await knex('knex_migrations').orderBy('id').pluck('name')) as string[]
}

/** Migrations the database has and this code does not know. */
const unknownMigrations = async (knex: Knex): Promise<readonly string[]> =>
  (await appliedMigrations(knex)).filter((name) => !migrationNames.includes(name))

/**
 * @returns names of the migrations that were applied, in order
 * @throws what a failing migration throws; nothing of the call remains then
 */
export const migrateToLatest = (
  knex: Knex,
  { logger, migrateQueues }: MigrateOptions = {},
): Promise<readonly string[]> =>
  exclusively(knex, logger, async () => {
    await knex.migrate.forceFreeMigrationsLock(config)
    const newer = await unknownMigrations(knex)
    if (newer.length > 0) logger?.warn('the database is newer than this version of vigia', { newer })
    const [, applied] = (await knex.migrate.latest(config)) as [number, string[]]
    if (applied.length > 0) logger?.info('migrated the database', { applied })
    await migrateQueues?.()
    return applied
  })

/**
 * Takes back the newest migration.
 * @returns its name, or nothing when none is left
 * @throws AppError CONFLICT when it would lose rows, or when the database is newer than this code
 */
export const migrateDown = (
  knex: Knex,
  { logger }: Pick<MigrateOptions, 'logger'> = {},
): Promise<readonly string[]> =>
  exclusively(knex, logger, async () => {
    await knex.migrate.forceFreeMigrationsLock(config)
    const newer = await unknownMigrations(knex)
    if (newer.length > 0) {
      throw new AppError(
        'CONFLICT',
        `the database has ${newer.join(', ')}, which this version of vigia does not know: migrate down with the version that made it`,
      )
    }
    const [, undone] = (await knex.migrate.down(config)) as [number, string[]]
    if (undone.length > 0) logger?.info('took back a migration', { undone })
    return undone
  })

/** Names of migrations not applied yet; empty when the schema is current. */
export const pendingMigrations = async (knex: Knex): Promise<readonly string[]> => {
  const applied = await appliedMigrations(knex)
  return migrationNames.filter((name) => !applied.includes(name))
}
