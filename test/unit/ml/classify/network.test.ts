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
  before(async function () {
    this.timeout(60_000)
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

  it('answers what TensorFlow answers', async () => {
    const { core, layers } = await loadTensorflow(false)
    const model = layers.sequential({
      layers: [
        layers.layers.dense({ units: 16, inputShape: [INPUTS], activation: 'relu' }),
        layers.layers.dense({ units: 4, activation: 'softmax' }),
      ],
    })
    model.setWeights([
      core.tensor2d(network.hidden, [INPUTS, 16]),
      core.tensor1d(network.hiddenBias),
      core.tensor2d(network.output, [16, 4]),
      core.tensor1d(network.outputBias),
    ])
    const { inputs } = separable(3)
    const standard = Float32Array.from(
      inputs,
      (value, i) => (value - (network.mean[i % INPUTS] ?? 0)) / (network.std[i % INPUTS] ?? 1),
    )
    const theirs = await (
      model.predict(core.tensor2d(standard, [ROWS, INPUTS])) as ReturnType<typeof core.tensor2d>
    ).data()
    for (let row = 0; row < ROWS; row++) {
      const ours = probabilitiesOf(network, inputs.subarray(row * INPUTS, (row + 1) * INPUTS))
      ours.forEach((share, tier) => expect(share).to.be.closeTo(theirs[row * 4 + tier] ?? 0, 1e-5))
    }
  })

  it('is the same network from the same rows', async function () {
    this.timeout(60_000)
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
