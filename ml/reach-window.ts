/** How many people a week reached. Reach of a window does not add up from its days. */
import { type DailyFrame, type DayNumber, lowerBound, rowOf } from './frame.ts'

const WEEK = 7

export interface ReachWindow {
  readonly impressions: number
  /** Of the whole window, from the source; NaN when unknown. */
  readonly delivered: number
  /** Sum of the days; NaN when the reach of a day with views is unknown. */
  readonly summed: number
}

/** The 7 days ending on `day`. */
export const reachWindowAt = (frame: DailyFrame, day: DayNumber): ReachWindow => {
  const end = lowerBound(frame.days, day + 1)
  let impressions = 0
  let summed = 0
  for (let i = lowerBound(frame.days, day - WEEK + 1); i < end; i++) {
    const seen = frame.impressions[i] as number
    if (seen === 0) continue
    impressions += seen
    summed += frame.reach[i] as number
  }
  return { impressions, summed, delivered: frame.reach7[rowOf(frame.days, day)] ?? Number.NaN }
}
