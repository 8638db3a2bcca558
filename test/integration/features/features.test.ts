import { expect } from 'chai'
import type { Knex } from 'knex'
import type { EntityFeatures } from '../../../ml/features/entity-features.ts'
import { toDayNumber, toLocalDate } from '../../../shared/core/days.ts'
import { LEVELS } from '../../../shared/core/entity.ts'
import type { Level } from '../../../shared/core/entity.ts'
import { FenceLost } from '../../../shared/core/work.ts'
import { newConfig, insertDays } from '../../support/accounts.ts'
import type { AdDay } from '../../support/accounts.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { rejectionOf } from '../../support/entities.ts'
import { openFeatureSystem, stepOf } from '../../support/features.ts'
import type { FeatureSystem } from '../../support/features.ts'
import { queriesOf } from '../../support/queries.ts'

const DAY = '2026-03-10'
const D = toDayNumber(DAY)

interface Days extends Partial<Omit<AdDay, 'date' | 'adId'>> {
  /** Days before D: first and last. */
  readonly from?: number
  readonly to?: number
}

/** The same day again and again, of one ad. */
const daysOf = (adId: string, { from = 29, to = 0, ...day }: Days = {}): AdDay[] =>
  Array.from({ length: from - to + 1 }, (_, i) => ({
    adId,
    adsetId: 's1',
    campaignId: 'c1',
    spend: 10,
    impressions: 500,
    clicks: 10,
    leads: 1,
    reach: 400,
    ...day,
    date: toLocalDate(D - from + i),
  }))

