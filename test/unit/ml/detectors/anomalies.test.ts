import { expect } from 'chai'
import { toAnomalies } from '../../../../ml/detectors/anomalies.ts'
import type { Signal } from '../../../../ml/detectors/signal.ts'

const signal = (change: Partial<Signal>): Signal => ({
  detector: 'z_iqr',
  type: 'spend_spike',
  metric: 'spend',
  severity: 'LOW',
  polarity: 'bad',
  direction: 'up',
  score: 0.9,
  rarity: 0.1,
  observed: 1,
  expected: 1,
  lower: 1,
  upper: 1,
  deviation: 1,
  contributions: null,
  modelSource: 'own',
  modelVersion: 2,
  ...change,
})

describe('toAnomalies', () => {
  it('makes one anomaly of the signals of a (type, metric) and keeps them all', () => {
    const a = signal({ severity: 'LOW', observed: 10 })
    const b = signal({ detector: 'change_point', severity: 'HIGH', observed: 20 })
    const c = signal({ type: 'ctr_drop', metric: 'ctr', observed: 30 })
    const { detector: _, ...spoken } = b
    const anomalies = toAnomalies([a, c, b])
    expect(anomalies).to.have.length(2)
    expect(anomalies[0]).to.deep.equal({ ...spoken, signals: [a, b] })
    expect(anomalies[1]?.signals).to.deep.equal([c])
  })

  it('lets z_iqr speak on a tie, whatever the order', () => {
    const a = signal({ severity: 'HIGH', observed: 10 })
    const b = signal({ detector: 'change_point', severity: 'HIGH', observed: 20 })
    expect(toAnomalies([a, b])[0]?.observed).to.equal(10)
    expect(toAnomalies([b, a])[0]?.observed).to.equal(10)
  })

  it('makes nothing of nothing', () => {
    expect(toAnomalies([])).to.deep.equal([])
  })
})
