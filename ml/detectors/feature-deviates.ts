/**
 * How far each feature of a day lies from what was to be expected of it. A forest cannot say: whatever lies beyond
 * its training days is isolated by the same few cuts, however far beyond, so that twice the usual frequency weighs no
 * more than a quiet Sunday. Per feature, of the days of the baseline window before the day:
 *
 * 1. logs, in which figures scatter alike up and down; money and leads carried over known budget changes;
 * 2. less the effect of the weekday: the median distance from the mean of the seven days around;
 * 3. the distance from their median, in robust standard deviations (1.4826 MAD; Hampel 1974): of the day, or of the
 *    mean of the last two or three days if that is further out for so many. What has been off for days is the cause
 *    sooner than what is off today by chance.
 */
import { lowerBound, rowOf, WEEK, weekdayOf } from '../frame.ts'
import type { BudgetChange, DailyFrame, DayNumber } from '../frame.ts'
import { MAD_TO_SD, medianInPlace } from '../stats/robust.ts'
import { FEATURES, writeFeatures } from './entity-forest.ts'
import type { Feature } from './entity-forest.ts'

/** Fewest days with impressions: fewer are no measure. */
const LEAST_ROWS = 7
/** On the log scale: steadier figures than this are taken to scatter by 5%. */
const LEAST_SD = 0.05
/** Added to leads before the log: days without are common. */
const LEADS_OFFSET = 1
/** Added to the other features, of their median. */
const OFFSET_SHARE = 0.05

/** Days that are looked at together. */
const LONGEST_RUN = 3

const HALF_WEEK = 3
const WEEKDAY_MIN_VALUES = 2

const WIDTH = FEATURES.length
/** What a budget moves. */
const BUDGETED: ReadonlySet<Feature> = new Set<Feature>(['spend', 'leads'])

/** Takes the effect of each weekday out of the first `n` logs, and out of the day itself, which stands at n. */
const removeWeekdays = (logs: Float64Array, days: Int32Array, n: number, work: Float64Array): void => {
  const effects = new Float64Array(WEEK)
  const aside = new Float64Array(n)
  let week = 0
  for (let i = 0; i < n; i++) {
    week += logs[i] as number
    if (i < WEEK - 1) continue
    const middle = i - HALF_WEEK
    aside[middle] = (logs[middle] as number) - week / WEEK
    week -= logs[i - WEEK + 1] as number
  }
  for (let weekday = 0; weekday < WEEK; weekday++) {
    let count = 0
    for (let i = HALF_WEEK; i < n - HALF_WEEK; i++)
      if (weekdayOf(days[i] as number) === weekday) work[count++] = aside[i] as number
    // Shrunk by one week's worth towards none.
    if (count >= WEEKDAY_MIN_VALUES) effects[weekday] = (medianInPlace(work, count) * count) / (count + 1)
  }
  for (let i = 0; i <= n; i++)
    logs[i] = (logs[i] as number) - (effects[weekdayOf(days[i] as number)] as number)
}

export interface DeviatesInput {
  /** May go on after `day`. */
  readonly frame: DailyFrame
  readonly day: DayNumber
  /** Days before `day` that are looked at. */
  readonly windowDays: number
  readonly excludedDays: ReadonlySet<DayNumber>
  readonly budgetChanges: readonly BudgetChange[]
}

/**
 * Signed, per feature of `day`; null with fewer than seven days to measure by, or when the day itself has no
 * impressions.
 */
export const featureDeviates = ({
  frame,
  day,
  windowDays,
  excludedDays,
  budgetChanges,
}: DeviatesInput): ReadonlyMap<Feature, number> | null => {
  const row = rowOf(frame.days, day)
  if (row < 0 || !((frame.impressions[row] as number) > 0)) return null
  const rows: number[] = []
  let spend = 0
  let leads = 0
  for (let i = lowerBound(frame.days, day - windowDays); i < row; i++) {
    if (!((frame.impressions[i] as number) > 0) || excludedDays.has(frame.days[i] as number)) continue
    rows.push(i)
    spend += frame.spend[i] as number
    leads += frame.leads[i] as number
  }
  const n = rows.length
  if (n < LEAST_ROWS) return null
  rows.push(row)
  const cplRef = leads > 0 ? spend / leads : spend / n
  const values = new Float64Array((n + 1) * WIDTH)
  rows.forEach((i, at) => writeFeatures(frame, i, FEATURES, cplRef, values, at * WIDTH))
  const days = Int32Array.from(rows, (i) => frame.days[i] as number)
  /** Log of what later budget changes made of a day's money. */
  const budgets = Float64Array.from(days, (at) =>
    budgetChanges.reduce(
      (sum, change) => (change.day > at && change.day <= day ? sum + Math.log(change.ratio) : sum),
      0,
    ),
  )

  const logs = new Float64Array(n + 1)
  const work = new Float64Array(n)
  const deviateOf = (feature: Feature, c: number): number => {
    for (let i = 0; i < n; i++) work[i] = values[i * WIDTH + c] as number
    const offset = feature === 'leads' ? LEADS_OFFSET : OFFSET_SHARE * medianInPlace(work) || LEADS_OFFSET
    const budgeted = BUDGETED.has(feature)
    for (let i = 0; i <= n; i++) {
      const carried = budgeted ? (budgets[i] as number) : 0
      logs[i] = Math.log((values[i * WIDTH + c] as number) + offset) + carried
    }
    removeWeekdays(logs, days, n, work)
    work.set(logs.subarray(0, n))
    const level = medianInPlace(work)
    for (let i = 0; i < n; i++) work[i] = Math.abs((logs[i] as number) - level)
    const sd = Math.max(MAD_TO_SD * medianInPlace(work), LEAST_SD)
    let furthest = 0
    let sum = 0
    for (let run = 1; run <= LONGEST_RUN; run++) {
      sum += (logs[n - run + 1] as number) - level
      const deviate = sum / (Math.sqrt(run) * sd)
      if (Math.abs(deviate) > Math.abs(furthest)) furthest = deviate
    }
    return furthest
  }
  return new Map(FEATURES.map((feature, c) => [feature, deviateOf(feature, c)]))
}
