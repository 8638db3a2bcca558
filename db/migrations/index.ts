/** The migrations in order: an explicit list, so that a stray file never becomes part of the schema. */
import type { Knex } from 'knex'
import * as accountsRunsModels from './0001-accounts-runs-models.ts'

interface Migration {
  readonly name: string
  readonly up: (knex: Knex) => Promise<void>
  readonly down: (knex: Knex) => Promise<void>
}

const MIGRATIONS: readonly Migration[] = [{ name: '0001-accounts-runs-models', ...accountsRunsModels }]

export const migrationSource: Knex.MigrationSource<Migration> = {
  getMigrations: () => Promise.resolve([...MIGRATIONS]),
  getMigrationName: (migration) => migration.name,
  getMigration: (migration) => Promise.resolve(migration),
}
