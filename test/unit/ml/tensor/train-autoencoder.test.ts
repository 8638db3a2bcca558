import { expect } from 'chai'
import type { Tensor2D } from '@tensorflow/tfjs-core'
import { layerSizes, reconstructor } from '../../../../ml/detectors/series/autoencoder.ts'
import { Mt19937 } from '../../../../ml/rng/mt19937.ts'
import { FitError } from '../../../../ml/series/family.ts'
import type { FittedMember } from '../../../../ml/series/family.ts'
import type { SeriesFrame } from '../../../../ml/series/frame.ts'
import type { MemberSpec } from '../../../../ml/series/member.ts'
import { loadTensorflow } from '../../../../ml/tensor/load.ts'
import type { Tensorflow } from '../../../../ml/tensor/load.ts'
import { evenlySpaced, trainAutoencoder } from '../../../../ml/tensor/train-autoencoder.ts'
import { rejectionOf } from '../../../support/entities.ts'
import { frameOf, noisyWave, planOf, reopened, specOf, values } from '../series/build-series.ts'

/** Quick to train. */
const SMALL = { window: 8, max_windows: 256, epochs: 5 }

describe('ml/tensor/train-autoencoder', () => {
  let tensorflow: Tensorflow
  before(async () => {
    tensorflow = await loadTensorflow(false)
  })

  const fit = (frame: SeriesFrame, spec: MemberSpec): Promise<FittedMember> =>
    trainAutoencoder(tensorflow, frame, planOf(spec, frame, spec.params['window'] === 1))
  const bytesOf = ({ tensors }: FittedMember): unknown => [...tensors]
  const problemOf = async (frame: SeriesFrame, given: Record<string, number>): Promise<string> => {
    try {
      await fit(frame, specOf('autoencoder', given))
    } catch (error) {
      expect(error).to.be.instanceOf(FitError)
      return (error as Error).message
    }
    return ''
  }
  const wave = frameOf({ value: noisyWave(2000) })
  const small = specOf('autoencoder', SMALL)
  const diverging = { ...small, params: { ...small.params, learning_rate: 1e38 } }

  it('takes windows evenly, the first and the last among them, and all when they are few', () => {
    expect([...evenlySpaced(5, 3, 4)]).to.deep.equal([2, 3, 4])
    expect([...evenlySpaced(5, 3, 3)]).to.deep.equal([2, 3, 4])
    expect([...evenlySpaced(5, 3, 2)]).to.deep.equal([2, 4])
    expect([...evenlySpaced(3, 3, 4)]).to.deep.equal([2])
    const many = evenlySpaced(100_000, 32, 4096)
    expect(many).to.have.length(4096)
    expect([many[0], many.at(-1)]).to.deep.equal([31, 99_999])
    const gaps = new Set(many.slice(1).map((end, i) => end - many[i]!))
    expect(gaps).to.deep.equal(new Set([24, 25]))
  })

  it('gives the same bytes for the same points, parameters and seed, and others for another seed', async () => {
    const once = bytesOf(await fit(wave, small))
    expect(bytesOf(await fit(wave, small))).to.deep.equal(once)
    expect(bytesOf(await fit(wave, specOf('autoencoder', { ...SMALL, seed: 43 })))).to.not.deep.equal(once)
  })

  it('leaves no tensor behind, whether it succeeds or not', async () => {
    const before = tensorflow.core.memory().numTensors
    await fit(wave, small)
    await rejectionOf(fit(wave, diverging))
    expect(tensorflow.core.memory().numTensors).to.equal(before)
  })

  it('reconstructs what TensorFlow reconstructs, within 1e-5', () => {
    const { core } = tensorflow
    const random = new Mt19937(7)
    const sizes = layerSizes(32, 3)
    const layers = sizes.slice(1).map((units, l) => ({
      kernel: Float32Array.from({ length: sizes[l]! * units }, () => random.double() - 0.5),
      bias: Float32Array.from({ length: units }, () => random.double() - 0.5),
    }))
    const reconstruct = reconstructor(layers)
    for (let repeat = 0; repeat < 50; repeat++) {
      const input = Float64Array.from({ length: 96 }, () => Math.fround(8 * random.double() - 4))
      const theirs = core.tidy(() =>
        layers
          .reduce(
            (current, { kernel, bias }, l) => {
              const weights = core.tensor2d(kernel, [sizes[l]!, sizes[l + 1]!])
              const sum = core.add<Tensor2D>(core.matMul(current, weights), core.tensor1d(bias))
              return l < layers.length - 1 ? core.tanh(sum) : sum
            },
            core.tensor2d(Float32Array.from(input), [1, 96]),
          )
          .dataSync(),
      )
      const ours = reconstruct(input)
      for (let i = 0; i < 96; i++) expect(ours[i]).to.be.closeTo(theirs[i]!, 1e-5)
    }
  })

  it('learns: after twenty epochs it repeats a wave far better than after one', async () => {
    const frame = frameOf({ value: values(4000, (i) => Math.sin(i / 5)) })
    const tauAfter = async (epochs: number): Promise<number> => {
      const { tensors } = await fit(frame, specOf('autoencoder', { max_windows: 512, epochs }))
      return tensors.get('tau')![0] as number
    }
    expect(await tauAfter(20)).to.be.below((await tauAfter(1)) / 5)
  })

  it('calls the share of contamination of its windows anomalies', async () => {
    const frame = frameOf({ value: noisyWave(1000) })
    for (const contamination of [0.01, 0.1]) {
      const { flagRate } = await fit(
        frame,
        specOf('autoencoder', { ...SMALL, max_windows: 1000, contamination }),
      )
      expect(flagRate).to.be.closeTo(contamination, 2 / 993)
    }
  })

  it('finds a spike, a step that values alone do not show, and the channel it is in', async () => {
    const columns = { axial: noisyWave(3000), radial: noisyWave(3000, 2) }
    const frame = frameOf(columns)
    const spec = specOf('autoencoder', { ...SMALL, max_windows: 1000, epochs: 30 }, ['axial', 'radial'])
    const scorer = reopened(spec, await fit(frame, spec), frame.names)
    const odd = frameOf({ ...columns, radial: columns.radial.map((v, i) => (i === 500 ? v + 3 : v)) })
    const { anomalous, leading, score, expected } = scorer.score(odd, 7)
    expect(anomalous[500 - 7]).to.equal(1)
    expect(leading[500 - 7]).to.equal(1)
    expect(score[500 - 7]).to.be.above(0.5)
    expect(expected[1]!.high[500 - 7]).to.be.below(odd.columns[1]![500]!)
  })

  it('reads the figures of a waveform row by row', async () => {
    const frame = frameOf({ 'value.mean': noisyWave(200), 'value.rms': noisyWave(200, 2) })
    const spec = specOf('autoencoder', { epochs: 3 }, ['value'], 'autoencoder', 'waveform')
    const scorer = reopened(spec, await fit(frame, spec), frame.names, 'waveform')
    expect(scorer.neededHistory).to.equal(0)
    expect(scorer.score(frame, 0).score).to.have.length(200)
  })

  it('leaves out a column that barely moves, and learns nothing when none moves', async () => {
    const frame = frameOf({
      'value.mean': noisyWave(200),
      'value.rms': values(200, (i) => 5 + (i % 2) * 1.9e-6),
    })
    const spec = specOf('autoencoder', { epochs: 3 }, ['value'], 'autoencoder', 'waveform')
    const fitted = await fit(frame, spec)
    expect(fitted.tensors.get('layers.0.kernel')).to.have.length(16)
    const { expected, leading } = reopened(spec, fitted, frame.names, 'waveform').score(frame, 0)
    expect(expected.map(({ column }) => column)).to.deep.equal(['value.mean'])
    expect(new Set(leading)).to.deep.equal(new Set([0]))
    const still = frameOf({ value: values(100, () => 1) })
    expect(await problemOf(still, SMALL)).to.include('none of value moves')
  })

  it('needs as many points as a window has', async () => {
    const rows = (n: number) => frameOf({ value: noisyWave(n) })
    expect(await problemOf(rows(31), { epochs: 1 })).to.equal('a window of 32 is longer than the 31 points')
    expect(await problemOf(rows(32), { epochs: 1 })).to.equal('')
  })

  it('refuses what would take minutes, and says what to change', async () => {
    expect(await problemOf(wave, { window: 512, epochs: 200 })).to.equal(
      'would learn from 152473600 numbers, at most 120000000; take fewer epochs or windows, a shorter window or fewer channels',
    )
  })

  it('says so when training ends in no numbers', async () => {
    const error = await rejectionOf(fit(wave, diverging))
    expect(error).to.be.instanceOf(FitError)
    expect(error.message).to.include('smaller learning_rate')
  })
})
