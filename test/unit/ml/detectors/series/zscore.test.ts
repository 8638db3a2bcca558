import { expect } from 'chai'
import * as fc from 'fast-check'
import { fitZscore } from '../../../../../ml/detectors/series/zscore.ts'
import type { MemberScores } from '../../../../../ml/series/member.ts'
import { frameOf, planOf, reopened, specOf, values } from '../../series/build-series.ts'

const N = 10_000

const trained = (columns: Record<string, number[]>, k = 3) => {
  const frame = frameOf(columns)
  const spec = specOf('zscore', { k }, Object.keys(columns).toSorted())
  const fitted = fitZscore(frame, planOf(spec, frame))
  return { fitted, scorer: reopened(spec, fitted, frame.names) }
}

const ofOne = (column: number[]) => {
  const { fitted, scorer } = trained({ value: column })
  return { fitted, judge: (...points: number[]): MemberScores => scorer.score(frameOf({ value: points }), 0) }
}

const alternating = values(N, (i) => (i % 2 === 0 ? -1 : 1))

describe('ml/detectors/series/zscore', () => {
  it('calls 3 normal and -5 an anomaly of values between -1 and 1', () => {
    const { score, raw, anomalous, expected } = ofOne(alternating).judge(3, -5)
    expect([...score]).to.deep.equal([0.5, 0.625])
    expect([...raw]).to.deep.equal([3, 5])
    expect([...anomalous]).to.deep.equal([0, 1])
    expect(expected).to.deep.equal([
      { column: 'value', low: Float64Array.of(-3, -3), high: Float64Array.of(3, 3) },
    ])
  })

  it('calls 13.1 normal and 13.2 an anomaly of i mod 10', () => {
    const { fitted, judge } = ofOne(values(N, (i) => i % 10))
    const { score, anomalous } = judge(13.1, 13.2)
    expect(score[0]).to.be.closeTo(0.499_510_828_760_585_2, 1e-12)
    expect(score[1]).to.be.closeTo(0.502_401_015_749_115_2, 1e-12)
    expect([...anomalous]).to.deep.equal([0, 1])
    expect(fitted.threshold).to.equal(0.5)
    expect(fitted.flagRate).to.equal(0)
  })

  it('calls a value at k deviations normal and the next number beyond it an anomaly', () => {
    const { judge } = ofOne(alternating)
    const next = 3 + 2 ** -51
    expect([...judge(3, next, -3, -next).anomalous]).to.deep.equal([0, 1, 0, 1])
  })

  it('reports how many training rows it would have called anomalies', () => {
    const { fitted } = ofOne([...values(99, (i) => i % 2), 50])
    expect(fitted.flagRate).to.equal(0.01)
  })

  it('goes by the worst column, and says which', () => {
    const { scorer } = trained({ axial: values(N, (i) => i % 2), radial: values(N, (i) => 10 * (i % 2)) })
    const { leading, raw, anomalous } = scorer.score(
      frameOf({ axial: [0.5, 3.5, 0.5], radial: [5, 5, 30] }),
      0,
    )
    expect([...leading]).to.deep.equal([0, 0, 1])
    expect([...raw]).to.deep.equal([0, 6, 5])
    expect([...anomalous]).to.deep.equal([0, 1, 1])
  })

  it('skips a column that barely moved, one step on either side of the limit', () => {
    const moving = values(N, (i) => i % 2)
    const still = values(N, (i) => (i % 2 === 0 ? 1 : 1.000_001_9))
    const barely = values(N, (i) => (i % 2 === 0 ? 1 : 1.000_002_1))
    const points = frameOf({ axial: [0.5], radial: [100] })
    const skipped = trained({ axial: moving, radial: still }).scorer.score(points, 0)
    expect(skipped.anomalous[0]).to.equal(0)
    expect(skipped.expected.map(({ column }) => column)).to.deep.equal(['axial'])
    const judged = trained({ axial: moving, radial: barely }).scorer.score(points, 0)
    expect(judged.anomalous[0]).to.equal(1)
    expect(judged.leading[0]).to.equal(1)
  })

  it('refuses to learn from columns none of which moves', () => {
    expect(() => ofOne(values(N, () => 0.1))).to.throw('none of value moves (std below 0.000001)')
  })

  it('looks at the columns of its own channels alone', () => {
    const frame = frameOf({ axial: alternating, radial: alternating })
    const spec = specOf('zscore', {}, ['radial'])
    const scorer = reopened(spec, fitZscore(frame, planOf(spec, frame)), frame.names)
    const { anomalous, leading } = scorer.score(frameOf({ axial: [100, 0], radial: [0, 100] }), 0)
    expect([...anomalous]).to.deep.equal([0, 1])
    expect([...leading]).to.deep.equal([1, 1])
  })

  it('judges the rows asked for and takes those before for history it does not need', () => {
    const { scorer } = trained({ value: alternating })
    const scores = scorer.score(frameOf({ value: [9, 9, 0] }), 2)
    expect([...scores.score]).to.deep.equal([0])
    expect([...scores.short]).to.deep.equal([0])
    expect(scorer.neededHistory).to.equal(0)
    expect(scorer.score(frameOf({ value: [9] }), 1).score).to.have.length(0)
  })

  it('scores within 0 and 1, as the verdict says, whatever the value', () => {
    const { judge } = ofOne(alternating)
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const { score, anomalous } = judge(value)
        expect(score[0]).to.be.within(0, 1)
        expect(anomalous[0] === 1).to.equal(Math.abs(value) > 3)
      }),
    )
    expect(ofOne(values(N, (i) => 1e-6 * (i % 4))).judge(1.7e308).score[0]).to.equal(1)
  })

  it('does not care in which order channels are named', () => {
    const noise = values(N, (i) => Math.sin(i))
    const one = trained({ axial: noise, radial: alternating })
    const other = trained({ radial: alternating, axial: noise })
    expect(other.fitted).to.deep.equal(one.fitted)
  })
})
