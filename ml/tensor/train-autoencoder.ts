/**
 * Trains autoencoder@1 with TensorFlow.js: the same rows, parameters and seed give the same state on the same
 * backend. Built on tfjs-core alone: with layers the same steps take nearly twice as long.
 */
import type { Rank, Tensor2D, Variable } from '@tensorflow/tfjs-core'
import {
  fittedAutoencoder,
  layerSizes,
  movingColumns,
  movingWindow,
  reconstructionError,
  reconstructor,
} from '../detectors/series/autoencoder.ts'
import type { DenseLayer } from '../detectors/series/autoencoder.ts'
import { Mt19937 } from '../rng/mt19937.ts'
import { shuffle } from '../rng/shuffle.ts'
import { FitError, paramOf } from '../series/family.ts'
import type { FittedMember, MemberPlan } from '../series/family.ts'
import type { SeriesFrame } from '../series/frame.ts'
import { LEAST_STD, momentsOf } from '../series/stats.ts'
import { quantileSorted } from '../stats/quantile.ts'
import type { Tensorflow } from './load.ts'

/** Numbers fed to the network over all epochs; so many take about a minute where nothing is native. */
const MOST_NUMBERS = 120_000_000

interface Adam {
  readonly epochs: number
  readonly batchSize: number
  readonly learningRate: number
}

/** Last rows of at most `most` windows, evenly spaced, the first and the last among them. */
export const evenlySpaced = (rows: number, window: number, most: number): Int32Array => {
  const all = rows - window + 1
  const count = Math.min(all, most)
  const step = count > 1 ? (all - 1) / (count - 1) : 0
  return Int32Array.from({ length: count }, (_, i) => window - 1 + Math.round(i * step))
}

/** Uniform in +-sqrt(6 / (inputs + units)) (Glorot & Bengio 2010), biases 0. */
const freshLayers = (sizes: readonly number[], random: Mt19937): DenseLayer[] =>
  sizes.slice(1).map((units, l) => {
    const inputs = sizes[l] as number
    const limit = Math.sqrt(6 / (inputs + units))
    return {
      kernel: Float32Array.from({ length: inputs * units }, () => (random.double() * 2 - 1) * limit),
      bias: new Float32Array(units),
    }
  })

interface LayerVariables {
  readonly kernel: Variable<Rank.R2>
  readonly bias: Variable<Rank.R1>
}

/** Adam on the mean squared error, every window once per epoch; leaves no tensor behind. */
const train = async (
  { core }: Tensorflow,
  windows: Float32Array,
  width: number,
  fresh: readonly DenseLayer[],
  { epochs, batchSize, learningRate }: Adam,
  random: Mt19937,
): Promise<DenseLayer[]> => {
  const count = windows.length / width
  const layers = fresh.map(({ kernel, bias }): LayerVariables => ({
    kernel: core.tidy(() => core.variable(core.tensor2d(kernel, [kernel.length / bias.length, bias.length]))),
    bias: core.tidy(() => core.variable(core.tensor1d(bias))),
  }))
  const variables = layers.flatMap(({ kernel, bias }) => [kernel, bias])
  const optimizer = core.train.adam(learningRate)
  const repeat = (input: Tensor2D): Tensor2D =>
    layers.reduce((current, { kernel, bias }, l) => {
      const sum = core.add<Tensor2D>(core.matMul<Tensor2D>(current, kernel), bias)
      return l < layers.length - 1 ? core.tanh(sum) : sum
    }, input)
  const order = Int32Array.from({ length: count }, (_, i) => i)
  try {
    for (let epoch = 0; epoch < epochs; epoch++) {
      shuffle(order, random)
      // Room for others: a signal, the end of whoever asked.
      await core.nextFrame()
      for (let from = 0; from < count; from += batchSize) {
        const to = Math.min(count, from + batchSize)
        const batch = new Float32Array((to - from) * width)
        for (let i = from; i < to; i++) {
          const at = (order[i] as number) * width
          batch.set(windows.subarray(at, at + width), (i - from) * width)
        }
        core.tidy(() => {
          const input = core.tensor2d(batch, [to - from, width])
          optimizer.minimize(() => core.mean(core.squaredDifference(repeat(input), input)), false, variables)
        })
      }
    }
    return layers.map(({ kernel, bias }) => ({
      kernel: Float32Array.from(kernel.dataSync()),
      bias: Float32Array.from(bias.dataSync()),
    }))
  } finally {
    for (const variable of variables) variable.dispose()
    optimizer.dispose()
  }
}

