import { createHash } from 'node:crypto'
import { expect } from 'chai'
import { ArtifactFormatError } from '../../../../ml/artifact/safetensors.ts'
import { CLASSIFIER_INPUTS } from '../../../../ml/classify/inputs.ts'
import { decodeNetwork, encodeNetwork, judge, probabilitiesOf } from '../../../../ml/classify/network.ts'
import type { Network } from '../../../../ml/classify/network.ts'
import { Mt19937 } from '../../../../ml/rng/mt19937.ts'
import { loadTensorflow } from '../../../../ml/tensor/load.ts'
import { trainNetwork } from '../../../../ml/tensor/train-network.ts'

const INPUTS = CLASSIFIER_INPUTS.length
const ROWS = 240

/** Rows whose tier is read off two of the inputs. */
const separable = (seed: number) => {
  const random = new Mt19937(seed)
  const inputs = Float64Array.from({ length: ROWS * INPUTS }, () => 4 * random.double() - 2)
  const labels = Uint8Array.from({ length: ROWS }, (_, row) => {
    const a = inputs[row * INPUTS] ?? 0
    const b = inputs[row * INPUTS + 4] ?? 0
    return (a > 0 ? 2 : 0) + (b > 0 ? 1 : 0)
  })
  return { rows: ROWS, inputs, labels }
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const IDENTITY = {
  configId: 1,
  entityType: 'ad',
  trainStart: '2026-01-01',
  trainEnd: '2026-03-01',
  trainedAt: '2026-03-02T00:00:00.000Z',
  samples: ROWS,
}

describe('the classifier network', () => {
  let network: Network
  before(async () => {
    network = await trainNetwork(await loadTensorflow(false), separable(1))
  })

  it('learns what can be learnt, on rows it has not seen', () => {
    const unseen = separable(2)
    const rows = Array.from({ length: ROWS }, (_, row) =>
      probabilitiesOf(network, unseen.inputs.subarray(row * INPUTS, (row + 1) * INPUTS)),
    )
    expect(judge(rows, unseen.labels).macroF1).to.be.greaterThan(0.85)
    for (const row of rows) expect(row.reduce((sum, share) => sum + share, 0)).to.be.closeTo(1, 1e-12)
  })

  it('answers what TensorFlow answers, whatever its weights', async () => {
    const { core, layers } = await loadTensorflow(false)
    const random = new Mt19937(9)
    const any = (length: number): Float32Array =>
      Float32Array.from({ length }, () => 3 * random.double() - 1.5)
    const untrained: Network = {
      mean: network.mean,
      std: network.std,
      hidden: any(INPUTS * 16),
      hiddenBias: any(16),
      output: any(16 * 4),
      outputBias: any(4),
    }
    const model = layers.sequential({
      layers: [
        layers.layers.dense({ units: 16, inputShape: [INPUTS], activation: 'relu' }),
        layers.layers.dense({ units: 4, activation: 'softmax' }),
      ],
    })
    const { inputs } = separable(3)
    const standard = Float32Array.from(
      inputs,
      (value, i) => (value - (network.mean[i % INPUTS] ?? 0)) / (network.std[i % INPUTS] ?? 1),
    )
    for (const { hidden, hiddenBias, output, outputBias, ...rest } of [network, untrained]) {
      model.setWeights([
        core.tensor2d(hidden, [INPUTS, 16]),
        core.tensor1d(hiddenBias),
        core.tensor2d(output, [16, 4]),
        core.tensor1d(outputBias),
      ])
      const theirs = await (
        model.predict(core.tensor2d(standard, [ROWS, INPUTS])) as ReturnType<typeof core.tensor2d>
      ).data()
      const one = { hidden, hiddenBias, output, outputBias, ...rest }
      for (let row = 0; row < ROWS; row++) {
        const ours = probabilitiesOf(one, inputs.subarray(row * INPUTS, (row + 1) * INPUTS))
        ours.forEach((share, tier) => expect(share).to.be.closeTo(theirs[row * 4 + tier] ?? 0, 1e-6))
      }
    }
  })

  it('is not thrown by an input that was constant while it learnt', async () => {
    const rows = separable(1)
    // Sums of it are inexact, so that its deviation comes out as 1e-16.
    for (let row = 0; row < ROWS; row++) rows.inputs[row * INPUTS + 7] = 0.3 / 7
    const trained = await trainNetwork(await loadTensorflow(false), rows)
    expect(trained.std[7]).to.equal(1)
    const usual = probabilitiesOf(trained, rows.inputs.subarray(0, INPUTS))
    const unusual = rows.inputs.slice(0, INPUTS)
    unusual[7] = 1
    probabilitiesOf(trained, unusual).forEach((share, tier) => {
      expect(share).to.be.closeTo(usual[tier] ?? 0, 0.1)
    })
  })

  it('leaves nothing behind in the thread that trained it', async () => {
    const tensorflow = await loadTensorflow(false)
    const before = tensorflow.core.memory().numTensors
    await trainNetwork(tensorflow, separable(4))
    expect(tensorflow.core.memory().numTensors).to.equal(before)
  })

  it('is the same network from the same rows', async () => {
    const again = await trainNetwork(await loadTensorflow(false), separable(1))
    expect(again).to.deep.equal(network)
  })

  it('is read back as it was written, and refused when a byte of it changed', () => {
    const file = encodeNetwork(network, IDENTITY, sha256)
    expect(decodeNetwork(file, sha256)).to.deep.equal(network)
    const changed = Uint8Array.from(file)
    changed[changed.length - 3] = (changed[changed.length - 3] ?? 0) ^ 1
    expect(() => decodeNetwork(changed, sha256)).to.throw(ArtifactFormatError)
    expect(() => decodeNetwork(file.slice(0, 100), sha256)).to.throw(ArtifactFormatError)
  })

  it('is refused with a tensor of another length, a number that is none, or a deviation of 0', () => {
    const bytes = (changed: Partial<Network>): Uint8Array =>
      encodeNetwork({ ...network, ...changed }, IDENTITY, sha256)
    for (const [changed, why] of [
      [{ hidden: network.hidden.slice(1) }, /hidden/],
      [{ outputBias: Float32Array.of(0, Number.NaN, 0, 0) }, /output_bias/],
      [{ std: new Float64Array(INPUTS) }, /deviation/],
    ] as const)
      expect(() => decodeNetwork(bytes(changed), sha256)).to.throw(ArtifactFormatError, why)
  })

  it('is judged by the mean of the tiers’ F1, and by how sure it was of what was true', () => {
    const sure = (tier: number): Float64Array =>
      Float64Array.from({ length: 4 }, (_, i) => (i === tier ? 0.97 : 0.01))
    expect(judge([sure(0), sure(1)], Uint8Array.of(0, 1))).to.deep.equal({
      macroF1: 1,
      logLoss: -Math.log(0.97),
    })
    // Of tier 0 one of two was found, tier 1 was said once too often.
    expect(judge([sure(0), sure(1), sure(1)], Uint8Array.of(0, 0, 1)).macroF1).to.be.closeTo(2 / 3, 1e-12)
  })
})
