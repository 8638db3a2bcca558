/** An active entity that stopped: nothing spent, or nothing shown, after days that were not so. */
import { lowerBound } from '../frame.ts'
import type { DayView, Finding } from './day.ts'
import { severityScore } from './severity.ts'
import type { Severity } from './signal.ts'

const BEFORE_DAYS = 7
/** Mean of the days before, above which a stop is news. Money; views. */
const MIN_MEAN_SPEND = 10
const MIN_MEAN_IMPRESSIONS = 100

/** Mean over those of the 7 days before that the entity had and that count as history; NaN without any. */
const meanBefore = ({ frame, row, day, excludedDays }: DayView, column: 'spend' | 'impressions'): number => {
  let sum = 0
  let days = 0
  for (let i = lowerBound(frame.days, day - BEFORE_DAYS); i < row; i++) {
    if (excludedDays.has(frame.days[i] as number)) continue
    sum += frame[column][i] as number
    days++
  }
  return sum / days
}

export const stoppedFinding = (
  metric: 'spend' | 'impressions',
  expected: number,
  severity: Severity,
): Finding => ({
  detector: `zero_${metric}`,
  type: `zero_${metric}`,
  metric,
  severity,
  polarity: 'bad',
  direction: 'down',
  score: severityScore(severity),
  rarity: null,
  observed: 0,
  expected,
  lower: null,
  upper: null,
  deviation: -1,
  contributions: null,
})

/** zero_spend, else zero_impressions, else null. */
export const zeroDelivery = (view: DayView): Finding | null => {
  const { frame, row, day, totals, active } = view
  if (!active) return null
  if (totals.spend === 0) {
    const spend = meanBefore(view, 'spend')
    if (spend > MIN_MEAN_SPEND) {
      const alsoBefore = frame.days[row - 1] === day - 1 && frame.spend[row - 1] === 0
      return stoppedFinding('spend', spend, alsoBefore ? 'CRITICAL' : 'HIGH')
    }
  }
  if (totals.impressions === 0) {
    const impressions = meanBefore(view, 'impressions')
    if (impressions > MIN_MEAN_IMPRESSIONS) return stoppedFinding('impressions', impressions, 'MEDIUM')
  }
  return null
}
