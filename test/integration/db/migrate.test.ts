import { expect } from 'chai'
import type { Knex } from 'knex'
import { migrateDown, migrateToLatest, pendingMigrations } from '../../../db/migrate.ts'
import { openDatabase } from '../../../db/open.ts'
import { AppError } from '../../../shared/core/errors.ts'
import { silentLogger } from '../../../shared/platform/logger.ts'
import type { Logger } from '../../../shared/platform/logger.ts'
import { openEmptyDatabase, openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { eventually } from '../../support/eventually.ts'
import { startProcess } from '../../support/processes.ts'

const MIGRATOR = new URL('../../support/stuck-migrator.js', import.meta.url)

const tablesOf = async (knex: Knex): Promise<readonly string[]> =>
  (await knex('information_schema.tables').where({ table_schema: 'public' }).pluck('table_name')) as string[]

const indexesOf = async (knex: Knex, table: string): Promise<readonly string[]> =>
  (await knex('pg_indexes').where({ tablename: table }).orderBy('indexname').pluck('indexname')) as string[]

const CLASSIFICATION = {
  tier: 'LOW',
  confidence: 0.8,
  probabilities: '{}',
  metrics_snapshot: '{"spend_7d":12}',
  direction: 'stable',
  tier_since: '2026-03-01',
  classification_date: '2026-03-09',
  classified_at: '2026-03-10T03:00:00Z',
  valid_until: '2026-03-11T03:00:00Z',
  model_version: 'rules-1',
}
const FEATURES = {
  feature_date: '2026-03-09',
  watermark: '2026-03-10T03:00:00Z',
  features: '{"spend_7d":70}',
}

const makeConfig = async (knex: Knex): Promise<number> => {
  const rows = (await knex('ads_configs').insert({ account_id: 'act_1', name: 'One' }).returning('id')) as {
    id: number
  }[]
  return rows[0]?.id ?? 0
}

const ALL = [
  '0001-accounts-runs-models',
  '0002-three-levels',
  '0003-tiers-advice-forecasts',
  '0004-series',
  '0005-notifications',
  '0006-incidents',
  '0007-attribution-lag',
  '0008-mutes-once',
]

/** Takes back whatever came after the migration `name`. */
const downTo = async (knex: Knex, name: string): Promise<void> => {
  for (let left = ALL.length - 1 - ALL.indexOf(name); left > 0; left -= 1) await migrateDown(knex)
}

describe('migrations', () => {
  let database: TestDatabase
  let knex: Knex
  beforeEach(async () => {
    database = await openEmptyDatabase()
    ;({ knex } = database)
  })
  afterEach(() => database.close())

  it('go all the way up, down and up again', async () => {
    expect(await pendingMigrations(knex)).to.have.length(ALL.length)
    expect(await migrateToLatest(knex)).to.deep.equal(ALL)
    const tables = await tablesOf(knex)
    expect(await pendingMigrations(knex)).to.deep.equal([])
    for (const name of ALL.toReversed()) expect(await migrateDown(knex)).to.deep.equal([name])
    expect(await migrateDown(knex)).to.deep.equal([])
    expect(await tablesOf(knex)).to.have.members(['knex_migrations', 'knex_migrations_lock'])
    await migrateToLatest(knex)
    expect(await tablesOf(knex)).to.have.members([...tables])
  })

  it('look without touching', async () => {
    await pendingMigrations(knex)
    expect(await tablesOf(knex)).to.deep.equal([])
  })

  it('are applied once when many processes try at once, the queue schema with them', async () => {
    let inside = 0
    let most = 0
    const migrateQueues = async (): Promise<void> => {
      most = Math.max(most, (inside += 1))
      await knex.raw('select pg_sleep(0.01)')
      inside -= 1
    }
    const results = await Promise.all([1, 2, 3].map(() => migrateToLatest(knex, { migrateQueues })))
    expect(results.flat()).to.deep.equal(ALL)
    expect(most).to.equal(1)
  })

  it('leave nothing behind when one of them fails', async () => {
    await knex.raw('create table ml_classifications (blocks text)')
    let refusal: unknown
    await migrateToLatest(knex).catch((error: unknown) => (refusal = error))
    expect(String(refusal)).to.match(/ml_classifications.* already exists/)
    expect(await tablesOf(knex)).to.have.members([
      'ml_classifications',
      'knex_migrations',
      'knex_migrations_lock',
    ])
    await knex.raw('drop table ml_classifications')
    expect(await migrateToLatest(knex)).to.have.length(ALL.length)
  })

  it('go on after a migrator was killed, whatever locks it held', async () => {
    const stuck = startProcess(MIGRATOR, { args: [database.url] })
    await stuck.line(/inside/)
    // What knex leaves when it is killed on the way down.
    await knex('knex_migrations_lock').update({ is_locked: 1 })
    const waiting: string[] = []
    const logger: Logger = { ...silentLogger, info: (message) => void waiting.push(message) }
    const next = migrateDown(knex, { logger })
    await eventually('the second migrator waits', () => waiting.some((line) => /waiting/.test(line)))
    await stuck.end('SIGKILL')
    expect(await next).to.deep.equal(ALL.slice(-1))
  })

  it('carry classifications and features of campaigns to three levels, and back, row by row', async () => {
    await migrateToLatest(knex)
    await downTo(knex, '0001-accounts-runs-models')
    const configId = await makeConfig(knex)
    const campaign = { config_id: configId, campaign_id: 'c_1' }
    await knex('ml_campaign_classifications').insert({ ...campaign, ...CLASSIFICATION })
    await knex('ml_features').insert({ ...campaign, ...FEATURES })
    const before = {
      classification: await knex('ml_campaign_classifications').first<object>(),
      features: await knex('ml_features').first<object>(),
      indexes: await indexesOf(knex, 'ml_campaign_classifications'),
    }

    await migrateToLatest(knex)
    const { campaign_id: _, ...kept } = before.classification as Record<string, unknown>
    const level = { entity_type: 'campaign', entity_id: 'c_1', parent_id: null }
    expect(await knex('ml_classifications').first<object>()).to.deep.equal({ ...kept, ...level })
    expect(await knex('ml_features').first<object>()).to.include(level)
    expect(await indexesOf(knex, 'ml_classifications')).to.deep.equal([
      'idx_ml_classifications_config_entity',
      'idx_ml_classifications_entity_type',
      'ml_classifications_date',
      'ml_classifications_entity_day',
      'ml_classifications_pkey',
    ])

    await downTo(knex, '0001-accounts-runs-models')
    expect(await knex('ml_campaign_classifications').first<object>()).to.deep.equal(before.classification)
    expect(await knex('ml_features').first<object>()).to.deep.equal(before.features)
    expect(await indexesOf(knex, 'ml_campaign_classifications')).to.deep.equal(before.indexes)
  })

  it('let one entity of each level have the same id and day, and no level two', async () => {
    await migrateToLatest(knex)
    const configId = await makeConfig(knex)
    const add = async (entity_type?: string): Promise<void> => {
      const entity = { config_id: configId, entity_id: 'x', ...(entity_type ? { entity_type } : {}) }
      await knex('ml_classifications').insert({ ...entity, ...CLASSIFICATION })
    }
    await add()
    await add('adset')
    await add('ad')
    let refusal: unknown
    await add('campaign').catch((error: unknown) => (refusal = error))
    expect((refusal as { code: string }).code).to.equal('23505')
  })

  for (const table of ['ml_classifications', 'ml_features']) {
    it(`refuse the way down while ${table} has rows of other levels`, async () => {
      await migrateToLatest(knex)
      const configId = await makeConfig(knex)
      const row = {
        config_id: configId,
        entity_id: 'a_1',
        ...(table === 'ml_features' ? FEATURES : CLASSIFICATION),
      }
      await knex(table).insert([
        { ...row, entity_type: 'adset' },
        { ...row, entity_type: 'campaign' },
      ])
      await downTo(knex, '0002-three-levels')
      let refusal: unknown
      await migrateDown(knex).catch((error: unknown) => (refusal = error))
      expect(refusal).to.be.instanceOf(AppError)
      expect((refusal as AppError).code).to.equal('CONFLICT')
      expect((refusal as AppError).message).to.match(new RegExp(`\\(1 in ${table}\\).*entity_type`))
      expect(await pendingMigrations(knex)).to.deep.equal(ALL.slice(2))
      expect(await knex(table).pluck('entity_type')).to.have.members(['adset', 'campaign'])

      await knex(table).where({ entity_type: 'adset' }).del()
      expect(await migrateDown(knex)).to.deep.equal(['0002-three-levels'])
    })
  }

  it('leave a schema newer than the code alone', async () => {
    await migrateToLatest(knex)
    await knex('knex_migrations').insert({ name: '0099-from-tomorrow', batch: 9, migration_time: new Date() })
    expect(await migrateToLatest(knex)).to.deep.equal([])
    let refusal: unknown
    await migrateDown(knex).catch((error: unknown) => (refusal = error))
    expect((refusal as AppError).message).to.match(/0099-from-tomorrow.*does not know/)
  })

  it('ask for the two connections they need', async () => {
    const small = await openDatabase({
      url: database.url,
      poolMax: 1,
      logger: silentLogger,
      applicationName: 'test',
    })
    try {
      let refusal: unknown
      await migrateToLatest(small.knex).catch((error: unknown) => (refusal = error))
      expect(String(refusal)).to.match(/pool of 2, this one has 1/)
    } finally {
      await small.close()
    }
  })
})

describe('a test database', () => {
  it('comes migrated', async () => {
    const database = await openTestDatabase()
    try {
      expect(await pendingMigrations(database.knex)).to.deep.equal([])
    } finally {
      await database.close()
    }
  })
})