describe('features over an account', () => {
  let database: TestDatabase
  let knex: Knex
  let system: FeatureSystem
  let configId: number
  before(async () => {
    database = await openTestDatabase()
    ;({ knex } = database)
    system = openFeatureSystem(knex)
  })
  after(() => database.close())
  beforeEach(async () => {
    configId = await newConfig(knex)
  })

  const of = async (level: Level, day = DAY): Promise<ReadonlyMap<string, EntityFeatures>> =>
    new Map((await system.store.ofLevel(configId, level, day)).map((row) => [row.entityId, row.features]))
  const one = async (level: Level, id: string, day = DAY): Promise<EntityFeatures> => {
    const features = (await of(level, day)).get(id)
    if (!features) throw new Error(`no features of ${level} ${id}`)
    return features
  }

  it('are sums of the ads at each level, and shares of the parent', async () => {
    await insertDays(knex, configId, [
      ...daysOf('a1'),
      ...daysOf('a2', { spend: 30, leads: 2 }),
      ...daysOf('a3', { adsetId: 's2', spend: 20.1, leads: 0, reach: null }),
      ...daysOf('a4', { adsetId: 's3', campaignId: 'c2' }),
    ])
    for (const level of LEVELS) {
      const outcome = await system.compute(level, stepOf(configId, DAY))
      const entities = { campaign: 2, adset: 3, ad: 4 }[level]
      expect(outcome).to.deep.equal({
        status: 'succeeded',
        counts: { done: entities, skipped: 0, failed: 0 },
        reasons: {},
        result: { day: DAY, watermark: `${DAY}T22:00:00.000Z`, entities, insufficient_data: 0 },
      })
    }
    expect(await one('campaign', 'c1')).to.include({
      spend7d: 420.7,
      leads7d: 21,
      cpl7d: 420.7 / 21,
      spend30d: 1803,
      avgDailySpend30d: 60.1,
      impressions7d: 10_500,
      reach7d: 5600,
      reachEstimated: true,
      daysActive: 30,
      spendTrend: 0,
      isActive: true,
      shareOfParentSpend: null,
      siblingsWithLeads7d: 0,
    })
    expect(await one('adset', 's1')).to.include({ spend7d: 280, shareOfParentSpend: 280 / 420.7 })
    expect(await one('adset', 's1')).to.include({ shareOfParentLeads: 1, performanceVsSiblings: null })
    expect(await one('adset', 's2')).to.include({
      reach7d: null,
      reachEstimated: false,
      frequency7d: null,
      siblingsCpl7d: 280 / 21,
      siblingsWithLeads7d: 1,
      performanceVsSiblings: -1,
    })
    expect(await one('ad', 'a1')).to.include({
      shareOfParentSpend: 0.25,
      shareOfParentLeads: 1 / 3,
      siblingsCpl7d: 15,
      performanceVsSiblings: 1 / 3,
    })
    const rows = await system.store.ofLevel(configId, 'ad', DAY)
    expect(rows.map(({ entityId, parentId }) => [entityId, parentId])).to.deep.equal([
      ['a1', 's1'],
      ['a2', 's1'],
      ['a3', 's2'],
      ['a4', 's3'],
    ])
  })

  describe('of what is paused', () => {
    const status = (
      level: Level,
      id: string,
      stretches: readonly (readonly [string, number, number | null])[],
    ) =>
      knex('ads_entity_status').insert(
        stretches.map(([state, from, to]) => ({
          config_id: configId,
          entity_type: level,
          entity_id: id,
          status: state,
          from_at: `${toLocalDate(D + from)}T03:00:00Z`,
          to_at: to === null ? null : `${toLocalDate(D + to)}T03:00:00Z`,
        })),
      )

    it('are there while it delivered within the 30 days, and gone after', async () => {
      await insertDays(knex, configId, [
        ...daysOf('other'),
        ...daysOf('just', { from: 40, to: 29 }),
        ...daysOf('gone', { from: 40, to: 30 }),
      ])
      for (const id of ['just', 'gone'])
        await status('ad', id, [
          ['ACTIVE', -40, -28],
          ['PAUSED', -28, null],
        ])
      await system.compute('ad', stepOf(configId, DAY))
      expect([...(await of('ad')).keys()]).to.deep.equal(['just', 'other'])
      expect(await one('ad', 'just')).to.include({ isActive: false, spend30d: 10, spend7d: 0, daysActive: 1 })
      expect(await one('ad', 'just')).to.include({ avgDailySpend30d: 10, leadsStd7d: null, spendTrend: 0 })
    })

    it('know an ancestor that is', async () => {
      await insertDays(knex, configId, daysOf('a1'))
      await status('campaign', 'c1', [
        ['ACTIVE', -40, 0],
        ['PAUSED', 0, null],
      ])
      for (const [level, id] of [
        ['campaign', 'c1'],
        ['adset', 's1'],
        ['ad', 'a1'],
      ] as const) {
        await system.compute(level, stepOf(configId, DAY))
        expect(await one(level, id)).to.include({ isActive: false, spend7d: 70 })
      }
    })

    it('count the days something active delivered nothing as zeros', async () => {
      await insertDays(knex, configId, [...daysOf('other'), ...daysOf('a1', { from: 60, to: 50 })])
      await status('ad', 'a1', [['ACTIVE', -60, null]])
      await system.compute('ad', stepOf(configId, DAY))
      const [row] = await system.store.ofLevel(configId, 'ad', DAY, ['a1'])
      expect(row?.insufficientData).to.equal(true)
      expect(row?.features).to.include({
        isActive: true,
        avgDailySpend30d: 0,
        leadsStd7d: 0,
        daysActive: 0,
        reach7d: 0,
        frequency7d: null,
        cpl7d: null,
      })
    })

    it('take an entity without a history for active until 7 days of its config passed it by', async () => {
      await insertDays(knex, configId, [
        ...daysOf('other'),
        ...daysOf('quiet', { from: 20, to: 6 }),
        ...daysOf('silent', { from: 20, to: 7 }),
      ])
      await system.compute('ad', stepOf(configId, DAY))
      expect(await one('ad', 'quiet')).to.include({
        isActive: true,
        avgDailySpend30d: 150 / 21,
      })
      expect(await one('ad', 'silent')).to.include({
        isActive: false,
        avgDailySpend30d: 10,
        leadsStd7d: null,
      })
    })

    it('know that an entity began before the 30 days', async () => {
      await insertDays(knex, configId, [...daysOf('a1', { from: 45, to: 40 }), ...daysOf('a1', { from: 9 })])
      for (const [level, id] of [
        ['campaign', 'c1'],
        ['adset', 's1'],
        ['ad', 'a1'],
      ] as const) {
        await system.compute(level, stepOf(configId, DAY))
        expect(await one(level, id)).to.include({ spend30d: 100, avgDailySpend30d: 100 / 30, daysActive: 10 })
      }
    })
  })

  it('call 7 days with impressions enough, 6 too few', async () => {
    await insertDays(knex, configId, [...daysOf('six', { from: 5 }), ...daysOf('seven', { from: 6 })])
    const { result } = await system.compute('ad', stepOf(configId, DAY))
    expect(result).to.include({ entities: 2, insufficient_data: 1 })
    const rows = await system.store.ofLevel(configId, 'ad', DAY)
    expect(rows.map((row) => [row.entityId, row.insufficientData])).to.deep.equal([
      ['seven', false],
      ['six', true],
    ])
  })

  describe('of reach', () => {
    const deliver = (level: Level, id: string, date: string, window: 1 | 7, reach: number) =>
      knex('ads_reach').insert({
        config_id: configId,
        entity_type: level,
        entity_id: id,
        date,
        window_days: window,
        reach,
      })

    it('take the delivered window before the sum of the days', async () => {
      await insertDays(knex, configId, [...daysOf('a1'), ...daysOf('a2', { to: 1 })])
      await deliver('ad', 'a1', DAY, 7, 1000)
      // Also where the day itself delivered nothing.
      await deliver('ad', 'a2', DAY, 7, 1500)
      await deliver('ad', 'a2', toLocalDate(D - 1), 7, 1)
      await system.compute('ad', stepOf(configId, DAY))
      expect(await one('ad', 'a1')).to.include({ reach7d: 1000, reachEstimated: false, frequency7d: 3.5 })
      expect(await one('ad', 'a2')).to.include({ reach7d: 1500, reachEstimated: false, frequency7d: 2 })
    })

    it('sum delivered days before those of the ads, and say so', async () => {
      await insertDays(knex, configId, [...daysOf('a1'), ...daysOf('a2')])
      await deliver('campaign', 'c1', DAY, 1, 500)
      await system.compute('campaign', stepOf(configId, DAY))
      expect(await one('campaign', 'c1')).to.include({ reach7d: 6 * 800 + 500, reachEstimated: true })
    })
  })

  it('name the owner of the budget on all levels', async () => {
    const parents = (n: number) => ({ adsetId: `s${n}`, campaignId: `c${n}` })
    await insertDays(
      knex,
      configId,
      [1, 2, 3, 4].flatMap((n) => daysOf(`a${n}`, parents(n))),
    )
    await insertDays(knex, configId, daysOf('a5', { adsetId: 's5', campaignId: 'c2' }))
    await knex('ads_campaigns').where({ config_id: configId, campaign_id: 'c1' }).update({ daily_budget: 50 })
    await knex('ads_adsets').where({ config_id: configId, adset_id: 's1' }).update({ daily_budget: 20 })
    await knex('ads_campaigns')
      .where({ config_id: configId, campaign_id: 'c2' })
      .update({ lifetime_budget: 0 })
    await knex('ads_adsets').where({ config_id: configId, adset_id: 's2' }).update({ lifetime_budget: 20 })
    await knex('ads_campaigns')
      .where({ config_id: configId, campaign_id: 'c3' })
      .update({ lifetime_budget: 1 })
    for (const [level, prefix] of [
      ['campaign', 'c'],
      ['adset', 's'],
      ['ad', 'a'],
    ] as const) {
      await system.compute(level, stepOf(configId, DAY))
      const owners = [1, 2, 3, 4].map(async (n) => (await one(level, `${prefix}${n}`)).budgetOwner)
      expect(await Promise.all(owners)).to.deep.equal(['campaign', 'adset', 'campaign', null])
    }
    // Its own budget is not known, its campaign's way is.
    expect((await one('adset', 's5')).budgetOwner).to.equal('adset')
  })

  it('score the overlap of ad sets of a campaign by their targeting', async () => {
    await insertDays(
      knex,
      configId,
      ['s1', 's2', 's3', 's4'].flatMap((adsetId) =>
        daysOf(`a${adsetId}`, { adsetId, to: adsetId === 's2' ? 1 : 0 }),
      ),
    )
    await insertDays(knex, configId, daysOf('far', { adsetId: 's5', campaignId: 'c2' }))
    const target = (id: string, countries: readonly string[]) =>
      knex('ads_adsets')
        .where({ config_id: configId, adset_id: id })
        .update({
          targeting: JSON.stringify({ geo_locations: { countries }, age_min: 18, age_max: 24, genders: [1] }),
        })
    await target('s1', ['BR', 'PT'])
    await target('s2', ['BR', 'PT'])
    await target('s3', ['BR'])
    await target('s5', ['BR', 'PT'])
    await knex('ads_adsets').where({ config_id: configId, adset_id: 's2' }).update({ status: 'PAUSED' })
    await system.compute('adset', stepOf(configId, DAY))
    // The twin is paused, so that the next best counts: 3 of 4 tokens, and frequencies that do not move.
    expect((await one('adset', 's1')).audienceOverlapScore).to.be.closeTo(0.7 * 0.75, 1e-12)
    expect((await one('adset', 's2')).audienceOverlapScore).to.be.closeTo(0.7, 1e-12)
    expect((await one('adset', 's4')).audienceOverlapScore).to.equal(null)
    expect((await one('adset', 's5')).audienceOverlapScore).to.equal(0)
    expect((await one('adset', 's1')).creativeFatigueScore).to.equal(null)
  })

  it('score how worn an ad is against its first 7 days of delivery, however long ago', async () => {
    const before = { spend: 10, impressions: 1000, clicks: 20 }
    await insertDays(knex, configId, [
      // A day without impressions is no delivery.
      ...daysOf('a1', { from: 201, to: 201, impressions: 0, clicks: 0, spend: 0 }),
      ...daysOf('a1', { from: 200, to: 194, ...before }),
      ...daysOf('a1', { from: 193, to: 7, ...before, clicks: 900 }),
      ...daysOf('a1', { from: 6, spend: 45.6, impressions: 3800, clicks: 57 }),
    ])
    await knex('ads_reach').insert({
      config_id: configId,
      entity_type: 'ad',
      entity_id: 'a1',
      date: DAY,
      window_days: 7,
      reach: 5600,
    })
    await system.compute('ad', stepOf(configId, DAY))
    expect((await one('ad', 'a1')).creativeFatigueScore).to.be.closeTo(0.48, 1e-12)
  })

  it('are replaced when late data arrives, under its watermark', async () => {
    await insertDays(knex, configId, daysOf('a1'))
    const first = stepOf(configId, DAY)
    await system.compute('ad', first)
    const [before] = (
      await system.store.list({ configId, level: 'ad' }, { page: 1, pageSize: 9, afterId: null })
    ).data
    expect(before?.watermark.toISOString()).to.equal(first.watermark)

    await knex('ads_insights_daily').where({ config_id: configId, date: DAY }).update({ leads: 8 })
    const watermark = `${toLocalDate(D + 1)}T05:00:00.000Z`
    const { result } = await system.compute('ad', stepOf(configId, DAY, { watermark }))
    expect(result).to.include({ day: DAY, watermark })
    const { data, total } = await system.store.list(
      { configId, level: 'ad' },
      { page: 1, pageSize: 9, afterId: null },
    )
    expect(total).to.equal(1)
    expect(data[0]?.watermark.toISOString()).to.equal(watermark)
    expect(data[0]?.id).to.equal(before?.id)
    expect(data[0]?.features.leads7d).to.equal(14)
  })

  it('are of the day asked for, not of what came after', async () => {
    await insertDays(knex, configId, [
      ...daysOf('a1', { spend: 10, to: 1 }),
      ...daysOf('a1', { from: 0, spend: 99 }),
    ])
    const day = toLocalDate(D - 1)
    await system.compute('ad', stepOf(configId, day))
    expect(await one('ad', 'a1', day)).to.include({ spend7d: 70, isActive: true })
    expect((await of('ad')).size).to.equal(0)
  })

  it('are skipped while the figures of the day are not in', async () => {
    await insertDays(knex, configId, daysOf('a1', { to: 1 }))
    for (const level of LEVELS) {
      const outcome = await system.compute(level, stepOf(configId, DAY))
      expect(outcome).to.include({ status: 'skipped' })
      expect(outcome.reasons).to.deep.equal({ stale_data: 1 })
      expect((await of(level)).size).to.equal(0)
    }
  })

  it('know an import that covers an empty day: delivery stopped', async () => {
    await insertDays(knex, configId, daysOf('a1', { to: 1 }))
    await knex('ads_imports').insert({
      config_id: configId,
      sha256: '0'.repeat(64),
      date_from: toLocalDate(D - 29),
      date_to: DAY,
      report: '{}',
      actor: 'test',
      created_at: `${toLocalDate(D + 1)}T12:00:00Z`,
    })
    expect(await system.compute('ad', stepOf(configId, DAY))).to.include({ status: 'succeeded' })
    expect(await one('ad', 'a1')).to.include({ spend7d: 60, leadsStd7d: Math.sqrt(1 / 7), isActive: true })
  })

  it('of named entities are those of the whole level', async () => {
    await insertDays(knex, configId, [
      ...daysOf('a1'),
      ...daysOf('a2', { spend: 30 }),
      ...daysOf('a3', { adsetId: 's2' }),
    ])
    await system.compute('ad', stepOf(configId, DAY))
    const whole = await one('ad', 'a2')
    await knex('ml_features').where({ config_id: configId }).delete()

    const outcome = await system.compute('ad', stepOf(configId, DAY, { entityIds: ['a2', 'a2', 'unknown'] }))
    expect(outcome.counts).to.deep.equal({ done: 1, skipped: 1, failed: 0 })
    expect(outcome.reasons).to.deep.equal({ no_data: 1 })
    expect([...(await of('ad'))]).to.deep.equal([['a2', whole]])
  })

  it('take three queries a level, the write included', async () => {
    await insertDays(knex, configId, [...daysOf('a1'), ...daysOf('a2', { adsetId: 's2', campaignId: 'c2' })])
    for (const level of LEVELS) {
      const context = await system.startRun(configId, level)
      const texts = await queriesOf(() => system.computeAs(level, stepOf(configId, DAY), context))
      const [freshness, ...pass] = texts
      expect(freshness).to.match(/from ads_configs/)
      expect(pass).to.have.length(3)
    }
  })

  it('keep siblings together when an account is read in several batches', async () => {
    await knex.raw(
      `insert into ads_ads (config_id, ad_id, adset_id, campaign_id, name)
       select ?, 'a' || n, 's' || n % 700, 'c' || n % 70, 'a' from generate_series(1, 2800) n`,
      [configId],
    )
    await knex.raw(
      `insert into ads_insights_daily (config_id, ad_id, adset_id, campaign_id, date, spend, impressions, clicks, leads)
       select config_id, ad_id, adset_id, campaign_id, ?::date, 10, 100, 5, 1 from ads_ads where config_id = ?`,
      [DAY, configId],
    )
    const { counts } = await system.compute('ad', stepOf(configId, DAY))
    expect(counts.done).to.equal(2800)
    const shares = [...(await of('ad')).values()].map((features) => features.shareOfParentSpend)
    expect(shares).to.have.length(2800)
    expect(new Set(shares)).to.deep.equal(new Set([0.25]))
  })

  it('are not written once another execution has the run, nor after a cancellation', async () => {
    await insertDays(knex, configId, daysOf('a1'))
    const context = await system.startRun(configId, 'ad')
    await knex('runs').where({ id: context.fence.runId }).update({ attempt: 2 })
    expect(await rejectionOf(system.computeAs('ad', stepOf(configId, DAY), context))).to.be.instanceOf(
      FenceLost,
    )
    const cancelled = await rejectionOf(
      system.compute('ad', stepOf(configId, DAY), AbortSignal.abort(new Error('cancelled'))),
    )
    expect(cancelled.message).to.equal('cancelled')
    expect((await of('ad')).size).to.equal(0)
  })
})
