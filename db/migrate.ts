/**
 * Brings the schema to the newest version, or one step back. Several processes may try at once: an advisory
 * lock lets one work, and ends with its connection, so a killed migrator blocks nobody (knex' own lock row
 * would stay behind).
 */
import type { Knex } from 'knex'
import { migrationSource } from './migrations/index.ts'

/** Any fixed number that nothing else in the database locks. */
const LOCK_ID = 7_164_442_031

const config = { migrationSource, disableMigrationsListValidation: true } as const

const exclusively = async <T>(knex: Knex, work: () => Promise<T>): Promise<T> => {
  const connection: unknown = await knex.client.acquireConnection()
  try {
    await knex.raw('select pg_advisory_lock(?)', [LOCK_ID]).connection(connection)
    try {
      return await work()
    } finally {
      await knex.raw('select pg_advisory_unlock(?)', [LOCK_ID]).connection(connection)
    }
  } finally {
    await knex.client.releaseConnection(connection)
  }
}

/** @returns names of the migrations that were applied, in order */
export const migrateToLatest = (knex: Knex): Promise<readonly string[]> =>
  exclusively(knex, async () => {
    await knex.migrate.forceFreeMigrationsLock(config)
    const [, applied] = (await knex.migrate.latest(config)) as [number, string[]]
    return applied
  })

/** Takes back the newest batch. @returns names of the migrations that were undone */
export const migrateDown = (knex: Knex): Promise<readonly string[]> =>
  exclusively(knex, async () => {
    await knex.migrate.forceFreeMigrationsLock(config)
    const [, undone] = (await knex.migrate.down(config)) as [number, string[]]
    return undone
  })

/** Names of migrations not applied yet; empty when the schema is current. */
export const pendingMigrations = async (knex: Knex): Promise<readonly string[]> => {
  const [, pending] = (await knex.migrate.list(config)) as [unknown, { name: string }[]]
  return pending.map((migration) => migration.name)
}
