/**
 * What a metric of one entity should be on day D, judged by its own recent weeks (ads-domain section 2):
 *
 * 1. a trend: the median of the slopes between days whole weeks apart (Theil 1950, Sen 1968; whole weeks,
 *    so that the weekday pattern drops out), clamped so that a few odd weeks cannot run away;
 * 2. a centre per weekday: the median of the values carried along the trend to D;
 * 3. a scale: the larger of MAD and IQR of what is left, made consistent with a standard deviation.
 */
import { WEEK, weekdayOf } from '../frame.ts'
import type { DayNumber } from '../frame.ts'
import { MAD_TO_SD, madSorted, medianInPlace, quartilesSorted, sortFirst } from '../stats/robust.ts'

export const BASELINE_METRICS = ['spend', 'cpl', 'ctr', 'leads', 'conversion_rate'] as const
export type BaselineMetric = (typeof BASELINE_METRICS)[number]

/** The scale is never smaller than this, in the unit of the metric: less is noise to a marketer. */
const SMALLEST_SCALE: Readonly<Record<BaselineMetric, number>> = {
  spend: 1,
  cpl: 0.5,
  ctr: 0.05,
  leads: 0.5,
  conversion_rate: 0.5,
}
/** Nor smaller than this share of the expected value. */
const SCALE_SHARE = 0.05

const TREND_MIN_VALUES = 28
/** Over 28 days the trend may move the value by at most this share of its median. */
const TREND_CLAMP_DAYS = 28
const TREND_CLAMP_SHARE = 0.5
const WEEKDAY_MIN_VALUES = 3

/** 2 Phi^-1(3/4): the IQR of normal data in standard deviations. */
const IQR_PER_SD = 1.349
/** Variance of a median of k normal values is about (pi / 2) / k times that of one value. */
const MEDIAN_VARIANCE = 1.57

export interface BaselineParams {
  /** Days before D that are looked at. */
  readonly baselineDays: number
  /** Fewest values for a baseline. */
  readonly minHistoryDays: number
  /** Half-width of the expected interval in scales. */
  readonly zThreshold: number
  /** Fences stand this many IQRs beyond the quartiles of the residuals. */
  readonly iqrMultiplier: number
}

export interface WeekdayBaseline {
  /** >= 0, as every metric is; a falling trend must not promise less than nothing. */
  readonly expected: number
  /** expected -/+ zThreshold scales; lower >= 0. */
  readonly lower: number
  readonly upper: number
  readonly scale: number
  /** Tukey's fences of the residuals (observed - expected), at least zThreshold times the scale's floor away from 0. */
  readonly fenceLow: number
  readonly fenceHigh: number
  /** Values used; the t distribution of z has n - 1 degrees of freedom. */
  readonly n: number
}

/** Buffers a caller may hand over to many baselines in turn. */
export interface BaselineScratch {
  readonly days: Int32Array
  readonly values: Float64Array
  /** By day of the window: one more than the place of its value, 0 for none. Steps of a week lead through a weekday. */
  readonly places: Int32Array
  readonly residuals: Float64Array
  readonly work: Float64Array
}

/** @param days most days a baseline will look back */
export const baselineScratch = (days: number): BaselineScratch => {
  const weeks = Math.ceil(days / WEEK)
  return {
    days: new Int32Array(days),
    values: new Float64Array(days),
    places: new Int32Array(days),
    residuals: new Float64Array(days),
    work: new Float64Array(Math.max(days, (WEEK * weeks * (weeks - 1)) / 2)),
  }
}

/** Per day; 0 with fewer than 28 values. */
const trendOf = (
  { days, values, places, work }: BaselineScratch,
  n: number,
  oldest: DayNumber,
  window: number,
): number => {
  if (n < TREND_MIN_VALUES) return 0
  let pairs = 0
  for (let i = 0; i < n; i++) {
    const at = (days[i] as number) - oldest
    const value = values[i] as number
    for (let later = at + WEEK; later < window; later += WEEK) {
      const place = places[later] as number
      if (place > 0) work[pairs++] = ((values[place - 1] as number) - value) / (later - at)
    }
  }
  if (pairs === 0) return 0
  const slope = medianInPlace(work, pairs)
  if (slope === 0) return 0
  for (let i = 0; i < n; i++) work[i] = values[i] as number
  const limit = (TREND_CLAMP_SHARE * Math.abs(medianInPlace(work, n))) / TREND_CLAMP_DAYS
  return Math.max(-limit, Math.min(limit, slope))
}

/** Spread of the centre itself and of a small sample: a weekday seen 3 times is less sure than one seen 8 times. */
const smallSampleFactor = (k: number): number => Math.sqrt(((1 + MEDIAN_VARIANCE / k) * k) / (k - 1))

/**
 * The baseline of `day`, or null when fewer than `minHistoryDays` values lie in the `baselineDays` before it.
 *
 * @param values one per entry of `days`; NaN for null and for days that do not count
 * @param days ascending, distinct; those outside the window are ignored
 */
export const weekdayBaseline = (
  metric: BaselineMetric,
  values: Float64Array,
  days: Int32Array,
  day: DayNumber,
  params: BaselineParams,
  scratch: BaselineScratch = baselineScratch(params.baselineDays),
): WeekdayBaseline | null => {
  const window = params.baselineDays
  const oldest = day - window
  scratch.places.fill(0, 0, window)
  let n = 0
  for (let i = 0; i < days.length; i++) {
    const at = days[i] as number
    const value = values[i] as number
    if (at < oldest || at >= day || Number.isNaN(value)) continue
    scratch.days[n] = at
    scratch.values[n++] = value
    scratch.places[at - oldest] = n
  }
  if (n < params.minHistoryDays) return null

  const trend = trendOf(scratch, n, oldest, window)
  const { days: seen, values: carried, places, residuals, work } = scratch
  if (trend !== 0) {
    for (let i = 0; i < n; i++) carried[i] = (carried[i] as number) + trend * (day - (seen[i] as number))
  }

  for (let i = 0; i < n; i++) work[i] = carried[i] as number
  const overall = medianInPlace(work, n)
  let centre = overall
  let k = n
  for (let first = 0; first < WEEK; first++) {
    let count = 0
    for (let at = first; at < window; at += WEEK) {
      const place = places[at] as number
      if (place > 0) work[count++] = carried[place - 1] as number
    }
    const own = count >= WEEKDAY_MIN_VALUES
    const middle = own ? medianInPlace(work, count) : overall
    for (let at = first; at < window; at += WEEK) {
      const place = places[at] as number
      if (place > 0) residuals[place - 1] = (carried[place - 1] as number) - middle
    }
    if (own && weekdayOf(oldest + first) === weekdayOf(day)) {
      centre = middle
      k = count
    }
  }

  const expected = Math.max(0, centre)
  const floor = Math.max(SCALE_SHARE * expected, SMALLEST_SCALE[metric])
  sortFirst(residuals, n)
  const { q1, q3 } = quartilesSorted(residuals, n)
  const iqr = q3 - q1
  const spread = Math.max(MAD_TO_SD * madSorted(residuals, n, work), iqr / IQR_PER_SD)
  const scale = Math.max(smallSampleFactor(k) * spread, floor)
  const { zThreshold, iqrMultiplier } = params
  return {
    expected,
    lower: Math.max(0, expected - zThreshold * scale),
    upper: expected + zThreshold * scale,
    scale,
    fenceLow: Math.min(q1 - iqrMultiplier * iqr, -zThreshold * floor),
    fenceHigh: Math.max(q3 + iqrMultiplier * iqr, zThreshold * floor),
    n,
  }
}
