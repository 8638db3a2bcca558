/** Advice over a real database: how it comes, stays and goes, and what came of it. */
import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { configs as configStore } from '../../../db/repositories/configs.ts'
import { featureStore } from '../../../db/repositories/features.ts'
import { recommendationStore } from '../../../db/repositories/recommendations.ts'
import { toNamed } from '../../../ml/features/feature-names.ts'
import type { EntityFeatures } from '../../../ml/features/entity-features.ts'
import type { Tier } from '../../../ml/classify/tier.ts'
import { toDayNumber, toLocalDate } from '../../../shared/core/days.ts'
import type { Level } from '../../../shared/core/entity.ts'
import type { AppError } from '../../../shared/core/errors.ts'
import { FenceLost } from '../../../shared/core/work.ts'
import type { WorkContext } from '../../../shared/core/work.ts'
import { createConfigs } from '../../../shared/entities/configs.ts'
import { silentLogger } from '../../../shared/platform/logger.ts'
import { createRecommendation } from '../../../shared/recommendation/recommendation.ts'
import { RecommendationDraft } from '../../../shared/recommendation/recommendations.ts'
import type {
  RecommendationRow,
  RecommendationStatus,
} from '../../../shared/recommendation/recommendations.ts'
import type { AdDay } from '../../support/accounts.ts'
import { insertDays, newConfig } from '../../support/accounts.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { rejectionOf } from '../../support/entities.ts'
import { featuresOf, stepOf } from '../../support/features.ts'

const DAY = '2026-03-10'
const NOON = Date.parse('2026-03-11T15:00:00.000Z')
const DAY_MS = 86_400_000

/** Leads at half of the account's 20. */
const CHEAP: Partial<EntityFeatures> = {
  daysActive: 30,
  spend7d: 100,
  leads7d: 10,
  cpl7d: 10,
  daysWithLeads7d: 5,
  cplTrend: 0,
}
/** A cost of 2.6 times the account's that rises. */
const DEAR: Partial<EntityFeatures> = { daysActive: 10, spend7d: 130, leads7d: 2, cpl7d: 52, cplTrend: 5 }

