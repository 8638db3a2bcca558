import { expect } from 'chai'
import * as fc from 'fast-check'
import { classifyByRules, saysNothing, tierOfTable } from '../../../../ml/classify/rules.ts'
import { TIERS } from '../../../../ml/classify/tier.ts'
import type { Tier } from '../../../../ml/classify/tier.ts'
import type { EntityFeatures } from '../../../../ml/features/entity-features.ts'
import { featuresOf } from '../../../support/features.ts'

const REFERENCE = { avgCpl: 20, avgCtr: 1, avgConversionRate: 5 }

const of = (features: Partial<EntityFeatures>): EntityFeatures =>
  featuresOf({ leads7d: 8, spend7d: 160, cpl7d: 20, daysWithLeads7d: 5, cplTrend: 0, ...features })

describe('tiers by rules', () => {
  it('example 13: a high performer whose cost rises is moderate at .765; 60 spent on no lead is an underperformer', () => {
    const found = classifyByRules(of({ cpl7d: 14, daysWithLeads7d: 4, leads7d: 8, cplTrend: 25 }), REFERENCE)
    expect(found?.tier).to.equal('MODERATE')
    expect(found?.confidence).to.be.closeTo(0.765, 1e-12)
    for (const tier of TIERS.filter((one) => one !== 'MODERATE'))
      expect(found?.probabilities[tier]).to.be.closeTo(0.0783333333, 1e-9)

    const none = classifyByRules(of({ leads7d: 0, spend7d: 60, cpl7d: null, daysWithLeads7d: 0 }), REFERENCE)
    expect(none).to.deep.include({ tier: 'UNDERPERFORMER', confidence: 0.9 })
  })

  const cases: readonly (readonly [string, Partial<EntityFeatures>, Tier | null, number])[] = [
    ['no lead for 50', { leads7d: 0, spend7d: 50, cpl7d: null }, null, 0],
    ['no lead for 50.01', { leads7d: 0, spend7d: 50.01, cpl7d: null }, 'UNDERPERFORMER', 0.9],
    ['0.7 of the average on 4 days', { cpl7d: 14, daysWithLeads7d: 4 }, 'HIGH_PERFORMER', 0.85],
    ['0.7 of the average on 3 days', { cpl7d: 14, daysWithLeads7d: 3 }, 'MODERATE', 0.75],
    ['just above 0.7', { cpl7d: 14.01 }, 'MODERATE', 0.75],
    ['the average with 2 leads', { cpl7d: 20, leads7d: 2 }, 'MODERATE', 0.75],
    ['the average with 1 lead', { cpl7d: 20, leads7d: 1 }, 'LOW', 0.7],
    ['just above the average', { cpl7d: 20.01 }, 'LOW', 0.7],
    ['1.5 of the average', { cpl7d: 30 }, 'LOW', 0.7],
    ['just above 1.5', { cpl7d: 30.01 }, 'UNDERPERFORMER', 0.7],
    ['a trend of 20 is no shift', { cpl7d: 20, cplTrend: 20 }, 'MODERATE', 0.75],
    ['a trend of 20.01 is one down', { cpl7d: 20, cplTrend: 20.01 }, 'LOW', 0.675],
    ['a trend of -15 is no shift', { cpl7d: 20, cplTrend: -15 }, 'MODERATE', 0.75],
    ['a trend of -15.01 is one up', { cpl7d: 20, cplTrend: -15.01 }, 'HIGH_PERFORMER', 0.675],
    ['nothing is below the lowest tier', { cpl7d: 31, cplTrend: 50 }, 'UNDERPERFORMER', 0.7],
    ['nothing is above the highest', { cpl7d: 10, cplTrend: -50 }, 'HIGH_PERFORMER', 0.85],
    ['an unknown trend is no shift', { cpl7d: 20, cplTrend: null }, 'MODERATE', 0.75],
  ]
  for (const [what, features, tier, confidence] of cases) {
    it(`${what}: ${tier ?? 'nothing to say'}`, () => {
      const found = classifyByRules(of(features), REFERENCE)
      expect(found?.tier ?? null).to.equal(tier)
      if (found) expect(found.confidence).to.be.closeTo(confidence, 1e-12)
      expect(saysNothing(of(features))).to.equal(tier === null)
    })
  }

  it('has an answer where the account itself has no cost per lead', () => {
    expect(classifyByRules(of({ cpl7d: 20 }), { ...REFERENCE, avgCpl: null })?.tier).to.equal('MODERATE')
  })

  it('meets a limit that is met exactly, also where binary fractions miss it by a hair', () => {
    expect(4.2 / 6).to.be.above(0.7)
    for (let cents = 10; cents <= 20_000; cents += 10) {
      const avgCpl = cents / 100
      const at = (tenths: number) =>
        classifyByRules(of({ cpl7d: (cents * tenths) / 1000 }), { ...REFERENCE, avgCpl })?.tier
      expect([at(7), at(10), at(15)], String(avgCpl)).to.deep.equal(['HIGH_PERFORMER', 'MODERATE', 'LOW'])
      const dearer = (cents * 0.7 + 0.001) / 100
      expect(classifyByRules(of({ cpl7d: dearer }), { ...REFERENCE, avgCpl })?.tier).to.equal('MODERATE')
    }
    const trendOf = (now: number, before: number): number => (100 * (now - before)) / before
    expect(trendOf(16.8, 14)).to.be.above(20)
    expect(classifyByRules(of({ cplTrend: trendOf(16.8, 14) }), REFERENCE)?.tier).to.equal('MODERATE')
    expect(classifyByRules(of({ cplTrend: trendOf(16.81, 14) }), REFERENCE)?.tier).to.equal('LOW')
  })

  it('has an answer for leads that cost nothing', () => {
    const free = of({ spend7d: 0, cpl7d: 0 })
    expect(classifyByRules(free, REFERENCE)?.tier).to.equal('HIGH_PERFORMER')
    expect(classifyByRules(free, { ...REFERENCE, avgCpl: 0 })?.tier).to.equal('MODERATE')
  })

  describe('whatever the week was', () => {
    const weeks = fc.record({
      leads7d: fc.integer({ min: 0, max: 30 }),
      cents: fc.integer({ min: 0, max: 500_000 }),
      daysWithLeads7d: fc.integer({ min: 1, max: 7 }),
      cplTrend: fc.option(fc.double({ min: -100, max: 100, noNaN: true }), { nil: null }),
    })
    const weekOf = ({ cents, ...week }: { cents: number; leads7d: number }): EntityFeatures =>
      of({ ...week, spend7d: cents / 100, cpl7d: week.leads7d === 0 ? null : cents / 100 / week.leads7d })
    const averages = fc.double({ min: 0.01, max: 500, noNaN: true })

    it('says nothing, or probabilities that sum to 1 with the largest for its tier', () => {
      fc.assert(
        fc.property(weeks, averages, (week, avgCpl) => {
          const features = weekOf(week)
          const found = classifyByRules(features, { ...REFERENCE, avgCpl })
          expect(found === null).to.equal(saysNothing(features))
          if (!found) return
          const all = Object.values(found.probabilities)
          expect(all.reduce((sum, p) => sum + p, 0)).to.be.closeTo(1, 1e-12)
          expect(found.probabilities[found.tier]).to.equal(found.confidence)
          for (const tier of TIERS.filter((one) => one !== found.tier))
            expect(found.probabilities[tier]).to.be.below(found.confidence)
        }),
      )
    })

    it('never calls the dearer of two the better', () => {
      fc.assert(
        fc.property(
          weeks.filter(({ leads7d }) => leads7d > 0),
          fc.integer({ min: 0, max: 100_000 }),
          averages,
          (week, more, avgCpl) => {
            const rankAt = (cents: number): number => {
              const found = classifyByRules(weekOf({ ...week, cents }), { ...REFERENCE, avgCpl })
              return found ? TIERS.indexOf(found.tier) : Number.NaN
            }
            expect(rankAt(week.cents + more)).to.be.at.most(rankAt(week.cents))
          },
        ),
      )
    })

    it('moves by one tier at most for the trend, and pays for it only then', () => {
      fc.assert(
        fc.property(weeks, averages, (week, avgCpl) => {
          const features = weekOf(week)
          const plain = tierOfTable(features, avgCpl)
          const found = classifyByRules(features, { ...REFERENCE, avgCpl })
          if (!plain || !found) return
          const step = TIERS.indexOf(found.tier) - TIERS.indexOf(plain.tier)
          const trend = features.cplTrend ?? 0
          expect(step).to.be.within(trend > 20 ? -1 : 0, trend < -15 ? 1 : 0)
          expect(found.confidence).to.be.closeTo(plain.confidence * (step === 0 ? 1 : 0.9), 1e-12)
        }),
      )
    })
  })
})