/** @throws FitError saying what to change, when these points cannot be learnt, or not in time */
export const trainAutoencoder = async (
  tensorflow: Tensorflow,
  frame: SeriesFrame,
  plan: MemberPlan,
): Promise<FittedMember> => {
  const { spec, places } = plan
  const window = paramOf(spec, 'window')
  const epochs = paramOf(spec, 'epochs')
  const rows = frame.timesMs.length
  if (rows < window) throw new FitError(`a window of ${window} is longer than the ${rows} points`)
  const moments = places.map((place) => momentsOf(frame.columns[place] as Float64Array))
  const standard = {
    mean: Float64Array.from(moments, ({ mean }) => mean),
    std: Float64Array.from(moments, ({ std }) => std),
  }
  const columns = movingColumns(plan, standard)
  if (columns.length === 0)
    throw new FitError(`none of ${plan.columns.join(', ')} moves (std below ${LEAST_STD}); nothing to learn`)
  const sizes = layerSizes(window, columns.length)
  const width = sizes[0] as number
  const ends = evenlySpaced(rows, window, paramOf(spec, 'max_windows'))
  const numbers = ends.length * width * epochs
  if (numbers > MOST_NUMBERS) {
    throw new FitError(
      `would learn from ${numbers} numbers, at most ${MOST_NUMBERS}; take fewer epochs or windows, a shorter window or fewer channels`,
    )
  }

  /** Hands over every training window with its number. */
  const eachWindow = (take: (values: Float64Array, i: number) => void): void => {
    const moving = movingWindow(frame, columns, window)
    let next = 0
    ends.forEach((end, i) => {
      for (next = Math.max(next, end - window + 1); next <= end; next++) moving.push(next)
      take(moving.values, i)
    })
  }
  const windows = new Float32Array(ends.length * width)
  eachWindow((values, i) => windows.set(values, i * width))

  const random = new Mt19937(paramOf(spec, 'seed'))
  const fresh = freshLayers(sizes, random)
  const adam = {
    epochs,
    batchSize: paramOf(spec, 'batch_size'),
    learningRate: paramOf(spec, 'learning_rate'),
  }
  const layers = await train(tensorflow, windows, width, fresh, adam, random)
  if (!layers.every(({ kernel, bias }) => kernel.every(Number.isFinite) && bias.every(Number.isFinite)))
    throw new FitError('the training diverged; take a smaller learning_rate')

  // By the forward pass that will judge, so that rounding elsewhere moves no verdict.
  const reconstruct = reconstructor(layers)
  const errors = new Float64Array(ends.length)
  const residuals = columns.map(() => new Float64Array(ends.length))
  eachWindow((values, i) => {
    const output = reconstruct(values)
    errors[i] = reconstructionError(values, output)
    residuals.forEach((residual, c) => {
      const at = width - columns.length + c
      residual[i] = (values[at] as number) - (output[at] as number)
    })
  })
  const residualStd = new Float64Array(places.length)
  columns.forEach(({ at }, c) => {
    residualStd[at] = momentsOf(residuals[c] as Float64Array).std
  })
  const tau = quantileSorted(errors.sort(), 1 - paramOf(spec, 'contamination'))
  return fittedAutoencoder({ ...standard, tau, residualStd, layers }, frame, plan)
}
