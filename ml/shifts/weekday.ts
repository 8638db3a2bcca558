/**
 * The weekday pattern of an account: per figure and weekday the trimmed mean, over twelve weeks, of how far the
 * log of the account's figure is from the mean of the seven days around it. Pooled over all entities, since
 * one entity's weeks are too few and too noisy; shrunk towards none by one week's worth.
 */
import { WEEK } from '../frame.ts'
import type { AccountDays } from './account.ts'

const HALF_WEEK = 3
const LOOK_BACK_DAYS = 84
const TRIMMED_SHARE = 0.2
/** Days of the seven that must be there. */
const FEWEST_AROUND = 6

export const weekdayOf = (account: Pick<AccountDays, 'firstWeekday'>, day: number): number =>
  (account.firstWeekday + day) % WEEK

/** Standard deviation, as a log, of a weekday nothing is known of. */
const UNKNOWN = 0.2

export interface WeekdayEffects {
  /** What weekday 0..6 adds to the log of the figure; sums to 0. */
  readonly effect: Float64Array
  /** How far off that may be. */
  readonly variance: Float64Array
}

/**
 * How far each day is from the mean of the seven around it; NaN where that cannot be said.
 * @param valueOf the log of the account's figure on a day; not finite where there is none
 */
export const gapsOf = (
  { days, holiday }: Pick<AccountDays, 'days' | 'holiday'>,
  valueOf: (day: number) => number,
): Float64Array => {
  const values = Float64Array.from({ length: days }, (_, d) => valueOf(d))
  const usable = Uint8Array.from(values, (value, d) => (holiday[d] !== 1 && Number.isFinite(value) ? 1 : 0))
  const gaps = new Float64Array(days).fill(Number.NaN)
  for (let d = HALF_WEEK; d < days - HALF_WEEK; d++) {
    if (usable[d] !== 1) continue
    let sum = 0
    let n = 0
    for (let around = d - HALF_WEEK; around <= d + HALF_WEEK; around++) {
      if (usable[around] !== 1) continue
      sum += values[around] as number
      n++
    }
    if (n >= FEWEST_AROUND) gaps[d] = (values[d] as number) - sum / n
  }
  return gaps
}

/** Sorts the first n values, few of them. */
const sortFirst = (values: Float64Array, n: number): void => {
  for (let i = 1; i < n; i++) {
    const value = values[i] as number
    let at = i
    for (; at > 0 && (values[at - 1] as number) > value; at--) values[at] = values[at - 1] as number
    values[at] = value
  }
}

/**
 * The pattern as the days before `day` show it.
 * @param gaps of the account's days, by `gapsOf`
 */
export const weekdayEffects = (
  account: Pick<AccountDays, 'firstWeekday'>,
  day: number,
  gaps: Float64Array,
): WeekdayEffects => {
  const effect = new Float64Array(WEEK)
  const variance = new Float64Array(WEEK)
  const values = new Float64Array(LOOK_BACK_DAYS / WEEK)
  const first = Math.max(HALF_WEEK, day - LOOK_BACK_DAYS)
  let sumOfEffects = 0
  for (let d = first; d < first + WEEK; d++) {
    let count = 0
    for (let same = d; same < day - HALF_WEEK; same += WEEK) {
      const gap = gaps[same] as number
      if (!Number.isNaN(gap)) values[count++] = gap
    }
    sortFirst(values, count)
    const cut = Math.floor(count * TRIMMED_SHARE)
    const n = count - 2 * cut
    let sum = 0
    for (let k = cut; k < cut + n; k++) sum += values[k] as number
    const mean = sum / Math.max(1, n)
    let squares = 0
    for (let k = cut; k < cut + n; k++) squares += ((values[k] as number) - mean) ** 2
    const weekday = weekdayOf(account, d)
    effect[weekday] = (mean * n) / (n + 1)
    variance[weekday] = (UNKNOWN / (n + 1)) ** 2 + squares / Math.max(1, n - 1) / Math.max(1, n)
    sumOfEffects += (mean * n) / (n + 1)
  }
  for (let w = 0; w < WEEK; w++) effect[w] = (effect[w] as number) - sumOfEffects / WEEK
  return { effect, variance }
}
