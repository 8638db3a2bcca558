import { expect } from 'chai'
import { DETECTORS } from '../../../../ml/detectors/signal.ts'
import type { DetectorName, Metric, Signal } from '../../../../ml/detectors/signal.ts'
import type { ShiftSignal } from '../../../../ml/shifts/anomalies.ts'
import { passGate, withoutLeads } from '../../../../ml/shifts/gate.ts'

const OWN = { modelSource: 'own', modelVersion: 3 } as const

const signal = (detector: DetectorName, changes: Partial<Signal> = {}): Signal => ({
  detector,
  type: 'spend_spike',
  metric: 'spend',
  severity: 'LOW',
  polarity: 'bad',
  direction: 'up',
  score: 0.9,
  rarity: 0.1,
  observed: 130,
  expected: 100,
  lower: 90,
  upper: 110,
  deviation: 6,
  contributions: null,
  ...OWN,
  ...changes,
})

const shiftOf = (changes: Partial<Signal> = {}): ShiftSignal => {
  const { modelSource: _source, modelVersion: _version, ...said } = signal('shift', changes)
  return {
    ...said,
    shift: {
      day: 20,
      entity: 0,
      figure: 'spend',
      deviate: 6,
      window: 1,
      size: 0.3,
      bad: true,
      shares: null,
      parts: [],
      origins: null,
    },
  }
}

describe('the alert gate', () => {
  const typesOf = (signals: readonly Signal[], shifts: readonly ShiftSignal[], open = false): unknown[] => {
    const { anomalies, gated } = passGate(signals, shifts, OWN, open)
    return [anomalies.map(({ type }) => type), gated]
  }

  it('lets rules pass by themselves, and what chance gives only where the judge bears it out', () => {
    const rules = new Set<DetectorName>(['zero_spend', 'zero_impressions', 'frequency', 'reach_saturation'])
    for (const detector of DETECTORS) {
      if (detector === 'shift') continue
      const passes = rules.has(detector)
      expect(typesOf([signal(detector)], []), detector).to.deep.equal(passes ? [['spend_spike'], 0] : [[], 1])
      expect(typesOf([signal(detector)], [shiftOf()]), detector).to.deep.equal([['spend_spike'], 0])
    }
  })

  it('bears out the same type and metric only', () => {
    const drop = shiftOf({ type: 'spend_drop', direction: 'down' })
    expect(typesOf([signal('z_iqr')], [drop])).to.deep.equal([['spend_drop'], 1])
    const cpl = shiftOf({ type: 'cpl_spike', metric: 'cpl' })
    expect(typesOf([signal('z_iqr')], [cpl])).to.deep.equal([['cpl_spike'], 1])
  })

  it('lets the judge speak although another is louder, keeps what the others said, and names the model', () => {
    const loud = signal('z_iqr', { severity: 'CRITICAL', observed: 1 })
    const { anomalies } = passGate([loud], [shiftOf({ severity: 'MEDIUM', observed: 2 })], OWN, false)
    expect(anomalies).to.have.length(1)
    expect(anomalies[0]).to.deep.include({ severity: 'MEDIUM', observed: 2, ...OWN })
    expect(anomalies[0]?.signals.map(({ detector }) => detector)).to.have.members(['z_iqr', 'shift'])
    expect(anomalies[0]?.shift?.figure).to.equal('spend')
  })

  it('is open when it is switched off: all passes, and the loudest speaks', () => {
    const loud = signal('z_iqr', { severity: 'CRITICAL', observed: 1 })
    const { anomalies, gated } = passGate(
      [loud, signal('change_point', { type: 'ctr_drop', metric: 'ctr' })],
      [shiftOf({ severity: 'MEDIUM', observed: 2 })],
      OWN,
      true,
    )
    expect(gated).to.equal(0)
    expect(anomalies.map(({ type, observed }) => [type, observed])).to.have.deep.members([
      ['spend_spike', 1],
      ['ctr_drop', 130],
    ])
  })

  it('says of a day whose leads still arrive what needs no leads', () => {
    const metrics: Metric[] = ['spend', 'cpl', 'ctr', 'leads', 'conversion_rate', 'multivariate', 'frequency']
    const kept = withoutLeads(metrics.map((metric) => signal('z_iqr', { metric })))
    expect(kept.map(({ metric }) => metric)).to.deep.equal(['spend', 'ctr', 'frequency'])
  })
})
