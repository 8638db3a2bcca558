/** Sums of windows of days, how they move, and how much they vary (ads-domain section 4). */
import { type DailyFrame, type DayNumber, lowerBound, type Totals } from '../frame.ts'

/**
 * Money has two decimals. Summed as whole cents it is exact: the same in any order, and what is left when a
 * part is taken away is exactly the rest.
 */
export const toCents = (money: number): number => Math.round(money * 100)
export const fromCents = (cents: number): number => cents / 100

/** Sums of the days [from, to], both inclusive. */
export const windowTotals = (frame: DailyFrame, from: DayNumber, to: DayNumber): Totals => {
  const end = lowerBound(frame.days, to + 1)
  let cents = 0
  let impressions = 0
  let clicks = 0
  let leads = 0
  for (let row = lowerBound(frame.days, from); row < end; row++) {
    cents += toCents(frame.spend[row] as number)
    impressions += frame.impressions[row] as number
    clicks += frame.clicks[row] as number
    leads += frame.leads[row] as number
  }
  return { spend: fromCents(cents), impressions, clicks, leads }
}

export const clamp = (value: number, low: number, high: number): number =>
  Math.min(high, Math.max(low, value))

/** Change in percent within -/+100; from nothing to something is 100. */
export const trendOf = (now: number, before: number): number => {
  if (before === 0) return now === 0 ? 0 : 100
  return clamp((100 * (now - before)) / before, -100, 100)
}

/** Sample standard deviation (n - 1); null of fewer than two. */
export const sampleStd = (values: readonly number[]): number | null => {
  if (values.length < 2) return null
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return Math.sqrt(squares / (values.length - 1))
}
