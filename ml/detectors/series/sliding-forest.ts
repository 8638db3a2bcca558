/**
 * isolation_forest@1 of a series: our Isolation Forest over what `sliding.ts` tells of each channel; of a
 * waveform over its figures as they are.
 */
import { ArtifactFormatError } from '../../artifact/safetensors.ts'
import type { Tensor } from '../../artifact/safetensors.ts'
import { SLIDING_COUNT, SLIDING_FEATURES, writeSliding } from '../../features/sliding.ts'
import { FitError, paramOf } from '../../series/family.ts'
import type { FittedMember, MemberPlan, MemberTensors } from '../../series/family.ts'
import type { SeriesFrame } from '../../series/frame.ts'
import type { MemberScorer, MemberScores } from '../../series/member.ts'
import { quantileSorted } from '../../stats/quantile.ts'
import {
  averagePathLength,
  createScorer,
  fitForest,
  ForestInputError,
  ForestShapeError,
} from '../isolation-forest.ts'
import type { FittedForest, ForestState } from '../isolation-forest.ts'

/** Rows whose features are held at once while many are judged. */
const CHUNK_ROWS = 512
const LEAST_ROWS = 2

interface SlidingForestState {
  readonly forest: ForestState
  /** Of each feature over the training rows: what stands in where history is missing. */
  readonly medians: Float64Array
  /** Between these lies most of each feature. */
  readonly low: Float64Array
  readonly high: Float64Array
}

/** Rows a feature looks back on; 0 when columns are features themselves. */
const windowOf = ({ spec, isWaveform }: MemberPlan): number => (isWaveform ? 0 : paramOf(spec, 'window'))
const featuresPer = (window: number): number => (window === 0 ? 1 : SLIDING_COUNT)

/** The features of rows [from, to) of the member's columns, row-major; NaN where history is missing. */
const writeFeatures = (
  frame: SeriesFrame,
  places: readonly number[],
  from: number,
  to: number,
  window: number,
  out: Float32Array,
): void => {
  const per = featuresPer(window)
  const stride = places.length * per
  for (let c = 0; c < places.length; c++) {
    const column = frame.columns[places[c] as number] as Float64Array
    if (window > 0) writeSliding(column, from, to, window, out, c * per, stride)
    else for (let row = from, at = c; row < to; row++, at += stride) out[at] = column[row] as number
  }
}

/** @throws FitError when there are too few rows, or values beyond float32 */
export const fitSlidingForest = (frame: SeriesFrame, plan: MemberPlan): FittedMember => {
  const { spec, places } = plan
  const window = windowOf(plan)
  const per = featuresPer(window)
  const features = places.length * per
  // Rows without full history are not fitted.
  const n = frame.timesMs.length - window
  if (n < LEAST_ROWS)
    throw new FitError(
      `a window of ${window} leaves ${Math.max(0, n)} of ${frame.timesMs.length} points to learn from`,
    )
  const rows = new Float32Array(n * features)
  writeFeatures(frame, places, window, frame.timesMs.length, window, rows)
  const contamination = paramOf(spec, 'contamination')
  let fitted: FittedForest
  try {
    fitted = fitForest(rows, n, features, {
      trees: paramOf(spec, 'n_estimators'),
      maxSamples: { count: paramOf(spec, 'max_samples') },
      maxFeatures: 1,
      contamination,
      randomState: paramOf(spec, 'random_state'),
    })
  } catch (error) {
    if (!(error instanceof ForestInputError)) throw error
    const column = plan.columns[Math.floor(error.column / per)] as string
    const what = per === 1 ? column : `${SLIDING_FEATURES[error.column % per]} of ${column}`
    throw new FitError(`row ${error.row + window}: ${what} is beyond the 3.4e38 that a forest can tell apart`)
  }
  const { state: forest, scores } = fitted
  const medians = new Float64Array(features)
  const low = new Float64Array(features)
  const high = new Float64Array(features)
  const scratch = new Float64Array(n)
  for (let f = 0; f < features; f++) {
    let sorted = scratch
    // Values are kept whole, whether or not a forest looks at them; so is what is expected of them.
    if (f % per === 0) sorted = (frame.columns[places[f / per] as number] as Float64Array).toSorted()
    else {
      for (let r = 0, at = f; r < n; r++, at += features) scratch[r] = rows[at] as number
      scratch.sort()
    }
    medians[f] = quantileSorted(sorted, 0.5)
    low[f] = quantileSorted(sorted, contamination / 2)
    high[f] = quantileSorted(sorted, 1 - contamination / 2)
  }
  let flagged = 0
  if (scores) for (let r = 0; r < n; r++) if ((scores[r] as number) < forest.offset) flagged += 1
  return {
    threshold: -forest.offset,
    flagRate: flagged / n,
    tensors: new Map<string, Tensor>([
      ['shape', Float64Array.of(forest.maxSamples, forest.offset)],
      ['medians', medians],
      ['low', low],
      ['high', high],
      ['trees.threshold', forest.threshold],
      ['trees.internals', forest.internals],
      ['trees.feature', forest.feature],
      ['trees.left_internals', forest.leftInternals],
      ['trees.leaf_count', forest.leafCount],
    ]),
  }
}

