/** What is kept of the points a model was trained on. */
import { quantileSorted } from '../stats/quantile.ts'
import type { SeriesFrame } from './frame.ts'
import { QUANTILES } from './member.ts'
import type { Baseline, ColumnStats, DriftBins } from './member.ts'

/** Twentieths: the quantiles 0, 5, .. 100 %. */
const DRIFT_STEPS = 20

/** A column with a smaller standard deviation barely moves: there is nothing to learn from it. */
export const LEAST_STD = 1e-6

/** Sums of squares of what lies beyond leave float64. */
const LARGE = 2 ** 480

export interface Moments {
  readonly mean: number
  /** Population. */
  readonly std: number
  readonly min: number
  readonly max: number
}

/**
 * Corrected two-pass moments (Chan, Golub & LeVeque 1983): what rounding left in the mean of the first pass is
 * taken out by the second. A column of one value has std 0, whatever its size. NaN when it is empty.
 */
export const momentsOf = (column: Float64Array): Moments => {
  const n = column.length
  if (n === 0) return { mean: Number.NaN, std: Number.NaN, min: Number.NaN, max: Number.NaN }
  let sum = 0
  let min = column[0] as number
  let max = min
  for (let i = 0; i < n; i++) {
    const value = column[i] as number
    sum += value
    if (value < min) min = value
    else if (value > max) max = value
  }
  if (min === max) return { mean: min, std: 0, min, max }
  if (Math.max(-min, max) > LARGE) {
    const small = momentsOf(column.map((value) => value / LARGE / LARGE))
    return { mean: small.mean * LARGE * LARGE, std: small.std * LARGE * LARGE, min, max }
  }
  const centre = sum / n
  let rest = 0
  let squares = 0
  for (let i = 0; i < n; i++) {
    const distance = (column[i] as number) - centre
    rest += distance
    squares += distance * distance
  }
  const correction = rest / n
  const variance = squares / n - correction * correction
  return { mean: centre + correction, std: Math.sqrt(Math.max(0, variance)), min, max }
}

/**
 * The bin of a value among `edges`, which are ascending and distinct: 0 is below the first, `edges.length` above
 * the last. A bin is closed below and open above, [edge, next edge), except the last inner one, which holds both
 * its edges, so that no training value lies in an outer bin. A single edge belongs to the bin below it.
 */
export const driftBinOf = (edges: ArrayLike<number>, value: number): number => {
  const last = edges.length - 1
  if (last >= 0 && value === edges[last]) return last
  let low = 0
  let high = edges.length
  // The number of edges at or below it.
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((edges[middle] as number) <= value) low = middle + 1
    else high = middle
  }
  return low
}

/** @param sorted ascending, not empty */
const binsOf = (sorted: Float64Array): DriftBins => {
  const edges: number[] = []
  for (let step = 0; step <= DRIFT_STEPS; step++) {
    const edge = quantileSorted(sorted, step / DRIFT_STEPS)
    // Interpolating between equal values can fall an ulp short: only what ascends is an edge of its own.
    if (edges.length === 0 || edge > (edges.at(-1) as number)) edges.push(edge)
  }
  const counts = Array.from({ length: edges.length + 1 }, () => 0)
  for (const value of sorted) {
    const bin = driftBinOf(edges, value)
    counts[bin] = (counts[bin] as number) + 1
  }
  return { edges, counts }
}

export interface FrameStats {
  readonly stats: Readonly<Record<string, ColumnStats>>
  readonly baseline: Baseline
  readonly driftBins: Readonly<Record<string, DriftBins>>
}

/** By column of `frame`, which has at least one row. */
export const statsOf = (frame: SeriesFrame): FrameStats => {
  const stats: Record<string, ColumnStats> = {}
  const baseline: Record<string, { mean: number; std: number }> = {}
  const driftBins: Record<string, DriftBins> = {}
  frame.names.forEach((name, i) => {
    const values = frame.columns[i] as Float64Array
    const moments = momentsOf(values)
    const sorted = values.toSorted()
    stats[name] = { ...moments, quantiles: QUANTILES.map((q) => quantileSorted(sorted, q)) }
    baseline[name] = { mean: moments.mean, std: moments.std }
    driftBins[name] = binsOf(sorted)
  })
  return { stats, baseline, driftBins }
}
