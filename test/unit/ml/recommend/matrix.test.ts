import { expect } from 'chai'
import * as fc from 'fast-check'
import { candidatesFor } from '../../../../ml/recommend/matrix.ts'
import type { Rule, Situation } from '../../../../ml/recommend/matrix.ts'
import { inConflict, settle } from '../../../../ml/recommend/conflicts.ts'
import { sentenceOf, titleOf } from '../../../../ml/recommend/sentences.ts'
import { TIERS } from '../../../../ml/classify/tier.ts'
import type { EntityFeatures } from '../../../../ml/features/entity-features.ts'
import { featuresOf } from '../../../support/features.ts'

type Changes = Partial<Omit<Situation, 'features'>> & Partial<EntityFeatures>

const SITUATION_KEYS = new Set(['level', 'reference', 'tier', 'daysInTier'])

/** An active entity of which nothing stands out, with changes. */
const situation = (changes: Changes): Situation => {
  const entries = Object.entries(changes)
  const features = Object.fromEntries(entries.filter(([key]) => !SITUATION_KEYS.has(key)))
  const others = Object.fromEntries(entries.filter(([key]) => SITUATION_KEYS.has(key)))
  return {
    level: 'campaign',
    reference: { avgCpl: 20, avgCtr: 1, avgConversionRate: 5 },
    tier: null,
    daysInTier: 0,
    ...others,
    features: featuresOf({ daysActive: 30, isActive: true, ...features }),
  }
}

const fires = (rule: Rule, changes: Changes): boolean =>
  candidatesFor(situation(changes)).some((candidate) => candidate.rule === rule)

/** What makes each rule fire, and for every threshold a step that stops it. */
const CASES: readonly (readonly [Rule, Changes, readonly Changes[]])[] = [
  [
    'scale_up',
    { cpl7d: 14, leads7d: 3, daysWithLeads7d: 4, cplTrend: 10 },
    [
      { cpl7d: 14.01 },
      { cpl7d: null },
      { leads7d: 2 },
      { daysWithLeads7d: 3 },
      { cplTrend: 10.01 },
      { daysActive: 2 },
      { isActive: false },
      { reference: { avgCpl: null, avgCtr: 1, avgConversionRate: 5 } },
    ],
  ],
  [
    'budget_decrease',
    { spend7d: 50, cpl7d: 30, cplTrend: 0.01, leads7d: 2 },
    [{ spend7d: 49.99 }, { cpl7d: 29.99 }, { cplTrend: 0 }, { cplTrend: null }, { level: 'ad' }],
  ],
  ['no_leads', { leads7d: 0, spend7d: 100.01 }, [{ spend7d: 100 }, { leads7d: 1 }]],
  [
    'worse_than_siblings',
    {
      level: 'ad',
      performanceVsSiblings: -0.5,
      siblingsWithLeads7d: 2,
      siblingsCpl7d: 10,
      spend7d: 70,
      leads7d: 2,
      cpl7d: 35,
      daysActive: 7,
    },
    [
      { performanceVsSiblings: -0.49 },
      { performanceVsSiblings: null },
      { siblingsWithLeads7d: 1 },
      { daysActive: 6 },
      // Two leads or fewer where seven were due happen in 3% of the weeks; where six were due in 6%.
      { spend7d: 60 },
      { level: 'campaign' },
    ],
  ],
  ['high_cpl', { cpl7d: 50, leads7d: 2, daysActive: 7 }, [{ cpl7d: 49.99 }, { daysActive: 6 }]],
  [
    'underperformer',
    { tier: 'UNDERPERFORMER', daysInTier: 7 },
    [{ daysInTier: 6 }, { tier: 'LOW' }, { tier: null }],
  ],
  [
    'budget_increase',
    { cpl7d: 14, leads7d: 2, daysWithLeads7d: 3, cplTrend: -15 },
    [
      { cpl7d: 13.99 },
      { cpl7d: 20.01 },
      { leads7d: 1 },
      { daysWithLeads7d: 2 },
      { cplTrend: -15.01 },
      { cplTrend: 15.01 },
      { cplTrend: null },
      { level: 'ad' },
    ],
  ],
  [
    'reactivate',
    { isActive: false, cpl30d: 22, leads30d: 5 },
    [{ isActive: true }, { cpl30d: 22.01 }, { cpl30d: null }, { leads30d: 4 }, { daysActive: 2 }],
  ],
  [
    'audience_review',
    { level: 'adset', leads7d: 2, cplTrend: 20.01, leadsTrend: -15.01, ctrTrend: -5 },
    [
      { leads7d: 1 },
      { cplTrend: 20 },
      { leadsTrend: -15 },
      { ctrTrend: -5.01 },
      { ctrTrend: null },
      { level: 'ad' },
    ],
  ],
  [
    'audience_expansion',
    { level: 'adset', cpl7d: 18, leads7d: 5, shareOfParentSpend: 0.29 },
    [{ cpl7d: 18.01 }, { leads7d: 6 }, { leads7d: 0 }, { shareOfParentSpend: 0.3 }, { level: 'campaign' }],
  ],
  [
    'audience_narrowing',
    { level: 'adset', cpl7d: 26, ctr7d: 1, conversionRate7d: 3.49, leads7d: 2 },
    [
      { cpl7d: 25.99 },
      { ctr7d: 0.99 },
      { conversionRate7d: 3.5 },
      { conversionRate7d: null },
      { level: 'ad' },
    ],
  ],
  [
    'creative_refresh',
    { level: 'ad', frequency7d: 3, ctrTrend: -10.01 },
    [{ frequency7d: 2.99 }, { ctrTrend: -10 }, { level: 'adset' }],
  ],
  ['creative_refresh', { level: 'ad', frequency7d: 3, cplTrend: 15.01 }, [{ cplTrend: 15 }]],
  [
    'creative_test',
    { level: 'ad', cpl7d: 18, impressions7d: 1000, cplStd7d: 0.01, leads7d: 3 },
    [{ cpl7d: 17.99 }, { cpl7d: 24.01 }, { impressions7d: 999 }, { cplStd7d: 0 }, { cplStd7d: null }],
  ],
  [
    'creative_winner',
    { level: 'ad', performanceVsSiblings: 0.3, leads7d: 3, cpl7d: 10, siblingsCpl7d: 15 },
    [{ performanceVsSiblings: 0.29 }, { leads7d: 2 }, { level: 'adset' }],
  ],
]

