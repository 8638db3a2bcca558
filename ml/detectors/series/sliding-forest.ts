/**
 * isolation_forest@1 of a series: our Isolation Forest over what `sliding.ts` tells of each channel; of a
 * waveform over its figures as they are.
 */
import { SLIDING_COUNT, slidingFeatures } from '../../features/sliding.ts'
import type { SeriesFrame } from '../../series/frame.ts'
import type { ExpectedBand, MemberScorer, MemberScores } from '../../series/member.ts'
import { quantileSorted } from '../../stats/quantile.ts'
import { createScorer, DEFAULT_FOREST, fitForest } from '../isolation-forest.ts'
import type { ForestState } from '../isolation-forest.ts'

export interface SlidingForestState {
  readonly forest: ForestState
  /** Rows of history a feature looks back on; 0: columns as they are (waveform). */
  readonly window: number
  /** Of each feature over the training rows: what stands in where history is missing. */
  readonly medians: Float64Array
  /** Per column of the member, the interval most training values lie in. */
  readonly low: Float64Array
  readonly high: Float64Array
}

const featuresPer = (window: number): number => (window === 0 ? 1 : SLIDING_COUNT)

/** Depth, averaged over the trees, that a score stands for: score = 2^(-depth / c(n)). */
const depthOf = (score: number, normal: number): number => -Math.log2(score) * normal

/**
 * @param places where the member's columns are among those of the frame
 * @throws ForestInputError for values beyond float32
 */
export const fitSlidingForest = (
  frame: SeriesFrame,
  places: readonly number[],
  params: Readonly<Record<string, number>>,
  isWaveform: boolean,
): { readonly state: SlidingForestState; readonly flagged: number; readonly judged: number } => {
  const window = isWaveform ? 0 : (params['window'] as number)
  const per = featuresPer(window)
  const columns = places.length * per
  // Rows without full history are not fitted.
  const skip = Math.min(window, frame.timesMs.length)
  const n = frame.timesMs.length - skip
  const rows = new Float64Array(n * columns)
  const scratch = new Float64Array(window)
  for (let r = 0; r < n; r++) {
    places.forEach((place, c) => {
      const column = frame.columns[place] as Float64Array
      const at = r * columns + c * per
      if (window === 0) rows[at] = column[r] as number
      else slidingFeatures(column, r + skip, window, rows, at, scratch)
    })
  }
  const { state: forest, scorer } = fitForest(rows, n, columns, {
    ...DEFAULT_FOREST,
    trees: params['n_estimators'] as number,
    maxSamples: { count: params['max_samples'] as number },
    contamination: params['contamination'] as number,
    randomState: params['random_state'] as number,
  })
  const medians = new Float64Array(columns)
  const sorted = new Float64Array(n)
  for (let f = 0; f < columns; f++) {
    for (let r = 0; r < n; r++) sorted[r] = rows[r * columns + f] as number
    sorted.sort()
    medians[f] = quantileSorted(sorted, 0.5)
  }
  const tail = (params['contamination'] as number) / 2
  const low = new Float64Array(places.length)
  const high = new Float64Array(places.length)
  places.forEach((place, c) => {
    const values = (frame.columns[place] as Float64Array).slice().sort()
    low[c] = quantileSorted(values, tail)
    high[c] = quantileSorted(values, 1 - tail)
  })
  let flagged = 0
  const row = new Float32Array(columns)
  for (let r = 0; r < n; r++) {
    row.set(rows.subarray(r * columns, (r + 1) * columns))
    if (scorer.scoreRow(row) < forest.offset) flagged++
  }
  return { state: { forest, window, medians, low, high }, flagged, judged: n }
}

/** @throws ForestShapeError on a state that was tampered with */
export const slidingForestScorer = (
  state: SlidingForestState,
  member: Pick<MemberScorer, 'name' | 'channels'>,
  names: readonly string[],
  places: readonly number[],
): MemberScorer => {
  const scorer = createScorer(state.forest)
  const { window, medians, low, high } = state
  const threshold = -state.forest.offset
  const per = featuresPer(window)
  const columns = places.length * per
  const row = new Float32Array(columns)
  const plain = new Float32Array(columns)
  const scratch = new Float64Array(window)
  const samples = state.forest.maxSamples
  const normal =
    samples <= 1 ? 1 : 2 * (Math.log(samples - 1) + 0.5772156649015329) - (2 * (samples - 1)) / samples

  /** The column whose features, put at their medians, calm the row most. */
  const leadOf = (score: number): number => {
    if (places.length === 1) return places[0] as number
    let lead = places[0] as number
    let most = -Infinity
    for (let c = 0; c < places.length; c++) {
      plain.set(row)
      for (let f = c * per; f < (c + 1) * per; f++) plain[f] = medians[f] as number
      const gain = score + scorer.scoreRow(plain)
      if (gain > most) {
        most = gain
        lead = places[c] as number
      }
    }
    return lead
  }

  const score = (frame: SeriesFrame, from: number): MemberScores => {
    const n = frame.timesMs.length - from
    const scores = new Float64Array(n)
    const raw = new Float64Array(n)
    const anomalous = new Uint8Array(n)
    const leading = new Uint16Array(n)
    const short = new Uint8Array(n)
    for (let r = 0; r < n; r++) {
      for (let c = 0; c < places.length; c++) {
        const column = frame.columns[places[c] as number] as Float64Array
        const at = c * per
        if (window === 0) row[at] = column[from + r] as number
        else slidingFeatures(column, from + r, window, row, at, scratch)
      }
      for (let f = 0; f < columns; f++) {
        if (!Number.isNaN(row[f])) continue
        row[f] = medians[f] as number
        short[r] = 1
      }
      const strange = -scorer.scoreRow(row)
      scores[r] = strange
      raw[r] = depthOf(strange, normal)
      anomalous[r] = strange > threshold ? 1 : 0
      leading[r] = anomalous[r] === 1 ? leadOf(strange) : (places[0] as number)
    }
    const expected = names.map((column, c): ExpectedBand => ({
      column,
      low: new Float64Array(n).fill(low[c] as number),
      high: new Float64Array(n).fill(high[c] as number),
    }))
    return { score: scores, raw, anomalous, leading, short, expected }
  }
  return { ...member, family: 'isolation_forest', threshold, neededHistory: 0, score }
}
