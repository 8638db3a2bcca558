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

/**
 * The pattern as the days before `day` show it.
 * @param gaps of the account's days, by `gapsOf`
 */
export const weekdayEffects = (
  account: Pick<AccountDays, 'firstWeekday'>,
  day: number,
  gaps: Float64Array,
): WeekdayEffects => {
  const ofWeekday: number[][] = Array.from({ length: WEEK }, () => [])
  for (let d = Math.max(HALF_WEEK, day - LOOK_BACK_DAYS); d < day - HALF_WEEK; d++) {
    const gap = gaps[d] as number
    if (!Number.isNaN(gap)) ofWeekday[weekdayOf(account, d)]?.push(gap)
  }
  const effect = new Float64Array(WEEK)
  const variance = new Float64Array(WEEK)
  ofWeekday.forEach((values, weekday) => {
    values.sort((a, b) => a - b)
    const cut = Math.floor(values.length * TRIMMED_SHARE)
    const kept = values.slice(cut, values.length - cut)
    const n = kept.length
    const mean = kept.reduce((sum, value) => sum + value, 0) / Math.max(1, n)
    const spread = kept.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, n - 1)
    effect[weekday] = (mean * n) / (n + 1)
    variance[weekday] = (UNKNOWN / (n + 1)) ** 2 + spread / Math.max(1, n)
  })
  const mean = effect.reduce((sum, value) => sum + value, 0) / WEEK
  return { effect: effect.map((value) => value - mean), variance }
}
