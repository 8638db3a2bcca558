import { expect } from 'chai'
import { TIERS } from '../../../../ml/classify/tier.ts'
import type { Tier } from '../../../../ml/classify/tier.ts'
import { labelOf, prepare } from '../../../../shared/classification/train-classifier.ts'
import type { LabelSource, Prepared } from '../../../../shared/classification/train-classifier.ts'
import { toLocalDate } from '../../../../shared/core/days.ts'
import { featuresOf } from '../../../support/features.ts'

const FIRST = 20_000
const REFERENCE = { avgCpl: 20, avgCtr: 1, avgConversionRate: 5 }
/** MODERATE by the rules. */
const WEEK = { spend7d: 100, leads7d: 5, cpl7d: 20, daysWithLeads7d: 5, ctr7d: 1, conversionRate7d: 5 }
const GOOD = { leads7d: 10, spend7d: 100, cpl7d: 10, daysWithLeads7d: 6, avgCpl: 20 }
const BAD = { leads7d: 2, spend7d: 120, cpl7d: 60, daysWithLeads7d: 2, avgCpl: 20 }

const source = (day: number, own: Partial<LabelSource> = {}): LabelSource => ({
  entityId: 'c1',
  day: toLocalDate(FIRST + day),
  features: featuresOf(WEEK),
  reference: REFERENCE,
  feedback: null,
  after: null,
  ...own,
})
/** `perDay` rows on each day, every other one turning out badly. */
const outcomes = (days: number, perDay: number): LabelSource[] =>
  Array.from({ length: days * perDay }, (_, i) =>
    source(Math.floor(i / perDay), { entityId: `c${i % perDay}`, after: i % 2 === 0 ? GOOD : BAD }),
  )
const said = (day: number, tiers: readonly Tier[]): LabelSource[] =>
  tiers.map((feedback, i) => source(day, { entityId: `f${i}`, feedback }))
const ready = (sources: readonly LabelSource[]): Prepared => {
  const prepared = prepare(sources)
  if (prepared.status !== 'ready') throw new Error(JSON.stringify(prepared))
  return prepared
}
const times = (n: number, tier: Tier): Tier[] => Array.from({ length: n }, () => tier)

describe('the label of a day', () => {
  it('is what people said before what became of it, and that before the rules', () => {
    expect(labelOf(source(0, { feedback: 'LOW', after: GOOD }))).to.deep.equal({
      tier: 'LOW',
      origin: 'feedback',
    })
    expect(labelOf(source(0, { after: GOOD }))).to.deep.equal({ tier: 'HIGH_PERFORMER', origin: 'outcome' })
    expect(labelOf(source(0))).to.deep.equal({ tier: 'MODERATE', origin: 'rules' })
  })

  it('is by the table without shift, and by the cost per lead of the account in that week', () => {
    const after = { ...BAD, avgCpl: 60 }
    expect(labelOf(source(0, { after }))).to.deep.equal({ tier: 'MODERATE', origin: 'outcome' })
  })

  it('is that of the rules where the week after says nothing: no lead, and little spent on none', () => {
    const after = { leads7d: 0, spend7d: 50, cpl7d: null, daysWithLeads7d: 0, avgCpl: 20 }
    expect(labelOf(source(0, { after }))?.origin).to.equal('rules')
    expect(labelOf(source(0, { after: { ...after, spend7d: 50.01 } }))).to.deep.equal({
      tier: 'UNDERPERFORMER',
      origin: 'outcome',
    })
  })
})

describe('the rows a classifier learns from', () => {
  it('are at least 30', () => {
    const half = (n: number): LabelSource[] => [
      ...said(0, [...times(n, 'LOW'), ...times(n, 'MODERATE')]),
      ...said(1, times(10, 'LOW')),
    ]
    expect(ready(half(10)).samples).to.deep.equal({ rows: 30, classes: 2, training: 20, validation: 10 })
    const few = half(10).slice(1)
    expect(prepare(few)).to.deep.equal({
      status: 'insufficient_data',
      samples: { rows: 29, classes: 2, training: 19, validation: 10 },
    })
  })

  it('are of at least two tiers with five each', () => {
    const rare = (n: number): LabelSource[] => [
      ...said(0, [...times(30, 'LOW'), ...times(n, 'MODERATE')]),
      ...said(1, times(10, 'LOW')),
    ]
    expect(ready(rare(5)).samples.classes).to.equal(2)
    expect(prepare(rare(4))).to.deep.include({ status: 'insufficient_data' })
    // All of the second tier came after the days that train.
    expect(prepare([...said(0, times(30, 'LOW')), ...said(1, times(10, 'MODERATE'))]).status).to.equal(
      'insufficient_data',
    )
  })

  it('are judged on at least ten', () => {
    const judged = (n: number): LabelSource[] => [
      ...said(0, [...times(20, 'LOW'), ...times(20, 'MODERATE')]),
      ...said(1, times(n, 'LOW')),
    ]
    expect(ready(judged(10)).samples.validation).to.equal(10)
    expect(prepare(judged(9)).status).to.equal('insufficient_data')
  })

  it('are judged on the newest fifth of the days, by what people said and what came of it alone', () => {
    const days = outcomes(20, 6)
    // Of the last four days the rules alone know something of two entities.
    const sources = days.map((one, i) => (i >= 16 * 6 && i % 6 < 2 ? { ...one, after: null } : one))
    const { samples, labels, training } = ready(sources)
    expect(samples.validation).to.equal(4 * 4)
    expect(labels).to.have.length(training + 16)
    expect([...labels.subarray(training)]).not.to.include(TIERS.indexOf('MODERATE'))
  })

  it('do not train by an outcome that reaches into the days that judge', () => {
    // 20 days: those from 16 judge, so the week after day 8 is the last to end before them.
    const { samples, trainStart, trainEnd } = ready(outcomes(20, 6))
    expect(samples.training).to.equal(9 * 6)
    expect(trainStart).to.equal(toLocalDate(FIRST))
    expect(trainEnd).to.equal(toLocalDate(FIRST + 8))
    // What people said of a day is known on it.
    const spoken = outcomes(20, 6).map((one, i) =>
      i === 15 * 6 ? { ...one, feedback: 'LOW' as const } : one,
    )
    expect(ready(spoken).samples.training).to.equal(9 * 6 + 1)
  })

  it('leave out what the classifier is never asked about', () => {
    const silent = source(3, {
      features: featuresOf({ ...WEEK, leads7d: 0, spend7d: 50, cpl7d: null }),
      after: BAD,
    })
    expect(ready([...outcomes(20, 6), silent]).samples.rows).to.equal(120)
  })

  it('may be none', () => {
    expect(prepare([])).to.deep.equal({
      status: 'insufficient_data',
      samples: { rows: 0, classes: 0, training: 0, validation: 0 },
    })
  })
})
