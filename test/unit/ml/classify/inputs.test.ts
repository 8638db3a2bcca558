import { expect } from 'chai'
import * as fc from 'fast-check'
import { CLASSIFIER_INPUTS, classifierInputs } from '../../../../ml/classify/inputs.ts'
import type { AccountReference, EntityFeatures } from '../../../../ml/features/entity-features.ts'
import { featuresOf } from '../../../support/features.ts'

const REFERENCE: AccountReference = { avgCpl: 20, avgCtr: 1, avgConversionRate: 5 }

const WEEK: Partial<EntityFeatures> = {
  spend7d: 200,
  leads7d: 8,
  cpl7d: 25,
  ctr7d: 1.5,
  conversionRate7d: 4,
  cplTrend: 10,
  leadsTrend: -20,
  cplStd7d: 5,
  daysWithLeads7d: 7,
  frequency7d: 2.5,
}

type Name = (typeof CLASSIFIER_INPUTS)[number]

/** One input of the week with some of it changed. */
const input = (name: Name, changed: Partial<EntityFeatures> = {}, reference = REFERENCE): number =>
  classifierInputs(featuresOf({ ...WEEK, ...changed }), reference)[CLASSIFIER_INPUTS.indexOf(name)] ??
  Number.NaN

describe('inputs of the classifier', () => {
  it('are ten numbers in the order of the specification', () => {
    expect(CLASSIFIER_INPUTS).to.deep.equal([
      'cpl_ratio',
      'ctr_ratio',
      'leads_per_100_spend',
      'cpl_trend',
      'leads_trend',
      'cpl_std_ratio',
      'conversion_rate',
      'lead_days_share',
      'frequency_score',
      'consistency',
    ])
    const inputs = [...classifierInputs(featuresOf(WEEK), REFERENCE)]
    const expected = [1.25, 1.5, 4, 10, -20, 0.25, 4, 1, 0.5, 0.5 + 0.3 * 0.8 + 0.2 * 0.5]
    expect(inputs).to.have.length(expected.length)
    for (const [i, value] of expected.entries()) expect(inputs[i]).to.be.closeTo(value, 1e-12)
  })

  const cases: readonly (readonly [string, Name, Partial<EntityFeatures>, number])[] = [
    ['5 times the average', 'cpl_ratio', { cpl7d: 100 }, 5],
    ['more than 5 times the average is 5', 'cpl_ratio', { cpl7d: 100.01 }, 5],
    ['just below 5 times the average', 'cpl_ratio', { cpl7d: 99 }, 4.95],
    ['no lead for 50', 'cpl_ratio', { leads7d: 0, cpl7d: null, spend7d: 50 }, 1],
    ['no lead for 50.01', 'cpl_ratio', { leads7d: 0, cpl7d: null, spend7d: 50.01 }, 5],
    ['a click rate of 5 times the average', 'ctr_ratio', { ctr7d: 5 }, 5],
    ['a click rate beyond', 'ctr_ratio', { ctr7d: 5.01 }, 5],
    ['no impressions', 'ctr_ratio', { ctr7d: null }, 1],
    ['10 leads per 100', 'leads_per_100_spend', { spend7d: 80 }, 10],
    ['more than 10 leads per 100', 'leads_per_100_spend', { spend7d: 79 }, 10],
    ['leads for nothing', 'leads_per_100_spend', { spend7d: 0, cpl7d: 0 }, 10],
    ['nothing for nothing', 'leads_per_100_spend', { spend7d: 0, leads7d: 0, cpl7d: null }, 0],
    ['a trend that is not known', 'cpl_trend', { cplTrend: null }, 0],
    ['a deviation of twice the average', 'cpl_std_ratio', { cplStd7d: 40 }, 2],
    ['a deviation beyond', 'cpl_std_ratio', { cplStd7d: 41 }, 2],
    ['a deviation that is not known', 'cpl_std_ratio', { cplStd7d: null }, 0],
    ['half of the clicks convert', 'conversion_rate', { conversionRate7d: 50 }, 50],
    ['more than half convert', 'conversion_rate', { conversionRate7d: 51 }, 50],
    ['no clicks', 'conversion_rate', { conversionRate7d: null }, 0],
    ['leads on 3 days', 'lead_days_share', { daysWithLeads7d: 3 }, 3 / 7],
    ['everyone saw it once', 'frequency_score', { frequency7d: 1 }, 1],
    ['less than once, as windows may say', 'frequency_score', { frequency7d: 0.9 }, 1],
    ['everyone saw it four times', 'frequency_score', { frequency7d: 4 }, 0],
    ['everyone saw it five times', 'frequency_score', { frequency7d: 5 }, 0],
    ['nobody knows how often it was seen', 'frequency_score', { frequency7d: null }, 1],
    ['a cost that halves is as unsteady', 'consistency', { cplTrend: -50, daysWithLeads7d: 0 }, 0.1],
    ['as one that doubles', 'consistency', { cplTrend: 100, daysWithLeads7d: 0 }, 0.1],
  ]
  for (const [what, name, changed, value] of cases) {
    it(`${name}: ${what}`, () => expect(input(name, changed)).to.be.closeTo(value, 1e-12))
  }

  it('are those of the average where the account has none', () => {
    for (const avg of [null, 0]) {
      const reference = { avgCpl: avg, avgCtr: avg, avgConversionRate: avg }
      expect(input('cpl_ratio', {}, reference)).to.equal(1)
      expect(input('ctr_ratio', {}, reference)).to.equal(1)
      expect(input('cpl_std_ratio', {}, reference)).to.equal(0)
    }
  })

  it('are finite and within their caps whatever the week was', () => {
    const amount = fc.double({ min: 0, max: 1e9, noNaN: true })
    const maybe = fc.option(amount, { nil: null })
    const trend = fc.double({ min: -100, max: 100, noNaN: true })
    const limits = [
      [0, 5],
      [0, 5],
      [0, 10],
      [-100, 100],
      [-100, 100],
      [0, 2],
      [0, 50],
      [0, 1],
      [0, 1],
      [0, 1],
    ] as const
    fc.assert(
      fc.property(
        fc.record({
          spend7d: amount,
          leads7d: fc.nat(),
          cpl7d: maybe,
          ctr7d: maybe,
          conversionRate7d: maybe,
          cplTrend: fc.option(trend, { nil: null }),
          leadsTrend: trend,
          cplStd7d: maybe,
          daysWithLeads7d: fc.integer({ min: 0, max: 7 }),
          frequency7d: maybe,
        }),
        fc.record({ avgCpl: maybe, avgCtr: maybe, avgConversionRate: maybe }),
        (features, reference) => {
          const inputs = classifierInputs(featuresOf(features), reference)
          for (const [i, [low, high]] of limits.entries())
            expect(inputs[i], CLASSIFIER_INPUTS[i]).to.be.within(low, high)
        },
      ),
    )
  })
})
