/**
 * What the models see of a series: the part that counts, without gaps, scaled so that no square overflows.
 */
import type { ForecastInput } from './series.ts'

export interface History {
  /** No NaN. */
  readonly values: Float64Array
  /** Unix seconds of the first value. */
  readonly startS: number
  readonly stepS: number
  /** Season lengths in steps that fit twice at least, ascending. */
  readonly periods: readonly number[]
  readonly floor: number
}

/**
 * The nearest power of two below the largest value: dividing by it is exact, so that what needs no
 * arithmetic (a repeated value) comes back to the last bit.
 */
export const scaleOf = (values: Float64Array): number => {
  let largest = 0
  for (const value of values) if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(value))
  if (largest === 0) return 1
  // Beyond these the power itself, or a value divided by it, would be subnormal.
  const exponent = Math.min(1000, Math.max(-1000, Math.floor(Math.log2(largest))))
  return 2 ** exponent
}

/**
 * A copy without gaps. A missing value is what the same phase of the season shows on both sides of it (the
 * mean, or the one that is there); where neither side has one, the line between its neighbours. 0 when
 * nothing at all is known.
 */
export const filled = (values: Float64Array, period: number): Float64Array => {
  const result = Float64Array.from(values)
  const n = values.length
  for (let i = 0; i < n; i++) {
    if (Number.isFinite(result[i])) continue
    const before = i >= period ? (result[i - period] as number) : Number.NaN
    let after = Number.NaN
    for (let j = i + period; j < n && j <= i + 2 * period; j += period) {
      after = values[j] as number
      if (Number.isFinite(after)) break
    }
    if (Number.isFinite(before) && Number.isFinite(after)) result[i] = (before + after) / 2
    else if (Number.isFinite(before)) result[i] = before
    else if (Number.isFinite(after)) result[i] = after
  }
  return interpolated(result)
}

const interpolated = (result: Float64Array): Float64Array => {
  let last = -1
  for (let i = 0; i <= result.length; i++) {
    if (i < result.length && !Number.isFinite(result[i])) continue
    const left = last < 0 ? Number.NaN : (result[last] as number)
    const right = i < result.length ? (result[i] as number) : Number.NaN
    for (let j = last + 1; j < i; j++) {
      const share = (j - last) / (i - last)
      if (Number.isFinite(left) && Number.isFinite(right)) result[j] = left + (right - left) * share
      else if (Number.isFinite(left)) result[j] = left
      else result[j] = Number.isFinite(right) ? right : 0
    }
    last = i
  }
  return result
}

/** The history up to, not including, `end`; its leading gap is left out. */
export const historyOf = (input: ForecastInput, scale: number, end: number): History => {
  const { values, stepS, periods, floor } = input
  let first = 0
  while (first < end && !Number.isFinite(values[first])) first++
  const n = end - first
  const usable = periods.filter((period) => period > 1 && n >= 2 * period)
  const scaled = values.slice(first, end)
  for (let i = 0; i < n; i++) scaled[i] = (scaled[i] as number) / scale
  return {
    values: filled(scaled, usable[0] ?? 1),
    startS: input.startS + first * stepS,
    stepS,
    periods: usable,
    floor: floor === null ? Number.NEGATIVE_INFINITY : floor / scale,
  }
}
