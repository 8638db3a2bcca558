import { expect } from 'chai'
import * as fc from 'fast-check'
import { classifyByRules, saysNothing, spread, tierOfTable } from '../../../../ml/classify/rules.ts'
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

  it('gives probabilities that sum to 1, the largest to its tier', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...TIERS),
        fc.double({ min: 0.5, max: 1, noNaN: true }),
        (tier, confidence) => {
          const { probabilities } = spread(tier, confidence)
          const all = Object.values(probabilities)
          expect(all.reduce((sum, p) => sum + p, 0)).to.be.closeTo(1, 1e-12)
          expect(Math.max(...all)).to.equal(probabilities[tier])
        },
      ),
    )
  })

  it('never calls the dearer of two the better', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.01, max: 200, noNaN: true }),
        fc.double({ min: 0.01, max: 200, noNaN: true }),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 7 }),
        (a, b, leads7d, daysWithLeads7d) => {
          const tierAt = (cpl7d: number): number =>
            TIERS.indexOf(
              tierOfTable({ leads7d, spend7d: 1000, cpl7d, daysWithLeads7d }, 20)?.tier ?? 'UNDERPERFORMER',
            )
          expect(tierAt(Math.max(a, b))).to.be.at.most(tierAt(Math.min(a, b)))
        },
      ),
    )
  })
})
