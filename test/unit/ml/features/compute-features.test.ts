import { expect } from 'chai'
import fc from 'fast-check'
import { computeFeatures, isInsufficient } from '../../../../ml/features/compute-features.ts'
import type { FeatureLevel } from '../../../../ml/features/compute-features.ts'
import type { EntityFeatures } from '../../../../ml/features/entity-features.ts'
import type { FeatureBatch, FeatureHead } from '../../../../ml/features/feature-batch.ts'
import { toNamed } from '../../../../ml/features/feature-names.ts'
import type { FRAME_COLUMNS } from '../../../../ml/frame.ts'
import type { DailyFrame } from '../../../../ml/frame.ts'
import { buildFrame, repeat } from '../build-frame.ts'
import type { DayRow } from '../build-frame.ts'

const D = 100
const FIRST = D - 29

interface Entity extends Partial<FeatureHead> {
  /** Of [D-29, D]. */
  readonly rows: readonly (DayRow | null)[]
}

const batchOf = (entities: readonly Entity[]): FeatureBatch => {
  const frames = entities.map(({ rows }) => buildFrame(FIRST, rows))
  const offsets = new Int32Array(frames.length + 1)
  frames.forEach(({ days }, i) => {
    offsets[i + 1] = (offsets[i] as number) + days.length
  })
  const joined = (name: (typeof FRAME_COLUMNS)[number]) =>
    Float64Array.from(frames.flatMap((frame) => [...frame[name]]))
  const columns: DailyFrame = {
    days: Int32Array.from(frames.flatMap(({ days }) => [...days])),
    spend: joined('spend'),
    impressions: joined('impressions'),
    clicks: joined('clicks'),
    leads: joined('leads'),
    reach: joined('reach'),
    reach7: joined('reach7'),
  }
  const heads = entities.map(({ rows: _rows, ...known }, i): FeatureHead => ({
    id: `e${i}`,
    parentId: 'p1',
    campaignId: 'c1',
    activeRanges: [[0, D]],
    budgetOwner: null,
    targeting: null,
    reach7: Number.NaN,
    firstWeek: null,
    ...known,
  }))
  return { heads, offsets, columns }
}

const one = (entity: Entity, level: FeatureLevel = 'campaign'): EntityFeatures => {
  const [features] = computeFeatures(level, batchOf([entity]), D)
  if (!features) throw new Error('no features')
  return features
}

/** The last days of the 30, the others without delivery. */
const last = (...rows: readonly (DayRow | null)[]): (DayRow | null)[] => [
  ...repeat<DayRow | null>(30 - rows.length, null),
  ...rows,
]
const twoWeeks = (before: DayRow, now: DayRow): (DayRow | null)[] =>
  last(...repeat(7, before), ...repeat(7, now))
/** Two weeks whose last days alone got leads. */
const withLeads = (before: DayRow, now: DayRow): (DayRow | null)[] =>
  last(...repeat(6, {}), before, ...repeat(6, {}), now)

