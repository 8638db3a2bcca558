/**
 * autoencoder@1: how badly a small network (w*c - 16 - 4 - 16 - w*c, tanh, linear out) that learnt to repeat
 * the windows of the training repeats the last w rows. TensorFlow trains it (`ml/tensor/train-autoencoder.ts`);
 * here it answers, by a forward pass of our own that loads nothing.
 */
import { ArtifactFormatError } from '../../artifact/safetensors.ts'
import type { Tensor } from '../../artifact/safetensors.ts'
import { paramOf } from '../../series/family.ts'
import type { FittedMember, MemberPlan, MemberTensors } from '../../series/family.ts'
import type { SeriesFrame } from '../../series/frame.ts'
import type { ExpectedBand, MemberScorer, MemberScores } from '../../series/member.ts'
import { LEAST_STD } from '../../series/stats.ts'

/** Units of the layers between input and output. */
const HIDDEN_UNITS = [16, 4, 16] as const
const THRESHOLD = 0.5
/** Residual standard deviations on either side of the reconstruction. */
const EXPECTED_REACH = 3

export interface DenseLayer {
  /** inputs x units, a row per input, as TensorFlow keeps it. */
  readonly kernel: Float32Array
  readonly bias: Float32Array
}

export interface AutoencoderState {
  /** The error that scores 0.5: the (1 - contamination) quantile of the training errors. */
  readonly tau: number
  /** Of the training rows, one per column of the plan. */
  readonly mean: Float64Array
  readonly std: Float64Array
  /** Of what reconstructions of the last row of a window leave, in standard deviations of the column. */
  readonly residualStd: Float64Array
  /** First to last, for the columns that move. */
  readonly layers: readonly DenseLayer[]
}

/** A column the network reads. */
export interface MovingColumn {
  readonly name: string
  /** Among the columns of a frame. */
  readonly place: number
  /** Among the columns of the plan. */
  readonly at: number
  readonly mean: number
  readonly std: number
}

/** Those of the plan's columns that moved in training; the others say nothing. */
export const movingColumns = (
  { places, columns }: MemberPlan,
  { mean, std }: Pick<AutoencoderState, 'mean' | 'std'>,
): readonly MovingColumn[] =>
  places.flatMap((place, at) =>
    (std[at] as number) < LEAST_STD
      ? []
      : [{ name: columns[at] as string, place, at, mean: mean[at] as number, std: std[at] as number }],
  )

/** Units per layer, the input first. */
export const layerSizes = (window: number, columns: number): readonly number[] => [
  window * columns,
  ...HIDDEN_UNITS,
  window * columns,
]

/**
 * The network as a function of its input; the array it answers is overwritten by the next call.
 * @param layers tanh but for the last, which is linear
 */
export const reconstructor = (layers: readonly DenseLayer[]): ((input: Float64Array) => Float64Array) => {
  const outputs = layers.map(({ bias }) => new Float64Array(bias.length))
  return (input) => {
    let current = input
    layers.forEach(({ kernel, bias }, l) => {
      const output = outputs[l] as Float64Array
      const units = bias.length
      output.set(bias)
      for (let i = 0, at = 0; i < current.length; i++, at += units) {
        const value = current[i] as number
        for (let j = 0; j < units; j++) output[j] = (output[j] as number) + value * (kernel[at + j] as number)
      }
      if (l < layers.length - 1) for (let j = 0; j < units; j++) output[j] = Math.tanh(output[j] as number)
      current = output
    })
    return current
  }
}

/** Mean of the squared differences; infinite when a value is beyond all floats. */
export const reconstructionError = (input: Float64Array, output: Float64Array): number => {
  let sum = 0
  for (let i = 0; i < input.length; i++) {
    const gap = (input[i] as number) - (output[i] as number)
    sum += gap * gap
  }
  const error = sum / input.length
  return Number.isNaN(error) ? Number.POSITIVE_INFINITY : error
}

/** A window of standardised rows that moves along a frame: all columns of a row, then those of the next. */
export interface MovingWindow {
  readonly values: Float64Array
  /** Takes row `row` in at the end, and the oldest out. */
  push(row: number): void
}

export const movingWindow = (
  frame: SeriesFrame,
  columns: readonly MovingColumn[],
  window: number,
): MovingWindow => {
  const sources = columns.map(({ place }) => frame.columns[place] as Float64Array)
  const values = new Float64Array(window * columns.length)
  const last = values.length - columns.length
  return {
    values,
    push: (row) => {
      values.copyWithin(0, columns.length)
      for (let c = 0; c < columns.length; c++) {
        const { mean, std } = columns[c] as MovingColumn
        values[last + c] = (((sources[c] as Float64Array)[row] as number) - mean) / std
      }
    },
  }
}

