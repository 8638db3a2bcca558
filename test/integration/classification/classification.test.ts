import { expect } from 'chai'
import type { Knex } from 'knex'
import type { Tier } from '../../../ml/classify/tier.ts'
import { spread } from '../../../ml/classify/rules.ts'
import type { ClassifierSource } from '../../../shared/classification/classifier.ts'
import { toDayNumber, toLocalDate } from '../../../shared/core/days.ts'
import { LEVELS } from '../../../shared/core/entity.ts'
import { FenceLost } from '../../../shared/core/work.ts'
import { newConfig } from '../../support/accounts.ts'
import {
  knowFeatures,
  openClassificationSystem,
  payTwentyALead,
  weekAt,
} from '../../support/classification.ts'
import type { ClassificationSystem } from '../../support/classification.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { rejectionOf } from '../../support/entities.ts'
import { stepOf } from '../../support/features.ts'
import { queriesOf } from '../../support/queries.ts'

const DAY = '2026-03-10'
const NOON_MS = Date.parse('2026-03-11T15:00:00.000Z')
const DAY_MS = 86_400_000

const back = (days: number): string => toLocalDate(toDayNumber(DAY) - days)

/** Costs per lead of the tiers where the account pays 20. */
const COST: Readonly<Record<Tier, number>> = {
  HIGH_PERFORMER: 10,
  MODERATE: 18,
  LOW: 25,
  UNDERPERFORMER: 40,
}