describe('features of an entity', () => {
  it('example 4: 14 days of spend 10 -> spend_7d 70, spend_trend 0', () => {
    expect(one({ rows: last(...repeat(14, { spend: 10 })) })).to.include({ spend7d: 70, spendTrend: 0 })
  })

  it('example 4: P7 leads 0, L7 leads 3 -> leads_trend 100, cpl_trend null', () => {
    const features = one({ rows: withLeads({ spend: 60 }, { spend: 60, leads: 3 }) })
    expect(features).to.include({ leadsTrend: 100, cplTrend: null, leads7d: 3, leads14d: 3 })
  })

  it('sums the 7, 14 and 30 days that end on D, and no other', () => {
    const rows = Array.from({ length: 30 }, (_, i) => ({
      spend: 1,
      impressions: 1000,
      clicks: 10,
      leads: i === 0 || i === 16 || i === 23 ? 1 : 0,
    }))
    expect(one({ rows })).to.include({
      spend7d: 7,
      impressions7d: 7000,
      clicks7d: 70,
      leads7d: 1,
      cpl7d: 7,
      cpc7d: 0.1,
      ctr7d: 1,
      conversionRate7d: 100 / 70,
      leads14d: 2,
      cpl14d: 7,
      spend30d: 30,
      leads30d: 3,
      cpl30d: 10,
      avgDailySpend30d: 1,
      daysWithLeads7d: 1,
      daysActive: 30,
    })
    const older = rows.map((row, i) => (i === 23 ? { ...row, leads: 0 } : row))
    expect(one({ rows: older })).to.include({
      leads7d: 0,
      cpl7d: null,
      conversionRate7d: 0,
      daysWithLeads7d: 0,
    })
  })

  it('has no ratio where the denominator is 0', () => {
    expect(one({ rows: last({ spend: 12 }) })).to.include({
      cpl7d: null,
      cpc7d: null,
      ctr7d: null,
      conversionRate7d: null,
      frequency7d: null,
      cplTrend: null,
      ctrTrend: null,
    })
  })

  it('compares costs per lead only of two weeks that both had 2 leads', () => {
    const trend = (before: number, now: number) =>
      one({ rows: withLeads({ spend: 10 * before, leads: before }, { spend: 12.5 * now, leads: now }) })
        .cplTrend
    expect(trend(2, 2)).to.equal(25)
    expect(trend(1, 2)).to.equal(null)
    expect(trend(2, 1)).to.equal(null)
  })

  it('compares click rates of two weeks that both had views', () => {
    const trend = (before: DayRow, now: DayRow) => one({ rows: twoWeeks(before, now) }).ctrTrend
    const views = { impressions: 1000, clicks: 20 }
    expect(trend(views, { impressions: 1000, clicks: 15 })).to.equal(-25)
    expect(trend({}, views)).to.equal(null)
    expect(trend(views, {})).to.equal(null)
    expect(trend({ impressions: 1000 }, views)).to.equal(100)
  })

  it('varies over the days with leads, and over all days', () => {
    const days = [{}, {}, {}, {}, {}, { spend: 10, leads: 1 }, { spend: 60, leads: 2 }]
    expect(one({ rows: last(...days) })).to.include({ cplStd7d: Math.sqrt(200), daysWithLeads7d: 2 })
    expect(one({ rows: last(...days) }).leadsStd7d).to.be.closeTo(Math.sqrt((5 - 9 / 7) / 6), 1e-12)
    expect(one({ rows: last({ spend: 10, leads: 1 }) }).cplStd7d).to.equal(null)
  })

  it('counts missing days of what was active as zeros, and leaves others out', () => {
    const rows = last({ spend: 30, leads: 3 }, null, { spend: 30, leads: 3 })
    const stopped = one({ rows, activeRanges: [] })
    expect(stopped).to.include({ avgDailySpend30d: 30, leadsStd7d: 0, isActive: false })
    const active = one({ rows, activeRanges: [[D - 2, D]] })
    expect(active).to.include({ avgDailySpend30d: 20, leadsStd7d: Math.sqrt(3), isActive: true })
    expect(one({ rows, activeRanges: [[D - 40, D]] })).to.include({ avgDailySpend30d: 2 })
    const none = one({ rows: last({}), activeRanges: [] })
    expect(none).to.include({ avgDailySpend30d: 0, leadsStd7d: null })
  })

  it('takes delivered reach before the sum, and knows none where a day with views has none', () => {
    const day = { impressions: 300, reach: 200 }
    expect(one({ rows: last(...repeat(8, day)) })).to.include({
      reach7d: 1400,
      reachEstimated: true,
      frequency7d: 1.5,
    })
    expect(one({ rows: last(...repeat(8, day)), reach7: 700 })).to.include({
      reach7d: 700,
      reachEstimated: false,
      frequency7d: 3,
    })
    expect(one({ rows: last(day, { impressions: 1 }) })).to.include({
      reach7d: null,
      reachEstimated: false,
      frequency7d: null,
    })
    // A day without views reached nobody, whatever the source does not say of it.
    expect(one({ rows: last({ impressions: 1 }, day, ...repeat(5, {}), day) })).to.include({ reach7d: 400 })
  })

  it('is nothing of one that neither delivered nor is active', () => {
    const nothing = repeat(30, null)
    expect(computeFeatures('ad', batchOf([{ rows: nothing, activeRanges: [[0, D - 1]] }]), D)).to.deep.equal([
      null,
    ])
    const [active] = computeFeatures('ad', batchOf([{ rows: nothing, activeRanges: [[D, D]] }]), D)
    expect(active).to.include({ isActive: true, spend7d: 0, avgDailySpend30d: 0, shareOfParentSpend: null })
    const [delivered] = computeFeatures('ad', batchOf([{ rows: last({ spend: 1 }), activeRanges: [] }]), D)
    expect(delivered).to.include({ isActive: false, spend7d: 1 })
  })

  it('stands on little with fewer than 7 days of impressions', () => {
    const days = (n: number) =>
      isInsufficient(one({ rows: last(...repeat(n, { impressions: 1 }), { spend: 1 }) }))
    expect(days(6)).to.equal(true)
    expect(days(7)).to.equal(false)
  })

  it('has siblings within its parent, and none on campaigns', () => {
    const rows = last({ spend: 10, leads: 1 })
    const batch = batchOf([{ rows }, { rows: last({ spend: 30, leads: 1 }) }, { rows, parentId: 'p2' }])
    expect(computeFeatures('ad', batch, D).map((one) => one?.shareOfParentSpend)).to.deep.equal([
      0.25, 0.75, 1,
    ])
    const [campaign] = computeFeatures('campaign', batch, D)
    expect(campaign).to.include({
      shareOfParentSpend: null,
      shareOfParentLeads: null,
      performanceVsSiblings: null,
      siblingsCpl7d: null,
      siblingsWithLeads7d: 0,
    })
  })

  it('scores overlap on ad sets and fatigue on ads alone', () => {
    const rows = last({ impressions: 1000, reach: 200 })
    const targeting = { age_min: 18 }
    const scores = (level: FeatureLevel) => {
      const { audienceOverlapScore, creativeFatigueScore } = one({ rows, targeting }, level)
      return [audienceOverlapScore, creativeFatigueScore]
    }
    expect(scores('campaign')).to.deep.equal([null, null])
    expect(scores('adset')).to.deep.equal([0, null])
    expect(scores('ad')).to.deep.equal([null, 2.5 / 4.5])
  })

  it('correlates frequencies day by day over the 30 days', () => {
    const rows = Array.from({ length: 30 }, (_, i) => ({ impressions: 100 + (i % 5), reach: 100 }))
    const targeting = { age_min: 18 }
    const batch = batchOf([
      { rows, targeting, parentId: 'c1' },
      // Of the half it has, the days are the same days.
      { rows: rows.map((row, i) => (i < 16 ? null : row)), targeting, activeRanges: [[D - 13, D]] },
      { rows: last({ impressions: 1 }), targeting, campaignId: 'c2' },
    ])
    const scores = computeFeatures('adset', batch, D).map((one) => one?.audienceOverlapScore)
    expect(scores[0]).to.be.closeTo(1, 1e-12)
    expect(scores[1]).to.be.closeTo(1, 1e-12)
    expect(scores[2]).to.equal(0)
  })

  it('are finite, within bounds, add up to 1 and do not depend on the order they come in', () => {
    const amount = fc.oneof(fc.constant(0), fc.nat({ max: 50_000 }))
    const day = fc.record({
      spend: amount.map((cents) => cents / 100),
      impressions: amount,
      clicks: amount,
      leads: fc.nat({ max: 5 }),
      reach: fc.oneof(fc.constant(Number.NaN), amount),
    })
    const entity = fc.record({
      rows: fc.array(fc.option(day, { freq: 3 }), { minLength: 30, maxLength: 30 }),
      activeRanges: fc.constantFrom<FeatureHead['activeRanges']>(
        [],
        [[0, D]],
        [[D - 20, D - 3]],
        [[D - 2, D]],
      ),
      parentId: fc.constantFrom('p1', 'p2'),
      targeting: fc.constantFrom(
        null,
        { age_min: 18 },
        { age_min: 30, geo_locations: { countries: ['BR'] } },
      ),
      reach7: fc.oneof(fc.constant(Number.NaN), amount),
      firstWeek: fc.option(
        fc.record({ spend: amount, impressions: amount, clicks: amount, lastDay: fc.nat({ max: D }) }),
      ),
    })
    const bounded: readonly (readonly [keyof EntityFeatures, number, number])[] = [
      ['spendTrend', -100, 100],
      ['leadsTrend', -100, 100],
      ['cplTrend', -100, 100],
      ['ctrTrend', -100, 100],
      ['shareOfParentSpend', 0, 1],
      ['shareOfParentLeads', 0, 1],
      ['performanceVsSiblings', -1, 1],
      ['audienceOverlapScore', 0, 1],
      ['creativeFatigueScore', 0, 1],
      ['daysWithLeads7d', 0, 7],
      ['daysActive', 0, 30],
    ]
    const entities = fc.array(entity, { minLength: 1, maxLength: 5 })
    const level = fc.constantFrom<FeatureLevel>('campaign', 'adset', 'ad')
    fc.assert(
      fc.property(level, entities, (at, family) => {
        const named = family.map((member, i) => ({ ...member, id: `e${i}` }))
        const features = computeFeatures(at, batchOf(named), D)
        for (const one of features) {
          if (!one) continue
          for (const [name, value] of Object.entries(toNamed(one)))
            if (typeof value === 'number') expect(value, name).to.satisfy(Number.isFinite)
          for (const [name, low, high] of bounded)
            if (one[name] !== null) expect(one[name], name).to.be.within(low, high)
        }
        for (const parent of ['p1', 'p2']) {
          const children = features.filter((_, i) => named[i]?.parentId === parent)
          for (const name of ['shareOfParentSpend', 'shareOfParentLeads'] as const) {
            const shares = children.flatMap((one) => (one ? [one[name]] : []))
            if (shares.includes(null)) expect(new Set(shares).size).to.equal(1)
            else if (shares.length > 0)
              expect(shares.reduce<number>((sum, share) => sum + (share ?? 0), 0)).to.be.closeTo(1, 1e-12)
          }
        }
        expect(computeFeatures(at, batchOf(named.toReversed()), D).toReversed()).to.deep.equal(features)
      }),
      { numRuns: 60 },
    )
  })
})