const autoencoderScorer = (state: AutoencoderState, plan: MemberPlan): MemberScorer => {
  const { tau, residualStd } = state
  const window = paramOf(plan.spec, 'window')
  const neededHistory = window - 1
  const columns = movingColumns(plan, state)
  const reconstruct = reconstructor(state.layers)

  /** @throws RangeError when there are fewer than `neededHistory` rows before `from` */
  const score = (frame: SeriesFrame, from: number): MemberScores => {
    if (from < neededHistory) throw new RangeError(`${from} rows of history, ${neededHistory} are needed`)
    const n = frame.timesMs.length - from
    const scores = new Float64Array(n)
    const raw = new Float64Array(n)
    const anomalous = new Uint8Array(n)
    const leading = new Uint16Array(n)
    const expected = columns.map(({ name }): ExpectedBand => ({
      column: name,
      low: new Float64Array(n),
      high: new Float64Array(n),
    }))
    const moving = movingWindow(frame, columns, window)
    const lastRow = moving.values.length - columns.length
    for (let row = from - neededHistory; row < from; row++) moving.push(row)
    for (let r = 0; r < n; r++) {
      moving.push(from + r)
      const output = reconstruct(moving.values)
      const error = reconstructionError(moving.values, output)
      raw[r] = error
      // Beyond all floats a value is as strange as can be; where nothing is ever missed tau is 0 as well.
      scores[r] = error === 0 ? 0 : error === Infinity ? 1 : error / (error + tau)
      // Not by the score, so that rounding decides nothing.
      anomalous[r] = error > tau ? 1 : 0
      let worst = -1
      for (let c = 0; c < columns.length; c++) {
        const { at, place, mean, std } = columns[c] as MovingColumn
        const repeated = output[lastRow + c] as number
        const gap = Math.abs((moving.values[lastRow + c] as number) - repeated)
        if (gap > worst || c === 0) {
          worst = gap
          leading[r] = place
        }
        const { low, high } = expected[c] as ExpectedBand
        const reach = EXPECTED_REACH * (residualStd[at] as number)
        low[r] = mean + (repeated - reach) * std
        high[r] = mean + (repeated + reach) * std
      }
    }
    return { score: scores, raw, anomalous, leading, short: new Uint8Array(n), expected }
  }
  const { name, channels } = plan.spec
  return { name, family: 'autoencoder', channels, threshold: THRESHOLD, neededHistory, score }
}

/** The trained member, with the share of all rows with a whole window that it calls anomalies. */
export const fittedAutoencoder = (
  state: AutoencoderState,
  frame: SeriesFrame,
  plan: MemberPlan,
): FittedMember => {
  const scorer = autoencoderScorer(state, plan)
  const { anomalous } = scorer.score(frame, scorer.neededHistory)
  let flagged = 0
  for (let r = 0; r < anomalous.length; r++) flagged += anomalous[r] as number
  return {
    threshold: THRESHOLD,
    flagRate: flagged / anomalous.length,
    tensors: new Map<string, Tensor>([
      ['tau', Float64Array.of(state.tau)],
      ['mean', state.mean],
      ['std', state.std],
      ['residual_std', state.residualStd],
      ...state.layers.flatMap(({ kernel, bias }, l): [string, Tensor][] => [
        [`layers.${l}.kernel`, kernel],
        [`layers.${l}.bias`, bias],
      ]),
    ]),
  }
}

/** @throws ArtifactFormatError */
export const openAutoencoder = (tensors: MemberTensors, plan: MemberPlan): MemberScorer => {
  const { name } = plan.spec
  const window = paramOf(plan.spec, 'window')
  if (!Number.isInteger(window) || window < 1)
    throw new ArtifactFormatError(`member ${name}: a window of ${window} rows`)
  const columns = plan.places.length
  const [tau = Number.NaN] = tensors.takeFinite('tau', Float64Array, 1)
  if (!(tau >= 0)) throw new ArtifactFormatError(`member ${name}: tau is below 0`)
  const standard = {
    mean: tensors.takeFinite('mean', Float64Array, columns),
    std: tensors.takeFinite('std', Float64Array, columns),
  }
  const moving = movingColumns(plan, standard).length
  if (moving === 0) throw new ArtifactFormatError(`member ${name}: no column moves`)
  const sizes = layerSizes(window, moving)
  const layers = sizes.slice(1).map((units, l): DenseLayer => ({
    kernel: tensors.takeFinite(`layers.${l}.kernel`, Float32Array, (sizes[l] as number) * units),
    bias: tensors.takeFinite(`layers.${l}.bias`, Float32Array, units),
  }))
  const residualStd = tensors.takeFinite('residual_std', Float64Array, columns)
  return autoencoderScorer({ ...standard, tau, residualStd, layers }, plan)
}
