import { expect } from 'chai'
import { explainOdd, forestSignal, type ForestVerdict } from '../../../../ml/detectors/forest-signal.ts'
import type { Circumstances } from '../../../../ml/detectors/polarity.ts'

const features = ['spend', 'cpl', 'ctr', 'frequency', 'leads']
const calm: Circumstances = { cplHeld: false, conversionFell: false, budgetRaised: false, budgetCut: false }

/** Medians are all 10; `values` and `contributions` in the order of `features`. */
const verdict = (
  values: readonly number[],
  contributions: readonly number[],
  change: Partial<ForestVerdict> = {},
): ForestVerdict => ({
  score: 0.7,
  threshold: 0.6,
  isAnomaly: true,
  rarity: 0.005,
  features,
  contributions,
  values,
  medians: [10, 10, 10, 10, 10],
  q05: [5, 5, 5, 5, 5],
  q95: [15, 15, 15, 15, 15],
  ...change,
})

const signalOf = (
  judged: ForestVerdict,
  circumstances: Circumstances = calm,
  deviates: Readonly<Record<string, number>> | null = null,
) => {
  const signal = forestSignal(judged, circumstances, () => deviates && new Map(Object.entries(deviates)))
  if (signal === 'normal') throw new Error('expected a signal')
  return signal
}

describe('forestSignal', () => {
  it('is normal when the forest says so', () => {
    expect(
      forestSignal(verdict([10, 10, 10, 10, 10], [0, 0, 0, 0, 0], { isAnomaly: false }), calm, () => null),
    ).to.equal('normal')
  })

  it('speaks of the feature that contributes most', () => {
    const signal = signalOf(verdict([10, 30, 10, 10, 8], [0, 0.75, 0, 0, 0.25]))
    expect(signal).to.deep.include({
      detector: 'isolation_forest',
      type: 'performance_drop',
      metric: 'multivariate',
      polarity: 'bad',
      direction: 'up',
      observed: 30,
      expected: 10,
      lower: 5,
      upper: 15,
      deviation: 0.7,
      rarity: 0.005,
      score: 0.995,
      contributions: { spend: 0, cpl: 0.75, ctr: 0, frequency: 0, leads: 0.25 },
    })
  })

  it('is louder the rarer: at .01, .001 and .0001', () => {
    const severity = (rarity: number) =>
      signalOf(verdict([10, 30, 10, 10, 10], [0, 1, 0, 0, 0], { rarity })).severity
    expect([0.0101, 0.01, 0.0011, 0.001, 0.00011, 0.0001].map(severity)).to.deep.equal([
      'LOW',
      'MEDIUM',
      'MEDIUM',
      'HIGH',
      'HIGH',
      'CRITICAL',
    ])
  })

  it('weighs good against bad by share, and calls a tie bad', () => {
    const polarity = (cpl: number, leads: number) =>
      signalOf(verdict([10, 20, 10, 10, 20], [0, cpl, 0, 0, leads])).polarity
    expect(polarity(0.51, 0.49)).to.equal('bad')
    expect(polarity(0.5, 0.5)).to.equal('bad')
    expect(polarity(0.49, 0.51)).to.equal('good')
  })

  it('calls good news a LOW performance_spike', () => {
    const signal = signalOf(verdict([10, 5, 10, 10, 30], [0, 0.5, 0, 0, 0.5], { rarity: 1e-6 }))
    expect(signal).to.include({ type: 'performance_spike', polarity: 'good', severity: 'LOW' })
  })

  it('leaves wanted spend out of the vote', () => {
    // Spend up weighs most; leads came with it and cost no more.
    const scaled = verdict([30, 10, 10, 10, 30], [0.8, 0, 0, 0, 0.2])
    expect(signalOf(scaled).polarity).to.equal('good')
    const dearer = verdict([30, 11, 10, 10, 30], [0.8, 0, 0, 0, 0.2])
    expect(signalOf(dearer).polarity).to.equal('bad')
    expect(signalOf(dearer, { ...calm, budgetRaised: true }).polarity).to.equal('good')
  })

  it('calls more clicks bad when fewer of them convert', () => {
    const clicks = verdict([10, 10, 30, 10, 10], [0, 0, 1, 0, 0])
    expect(signalOf(clicks).polarity).to.equal('good')
    expect(signalOf(clicks, { ...calm, conversionFell: true }).polarity).to.equal('bad')
  })

  it('speaks of the feature that is furthest out for its share', () => {
    const judged = verdict([20, 10, 4, 10, 10], [0.75, 0, 0.25, 0, 0])
    expect(signalOf(judged)).to.include({ observed: 20, direction: 'up' })
    const signal = signalOf(judged, calm, { spend: 2, cpl: 0, ctr: -6, frequency: 0, leads: 0 })
    expect(signal).to.include({ observed: 4, expected: 10, direction: 'down', polarity: 'bad' })
    expect(signal.contributions).to.deep.equal({ spend: 0.25, cpl: 0, ctr: 0.75, frequency: 0, leads: 0 })
  })

  it('does not ask how far out the features of a usual day are', () => {
    const usual = verdict([10, 10, 10, 10, 10], [0, 0, 0, 0, 0], { isAnomaly: false })
    const asked = () => {
      throw new Error('asked')
    }
    expect(forestSignal(usual, calm, asked)).to.equal('normal')
  })
})

describe('explainOdd', () => {
  const explained = (shares: readonly number[], deviates: readonly number[] | null) =>
    Array.from(
      explainOdd(
        { features, contributions: shares },
        deviates && new Map(deviates.map((deviate, i) => [features[i] as string, deviate])),
      ),
    )

  it("weighs the forest's shares by squared deviates", () => {
    expect(explained([0.5, 0, 0.5, 0, 0], [1, 9, -3, 1, 1])).to.deep.equal([0.1, 0, 0.9, 0, 0])
  })

  it("leaves the forest's shares where nothing tells them apart", () => {
    const shares = [0.2, 0.2, 0.3, 0.2, 0.1]
    expect(explained(shares, null)).to.deep.equal(
      shares.map((share) => share / shares.reduce((a, b) => a + b)),
    )
    expect(explained(shares, [0, 0, 0, 0, 0])).to.deep.equal(shares)
    expect(explained([0, 0, 0, 0, 0], [1, 2, 3, 4, 5])).to.deep.equal([0, 0, 0, 0, 0])
  })
})