describe('tiers over an account', () => {
  let database: TestDatabase
  let knex: Knex
  let system: ClassificationSystem
  let configId: number
  let nowMs: number
  before(async () => {
    database = await openTestDatabase()
    ;({ knex } = database)
    system = openClassificationSystem(knex, () => new Date(nowMs))
  })
  after(() => database.close())
  beforeEach(async () => {
    nowMs = NOON_MS
    configId = await newConfig(knex)
    await payTwentyALead(knex, configId, DAY)
  })

  /** Campaign `c1` has this tier on the day. */
  const live = async (day: string, tier: Tier, asked: Parameters<typeof system.classify>[2] = {}) => {
    await knowFeatures(knex, configId, day, { c1: weekAt(COST[tier]) })
    return system.classify(configId, day, asked)
  }
  /** Day, tier, tier before, direction, since when, for how many days; newest first. */
  const history = async (entityId = 'c1') =>
    (await system.historyOf(configId, entityId)).map((row) => [
      row.classification_date,
      row.tier,
      row.previous_tier,
      row.direction,
      row.tier_since,
      row.days_in_tier,
    ])

  it('are stored with what they stand on, one row per entity and day', async () => {
    await knowFeatures(knex, configId, DAY, {
      c1: { ...weekAt(14, 8), daysWithLeads7d: 4, cplTrend: 25 },
      c2: { spend7d: 60, daysActive: 30 },
      c3: { spend7d: 50, daysActive: 30 },
    })
    const outcome = await system.classify(configId, DAY)
    expect(outcome).to.deep.equal({
      status: 'succeeded',
      counts: { done: 2, skipped: 1, failed: 0 },
      reasons: { insufficient_data: 1 },
      result: {
        day: DAY,
        watermark: `${DAY}T22:00:00.000Z`,
        model_version: 'rules@1',
        tiers: { UNDERPERFORMER: 1, LOW: 0, MODERATE: 1, HIGH_PERFORMER: 0 },
        changed: 0,
        withdrawn: 0,
      },
    })
    const [row] = await system.historyOf(configId, 'c1')
    expect(row).to.deep.include({
      entity_type: 'campaign',
      tier: 'MODERATE',
      confidence: 0.765,
      probabilities: {
        UNDERPERFORMER: 0.078333,
        LOW: 0.078333,
        MODERATE: 0.765,
        HIGH_PERFORMER: 0.078333,
      },
      previous_tier: null,
      direction: 'stable',
      tier_since: DAY,
      days_in_tier: 1,
      classification_date: DAY,
      classified_at: new Date(NOON_MS).toISOString(),
      valid_until: new Date(NOON_MS + DAY_MS).toISOString(),
      model_version: 'rules@1',
    })
    expect(row?.metrics_snapshot).to.include({
      cpl_7d: 14,
      leads_7d: 8,
      days_with_leads_7d: 4,
      cpl_trend: 25,
      avg_cpl: 20,
      avg_ctr: 5,
      avg_conversion_rate: 10,
      watermark: `${DAY}T22:00:00.000Z`,
    })
    expect((await system.historyOf(configId, 'c2'))[0]).to.include({
      tier: 'UNDERPERFORMER',
      confidence: 0.9,
    })
    expect(await system.historyOf(configId, 'c3')).to.deep.equal([])
  })

  it('keep levels apart, and the names of each', async () => {
    for (const level of LEVELS) {
      await knowFeatures(knex, configId, DAY, { ad: weekAt(10), set: weekAt(18), camp: weekAt(25) }, level)
      expect((await system.classify(configId, DAY, { level })).counts.done).to.equal(3)
    }
    for (const [level, id, tier] of [
      ['campaign', 'camp', 'LOW'],
      ['adset', 'set', 'MODERATE'],
      ['ad', 'ad', 'HIGH_PERFORMER'],
    ] as const) {
      const [row, ...more] = await system.historyOf(configId, id, level)
      expect(row).to.deep.include({ entity_type: level, entity_name: id, tier })
      expect(row?.parent_id).to.equal(level === 'campaign' ? null : 'parent')
      expect(more).to.deep.equal([])
    }
  })

  describe('over several days', () => {
    it('tell the tier before, where it went, and since when it lasts', async () => {
      await live(back(4), 'LOW')
      await live(back(3), 'LOW')
      await live(back(2), 'HIGH_PERFORMER')
      await live(back(1), 'HIGH_PERFORMER')
      const { result } = await live(DAY, 'MODERATE')
      expect(result).to.include({ changed: 1 })
      expect(await history()).to.deep.equal([
        [DAY, 'MODERATE', 'HIGH_PERFORMER', 'declined', DAY, 1],
        [back(1), 'HIGH_PERFORMER', 'HIGH_PERFORMER', 'stable', back(2), 2],
        [back(2), 'HIGH_PERFORMER', 'LOW', 'improved', back(2), 1],
        [back(3), 'LOW', 'LOW', 'stable', back(4), 2],
        [back(4), 'LOW', null, 'stable', back(4), 1],
      ])
    })

    it('know every tier as better or worse than every other', async () => {
      const tiers = ['UNDERPERFORMER', 'LOW', 'MODERATE', 'HIGH_PERFORMER'] as const
      for (const [i, before] of tiers.entries()) {
        for (const [j, after] of tiers.entries()) {
          await knex('ml_classifications').where({ config_id: configId }).delete()
          await live(back(1), before)
          await live(DAY, after)
          const direction = j > i ? 'improved' : j < i ? 'declined' : 'stable'
          expect((await history())[0]?.slice(1, 4)).to.deep.equal([after, before, direction])
        }
      }
    })

    it('go on over days on which nothing could be said', async () => {
      await live(back(5), 'LOW')
      await live(DAY, 'LOW')
      expect((await history())[0]).to.deep.equal([DAY, 'LOW', 'LOW', 'stable', back(5), 6])
    })

    it('are found for an older day by the days before it, and leave the newer ones as they are', async () => {
      await live(back(3), 'LOW')
      await live(DAY, 'MODERATE')
      const newest = (await history())[0]
      await live(back(1), 'HIGH_PERFORMER')
      expect(await history()).to.deep.equal([
        newest,
        [back(1), 'HIGH_PERFORMER', 'LOW', 'improved', back(1), 1],
        [back(3), 'LOW', null, 'stable', back(3), 1],
      ])
      // Again, and with another tier: of its own day only.
      await live(back(1), 'UNDERPERFORMER', { force: true })
      expect((await history())[0]).to.deep.equal(newest)
      expect((await history())[1]).to.deep.equal([back(1), 'UNDERPERFORMER', 'LOW', 'declined', back(1), 1])
    })

    it('keep since when they last when the day is classified again', async () => {
      await live(back(1), 'LOW')
      await live(DAY, 'LOW')
      await live(DAY, 'LOW', { force: true })
      expect((await history())[0]).to.deep.equal([DAY, 'LOW', 'LOW', 'stable', back(1), 2])
    })
  })

  describe('that are known', () => {
    it('are kept for a day, to the millisecond, where the data is the same', async () => {
      await live(DAY, 'LOW')
      const [first] = await system.historyOf(configId, 'c1')
      nowMs = NOON_MS + DAY_MS - 1
      expect(await live(DAY, 'MODERATE')).to.deep.include({
        counts: { done: 0, skipped: 1, failed: 0 },
        reasons: { up_to_date: 1 },
      })
      expect(await system.historyOf(configId, 'c1')).to.deep.equal([first])
      nowMs = NOON_MS + DAY_MS
      expect((await live(DAY, 'MODERATE')).counts.done).to.equal(1)
      const [second] = await system.historyOf(configId, 'c1')
      expect(second).to.include({
        id: first?.id,
        tier: 'MODERATE',
        previous_tier: null,
        classified_at: new Date(nowMs).toISOString(),
      })
    })

    it('are the same whatever way the watermark is written', async () => {
      await live(DAY, 'LOW', { watermark: '2026-03-10T22:00:00Z' })
      const { counts } = await live(DAY, 'MODERATE', { watermark: '2026-03-10T22:00:00.000Z' })
      expect(counts.skipped).to.equal(1)
    })

    it('are made anew when that is forced', async () => {
      await live(DAY, 'LOW')
      expect((await live(DAY, 'MODERATE', { force: true })).counts).to.include({ done: 1, skipped: 0 })
      expect((await history())[0]?.[1]).to.equal('MODERATE')
    })

    it('are made anew from newer data, and never from older', async () => {
      await live(DAY, 'LOW', { watermark: '2026-03-11T05:00:00.000Z' })
      const newer = await live(DAY, 'MODERATE', { watermark: '2026-03-11T05:00:00.001Z' })
      expect(newer.counts.done).to.equal(1)
      // A run that was slower than the one after it.
      const older = await live(DAY, 'HIGH_PERFORMER', { watermark: '2026-03-11T05:00:00.000Z' })
      expect(older).to.deep.include({
        counts: { done: 0, skipped: 1, failed: 0 },
        reasons: { up_to_date: 1 },
      })
      const [row, ...more] = await system.historyOf(configId, 'c1')
      expect(row?.tier).to.equal('MODERATE')
      expect(row?.metrics_snapshot).to.include({ watermark: '2026-03-11T05:00:00.001Z' })
      expect(more).to.deep.equal([])
    })

    it('from before watermarks were kept are made anew', async () => {
      await live(DAY, 'LOW')
      await knex('ml_classifications').where({ config_id: configId }).update({ metrics_snapshot: '{}' })
      expect((await live(DAY, 'MODERATE')).counts.done).to.equal(1)
    })

    it('are taken back when newer data says nothing, together with no other and not by older data', async () => {
      const both = { c1: weekAt(40), c2: weekAt(40) }
      await knowFeatures(knex, configId, back(1), both)
      await system.classify(configId, back(1))
      await knowFeatures(knex, configId, DAY, both)
      await system.classify(configId, DAY, { watermark: '2026-03-11T05:00:00.000Z' })

      await knowFeatures(knex, configId, DAY, { ...both, c1: { spend7d: 40 } })
      const older = await system.classify(configId, DAY, { watermark: '2026-03-11T04:00:00.000Z' })
      expect(older.result).to.include({ withdrawn: 0 })
      expect(await history()).to.have.length(2)
      const newer = await system.classify(configId, DAY, { watermark: '2026-03-11T06:00:00.000Z' })
      expect(newer).to.deep.include({
        counts: { done: 1, skipped: 1, failed: 0 },
        reasons: { insufficient_data: 1 },
      })
      expect(newer.result).to.include({ withdrawn: 1 })
      expect((await history()).map(([day]) => day)).to.deep.equal([back(1)])
      expect((await history('c2')).map(([day]) => day)).to.deep.equal([DAY, back(1)])
    })
  })

  it('are of the entities asked for; those nobody knows are counted', async () => {
    await knowFeatures(knex, configId, DAY, { c1: weekAt(10), c2: weekAt(10), c3: weekAt(10) })
    expect(await system.classify(configId, DAY, { entityIds: ['c2', 'nobody', 'c2'] })).to.deep.include({
      counts: { done: 1, skipped: 1, failed: 0 },
      reasons: { no_data: 1 },
    })
    // The whole level afterwards keeps the one.
    expect(await system.classify(configId, DAY)).to.deep.include({
      counts: { done: 2, skipped: 1, failed: 0 },
      reasons: { up_to_date: 1 },
    })
  })

  it('have an answer where the account had no lead in 14 days but the entity had', async () => {
    await knex('ads_insights_daily').where({ config_id: configId }).delete()
    expect((await live(DAY, 'LOW')).counts.done).to.equal(1)
    const [row] = await system.historyOf(configId, 'c1')
    expect(row).to.include({ tier: 'MODERATE' })
    expect(row?.metrics_snapshot).to.include({ avg_cpl: null })
  })

  it('are those of a network in service, but nobody asks it about those that say nothing', async () => {
    const asked: (number | null)[] = []
    const classifiers: ClassifierSource = {
      classifierFor: (id, level) =>
        Promise.resolve({
          modelVersion: `classifier/config_${id}/${level}@3`,
          classify: ({ cpl7d }) => {
            asked.push(cpl7d)
            return spread('LOW', 0.4)
          },
        }),
    }
    await knowFeatures(knex, configId, DAY, { c1: weekAt(10), c2: { spend7d: 50 }, c3: { spend7d: 50.01 } })
    const outcome = await system.classify(configId, DAY, { classifiers })
    const version = `classifier/config_${configId}/campaign@3`
    expect(outcome.counts).to.deep.equal({ done: 2, skipped: 1, failed: 0 })
    expect(outcome.result).to.include({ model_version: version })
    expect(asked).to.have.members([10, null])
    expect((await system.historyOf(configId, 'c1'))[0]).to.deep.include({
      tier: 'LOW',
      confidence: 0.4,
      probabilities: { UNDERPERFORMER: 0.2, LOW: 0.4, MODERATE: 0.2, HIGH_PERFORMER: 0.2 },
      model_version: version,
    })
  })

  it('of thousands are written whole or not at all', async () => {
    const ids = Array.from({ length: 2500 }, (_, i) => `c${i}`)
    await knowFeatures(knex, configId, DAY, Object.fromEntries(ids.map((id) => [id, weekAt(10)])))
    const texts = await queriesOf(async () => {
      expect((await system.classify(configId, DAY)).counts.done).to.equal(2500)
    })
    expect(texts.filter((text) => text.startsWith('BEGIN'))).to.have.length(1)
    expect(texts.length).to.be.at.most(12)

    // The last thousand breaks a rule of the table: nothing of the first is changed.
    await knex('ml_features')
      .where({ config_id: configId, entity_id: ids.toSorted().at(-1) ?? '' })
      .update({ parent_id: 'x'.repeat(100) })
    await knex.raw(`alter table ml_classifications add constraint test_short check (length(parent_id) < 100)`)
    try {
      nowMs += 2 * DAY_MS
      const broken = await rejectionOf(system.classify(configId, DAY))
      expect(broken.message).to.include('test_short')
    } finally {
      await knex.raw('alter table ml_classifications drop constraint test_short')
    }
    const renewed = await knex('ml_classifications')
      .where({ config_id: configId })
      .where('classified_at', '>', new Date(NOON_MS))
    expect(renewed).to.deep.equal([])
  })

  it('are not written by a run that was handed on or is to be cancelled', async () => {
    await knowFeatures(knex, configId, DAY, { c1: weekAt(10) })
    const context = await system.startRun(configId)
    const payload = stepOf(configId, DAY)
    const late = { ...context, fence: { ...context.fence, attempt: 2 } }
    const service = system.service()
    expect(await rejectionOf(service.classifyLevel('campaign', payload, late))).to.be.instanceOf(FenceLost)
    const aborted = { ...context, signal: AbortSignal.abort(new Error('shutting down')) }
    expect((await rejectionOf(service.classifyLevel('campaign', payload, aborted))).message).to.equal(
      'shutting down',
    )
    expect(await history()).to.deep.equal([])
  })

  it('come out the same from two runs at the same time', async () => {
    const ids = Array.from({ length: 300 }, (_, i) => `c${i}`)
    await knowFeatures(knex, configId, DAY, Object.fromEntries(ids.map((id) => [id, weekAt(10)])))
    const asked = { force: true }
    const outcomes = await Promise.all([
      system.classify(configId, DAY, asked),
      system.classify(configId, DAY, { ...asked, entityIds: ids.toReversed().slice(0, 200) }),
      system.classify(configId, DAY, asked),
    ])
    expect(outcomes.map(({ counts }) => counts.done)).to.deep.equal([300, 200, 300])
    const rows = await knex('ml_classifications').where({ config_id: configId })
    expect(rows).to.have.length(300)
  })

  it('belong to their config alone', async () => {
    await live(DAY, 'LOW')
    const other = await newConfig(knex)
    await knowFeatures(knex, other, DAY, { c1: weekAt(10) })
    await payTwentyALead(knex, other, DAY)
    await system.classify(other, DAY)
    expect((await history())[0]?.slice(1, 3)).to.deep.equal(['LOW', null])
    expect((await system.historyOf(other, 'c1'))[0]).to.include({ tier: 'HIGH_PERFORMER' })
  })

  describe('what people say about them', () => {
    const say = async (correctTier: Tier, reason: string | null = null, actor = 'ana') => {
      const [row] = await system.historyOf(configId, 'c1')
      return system.service().correct({ classificationId: row?.id ?? 0, correctTier, reason, actor })
    }
    const valid = async () =>
      (await knex('ml_classification_feedback')
        .where({ config_id: configId, is_valid: true })
        .orderBy('id')
        .select('classification_date', 'original_tier', 'correct_tier', 'reason', 'actor')) as unknown[]

    it('counts with its newest word per entity and day; what was said before is kept', async () => {
      await live(DAY, 'LOW')
      const first = await say('MODERATE', 'brand campaign')
      expect(first).to.deep.include({
        entity_type: 'campaign',
        entity_id: 'c1',
        classification_date: DAY,
        original_tier: 'LOW',
        correct_tier: 'MODERATE',
        reason: 'brand campaign',
        actor: 'ana',
      })
      await say('HIGH_PERFORMER', null, 'rui')
      const said = {
        classification_date: DAY,
        original_tier: 'LOW',
        correct_tier: 'HIGH_PERFORMER',
        reason: null,
        actor: 'rui',
      }
      expect(await valid()).to.deep.equal([said])
      const all = await knex('ml_classification_feedback').where({ config_id: configId })
      expect(all).to.have.length(2)
    })

    it('is of one day: another day has its own', async () => {
      await live(back(1), 'LOW')
      await say('MODERATE')
      await live(DAY, 'LOW')
      await say('UNDERPERFORMER')
      expect(await valid()).to.have.length(2)
    })

    it('stays when the tier is made anew or taken back', async () => {
      await live(DAY, 'LOW')
      await say('MODERATE')
      await live(DAY, 'HIGH_PERFORMER', { force: true })
      expect(await valid()).to.have.length(1)
      await knowFeatures(knex, configId, DAY, { c1: { spend7d: 1 } })
      await system.classify(configId, DAY, { force: true })
      expect(await history()).to.deep.equal([])
      const [kept] = await knex('ml_classification_feedback').where({ config_id: configId })
      expect(kept).to.include({ classification_id: null, correct_tier: 'MODERATE', is_valid: true })
    })

    it('is one word where many are said at once', async () => {
      await live(DAY, 'LOW')
      await Promise.all(Array.from({ length: 6 }, () => say('MODERATE')))
      expect(await valid()).to.have.length(1)
    })

    it('needs a tier to be about', async () => {
      const nothing = system
        .service()
        .correct({ classificationId: 2_000_000_000, correctTier: 'LOW', reason: null, actor: 'ana' })
      expect(await rejectionOf(nothing)).to.include({ code: 'NOT_FOUND' })
    })
  })
})
