import { expect } from 'chai'
import * as fc from 'fast-check'
import { fitForest, scoreForest } from '../../../../../ml/detectors/isolation-forest.ts'
import { fitSlidingForest } from '../../../../../ml/detectors/series/sliding-forest.ts'
import { writeSliding } from '../../../../../ml/features/sliding.ts'
import { sliceSeries } from '../../../../../ml/series/frame.ts'
import type { SeriesFrame } from '../../../../../ml/series/frame.ts'
import { quantileSorted } from '../../../../../ml/stats/quantile.ts'
import {
  channelsOf,
  frameOf,
  noisyWave,
  planOf,
  reopened,
  specOf,
  values,
} from '../../series/build-series.ts'

const trained = (frame: SeriesFrame, given: Record<string, number> = {}) => {
  const spec = specOf('isolation_forest', given, channelsOf(frame))
  const fitted = fitSlidingForest(frame, planOf(spec, frame))
  return { fitted, scorer: reopened(spec, fitted, frame.names) }
}

const ofWaveform = (frame: SeriesFrame) => {
  const spec = specOf('isolation_forest', {}, channelsOf(frame), 'isolation_forest', 'waveform')
  const fitted = fitSlidingForest(frame, planOf(spec, frame, true))
  return { fitted, scorer: reopened(spec, fitted, frame.names, 'waveform') }
}

const N = 1200