describe('the matrix of advice', () => {
  it('example 14: half the cost is SCALE_UP 9, +100%, +8 leads; 2.6 times it only BUDGET_DECREASE 8, -50%', () => {
    const up = settle(
      candidatesFor(situation({ cpl7d: 10, leads7d: 10, daysWithLeads7d: 5, cplTrend: 0, spend7d: 100 })),
    )
    expect(up).to.have.length(1)
    expect(up[0]).to.deep.include({ type: 'SCALE_UP', priority: 9, changePct: 100 })
    expect(up[0]?.expected.leads).to.equal(8)
    expect(up[0]?.expected.cpl).to.be.closeTo(11, 1e-12)

    const down = settle(
      candidatesFor(situation({ cpl7d: 52, spend7d: 130, leads7d: 2, cplTrend: 5, daysActive: 10 })),
    )
    expect(down).to.have.length(1)
    expect(down[0]).to.deep.include({ type: 'BUDGET_DECREASE', priority: 8, changePct: -50 })
  })

  for (const [rule, fulfilled, broken] of CASES) {
    it(`${rule} stands at its thresholds and falls a step beside each`, () => {
      expect(fires(rule, fulfilled), 'at the thresholds').to.equal(true)
      for (const change of broken)
        expect(fires(rule, { ...fulfilled, ...change }), JSON.stringify(change)).to.equal(false)
    })
  }

  it('proposes for each rule what the table says', () => {
    const proposed = CASES.map(([rule, fulfilled]) => {
      const found = candidatesFor(situation(fulfilled)).find((candidate) => candidate.rule === rule)
      return [
        rule,
        found?.type,
        found?.priority,
        found?.confidence,
        found?.action,
        found?.changePct,
        found?.days,
      ]
    })
    expect(proposed).to.deep.equal([
      ['scale_up', 'SCALE_UP', 7, 0.8, 'daily_budget', 50, 7],
      ['budget_decrease', 'BUDGET_DECREASE', 6, 0.75, 'daily_budget', -30, 5],
      ['no_leads', 'PAUSE', 7, 0.7, 'PAUSED', null, 3],
      ['worse_than_siblings', 'PAUSE', 6, 0.7, 'PAUSED', null, 3],
      ['high_cpl', 'PAUSE', 6, 0.7, 'PAUSED', null, 3],
      ['underperformer', 'PAUSE', 5, 0.7, 'PAUSED', null, 3],
      ['budget_increase', 'BUDGET_INCREASE', 4, 0.7, 'daily_budget', 25, 7],
      ['reactivate', 'REACTIVATE', 3, 0.6, 'ACTIVE', null, 14],
      ['audience_review', 'AUDIENCE_REVIEW', 5, 0.7, 'review_targeting', null, 7],
      ['audience_expansion', 'AUDIENCE_EXPANSION', 5, 0.7, 'expand_audience', null, 7],
      ['audience_narrowing', 'AUDIENCE_NARROWING', 5, 0.7, 'narrow_audience', null, 7],
      ['creative_refresh', 'CREATIVE_REFRESH', 5, 0.75, 'create_new_creatives', null, 7],
      ['creative_refresh', 'CREATIVE_REFRESH', 5, 0.75, 'create_new_creatives', null, 7],
      ['creative_test', 'CREATIVE_TEST', 4, 0.65, 'create_variations', null, 7],
      ['creative_winner', 'CREATIVE_WINNER', 7, 0.8, 'scale_winner', null, 7],
    ])
    const steps = [10, 12, 14].map((cpl7d) => {
      const [found] = candidatesFor(situation({ cpl7d, leads7d: 10, daysWithLeads7d: 5, cplTrend: 0 }))
      return [found?.priority, found?.confidence, found?.expected.leads]
    })
    expect(steps).to.deep.equal([
      [9, 0.9, 8],
      [8, 0.85, 6],
      [7, 0.8, 4],
    ])
    const both = { level: 'ad', frequency7d: 3, ctrTrend: -10.01, cplTrend: 15.01 } as const
    expect(candidatesFor(situation(both))[0]?.priority).to.equal(6)
  })

  /** Whose lack stops each rule; the trend of the cost may be unknown where a budget is to grow on proof alone. */
  const NEEDED: Readonly<Record<Rule, readonly (keyof EntityFeatures)[]>> = {
    scale_up: ['cpl7d'],
    budget_decrease: ['cpl7d', 'cplTrend'],
    no_leads: [],
    worse_than_siblings: ['performanceVsSiblings', 'siblingsCpl7d'],
    high_cpl: ['cpl7d'],
    underperformer: [],
    budget_increase: ['cpl7d', 'cplTrend'],
    reactivate: ['cpl30d'],
    audience_review: ['cplTrend', 'ctrTrend'],
    audience_expansion: ['cpl7d', 'shareOfParentSpend'],
    audience_narrowing: ['cpl7d', 'ctr7d', 'conversionRate7d'],
    creative_refresh: ['frequency7d'],
    creative_test: ['cpl7d', 'cplStd7d'],
    creative_winner: ['performanceVsSiblings', 'cpl7d'],
  }

  const OFF_LEVEL: Readonly<Record<Rule, readonly Situation['level'][]>> = {
    scale_up: [],
    budget_decrease: ['ad'],
    no_leads: [],
    worse_than_siblings: ['campaign'],
    high_cpl: [],
    underperformer: [],
    budget_increase: ['ad'],
    reactivate: [],
    audience_review: ['campaign', 'ad'],
    audience_expansion: ['campaign', 'ad'],
    audience_narrowing: ['campaign', 'ad'],
    creative_refresh: ['campaign', 'adset'],
    creative_test: ['campaign', 'adset'],
    creative_winner: ['campaign', 'adset'],
  }

  it('lets no rule speak without the numbers it needs, off its levels, too early, or of what is off', () => {
    const nobody = { avgCpl: null, avgCtr: null, avgConversionRate: null }
    const byAccount = new Set<Rule>([
      'scale_up',
      'budget_decrease',
      'high_cpl',
      'budget_increase',
      'reactivate',
      'audience_expansion',
      'audience_narrowing',
      'creative_test',
    ])
    for (const [rule, fulfilled] of CASES) {
      for (const name of NEEDED[rule])
        expect(fires(rule, { ...fulfilled, [name]: null }), `${rule} without ${name}`).to.equal(false)
      expect(fires(rule, { ...fulfilled, reference: nobody }), rule).to.equal(!byAccount.has(rule))
      for (const level of ['campaign', 'adset', 'ad'] as const)
        expect(fires(rule, { ...fulfilled, level }), `${rule} on ${level}`).to.equal(
          !OFF_LEVEL[rule].includes(level),
        )
      expect(fires(rule, { ...fulfilled, daysActive: 2 }), rule).to.equal(false)
      const isActive = rule === 'reactivate'
      expect(fires(rule, { ...fulfilled, isActive }), rule).to.equal(false)
    }
  })

  it('grows with how much cheaper or dearer the leads are', () => {
    const of = (changes: Changes) => candidatesFor(situation(changes))[0]
    const cheap = { leads7d: 10, daysWithLeads7d: 5, cplTrend: 0 }
    const changes = [10, 10.01, 12, 12.01, 14].map((cpl7d) => of({ ...cheap, cpl7d })?.changePct)
    expect(changes).to.deep.equal([100, 75, 75, 50, 50])
    const dear = { leads7d: 2, spend7d: 100, cplTrend: 1 }
    expect([39.99, 40].map((cpl7d) => of({ ...dear, cpl7d })?.changePct)).to.deep.equal([-30, -50])
    const steady = { leads7d: 2, daysWithLeads7d: 3, cplTrend: 5 }
    expect([17, 17.01].map((cpl7d) => of({ ...steady, cpl7d })?.changePct)).to.deep.equal([25, 15])
  })

  it('stands at a limit that is met exactly, whatever the binary quotient says', () => {
    const reference = { avgCpl: 6, avgCtr: 1, avgConversionRate: 5 }
    const cheap = { reference, cpl7d: 4.2, leads7d: 3, daysWithLeads7d: 4 }
    // 4.2 / 6 is a hair above 0.7, and 100 * (11 - 10) / 10 = 10 may come out above 10.
    expect(fires('scale_up', { ...cheap, cplTrend: 10.000000000000002 })).to.equal(true)
  })

  it('scales up where nothing is known of the trend', () => {
    expect(fires('scale_up', { cpl7d: 10, leads7d: 10, daysWithLeads7d: 5, cplTrend: null })).to.equal(true)
  })

  it('leaves the budget of an ad set alone that is the campaign’s, but may scale it up', () => {
    const adset = { level: 'adset', budgetOwner: 'campaign' } as const
    expect(fires('budget_decrease', { ...adset, spend7d: 60, cpl7d: 40, cplTrend: 5, leads7d: 2 })).to.equal(
      false,
    )
    expect(fires('scale_up', { ...adset, cpl7d: 10, leads7d: 10, daysWithLeads7d: 5, cplTrend: 0 })).to.equal(
      true,
    )
  })

  const value = fc.option(fc.double({ min: -120, max: 400, noNaN: true }), { nil: null })
  const amount = fc.double({ min: 0, max: 500, noNaN: true })
  const whole = fc.integer({ min: 0, max: 40 })
  const anything = fc
    .record({
      level: fc.constantFrom('campaign' as const, 'adset' as const, 'ad' as const),
      tier: fc.constantFrom(null, ...TIERS),
      daysInTier: fc.integer({ min: 0, max: 20 }),
      spend7d: amount,
      impressions7d: fc.integer({ min: 0, max: 9000 }),
      leads7d: whole,
      cpl7d: fc.option(amount, { nil: null }),
      ctr7d: fc.option(fc.double({ min: 0, max: 10, noNaN: true }), { nil: null }),
      conversionRate7d: fc.option(fc.double({ min: 0, max: 30, noNaN: true }), { nil: null }),
      leadsTrend: fc.double({ min: -100, max: 100, noNaN: true }),
      cplTrend: value,
      ctrTrend: value,
      cpl30d: fc.option(amount, { nil: null }),
      leads30d: whole,
      cplStd7d: fc.option(amount, { nil: null }),
      daysWithLeads7d: fc.integer({ min: 0, max: 7 }),
      daysActive: fc.integer({ min: 0, max: 30 }),
      frequency7d: fc.option(fc.double({ min: 1, max: 12, noNaN: true }), { nil: null }),
      isActive: fc.boolean(),
      shareOfParentSpend: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: null }),
      performanceVsSiblings: fc.option(fc.double({ min: -1, max: 1, noNaN: true }), { nil: null }),
      siblingsCpl7d: fc.option(amount, { nil: null }),
      siblingsWithLeads7d: fc.integer({ min: 0, max: 5 }),
    })
    .map((changes) => candidatesFor(situation(changes)))

  it('says why in a sentence without a gap, whatever the numbers', () => {
    fc.assert(
      fc.property(anything, (candidates) => {
        for (const candidate of candidates) {
          const sentence = sentenceOf(candidate, 'BRL')
          expect(sentence)
            .to.match(/\.$/)
            .and.not.to.match(/NaN|undefined|null|Infinity/)
          expect(titleOf(candidate)).not.to.match(/NaN|undefined|null/)
        }
      }),
    )
  })

  it('groups large amounts, and tells a chance too small for its digits', () => {
    const [pause] = candidatesFor(
      situation({
        level: 'ad',
        performanceVsSiblings: -1,
        siblingsWithLeads7d: 2,
        siblingsCpl7d: 10,
        spend7d: 12_345.6,
        leads7d: 1,
        cpl7d: 12_345.6,
        reference: { avgCpl: null, avgCtr: null, avgConversionRate: null },
      }),
    )
    expect(pause && sentenceOf(pause, 'BRL')).to.equal(
      '1 lead for BRL 12,345.60 in 7 days, where its siblings pay BRL 10.00 each; that is not chance (p < 0.001): pause it.',
    )
  })

  it('never lets more than three stand, nor two that conflict, whatever their order', () => {
    fc.assert(
      fc.property(anything, (candidates) => {
        const standing = settle(candidates)
        expect(standing.length).to.be.at.most(3)
        standing.forEach((one, i) => {
          for (const other of standing.slice(i + 1)) expect(inConflict(one.type, other.type)).to.equal(false)
        })
        expect(settle(candidates.toReversed())).to.deep.equal(standing)
      }),
    )
  })
})
