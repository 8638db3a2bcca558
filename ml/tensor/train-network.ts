/** Trains the tier classifier with TensorFlow.js: same rows, same seed, same weights on the same backend. */
import { CLASSIFIER_INPUTS } from '../classify/inputs.ts'
import { HIDDEN_UNITS } from '../classify/network.ts'
import type { Network } from '../classify/network.ts'
import { TIERS } from '../classify/tier.ts'
import { Mt19937 } from '../rng/mt19937.ts'
import { shuffle } from '../rng/shuffle.ts'
import type { Tensorflow } from './load.ts'

const INPUTS = CLASSIFIER_INPUTS.length
const CLASSES = TIERS.length
const EPOCHS = 200
const PATIENCE = 20
const BATCH = 64
const L2 = 1e-3
const LEARNING_RATE = 0.01
const SEED = 42
/** The newest of the training rows say when to stop. */
const WATCHED_SHARE = 0.15
const WATCHED_MIN = 10
/** Below this an input is a constant that rounding gave a deviation. */
const STD_MIN = 1e-6

/** Rows end to end, in the order of their dates. */
export interface LabelledRows {
  readonly rows: number
  /** rows x 10 inputs. */
  readonly inputs: Float64Array
  /** Index into TIERS. */
  readonly labels: Uint8Array
}

const standardOf = ({ rows, inputs }: LabelledRows): Pick<Network, 'mean' | 'std'> => {
  const mean = new Float64Array(INPUTS)
  const std = new Float64Array(INPUTS)
  for (let i = 0; i < INPUTS; i++) {
    let sum = 0
    for (let row = 0; row < rows; row++) sum += inputs[row * INPUTS + i] as number
    const centre = sum / rows
    let squares = 0
    for (let row = 0; row < rows; row++) squares += ((inputs[row * INPUTS + i] as number) - centre) ** 2
    mean[i] = centre
    // An input that never varied says nothing either way, and must not shout when one day it does.
    const deviation = Math.sqrt(squares / rows)
    std[i] = deviation < STD_MIN ? 1 : deviation
  }
  return { mean, std }
}

/** Rare tiers count as much as common ones: rows / (classes present * rows of the class). */
const classWeights = (labels: Uint8Array, rows: number): Float64Array => {
  const counts = new Float64Array(CLASSES)
  for (let row = 0; row < rows; row++) {
    const label = labels[row] as number
    counts[label] = (counts[label] as number) + 1
  }
  const present = counts.filter((count) => count > 0).length
  return counts.map((count) => (count === 0 ? 0 : rows / (present * count)))
}

/**
 * Dense 16 relu (L2 1e-3), dense 4 softmax; Adam 0.01, at most 200 epochs, patience 20, inverse class weights
 * (ads-domain section 5).
 */
export const trainNetwork = async (tensorflow: Tensorflow, data: LabelledRows): Promise<Network> => {
  const { core, layers } = tensorflow
  const { rows, inputs, labels } = data
  const standard = standardOf(data)
  const weights = classWeights(labels, rows)
  const xs = new Float32Array(rows * INPUTS)
  // A weighted row is a one-hot row times its weight: cross-entropy is linear in the target.
  const ys = new Float32Array(rows * CLASSES)
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < INPUTS; i++) {
      const value = inputs[row * INPUTS + i] as number
      xs[row * INPUTS + i] = (value - (standard.mean[i] as number)) / (standard.std[i] as number)
    }
    const label = labels[row] as number
    ys[row * CLASSES + label] = weights[label] as number
  }

  const watched = Math.floor(rows * WATCHED_SHARE)
  const fitted = watched >= WATCHED_MIN ? rows - watched : rows
  const init = (seed: number) => layers.initializers.glorotUniform({ seed })
  const model = layers.sequential({
    layers: [
      layers.layers.dense({
        units: HIDDEN_UNITS,
        inputShape: [INPUTS],
        activation: 'relu',
        kernelInitializer: init(SEED),
        kernelRegularizer: layers.regularizers.l2({ l2: L2 }),
      }),
      layers.layers.dense({ units: CLASSES, activation: 'softmax', kernelInitializer: init(SEED + 1) }),
    ],
  })
  const optimizer = core.train.adam(LEARNING_RATE)
  model.compile({ optimizer, loss: 'categoricalCrossentropy' })

  const order = Int32Array.from({ length: fitted }, (_, i) => i)
  const random = new Mt19937(SEED)
  const gather = (from: number, to: number): [xs: Float32Array, ys: Float32Array] => {
    const x = new Float32Array((to - from) * INPUTS)
    const y = new Float32Array((to - from) * CLASSES)
    for (let i = from; i < to; i++) {
      const row = order[i] as number
      x.set(xs.subarray(row * INPUTS, (row + 1) * INPUTS), (i - from) * INPUTS)
      y.set(ys.subarray(row * CLASSES, (row + 1) * CLASSES), (i - from) * CLASSES)
    }
    return [x, y]
  }
  const firstWatched = watched >= WATCHED_MIN ? fitted : 0
  const watchX = core.tensor2d(xs.subarray(firstWatched * INPUTS), [rows - firstWatched, INPUTS])
  const watchY = core.tensor2d(ys.subarray(firstWatched * CLASSES), [rows - firstWatched, CLASSES])
  const lossNow = (): number =>
    core.tidy(() => {
      const loss = model.evaluate(watchX, watchY)
      const [scalar] = Array.isArray(loss) ? loss : [loss]
      return scalar?.dataSync()[0] ?? Number.POSITIVE_INFINITY
    })
  const weightsNow = (): Float32Array[] =>
    model.getWeights().map((tensor) => Float32Array.from(tensor.dataSync()))

  let best = Number.POSITIVE_INFINITY
  let bestWeights = weightsNow()
  try {
    for (let epoch = 0, since = 0; epoch < EPOCHS && since < PATIENCE; epoch++) {
      shuffle(order, random)
      for (let from = 0; from < fitted; from += BATCH) {
        const to = Math.min(fitted, from + BATCH)
        const [x, y] = gather(from, to)
        const tensors = [
          core.tensor2d(x, [to - from, INPUTS]),
          core.tensor2d(y, [to - from, CLASSES]),
        ] as const
        await model.trainOnBatch(...tensors)
        core.dispose([...tensors])
      }
      const loss = lossNow()
      if (loss < best) {
        best = loss
        bestWeights = weightsNow()
        since = 0
      } else since++
    }
  } finally {
    core.dispose([watchX, watchY])
    model.dispose()
    // A model disposes of its optimiser only when it made it; the thread lives on.
    optimizer.dispose()
  }
  const [hidden, hiddenBias, output, outputBias] = bestWeights
  if (!hidden || !hiddenBias || !output || !outputBias) throw new Error('the network has other layers')
  return { ...standard, hidden, hiddenBias, output, outputBias }
}