describe('ml/detectors/series/sliding-forest', () => {
  const wave = frameOf({ value: noisyWave(N) })
  const { fitted, scorer } = trained(wave)

  it('is our forest over the four features of every row with full history', () => {
    const rows = new Float32Array((N - 12) * 4)
    writeSliding(wave.columns[0]!, 12, N, 12, rows, 0, 4)
    const direct = fitForest(rows, N - 12, 4, {
      trees: 100,
      maxSamples: { count: 256 },
      maxFeatures: 1,
      contamination: 0.01,
      randomState: 42,
    })
    const scores = scoreForest(direct.scorer, rows, N - 12)
    const { score, raw, short } = scorer.score(wave, 12)
    expect([...score]).to.deep.equal(Array.from(scores, (one) => -one))
    expect(fitted.threshold).to.equal(-direct.state.offset)
    expect(scorer.threshold).to.equal(fitted.threshold)
    expect(short.includes(1)).to.equal(false)
    // Mean depth: c(256) = 10.24477092 is that of a row like any other.
    expect(raw[0]).to.be.closeTo(-Math.log2(score[0]!) * 10.244_770_92, 1e-7)
  })

  it('calls the share of its training rows anomalies that contamination says', () => {
    const { anomalous } = scorer.score(wave, 12)
    const flagged = anomalous.reduce((sum, one) => sum + one, 0)
    expect(fitted.flagRate).to.equal(flagged / (N - 12))
    expect(flagged).to.equal(12)
    const half = trained(wave, { contamination: 0.5 })
    expect(half.fitted.flagRate).to.be.closeTo(0.5, 0.01)
  })

  it('calls only what is strictly over the threshold an anomaly', () => {
    // 101 rows at 1%: the offset is the score of one of them, which is then normal.
    const frame = frameOf({ value: noisyWave(113) })
    const { scorer: small, fitted: one } = trained(frame)
    const { score, anomalous } = small.score(frame, 12)
    const at = score.indexOf(one.threshold)
    expect(at).to.be.at.least(0)
    expect(anomalous[at]).to.equal(0)
    for (let r = 0; r < score.length; r += 1) expect(anomalous[r] === 1).to.equal(score[r]! > one.threshold)
  })

  it('finds what is far above and far below', () => {
    const quiet = noisyWave(N, 2).slice(0, 100)
    const above = [...quiet, 4]
    const below = [...quiet, -4]
    const scoreOf = (list: number[]): number =>
      scorer.score(frameOf({ value: list }), list.length - 1).score[0]!
    expect(scoreOf(above)).to.be.above(fitted.threshold)
    expect(scoreOf(below)).to.be.above(fitted.threshold)
    expect(scoreOf(quiet)).to.be.below(fitted.threshold)
  })

  it('takes training medians for what lacks history, one step on either side of the window', () => {
    expect([...scorer.score(wave, 0).short.subarray(0, 14)]).to.deep.equal([...values(12, () => 1), 0, 0])
    const { short } = scorer.score(sliceSeries(wave, 0, 13), 12)
    expect([...short]).to.deep.equal([0])
    expect(scorer.score(sliceSeries(wave, 1, 13), 11).short[0]).to.equal(1)
    expect(scorer.neededHistory).to.equal(0)
  })

  it('judges a row without any history by its value alone', () => {
    const alone = (value: number): number => scorer.score(frameOf({ value: [value] }), 0).score[0]!
    expect(alone(0.5)).to.be.below(fitted.threshold)
    expect(alone(50)).to.be.above(alone(0.5))
  })

  it('judges many rows as it judges each of them', () => {
    const all = scorer.score(wave, 0)
    for (const row of [0, 1, 11, 12, 511, 512, 513, 1023, 1024, N - 1]) {
      const one = scorer.score(sliceSeries(wave, Math.max(0, row - 12), row + 1), Math.min(12, row))
      expect(one.score[0], `row ${row}`).to.equal(all.score[row])
      expect(one.leading[0]).to.equal(all.leading[row])
      expect(one.short[0]).to.equal(all.short[row])
    }
  })

  it('expects what lies between the outer shares of contamination', () => {
    const sorted = wave.columns[0]!.toSorted()
    const { expected } = scorer.score(sliceSeries(wave, 0, 2), 0)
    const low = quantileSorted(sorted, 0.005)
    const high = quantileSorted(sorted, 0.995)
    expect(expected).to.deep.equal([
      { column: 'value', low: Float64Array.of(low, low), high: Float64Array.of(high, high) },
    ])
  })

  it('names the column that is furthest from what was expected', () => {
    const frame = frameOf({ axial: noisyWave(N), radial: noisyWave(N, 3) })
    const rows = (axial: number, radial: number): SeriesFrame => {
      const before = sliceSeries(frame, 0, 40)
      return frameOf({ axial: [...before.columns[0]!, axial], radial: [...before.columns[1]!, radial] })
    }
    const both = trained(frame).scorer
    expect(both.score(rows(30, 0.5), 40).leading[0]).to.equal(0)
    expect(both.score(rows(0.5, -30), 40).leading[0]).to.equal(1)
  })

  it('names the column that moved when every other never does', () => {
    const frame = frameOf({ axial: values(N, () => 1), radial: noisyWave(N) })
    const leading = (axial: number, radial: number): number | undefined =>
      trained(frame).scorer.score(frameOf({ axial: [axial], radial: [radial] }), 0).leading[0]
    expect(leading(0.999, 0.5)).to.equal(0)
    expect(leading(1.001, 0.5)).to.equal(0)
    expect(leading(1, 0.5)).to.equal(1)
  })

  it('takes the figures of a waveform as they are', () => {
    const frame = frameOf({ 'axial.max': noisyWave(200), 'axial.rms': noisyWave(200, 5) })
    const { fitted: one, scorer: judge } = ofWaveform(frame)
    expect(one.tensors.get('medians')).to.have.length(2)
    const { short, score, expected } = judge.score(frame, 0)
    expect(short.includes(1)).to.equal(false)
    expect(score).to.have.length(200)
    expect(expected.map(({ column }) => column)).to.deep.equal(['axial.max', 'axial.rms'])
    const single = judge.score(sliceSeries(frame, 150, 151), 0)
    expect(single.score[0]).to.equal(score[150])
  })

  it('needs two rows with full history', () => {
    expect(() => trained(frameOf({ value: noisyWave(13) }))).to.throw(
      'a window of 12 leaves 1 of 13 points to learn from',
    )
    expect(() => trained(frameOf({ value: noisyWave(5) }))).to.throw('leaves 0 of 5 points')
    expect(trained(frameOf({ value: noisyWave(14) })).scorer.threshold).to.be.within(0, 1)
  })

  it('learns from no value beyond float32, but judges it', () => {
    const list = noisyWave(100)
    list[50] = 1e39
    expect(() => trained(frameOf({ value: list }))).to.throw(
      'row 50: value of value is beyond the 3.4e38 that a forest can tell apart',
    )
    for (const value of [1e39, -1.7e308]) {
      const { score } = scorer.score(frameOf({ value: [...noisyWave(20), value] }), 20)
      expect(score[0]).to.be.within(fitted.threshold, 1)
    }
  })

  it('gives equal tensors for equal rows and parameters, and others for another seed', () => {
    expect(trained(wave).fitted).to.deep.equal(fitted)
    expect(trained(wave, { random_state: 43 }).fitted.tensors).not.to.deep.equal(fitted.tensors)
  })

  it('keeps counts of large samples', () => {
    for (const max_samples of [256, 257, 1100]) {
      const large = trained(wave, { max_samples, n_estimators: 7 })
      const { score } = large.scorer.score(wave, 12)
      expect(score.every((one) => one > 0 && one < 1)).to.equal(true)
      expect(large.fitted.flagRate).to.be.closeTo(0.01, 0.002)
    }
  })

  it('scores within 0 and 1 whatever the values', () => {
    const value = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.integer({ min: -2, max: 2 }),
    )
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 30 }), (list) => {
        const { score, raw } = scorer.score(frameOf({ value: list }), 0)
        expect(score.every((one) => one > 0 && one <= 1)).to.equal(true)
        expect(raw.every(Number.isFinite)).to.equal(true)
      }),
    )
  })
})
