import { expect } from 'chai'
import { ArtifactFormatError } from '../../../../../ml/artifact/safetensors.ts'
import type { Tensor } from '../../../../../ml/artifact/safetensors.ts'
import {
  fittedAutoencoder,
  layerSizes,
  openAutoencoder,
  reconstructionError,
  reconstructor,
} from '../../../../../ml/detectors/series/autoencoder.ts'
import type { AutoencoderState } from '../../../../../ml/detectors/series/autoencoder.ts'
import { memberTensors } from '../../../../../ml/series/family.ts'
import type { MemberScorer, MemberScores } from '../../../../../ml/series/member.ts'
import { frameOf, planOf, specOf } from '../../series/build-series.ts'

/** A network that answers `output`, whatever it is asked. */
const stubborn = (window: number, columns: number, output: readonly number[] = []): AutoencoderState => ({
  tau: 1,
  mean: new Float64Array(columns).fill(10),
  std: new Float64Array(columns).fill(2),
  residualStd: new Float64Array(columns).fill(0.5),
  layers: layerSizes(window, columns)
    .slice(1)
    .map((units, l) => ({
      kernel: new Float32Array((layerSizes(window, columns)[l] ?? 0) * units),
      bias: Float32Array.from({ length: units }, (_, i) => (l === 3 ? (output[i] ?? 0) : 0)),
    })),
})

const NAMES = ['axial', 'radial', 'value'] as const

/** Stored and read back; `change` damages it in between. */
const opened = (
  state: AutoencoderState,
  window: number,
  change: (tensors: Map<string, Tensor>) => void = () => {},
): MemberScorer => {
  const channels = NAMES.slice(0, state.mean.length)
  const frame = frameOf(Object.fromEntries(channels.map((name) => [name, Array(window).fill(10)])))
  const spec = specOf('autoencoder', { window }, channels)
  const plan = planOf(spec, frame)
  const { tensors } = fittedAutoencoder(state, frame, plan)
  const stored = new Map([...tensors].map(([name, tensor]) => [`${spec.name}/${name}`, tensor]))
  change(stored)
  return openAutoencoder(memberTensors(stored, spec.name, new Set()), plan)
}

const judge = (scorer: MemberScorer, columns: number[][]): MemberScores =>
  scorer.score(
    frameOf(Object.fromEntries(columns.map((values, c) => [NAMES[c] as string, values]))),
    scorer.neededHistory,
  )

describe('ml/detectors/series/autoencoder', () => {
  it('has 32c-16-4-16-32c units', () => {
    expect(layerSizes(32, 1)).to.deep.equal([32, 16, 4, 16, 32])
    expect(layerSizes(32, 3)).to.deep.equal([96, 16, 4, 16, 96])
  })

  it('passes forward: tanh in every layer but the last', () => {
    const reconstruct = reconstructor([
      { kernel: Float32Array.of(1, 2, 0.5, -1), bias: Float32Array.of(0.25, 0) },
      { kernel: Float32Array.of(2, 1), bias: Float32Array.of(-0.5) },
    ])
    const [output] = reconstruct(Float64Array.of(1, 2))
    expect(output).to.be.closeTo(2 * Math.tanh(1 + 1 + 0.25) + Math.tanh(2 - 2) - 0.5, 1e-15)
  })

  it('measures by the mean of the squares, and what is no number by infinity', () => {
    expect(reconstructionError(Float64Array.of(1, 2, 3, 5), Float64Array.of(1, 4, 2, 5))).to.equal(1.25)
    expect(reconstructionError(Float64Array.of(Infinity), Float64Array.of(Infinity))).to.equal(Infinity)
  })

  it('scores e / (e + tau), and calls only an error strictly over tau an anomaly', () => {
    // Standardised -1, 1 and the next number above 1, always repeated as 0.
    const next = 12 + 2 ** -49
    const { score, raw, anomalous } = judge(opened(stubborn(1, 1), 1), [[8, 12, next, 10, 14]])
    expect([raw[0], raw[1]]).to.deep.equal([1, 1])
    expect(raw[2]).to.be.above(1)
    expect([...anomalous]).to.deep.equal([0, 0, 1, 0, 1])
    expect(score[0]).to.equal(0.5)
    expect(score[3]).to.equal(0)
    expect(score[4]).to.equal(0.8)
  })

  it('judges the last w rows together', () => {
    const { raw } = judge(opened(stubborn(4, 1), 4), [[10, 10, 10, 10, 14, 12, 10, 10, 10]])
    expect([...raw]).to.deep.equal([0, 1, 1.25, 1.25, 1.25, 0.25])
  })

  it('expects the reconstruction of the last row, three residual deviations to either side', () => {
    // Two rows of two columns: what is repeated of the last row is 1 and -1.
    const { expected } = judge(opened(stubborn(2, 2, [7, 7, 1, -1]), 2), [
      [10, 10],
      [10, 10],
    ])
    expect(expected).to.deep.equal([
      { column: 'axial', low: Float64Array.of(9), high: Float64Array.of(15) },
      { column: 'radial', low: Float64Array.of(5), high: Float64Array.of(11) },
    ])
  })

  it('names the column whose last value is missed by most', () => {
    const { leading } = judge(opened(stubborn(2, 2), 2), [
      [99, 10, 13],
      [10, 11, 14],
    ])
    expect([...leading]).to.deep.equal([1, 1])
  })

  it('needs a whole window: one row less is refused', () => {
    const scorer = opened(stubborn(4, 1), 4)
    expect(scorer.neededHistory).to.equal(3)
    const frame = frameOf({ axial: [10, 10, 10, 10] })
    expect(scorer.score(frame, 3).score).to.have.length(1)
    expect(() => scorer.score(frame, 2)).to.throw(RangeError)
  })

  it('finds what is beyond all floats as strange as can be', () => {
    const { score, anomalous } = judge(opened(stubborn(1, 1), 1), [[1e300]])
    expect([score[0], anomalous[0]]).to.deep.equal([1, 1])
  })

  it('judges where nothing was ever missed', () => {
    const { score, anomalous } = judge(opened({ ...stubborn(1, 1), tau: 0 }, 1), [[10, 10.1]])
    expect([...score]).to.deep.equal([0, 1])
    expect([...anomalous]).to.deep.equal([0, 1])
  })

  const damages: Record<string, (tensors: Map<string, Tensor>) => void> = {
    'a missing layer': (tensors) => tensors.delete('autoencoder/layers.3.bias'),
    'a layer of another width': (tensors) => tensors.set('autoencoder/layers.1.kernel', new Float32Array(63)),
    'weights of another type': (tensors) => tensors.set('autoencoder/layers.1.kernel', new Float64Array(64)),
    'a weight that is no number': (tensors) =>
      tensors.set('autoencoder/layers.2.bias', new Float32Array(16).fill(Number.NaN)),
    'a tau below 0': (tensors) => tensors.set('autoencoder/tau', Float64Array.of(-1e-9)),
    'columns of which none moves': (tensors) => tensors.set('autoencoder/std', Float64Array.of(0)),
  }
  for (const [what, damage] of Object.entries(damages)) {
    it(`refuses ${what}`, () => {
      expect(() => opened(stubborn(4, 1), 4, damage)).to.throw(ArtifactFormatError)
    })
  }
})