const slidingForestScorer = (state: SlidingForestState, plan: MemberPlan): MemberScorer => {
  const { places, columns } = plan
  const { medians, low, high } = state
  const scorer = createScorer(state.forest)
  const threshold = -state.forest.offset
  const window = windowOf(plan)
  const per = featuresPer(window)
  const features = places.length * per
  const pathOfNormal = averagePathLength(state.forest.maxSamples)

  const score = (frame: SeriesFrame, from: number): MemberScores => {
    const n = frame.timesMs.length - from
    const scores = new Float64Array(n)
    const raw = new Float64Array(n)
    const anomalous = new Uint8Array(n)
    const leading = new Uint16Array(n)
    const short = new Uint8Array(n)
    const rows = new Float32Array(Math.min(n, CHUNK_ROWS) * features)
    for (let start = 0; start < n; start += CHUNK_ROWS) {
      const end = Math.min(n, start + CHUNK_ROWS)
      writeFeatures(frame, places, from + start, from + end, window, rows)
      for (let r = start, at = 0; r < end; r++, at += features) {
        // The feature that is furthest from its median, measured by the interval most of it lies in.
        let furthest = 0
        let most = -1
        for (let f = 0; f < features; f++) {
          const value = rows[at + f] as number
          const median = medians[f] as number
          if (Number.isNaN(value)) {
            rows[at + f] = median
            short[r] = 1
            continue
          }
          const gap = value - median
          const distance = Math.abs(gap / (((gap > 0 ? high[f] : low[f]) as number) - median))
          if (distance > most) {
            most = distance
            furthest = f
          }
        }
        const strange = -scorer.scoreRow(rows, at)
        scores[r] = strange
        // score = 2^(-depth / c(samples))
        raw[r] = -Math.log2(strange) * pathOfNormal
        anomalous[r] = strange > threshold ? 1 : 0
        leading[r] = places[Math.floor(furthest / per)] as number
      }
    }
    const expected = columns.map((column, c) => ({
      column,
      low: new Float64Array(n).fill(low[c * per] as number),
      high: new Float64Array(n).fill(high[c * per] as number),
    }))
    return { score: scores, raw, anomalous, leading, short, expected }
  }
  const { name, channels } = plan.spec
  return { name, family: 'isolation_forest', channels, threshold, neededHistory: 0, score }
}

/** @throws ArtifactFormatError when the trees are no trees, or anything else contradicts the plan */
export const openSlidingForest = (tensors: MemberTensors, plan: MemberPlan): MemberScorer => {
  const { spec } = plan
  const window = windowOf(plan)
  const features = plan.places.length * featuresPer(window)
  const [maxSamples = 0, offset = 0] = tensors.takeFinite('shape', Float64Array, 2)
  const trees = paramOf(spec, 'n_estimators')
  if (!Number.isInteger(window) || window < 0 || (window === 0 && !plan.isWaveform))
    throw new ArtifactFormatError(`member ${spec.name}: its window is no number of rows`)
  if (!Number.isInteger(maxSamples) || maxSamples < LEAST_ROWS || maxSamples > paramOf(spec, 'max_samples'))
    throw new ArtifactFormatError(`member ${spec.name}: its trees are grown on no number of rows it may have`)
  if (!(offset >= -1 && offset <= 0))
    throw new ArtifactFormatError(`member ${spec.name}: its threshold is no score`)
  const counts = [Uint8Array, Uint16Array, Uint32Array]
  const forest: ForestState = {
    columns: features,
    maxSamples,
    offset,
    internals: tensors.take<Uint16Array | Uint32Array>('trees.internals', [Uint16Array, Uint32Array], trees),
    feature: tensors.take<Uint8Array | Uint16Array>('trees.feature', [Uint8Array, Uint16Array]),
    threshold: tensors.takeFinite('trees.threshold', Float32Array),
    leftInternals: tensors.take<ForestState['leftInternals']>('trees.left_internals', counts),
    leafCount: tensors.take<ForestState['leafCount']>('trees.leaf_count', counts),
  }
  const medians = tensors.takeFinite('medians', Float64Array, features)
  const low = tensors.takeFinite('low', Float64Array, features)
  const high = tensors.takeFinite('high', Float64Array, features)
  try {
    return slidingForestScorer({ forest, medians, low, high }, plan)
  } catch (error) {
    if (error instanceof ForestShapeError)
      throw new ArtifactFormatError(`member ${spec.name}: ${error.message}`)
    throw error
  }
}
