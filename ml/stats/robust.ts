/**
 * Order statistics that a few wild days cannot move. All work on the first `n` values of a buffer, so
 * that a caller can reuse one buffer for many entities.
 */
import { quantileSorted } from './quantile.ts'

/** Up to here insertion beats the call into the engine's sort, which also needs a view. */
const INSERTION_MAX = 24

/** Sorts the first `n` values in place, ascending. No NaN among them. */
export const sortFirst = (values: Float64Array, n: number): void => {
  if (n > INSERTION_MAX) {
    values.subarray(0, n).sort()
    return
  }
  for (let i = 1; i < n; i++) {
    const value = values[i] as number
    let j = i - 1
    while (j >= 0 && (values[j] as number) > value) {
      values[j + 1] = values[j] as number
      j--
    }
    values[j + 1] = value
  }
}

/** The mean of the two middle values when n is even; NaN when n is 0. */
export const medianSorted = (sorted: Float64Array, n: number = sorted.length): number => {
  if (n === 0) return Number.NaN
  const half = n >>> 1
  const upper = sorted[half] as number
  return n % 2 === 1 ? upper : ((sorted[half - 1] as number) + upper) / 2
}

/**
 * Moves values until that of rank `k` (from 0) stands at `k`, none larger before and none smaller behind it: Hoare's
 * FIND (1961) with the median of three as the pivot.
 */
export const selectRank = (values: Float64Array, n: number, k: number): void => {
  let low = 0
  let high = n - 1
  while (low < high) {
    const a = values[low] as number
    const b = values[(low + high) >>> 1] as number
    const c = values[high] as number
    const pivot = a < b ? (b < c ? b : Math.max(a, c)) : a < c ? a : Math.max(b, c)
    let i = low
    let j = high
    while (i <= j) {
      while ((values[i] as number) < pivot) i++
      while ((values[j] as number) > pivot) j--
      if (i > j) break
      const held = values[i] as number
      values[i++] = values[j] as number
      values[j--] = held
    }
    if (k <= j) high = j
    else if (k >= i) low = i
    else return
  }
}

/** Median of the first `n` values, whose order is lost. No NaN among them. */
export const medianInPlace = (values: Float64Array, n: number = values.length): number => {
  if (n <= INSERTION_MAX) {
    sortFirst(values, n)
    return medianSorted(values, n)
  }
  const half = n >>> 1
  selectRank(values, n, half)
  const upper = values[half] as number
  if (n % 2 === 1) return upper
  let lower = values[0] as number
  for (let i = 1; i < half; i++) if ((values[i] as number) > lower) lower = values[i] as number
  return (lower + upper) / 2
}

/** 1 / Phi^-1(3/4): makes the MAD of normal data its standard deviation. */
export const MAD_TO_SD = 1.4826

/**
 * Median absolute deviation from the median (Hampel 1974), not scaled.
 *
 * @param sorted ascending
 * @param scratch at least n long; overwritten
 */
export const madSorted = (sorted: Float64Array, n: number, scratch: Float64Array): number => {
  const median = medianSorted(sorted, n)
  for (let i = 0; i < n; i++) scratch[i] = Math.abs((sorted[i] as number) - median)
  return medianInPlace(scratch, n)
}

export interface Quartiles {
  readonly q1: number
  readonly q3: number
}

export const quartilesSorted = (sorted: Float64Array, n: number = sorted.length): Quartiles => ({
  q1: quantileSorted(sorted, 0.25, n),
  q3: quantileSorted(sorted, 0.75, n),
})
