/** The migrations in order: an explicit list, so that a stray file never becomes part of the schema. */
import type { Knex } from 'knex'
import * as accountsRunsModels from './0001-accounts-runs-models.ts'
import * as threeLevels from './0002-three-levels.ts'
import * as tiersAdviceForecasts from './0003-tiers-advice-forecasts.ts'
import * as series from './0004-series.ts'
import * as notifications from './0005-notifications.ts'
import * as incidents from './0006-incidents.ts'
import * as attributionLag from './0007-attribution-lag.ts'
import * as mutesOnce from './0008-mutes-once.ts'

interface Migration {
  readonly name: string
  readonly up: (knex: Knex) => Promise<void>
  readonly down: (knex: Knex) => Promise<void>
}

const MIGRATIONS: readonly Migration[] = [
  { name: '0001-accounts-runs-models', ...accountsRunsModels },
  { name: '0002-three-levels', ...threeLevels },
  { name: '0003-tiers-advice-forecasts', ...tiersAdviceForecasts },
  { name: '0004-series', ...series },
  { name: '0005-notifications', ...notifications },
  { name: '0006-incidents', ...incidents },
  { name: '0007-attribution-lag', ...attributionLag },
  { name: '0008-mutes-once', ...mutesOnce },
]

export const migrationNames: readonly string[] = MIGRATIONS.map((migration) => migration.name)

export const migrationSource: Knex.MigrationSource<Migration> = {
  getMigrations: () => Promise.resolve([...MIGRATIONS]),
  getMigrationName: (migration) => migration.name,
  getMigration: (migration) => Promise.resolve(migration),
}
