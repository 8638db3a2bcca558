/** What is kept of the points a model was trained on. */
import { quantileSorted } from '../stats/quantile.ts'
import type { SeriesFrame } from './frame.ts'
import { QUANTILES } from './member.ts'
import type { Baseline, ColumnStats, DriftBins } from './member.ts'

/** Twentieths: the quantiles 0, 5, .. 100 %. */
const DRIFT_STEPS = 20

/** Mean and population standard deviation, in two passes. */
export const momentsOf = (values: Float64Array): { readonly mean: number; readonly std: number } => {
  let sum = 0
  for (const value of values) sum += value
  const mean = sum / values.length
  let squares = 0
  for (const value of values) squares += (value - mean) ** 2
  return { mean, std: Math.sqrt(squares / values.length) }
}

/** Bin of a value: the number of edges at or below it, so that a bin holds its lower edge. The last edge is in. */
export const driftBinOf = (edges: ArrayLike<number>, value: number): number => {
  const last = edges.length - 1
  if (last >= 0 && value === edges[last]) return last
  let low = 0
  let high = edges.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((edges[middle] as number) <= value) low = middle + 1
    else high = middle
  }
  return low
}

const binsOf = (sorted: Float64Array): DriftBins => {
  const edges: number[] = []
  for (let step = 0; step <= DRIFT_STEPS; step++) {
    const edge = quantileSorted(sorted, step / DRIFT_STEPS)
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

export const statsOf = (frame: SeriesFrame): FrameStats => {
  const stats: Record<string, ColumnStats> = {}
  const baseline: Record<string, { mean: number; std: number }> = {}
  const driftBins: Record<string, DriftBins> = {}
  frame.names.forEach((name, i) => {
    const values = frame.columns[i] as Float64Array
    const { mean, std } = momentsOf(values)
    const sorted = values.slice().sort()
    stats[name] = {
      mean,
      std,
      min: sorted[0] as number,
      max: sorted.at(-1) as number,
      quantiles: QUANTILES.map((q) => quantileSorted(sorted, q)),
    }
    baseline[name] = { mean, std }
    driftBins[name] = binsOf(sorted)
  })
  return { stats, baseline, driftBins }
}
