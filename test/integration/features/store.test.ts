import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import type { Knex } from 'knex'
import { featureStore } from '../../../db/repositories/features.ts'
import type { Fence } from '../../../shared/core/work.ts'
import { FenceLost } from '../../../shared/core/work.ts'
import type { FeatureRow, FeatureStore } from '../../../shared/features/feature-store.ts'
import { insertDays, newConfig } from '../../support/accounts.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { rejectionOf } from '../../support/entities.ts'
import { featuresOf } from '../../support/features.ts'

const DAY = '2026-03-10'
const EARLY = new Date('2026-03-11T05:00:00.000Z')
const LATE = new Date('2026-03-11T09:00:00.000Z')

const rowOf = (entityId: string, row: Partial<FeatureRow> = {}): FeatureRow => ({
  entityId,
  parentId: null,
  features: featuresOf(),
  insufficientData: false,
  ...row,
})

describe('the store of features', () => {
  let database: TestDatabase
  let knex: Knex
  let store: FeatureStore
  let configId: number
  let fence: Fence
  before(async () => {
    database = await openTestDatabase()
    ;({ knex } = database)
    store = featureStore(knex)
  })
  after(() => database.close())

  const startRun = async (): Promise<Fence> => {
    const runId = randomUUID()
    const run = { id: runId, job: 'features.ad', key: runId, queue: 'ml', payload: '{}', actor: 'test' }
    await knex('runs').insert({ ...run, status: 'running', attempt: 1 })
    return { runId, attempt: 1 }
  }
  beforeEach(async () => {
    configId = await newConfig(knex)
    fence = await startRun()
  })

  const target = (watermark = EARLY, day = DAY) => ({ configId, level: 'ad' as const, day, watermark })

  it('keeps every digit, every null and every name of the specification', async () => {
    const features = featuresOf({
      spend7d: 0.1 + 0.2,
      cplTrend: 1 / 3,
      leads7d: 4,
      isActive: false,
      budgetOwner: 'adset',
    })
    await store.write(fence, target(), [rowOf('a1', { parentId: 's1', features, insufficientData: true })])

    expect(await store.ofLevel(configId, 'ad', DAY)).to.deep.equal([
      { entityId: 'a1', parentId: 's1', features, insufficientData: true },
    ])
    const stored = (await knex('ml_features').where({ config_id: configId }).first()) as Record<
      string,
      unknown
    >
    expect(stored).to.include({ entity_type: 'ad', feature_date: DAY, run_id: fence.runId })
    expect(stored['features']).to.include({
      spend_7d: 0.1 + 0.2,
      cpl_trend: 1 / 3,
      budget_owner: 'adset',
      cpl_30d: null,
    })
    expect(Object.keys(stored['features'] as object)).to.have.length(Object.keys(features).length)
  })

  it('answers one level of one day, or those of its entities that were asked for, by id', async () => {
    await store.write(fence, target(), [rowOf('b'), rowOf('a'), rowOf('c')])
    await store.write(fence, target(EARLY, '2026-03-09'), [rowOf('d')])
    await store.write(fence, { ...target(), level: 'adset' }, [rowOf('e')])
    const idsOf = async (ids?: readonly string[]) =>
      (await store.ofLevel(configId, 'ad', DAY, ids)).map(({ entityId }) => entityId)

    expect(await idsOf()).to.deep.equal(['a', 'b', 'c'])
    expect(await idsOf(['c', 'a', 'unknown'])).to.deep.equal(['a', 'c'])
    expect(await idsOf([])).to.deep.equal([])
  })

  it('replaces what older or the same data said, and never what newer data said', async () => {
    const write = (watermark: Date, spend7d: number) =>
      store.write(fence, target(watermark), [rowOf('a1', { features: featuresOf({ spend7d }) })])
    const spend = async () => (await store.ofLevel(configId, 'ad', DAY))[0]?.features.spend7d
    await write(EARLY, 1)
    await write(LATE, 2)
    expect(await spend()).to.equal(2)
    await write(LATE, 3)
    expect(await spend()).to.equal(3)
    await write(new Date(LATE.getTime() - 1), 4)
    expect(await spend()).to.equal(3)
  })

  it('writes nothing for a run that was handed on', async () => {
    const lost = await rejectionOf(store.write({ ...fence, attempt: 2 }, target(), [rowOf('a1')]))
    expect(lost).to.be.instanceOf(FenceLost)
    expect(await store.ofLevel(configId, 'ad', DAY)).to.deep.equal([])
  })

  it('lists them newest first, by page, by cursor and by every filter', async () => {
    for (const day of ['2026-03-08', '2026-03-09', DAY])
      await store.write(fence, target(EARLY, day), [rowOf('a1'), rowOf('a2')])
    const filter = { configId, level: 'ad' as const }
    const all = await store.list(filter, { page: 1, pageSize: 4, afterId: null })
    expect(all.total).to.equal(6)
    expect(all.data.map(({ day }) => day)).to.deep.equal([DAY, DAY, '2026-03-09', '2026-03-09'])
    expect(all.data[0]).to.include({ configId, entityType: 'ad' })
    expect(all.data[0]?.watermark).to.deep.equal(EARLY)

    const afterId = Buffer.from(all.next_cursor ?? '', 'base64url').toString()
    const rest = await store.list(filter, { page: 1, pageSize: 4, afterId })
    expect(rest.data.map(({ day }) => day)).to.deep.equal(['2026-03-08', '2026-03-08'])
    const second = await store.list(filter, { page: 2, pageSize: 4, afterId: null })
    expect(second.data).to.deep.equal(rest.data)

    const found = async (more: object) =>
      (await store.list({ ...filter, ...more }, { page: 1, pageSize: 50, afterId: null })).total
    expect(await found({ entityId: 'a1' })).to.equal(3)
    expect(await found({ day: '2026-03-09' })).to.equal(2)
    expect(await found({ from: '2026-03-09' })).to.equal(4)
    expect(await found({ to: '2026-03-08' })).to.equal(2)
    expect(await found({ level: 'adset' })).to.equal(0)
  })

  it('knows what a lead costs the account over the 14 days, from sums', async () => {
    const day = (date: string, spend: number, leads: number, adId = 'a1') => ({
      adId,
      adsetId: 's1',
      campaignId: 'c1',
      date,
      spend,
      impressions: 1000,
      clicks: 20,
      leads,
      reach: null,
    })
    await insertDays(knex, configId, [
      day('2026-02-24', 500, 9),
      day('2026-02-25', 10.1, 1),
      day(DAY, 20.2, 1),
      day(DAY, 29.7, 1, 'a2'),
      day('2026-03-11', 500, 9),
    ])
    expect(await store.accountReference(configId, DAY)).to.deep.equal({
      avgCpl: 20,
      avgCtr: 2,
      avgConversionRate: 5,
    })
    expect(await store.accountReference(configId, '2026-01-01')).to.deep.equal({
      avgCpl: null,
      avgCtr: null,
      avgConversionRate: null,
    })
  })
})