describe('recommendations', () => {
  let database: TestDatabase
  let configId: number
  let now: number
  before(async () => {
    database = await openTestDatabase()
  })
  after(() => database.close())
  beforeEach(async () => {
    configId = await newConfig(database.knex)
    now = NOON
    // The account pays 20 a lead.
    await insertDays(
      database.knex,
      configId,
      Array.from({ length: 14 }, (_, i) => row('ad', toLocalDate(toDayNumber(DAY) - i), 20, 1)),
    )
  })

  const row = (adId: string, date: string, spend: number, leads: number, adsetId = 'set'): AdDay => ({
    adId,
    adsetId,
    campaignId: 'camp',
    date,
    spend,
    leads,
    impressions: 1000,
    clicks: 20,
    reach: 900,
  })

  const parts = () => ({
    clock: { now: () => new Date(now) },
    store: recommendationStore(database.knex),
    features: featureStore(database.knex),
    configs: createConfigs(
      configStore(database.knex),
      { removeConfig: () => Promise.resolve() },
      silentLogger,
    ),
  })
  const service = () => createRecommendation(parts())
  const step = (asked: Parameters<typeof stepOf>[2] = {}, day = DAY) =>
    stepOf(configId, day, { asOf: new Date(now).toISOString(), ...asked })

  const known = async (
    features: Readonly<Record<string, Partial<EntityFeatures>>>,
    level: Level = 'campaign',
    parentId: string | null = null,
  ): Promise<void> => {
    await database.knex('ml_features').where({ config_id: configId, entity_type: level }).delete()
    await database.knex('ml_features').insert(
      Object.entries(features).map(([entityId, own]) => ({
        config_id: configId,
        entity_type: level,
        entity_id: entityId,
        parent_id: parentId,
        feature_date: DAY,
        watermark: new Date(0),
        features: JSON.stringify(toNamed(featuresOf(own))),
      })),
    )
  }

  /** Of the campaign, for 7 days. */
  const knownTier = async (tier: Tier): Promise<void> => {
    await database.knex('ml_classifications').insert({
      config_id: configId,
      entity_id: 'camp',
      tier,
      confidence: 0.7,
      probabilities: '{}',
      metrics_snapshot: '{}',
      direction: 'stable',
      tier_since: toLocalDate(toDayNumber(DAY) - 6),
      classification_date: DAY,
      classified_at: new Date(),
      valid_until: new Date(),
      model_version: 'rules@1',
    })
  }

  const startRun = async (): Promise<WorkContext> => {
    const runId = randomUUID()
    await database.knex('runs').insert({
      id: runId,
      job: 'recommend.campaign',
      key: runId,
      queue: 'ml',
      config_id: configId,
      payload: '{}',
      actor: 'test',
      status: 'running',
      attempt: 1,
    })
    return {
      signal: new AbortController().signal,
      fence: { runId, attempt: 1 },
      logger: silentLogger,
      progress: () => {},
    }
  }
  const recommend = async (level: Level = 'campaign', asked: Parameters<typeof stepOf>[2] = {}) =>
    service().recommendLevel(level, step(asked), await startRun())

  const all = async (level: Level = 'campaign'): Promise<readonly RecommendationRow[]> =>
    (
      await recommendationStore(database.knex).list(
        { configId, entityType: level },
        { page: 1, pageSize: 100, afterId: null },
        new Date(now),
      )
    ).data.toReversed()
  const states = async (level: Level = 'campaign'): Promise<string[]> =>
    (await all(level)).map(({ entity_id, type, status }) => `${entity_id} ${type} ${status}`)

  it('come with the numbers that led to them, and stay until they expire', async () => {
    await known({ camp: CHEAP })
    const outcome = await recommend()
    expect(outcome).to.deep.include({ status: 'succeeded', counts: { done: 1, skipped: 0, failed: 0 } })
    const [advice] = await all()
    expect(advice).to.deep.include({ type: 'SCALE_UP', priority: 9, title: 'Raise the budget by 100%' })
    expect(advice?.reasoning.sentence).to.equal(
      "10 leads in 7 days at BRL 10.00 each, 50% below the account's BRL 20.00, and the cost has not moved in a week: raise the daily budget by 100% (about 8 more a week).",
    )
    expect(advice?.suggested_action).to.deep.include({
      change_pct: 100,
      expected: { leads: 8, cpl: 11 },
      budget_unknown: true,
      target: { entity_type: 'campaign', entity_ids: ['camp'] },
    })
    expect(Date.parse(advice?.expires_at ?? '')).to.equal(NOON + 7 * DAY_MS)

    // What is no longer true stays all the same: people may be at it.
    await known({ camp: { ...CHEAP, cpl7d: 30 } })
    now = NOON + 7 * DAY_MS - 1
    await recommend()
    expect(await states()).to.deep.equal(['camp SCALE_UP active'])
    now = NOON + 7 * DAY_MS
    await recommend()
    expect(await states()).to.deep.equal(['camp SCALE_UP expired'])
  })

  it('are made anew when that is forced: true ones with new numbers, untrue ones expire', async () => {
    await known({ camp: CHEAP, other: CHEAP })
    await recommend()
    await known({ camp: { ...CHEAP, cpl7d: 14 }, other: { ...CHEAP, cpl7d: 40 } })
    await recommend('campaign', { force: true })
    expect(await states()).to.deep.equal(['camp SCALE_UP active', 'other SCALE_UP expired'])
    expect((await all())[0]).to.include({ title: 'Raise the budget by 50%', priority: 7 })
  })

  it('give way to a stronger one that they conflict with', async () => {
    // PAUSE 5 of an underperformer, then a budget cut of 8.
    await known({ camp: { daysActive: 10, spend7d: 60, leads7d: 2, cpl7d: 30 } })
    await knownTier('UNDERPERFORMER')
    await recommend()
    expect(await states()).to.deep.equal(['camp PAUSE active'])
    await known({ camp: DEAR })
    await recommend()
    expect(await states()).to.deep.equal(['camp PAUSE superseded', 'camp BUDGET_DECREASE active'])
  })

  for (const [verb, days] of [
    ['dismiss', 14],
    ['apply', 7],
  ] as const) {
    it(`are not given again for ${days} days after one ${verb === 'apply' ? 'was applied' : 'was dismissed'}, forced or not`, async () => {
      await known({ camp: CHEAP })
      await recommend()
      const [advice] = await all()
      const decided = await service()[verb](advice?.id ?? 0, { actor: 'me', reason: 'why not' })
      expect(decided).to.include({ actor: 'me', reason: 'why not' })
      let refusal: unknown
      await service()
        .apply(advice?.id ?? 0, { actor: 'me', reason: null })
        .catch((error: unknown) => (refusal = error))
      expect((refusal as AppError).code).to.equal('CONFLICT')
      now = NOON + days * DAY_MS - 1
      await recommend('campaign', { force: true })
      expect(await all()).to.have.length(1)
      now = NOON + days * DAY_MS
      await recommend()
      expect((await states()).at(-1)).to.equal('camp SCALE_UP active')
    })
  }

  it('name whose budget is meant', async () => {
    await insertDays(database.knex, configId, [row('a2', DAY, 1, 0, 'set-2'), row('a3', DAY, 1, 0, 'set-3')])
    await database.knex('ads_adsets').where({ config_id: configId }).update({ daily_budget: 50 })
    await database
      .knex('ads_adsets')
      .where({ config_id: configId, adset_id: 'set-3' })
      .update({ status: 'PAUSED' })
    await database.knex('ads_campaigns').where({ config_id: configId }).update({ daily_budget: 300 })
    const targetOf = async (
      level: Level,
      features: Partial<EntityFeatures>,
      id: string,
      parent: string | null,
    ) => {
      await database.knex('ml_recommendations').where({ config_id: configId }).delete()
      await known({ [id]: { ...CHEAP, ...features } }, level, parent)
      await recommend(level)
      const action = (await all(level)).find(({ type }) => type === 'SCALE_UP')?.suggested_action
      return [
        action?.target.entity_type,
        action?.target.entity_ids,
        action?.current_daily_budget,
        action?.suggested_daily_budget,
        action?.budget_unknown,
      ]
    }
    const cbo = { budgetOwner: 'campaign' } as const
    const abo = { budgetOwner: 'adset' } as const
    expect(await targetOf('campaign', cbo, 'camp', null)).to.deep.equal([
      'campaign',
      ['camp'],
      300,
      600,
      false,
    ])
    expect(await targetOf('campaign', abo, 'camp', null)).to.deep.equal([
      'adset',
      ['set', 'set-2'],
      100,
      200,
      false,
    ])
    expect(await targetOf('adset', cbo, 'set', 'camp')).to.deep.equal(['campaign', ['camp'], 300, 600, false])
    expect(await targetOf('adset', abo, 'set', 'camp')).to.deep.equal(['adset', ['set'], 50, 100, false])
    expect(await targetOf('ad', cbo, 'ad', 'set')).to.deep.equal(['campaign', ['camp'], 300, 600, false])
    expect(await targetOf('ad', abo, 'ad', 'set')).to.deep.equal(['adset', ['set'], 50, 100, false])
    expect(await targetOf('ad', {}, 'ad', 'set')).to.deep.equal(['adset', ['set'], 50, 100, true])
  })

  it('are looked at a week after they were applied, less what the siblings did', async () => {
    await known({ good: CHEAP }, 'ad', 'set')
    await recommend('ad')
    const advice = (await all('ad')).find(({ type }) => type === 'SCALE_UP')
    await service().apply(advice?.id ?? 0, { actor: 'me', reason: null })
    // Applied on the 11th. The cost falls from 10 to 8, while the siblings' rises from 20 to 22.
    const days = (from: string, count: number): string[] =>
      Array.from({ length: count }, (_, i) => toLocalDate(toDayNumber(from) + i))
    await database.knex('ads_insights_daily').where({ config_id: configId }).delete()
    await insertDays(database.knex, configId, [
      ...days('2026-03-04', 7).map((date) => row('good', date, 10, 1)),
      ...days('2026-03-12', 7).map((date) => row('good', date, 8, 1)),
      ...days('2026-03-04', 7).map((date) => row('twin', date, 20, 1)),
      ...days('2026-03-12', 7).map((date) => row('twin', date, 22, 1)),
      // The day itself belongs to neither week.
      row('good', '2026-03-11', 900, 1),
    ])
    const on = async (day: string) => {
      await service().recommendLevel('ad', step({}, day), await startRun())
      return (await all('ad')).find(({ id }) => id === advice?.id)?.outcome
    }
    expect(await on('2026-03-17')).to.equal(null)
    expect(await on('2026-03-18')).to.deep.equal({
      verdict: 'improved',
      metric: 'cpl',
      before: 10,
      after: 8,
      change_pct: -20,
      baseline_pct: 10,
      baseline: 'siblings',
      evaluated_on: '2026-03-18',
    })
  })

  it('are given once by two runs at the same time, and not at all by one that lost its run', async () => {
    await known({ camp: CHEAP })
    await Promise.all([recommend(), recommend(), recommend()])
    expect(await states()).to.deep.equal(['camp SCALE_UP active'])
    const context = await startRun()
    await database.knex('runs').where({ id: context.fence.runId }).update({ attempt: 2 })
    await known({ late: CHEAP })
    let refusal: unknown
    await service()
      .recommendLevel('campaign', step(), context)
      .catch((error: unknown) => (refusal = error))
    expect(refusal).to.be.instanceOf(FenceLost)
    expect(await states()).to.deep.equal(['camp SCALE_UP active'])
  })

  /** A run whose features are not read before `other` has happened. */
  const recommendAfter = async (other: () => Promise<unknown>): Promise<unknown> => {
    const store = featureStore(database.knex)
    const slow = createRecommendation({
      ...parts(),
      features: {
        accountReference: (...asked) => store.accountReference(...asked),
        ofLevel: async (...asked) => {
          await other()
          return store.ofLevel(...asked)
        },
      },
    })
    return slow.recommendLevel('campaign', step(), await startRun())
  }

  it('stand exactly as long as the table says by the instants runs answer for, however late those start', async () => {
    await known({ camp: CHEAP })
    now = NOON + 3000
    await recommend('campaign', { asOf: new Date(NOON).toISOString() })
    now = NOON + 7 * DAY_MS + 2000
    await recommend('campaign', { asOf: new Date(NOON + 7 * DAY_MS).toISOString() })
    expect(await states()).to.deep.equal(['camp SCALE_UP expired', 'camp SCALE_UP active'])
  })

  it('are over when their time is, also where no run comes by to note it', async () => {
    await known({ camp: CHEAP })
    await recommend()
    const [advice] = await all()
    const listed = async (status: RecommendationStatus): Promise<number> =>
      (
        await service().list(
          { configId, entityType: 'campaign', status },
          { page: 1, pageSize: 10, afterId: null },
        )
      ).total
    now = NOON + 7 * DAY_MS - 1
    expect([await listed('active'), await listed('expired')]).to.deep.equal([1, 0])
    now = NOON + 7 * DAY_MS
    expect([await listed('active'), await listed('expired')]).to.deep.equal([0, 1])
    expect(await states()).to.deep.equal(['camp SCALE_UP expired'])
    const refusal = await rejectionOf(service().apply(advice?.id ?? 0, { actor: 'me', reason: null }))
    expect(refusal).to.include({ code: 'CONFLICT' })
    expect((refusal as AppError).message).to.match(/ is expired; only an active one can be applied$/)
  })

  it('ask no ad set to grow that has gone silent', async () => {
    await insertDays(database.knex, configId, [
      row('b1', toLocalDate(toDayNumber(DAY) - 6), 1, 0, 'set-last-week'),
      row('b2', toLocalDate(toDayNumber(DAY) - 7), 1, 0, 'set-silent'),
    ])
    await known({ camp: { ...CHEAP, budgetOwner: 'adset' } })
    await recommend()
    expect((await all())[0]?.suggested_action.target).to.deep.equal({
      entity_type: 'adset',
      entity_ids: ['set', 'set-last-week'],
    })
  })

  it('wait for all figures of the week before they are looked at', async () => {
    await known({ camp: CHEAP })
    await recommend()
    const [advice] = await all()
    await service().apply(advice?.id ?? 0, { actor: 'me', reason: null })
    const days = [12, 13, 14, 16, 17, 18].map((day) => `2026-03-${day}`)
    await insertDays(
      database.knex,
      configId,
      days.map((date) => row('ad', date, 20, 1)),
    )
    const outcome = async () => {
      await service().recommendLevel('campaign', step({}, '2026-03-18'), await startRun())
      return (await all()).find(({ id }) => id === advice?.id)?.outcome
    }
    expect(await outcome()).to.equal(null)
    // An import of the day while it still ran says nothing of how it ended.
    const covering = (created_at: string) =>
      database.knex('ads_imports').insert({
        config_id: configId,
        sha256: created_at.padEnd(64),
        date_from: '2026-03-15',
        date_to: '2026-03-15',
        report: '{}',
        actor: 'test',
        created_at,
      })
    await covering('2026-03-16T02:59:59Z')
    expect(await outcome()).to.equal(null)
    await covering('2026-03-16T03:00:00Z')
    expect(await outcome()).to.include({ verdict: 'neutral', metric: 'cpl', baseline: 'account' })
  })

  it('of an entity without siblings are held against the account', async () => {
    await known({ ad: CHEAP }, 'ad', 'set')
    await recommend('ad')
    const [advice] = await all('ad')
    await service().apply(advice?.id ?? 0, { actor: 'me', reason: null })
    await insertDays(
      database.knex,
      configId,
      Array.from({ length: 7 }, (_, i) => row('ad', toLocalDate(toDayNumber(DAY) + 2 + i), 20, 1)),
    )
    await service().recommendLevel('ad', step({}, '2026-03-18'), await startRun())
    const outcome = (await all('ad')).find(({ id }) => id === advice?.id)?.outcome
    expect(outcome).to.include({ baseline: 'account', before: 20, after: 20 })
  })

  it('know what another run added while they were under way', async () => {
    await known({ camp: DEAR })
    await recommendAfter(async () => {
      await knownTier('UNDERPERFORMER')
      await known({ camp: { ...DEAR, cplTrend: 0 } })
      await recommend()
      expect(await states()).to.deep.equal(['camp PAUSE active'])
      await known({ camp: DEAR })
    })
    expect(await states()).to.deep.equal(['camp PAUSE superseded', 'camp BUDGET_DECREASE active'])
  })

  it('know what was dismissed while they were under way', async () => {
    await known({ camp: CHEAP })
    await recommendAfter(async () => {
      await recommend()
      const [advice] = await all()
      await service().dismiss(advice?.id ?? 0, { actor: 'me', reason: null })
    })
    expect(await states()).to.deep.equal(['camp SCALE_UP dismissed'])
  })

  it('of named entities leave those of others as they are; those nobody knows are counted', async () => {
    await known({ a: CHEAP, b: CHEAP })
    await recommend()
    await known({ a: { ...CHEAP, cpl7d: 40 }, b: { ...CHEAP, cpl7d: 40 } })
    const outcome = await recommend('campaign', { force: true, entityIds: ['a', 'a', 'nobody'] })
    expect(outcome).to.deep.include({
      counts: { done: 1, skipped: 1, failed: 0 },
      reasons: { no_data: 1 },
    })
    expect(await states()).to.deep.equal(['a SCALE_UP expired', 'b SCALE_UP active'])
  })

  it('of an entity that left the figures stand until their time, forced or not', async () => {
    await known({ camp: CHEAP })
    await recommend()
    await known({ other: { daysActive: 1 } })
    await recommend('campaign', { force: true })
    expect(await states()).to.deep.equal(['camp SCALE_UP active'])
    now = NOON + 7 * DAY_MS
    const { result } = await recommend('campaign', { force: true })
    expect(result).to.deep.include({ added: 0, renewed: 0, expired: 1, superseded: 0 })
    const { rows } = (await database.knex.raw('select status from ml_recommendations where config_id = ?', [
      configId,
    ])) as { rows: unknown[] }
    expect(rows).to.deep.equal([{ status: 'expired' }])
  })

  it('cool down for that entity, level and type alone', async () => {
    await known({ camp: CHEAP })
    await recommend()
    const [advice] = await all()
    await service().dismiss(advice?.id ?? 0, { actor: 'me', reason: null })
    await known({ camp: { ...CHEAP, cpl7d: 16 }, other: CHEAP })
    await known({ camp: CHEAP }, 'ad', 'set')
    await recommend()
    await recommend('ad')
    expect(await states()).to.deep.equal([
      'camp SCALE_UP dismissed',
      'camp BUDGET_INCREASE active',
      'other SCALE_UP active',
    ])
    expect(await states('ad')).to.deep.equal(['camp SCALE_UP active'])
  })

  it('renewed by force stand anew from then', async () => {
    await known({ camp: CHEAP })
    await recommend()
    const [first] = await all()
    now = NOON + 6 * DAY_MS
    await recommend('campaign', { force: true })
    const [renewed] = await all()
    expect(renewed?.id).to.equal(first?.id)
    expect(Date.parse(renewed?.expires_at ?? '')).to.equal(NOON + 13 * DAY_MS)
    expect(renewed?.created_at).to.equal(first?.created_at)
    now = NOON + 12 * DAY_MS
    await recommend()
    expect(await states()).to.deep.equal(['camp SCALE_UP active'])
  })

  it('give way together to one that conflicts with all of them', async () => {
    const worn = { daysActive: 30, spend7d: 100, leads7d: 5, cpl7d: 20, impressions7d: 5000, cplStd7d: 3 }
    const tired = { ...worn, frequency7d: 4, ctrTrend: -20, cplTrend: 0 }
    await known({ ad: tired }, 'ad', 'set')
    await recommend('ad')
    expect(await states('ad')).to.have.members(['ad CREATIVE_REFRESH active', 'ad CREATIVE_TEST active'])
    // A winner of 7 conflicts with both.
    await known({ ad: { ...tired, performanceVsSiblings: 0.4, siblingsCpl7d: 33 } }, 'ad', 'set')
    await recommend('ad')
    expect(await states('ad')).to.have.members([
      'ad CREATIVE_REFRESH superseded',
      'ad CREATIVE_TEST superseded',
      'ad CREATIVE_WINNER active',
    ])
  })

  it('cut no budget of an ad set that has none of its own, and name the ad set of one that has', async () => {
    const dear = { ...DEAR, spend7d: 64, cpl7d: 32 }
    await known({ set: { ...dear, budgetOwner: 'campaign' } }, 'adset', 'camp')
    await recommend('adset')
    expect(await states('adset')).to.deep.equal([])
    await known({ set: { ...dear, budgetOwner: 'adset' } }, 'adset', 'camp')
    await recommend('adset')
    const [cut] = await all('adset')
    expect(cut?.type).to.equal('BUDGET_DECREASE')
    expect(cut?.suggested_action.target).to.deep.equal({ entity_type: 'adset', entity_ids: ['set'] })
  })

  it('name the level itself where the owner of the budget is not known', async () => {
    const targets = async (level: Level, id: string, parent: string | null) => {
      await known({ [id]: { ...CHEAP, budgetOwner: null } }, level, parent)
      await recommend(level)
      const action = (await all(level))[0]?.suggested_action
      return [action?.target.entity_type, action?.target.entity_ids, action?.budget_unknown]
    }
    expect(await targets('campaign', 'camp', null)).to.deep.equal(['campaign', ['camp'], true])
    expect(await targets('adset', 'set', 'camp')).to.deep.equal(['adset', ['set'], true])
    expect(await targets('ad', 'ad', 'set')).to.deep.equal(['adset', ['set'], true])
  })

  it('pause and switch on the entity itself, whoever owns its budget', async () => {
    const off = { daysActive: 10, isActive: false, cpl30d: 20, leads30d: 5, budgetOwner: 'campaign' } as const
    const dry = { daysActive: 10, spend7d: 101, budgetOwner: 'campaign' } as const
    await known({ ad: dry, old: off }, 'ad', 'set')
    await recommend('ad')
    const actions = (await all('ad')).map(({ type, suggested_action: action }) => [
      type,
      action.action,
      action.target.entity_type,
      action.target.entity_ids,
      action.change_pct,
      action.budget_unknown,
    ])
    expect(actions).to.deep.equal([
      ['PAUSE', 'PAUSED', 'ad', ['ad'], null, false],
      ['REACTIVATE', 'ACTIVE', 'ad', ['old'], null, false],
    ])
  })

  it('of one config never touch those of another', async () => {
    await known({ camp: CHEAP })
    await recommend()
    const first = configId
    configId = await newConfig(database.knex)
    await insertDays(database.knex, configId, [row('ad', DAY, 20, 1)])
    await known({ camp: { ...CHEAP, cpl7d: 40 } })
    now = NOON + 8 * DAY_MS
    await recommend('campaign', { force: true })
    expect(await all()).to.deep.equal([])
    const kept = await database.knex('ml_recommendations').where({ config_id: first }).pluck('status')
    expect(kept).to.deep.equal(['active'])
  })

  describe('a week after a campaign was applied', () => {
    const days = (from: string, count: number): string[] =>
      Array.from({ length: count }, (_, i) => toLocalDate(toDayNumber(from) + i))
    /** The campaign's cost before is 20; the rest of the account's stays, rises or falls. */
    const outcomeWhen = async (appliedAt: string, own: number, rest: readonly [number, number]) => {
      await known({ camp: CHEAP })
      await recommend()
      const [advice] = await all()
      now = Date.parse(appliedAt)
      await service().apply(advice?.id ?? 0, { actor: 'me', reason: null })
      await database.knex('ads_insights_daily').where({ config_id: configId }).delete()
      await insertDays(database.knex, configId, [
        ...days('2026-03-04', 7).map((date) => row('ad', date, 20, 1)),
        ...days('2026-03-12', 8).map((date) => row('ad', date, own, 1)),
        ...days('2026-03-04', 7).map((date) => ({ ...row('b', date, rest[0], 1, 'b'), campaignId: 'rest' })),
        ...days('2026-03-12', 8).map((date) => ({ ...row('b', date, rest[1], 1, 'b'), campaignId: 'rest' })),
      ])
      const on = async (day: string) => {
        await service().recommendLevel('campaign', step({}, day), await startRun())
        return (await all()).find(({ id }) => id === advice?.id)?.outcome
      }
      return { on }
    }

    it('is held against the account', async () => {
      const { on } = await outcomeWhen('2026-03-11T15:00:00Z', 26, [20, 26])
      expect(await on('2026-03-18')).to.deep.include({
        verdict: 'neutral',
        change_pct: 30,
        baseline_pct: 30,
        baseline: 'account',
      })
    })

    it('is worse when it grew dearer than the account did', async () => {
      const { on } = await outcomeWhen('2026-03-11T15:00:00Z', 26, [60, 54])
      // The account went from 40 to 40.
      expect(await on('2026-03-18')).to.deep.include({
        verdict: 'worsened',
        change_pct: 30,
        baseline_pct: 0,
        baseline: 'account',
      })
    })

    it('is looked at once, and stays as it was found', async () => {
      const { on } = await outcomeWhen('2026-03-11T15:00:00Z', 26, [20, 26])
      const found = await on('2026-03-18')
      await database.knex('ads_insights_daily').where({ config_id: configId }).update({ leads: 9 })
      expect(await on('2026-03-19')).to.deep.equal(found)
    })

    it('counts the days of the account: late in the evening there is the 11th, not the 12th', async () => {
      const { on } = await outcomeWhen('2026-03-12T02:59:59Z', 26, [20, 26])
      expect(await on('2026-03-17')).to.equal(null)
      expect(await on('2026-03-18')).to.include({ evaluated_on: '2026-03-18' })
    })

    it('and begins with the next day a second later', async () => {
      const { on } = await outcomeWhen('2026-03-12T03:00:00Z', 26, [20, 26])
      expect(await on('2026-03-18')).to.equal(null)
      expect(await on('2026-03-19')).to.include({ evaluated_on: '2026-03-19' })
    })

    it('is nothing to ask about what was dismissed', async () => {
      await known({ camp: CHEAP })
      await recommend()
      const [advice] = await all()
      await service().dismiss(advice?.id ?? 0, { actor: 'me', reason: null })
      await insertDays(
        database.knex,
        configId,
        days('2026-03-11', 8).map((date) => row('ad', date, 20, 1)),
      )
      await service().recommendLevel('campaign', step({}, '2026-03-18'), await startRun())
      expect((await all())[0]).to.include({ status: 'dismissed', outcome: null })
    })
  })

  it('about audiences are for ad sets alone, about creatives for ads', () => {
    const draft = (type: string, entityType: Level) =>
      RecommendationDraft.safeParse({
        entityType,
        entityId: 'x',
        parentId: null,
        type,
        rule: 'scale_up',
        priority: 5,
        confidence: 0.7,
        title: 't',
        suggestedAction: {
          action: 'a',
          target: { entity_type: entityType, entity_ids: [] },
          change_pct: null,
          current_daily_budget: null,
          suggested_daily_budget: null,
          expected: { leads: null, cpl: null },
          budget_unknown: false,
        },
        reasoning: { rule: 'scale_up', inputs: {}, thresholds: {}, sentence: 's' },
        days: 7,
      }).success
    expect(draft('AUDIENCE_REVIEW', 'adset')).to.equal(true)
    expect(draft('AUDIENCE_REVIEW', 'ad')).to.equal(false)
    expect(draft('CREATIVE_TEST', 'ad')).to.equal(true)
    expect(draft('CREATIVE_TEST', 'campaign')).to.equal(false)
    expect(draft('PAUSE', 'campaign')).to.equal(true)
  })
})
