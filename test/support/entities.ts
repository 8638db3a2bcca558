/** The services of accounts and their data over a real database. */
import { Readable } from 'node:stream'
import type { Knex } from 'knex'
import { configs as configStore } from '../../db/repositories/configs.ts'
import { entities as entityStore } from '../../db/repositories/entities.ts'
import { freshness as freshnessStore } from '../../db/repositories/freshness.ts'
import { imports as importStore } from '../../db/repositories/imports.ts'
import { insights as insightStore } from '../../db/repositories/insights.ts'
import { createConfigs } from '../../shared/entities/configs.ts'
import type { Configs } from '../../shared/entities/configs.ts'
import { createEntities } from '../../shared/entities/entities.ts'
import type { Entities } from '../../shared/entities/entities.ts'
import { createDataFreshness } from '../../shared/entities/freshness.ts'
import type { DataFreshness } from '../../shared/entities/freshness.ts'
import { createImports } from '../../shared/entities/imports.ts'
import type { ImportReport, Imports } from '../../shared/entities/imports.ts'
import { createInsights } from '../../shared/entities/insights.ts'
import type { Insights } from '../../shared/entities/insights.ts'
import { silentLogger } from '../../shared/platform/logger.ts'

export interface EntityServices {
  readonly configs: Configs
  readonly imports: Imports
  readonly entities: Entities
  readonly insights: Insights
  readonly freshness: DataFreshness
  /** Configs whose artifacts were removed, in order. */
  readonly removed: number[]
  /** Moves the clock. */
  setNow(instant: string): void
  /** A new config in BRL; every call has an account of its own. */
  newConfig(timezone?: string): Promise<number>
  /** Imports the text as one file. */
  importText(configId: number, text: string): Promise<ImportReport>
}

export const bytesOf = (...chunks: readonly (string | Uint8Array)[]): Readable =>
  Readable.from(chunks.map((chunk) => (typeof chunk === 'string' ? Buffer.from(chunk) : chunk)))

let accounts = 0

export const openEntityServices = (knex: Knex, now: string): EntityServices => {
  let instant = new Date(now)
  const clock = { now: () => instant }
  const removed: number[] = []
  const artifacts = {
    removeConfig: (configId: number) => {
      removed.push(configId)
      return Promise.resolve()
    },
  }
  const configs = createConfigs(configStore(knex), artifacts, silentLogger)
  const imports = createImports(importStore(knex), configs, clock)
  const freshness = createDataFreshness(freshnessStore(knex), configs, silentLogger)
  const entities = createEntities(entityStore(knex), freshness, clock)
  const insights = createInsights(insightStore(knex), configs, entities, clock)
  return {
    configs,
    imports,
    entities,
    insights,
    freshness,
    removed,
    setNow: (text) => {
      instant = new Date(text)
    },
    newConfig: async (timezone = 'America/Sao_Paulo') => {
      accounts += 1
      const draft = { name: `Account ${accounts}`, account_id: `act_${accounts}`, timezone, currency: 'BRL' }
      return (await configs.create(draft)).id
    },
    importText: (configId, text) =>
      imports.importInsights({ configId, source: bytesOf(text), actor: 'test' }),
  }
}

/** The promise's rejection; fails when it is kept. */
export const rejectionOf = async (promise: Promise<unknown>): Promise<Error> => {
  try {
    await promise
  } catch (error) {
    return error as Error
  }
  throw new Error('expected a rejection')
}
