/** How worn out an ad is: seen too often, clicked less, dearer to show (ads-domain section 4). */
import type { DayNumber } from '../frame.ts'
import { cpmOf, ctrOf } from '../ratios.ts'
import type { FirstWeek } from './feature-batch.ts'
import { clamp } from './windows.ts'

/** Views from which ratios of a week say something. */
const MIN_IMPRESSIONS = 1000
const IDEAL_FREQUENCY = 2.5
/** Above the ideal: here an ad counts as fully worn out. */
const FREQUENCY_RANGE = 4.5
/** Share of the first week's ratio whose loss counts as fully worn out. */
const RATIO_RANGE = 0.5

const WEIGHTS = { frequency: 0.4, ctr: 0.4, cpm: 0.2 } as const

export interface LastWeek {
  readonly spend: number
  readonly impressions: number
  readonly clicks: number
  /** Null when unknown. */
  readonly frequency: number | null
}

const clamp01 = (value: number): number => clamp(value, 0, 1)

/**
 * 0 (fresh) to 1; null below 1,000 impressions in the 7 days or when no part is known. A first week that
 * overlaps the 7 days, or was seen too little, compares with nothing: then only the frequency counts.
 * @param weekStart D-6
 */
export const creativeFatigue = (
  now: LastWeek,
  first: FirstWeek | null,
  weekStart: DayNumber,
): number | null => {
  if (now.impressions < MIN_IMPRESSIONS) return null
  let score = 0
  let weight = 0
  const count = (part: number, of: number): void => {
    score += of * clamp01(part)
    weight += of
  }
  if (now.frequency !== null) count((now.frequency - IDEAL_FREQUENCY) / FREQUENCY_RANGE, WEIGHTS.frequency)
  if (first && first.lastDay < weekStart && first.impressions >= MIN_IMPRESSIONS) {
    const ctr0 = ctrOf(first.clicks, first.impressions)
    const cpm0 = cpmOf(first.spend, first.impressions)
    if (ctr0 > 0) count((ctr0 - ctrOf(now.clicks, now.impressions)) / ctr0 / RATIO_RANGE, WEIGHTS.ctr)
    if (cpm0 > 0) count((cpmOf(now.spend, now.impressions) - cpm0) / cpm0 / RATIO_RANGE, WEIGHTS.cpm)
  }
  return weight === 0 ? null : score / weight
}
