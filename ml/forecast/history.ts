/**
 * What the models see of a series: the part that counts, without gaps, scaled so that no square overflows,
 * and its seasons taken off.
 */
import { quantileSorted } from '../stats/quantile.ts'
import { medianInPlace, medianSorted } from '../stats/robust.ts'
import { type Seasons, seasonsOf } from './season.ts'
import type { ForecastInput } from './series.ts'

export interface History {
  /** No NaN. */
  readonly raw: Float64Array
  /** The same without the zeros that say nothing of the level: phases of rest, days of an outage. */
  readonly values: Float64Array
  /** Phases of the shortest season (counted on from the series' end) at which nothing ever happens. */
  readonly resting: ReadonlySet<number>
  /** Unix seconds of the first value. */
  readonly startS: number
  readonly stepS: number
  /** Season lengths in steps that fit twice at least, ascending. */
  readonly periods: readonly number[]
  readonly floor: number
  readonly seasons: Seasons
  readonly logs: Logs | null
}

/** A history that multiplies, on the scale on which it adds. */
export interface Logs {
  readonly values: Float64Array
  readonly seasons: Seasons
}

/** Steps beyond which nobody looks back: five years of days, twelve weeks of hours. */
const MAX_STEPS = 2000

/** A series has logarithms when no value is negative and this share is positive. */
const POSITIVE = 0.9
/** A smaller value counts as this share of the median: a day shut is no proof that the next ones are. */
const SMALLEST = 0.1

const logsOf = (values: Float64Array, periods: readonly number[]): Logs | null => {
  const positive = values.filter((value) => value > 0)
  if (positive.length === 0 || positive.length < POSITIVE * values.length) return null
  if (values.some((value) => value < 0)) return null
  const least = SMALLEST * medianInPlace(positive)
  const logs = values.map((value) => Math.log(Math.max(value, least)))
  return { values: logs, seasons: seasonsOf(logs, periods, false) }
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

/** Cycles looked at, and needed, to call a phase one of rest: closed Sundays, the sun at night. */
const REST_CYCLES = 8
const MIN_REST_CYCLES = 4

const restingPhases = (values: Float64Array, period: number): Set<number> => {
  const n = values.length
  const resting = new Set<number>()
  const cycles = Math.min(REST_CYCLES, Math.floor(n / period))
  if (period < 2 || cycles < MIN_REST_CYCLES) return resting
  for (let phase = 0; phase < period; phase++) {
    let quiet = true
    for (let k = 1; k <= cycles && quiet; k++) quiet = values[n - k * period + phase] === 0
    if (quiet) resting.add(phase)
  }
  // Nothing at all is not a season.
  return resting.size < period ? resting : new Set()
}

const bridged = (raw: Float64Array, period: number, resting: ReadonlySet<number>): Float64Array => {
  if (resting.size === 0) return raw
  const n = raw.length
  const gaps = raw.map((value, i) =>
    value === 0 && resting.has((((i - n) % period) + period) % period) ? Number.NaN : value,
  )
  return interpolated(gaps)
}

/** Zeros are outages when they are few, short, and far below the smallest of the other values. */
const OUTAGE_SHARE = 0.05
const OUTAGE_STEPS = 2
const SMALL_QUANTILE = 0.02
const SMALL_SHARE = 0.35

/**
 * The values with outages filled as gaps are: a day on which a campaign was paused by mistake or a shop shut. Counts
 * that may well be 0 have small values as well, and keep theirs; so does a series that ends in more than one.
 */
const withoutOutages = (values: Float64Array, period: number): Float64Array => {
  const positive = values.filter((value) => value > 0).sort()
  const zeros = values.length - positive.length
  if (zeros === 0 || zeros > OUTAGE_SHARE * values.length || values.some((value) => value < 0)) return values
  if (quantileSorted(positive, SMALL_QUANTILE) < SMALL_SHARE * medianSorted(positive)) return values

  const n = values.length
  const gaps = Float64Array.from(values)
  for (let i = 0; i < n; i++) {
    if (values[i] !== 0) continue
    let end = i
    while (end < n && values[end] === 0) end++
    const longest = end === n ? 1 : OUTAGE_STEPS
    if (end - i <= longest) gaps.fill(Number.NaN, i, end)
    i = end
  }
  return filled(gaps, period)
}

/** What a model says, no lower than the floor, and nothing at the phases of rest. */
export const settled = (forecast: Float64Array, { periods, resting, floor }: History): Float64Array => {
  const period = periods[0] ?? 1
  return forecast.map((value, h) => Math.max(floor, resting.has(h % period) ? 0 : value))
}

/** The history up to, not including, `end`; its leading gap is left out. */
export const historyOf = (input: ForecastInput, scale: number, end: number): History => {
  const { values, stepS, periods, floor } = input
  let first = Math.max(0, end - MAX_STEPS)
  while (first < end && !Number.isFinite(values[first])) first++
  const n = end - first
  const usable = periods.filter((period) => period > 1 && n >= 2 * period)
  const period = usable[0] ?? 1
  const raw = filled(
    values.slice(first, end).map((value) => value / scale),
    period,
  )
  const resting = restingPhases(raw, period)
  const known = withoutOutages(bridged(raw, period, resting), period)
  return {
    raw,
    values: known,
    resting,
    startS: input.startS + first * stepS,
    stepS,
    periods: usable,
    floor: floor === null ? Number.NEGATIVE_INFINITY : floor / scale,
    seasons: seasonsOf(known, usable, true),
    logs: logsOf(known, usable),
  }
}
