/**
 * Audiences that have seen enough: the 7-day frequency is high, or more views reach nobody new.
 * Reach of a window is what the source delivered for it; else the sum of the days, which counts
 * people twice and so errs on the quiet side.
 */
import type { DailyFrame, DayNumber } from '../frame.ts'
import { frequencyOf } from '../ratios.ts'
import { reachWindowAt } from '../reach-window.ts'
import type { ReachWindow } from '../reach-window.ts'
import type { DayView, Finding } from './day.ts'
import type { DetectionParams } from './params.ts'
import { compareSeverity, frequencyBand, severityScore } from './severity.ts'

const WEEK = 7

const frequencyIn = ({ impressions, delivered, summed }: ReachWindow): number =>
  frequencyOf(impressions, Number.isNaN(delivered) ? summed : delivered)

/** Impressions / reach of the 7 days ending on `day`; NaN when reach is unknown or 0. */
const frequency7 = (frame: DailyFrame, day: DayNumber): number => frequencyIn(reachWindowAt(frame, day))

/** A band that lasts is raised again after this long. */
const REPEAT_DAYS = 7

/**
 * @param lastAlertDay newest day up to the view's that has a frequency alert of this entity; null for none.
 * An alert on the day itself stays, so that hourly runs agree with one another.
 */
export const frequencyAlert = (
  view: DayView,
  lastAlertDay: DayNumber | null,
  params: DetectionParams,
): Finding | null => {
  const { frame, day } = view
  const frequency = frequency7(frame, day)
  const band = frequencyBand(frequency, params)
  if (band === null) return null

  const bandBefore = frequencyBand(frequency7(frame, day - 1), params)
  const risen = bandBefore === null || compareSeverity(band, bandBefore) > 0
  const due = lastAlertDay === null || lastAlertDay === day || day - lastAlertDay >= REPEAT_DAYS
  if (!risen && !due) return null

  return {
    detector: 'frequency',
    type: 'frequency_alert',
    metric: 'frequency',
    severity: band,
    polarity: 'bad',
    direction: 'up',
    score: severityScore(band),
    rarity: null,
    observed: frequency,
    expected: params.frequencyIdeal,
    lower: null,
    upper: null,
    deviation: frequency / params.frequencyIdeal,
    contributions: null,
  }
}

const MIN_IMPRESSIONS = 1000
const MORE_IMPRESSIONS = 1.1
const SAME_REACH = 1.02
const SATURATED_FREQUENCY = 2.5
const SATURATED_FREQUENCY_HIGH = 5

/** The last 7 days against the 7 before: 10% more views, but hardly anyone new. */
export const reachSaturation = ({ frame, day }: DayView): Finding | null => {
  const now = reachWindowAt(frame, day)
  const before = reachWindowAt(frame, day - WEEK)
  // Sums and delivered values do not compare.
  const delivered = !Number.isNaN(now.delivered) && !Number.isNaN(before.delivered)
  const reach = delivered ? now.delivered : now.summed
  const reachBefore = delivered ? before.delivered : before.summed
  const growth = now.impressions / before.impressions
  const frequency = frequencyIn(now)
  const saturated =
    now.impressions >= MIN_IMPRESSIONS &&
    before.impressions > 0 &&
    growth >= MORE_IMPRESSIONS &&
    reachBefore > 0 &&
    reach / reachBefore <= SAME_REACH &&
    frequency >= SATURATED_FREQUENCY
  if (!saturated) return null

  const expected = reachBefore * growth
  const severity = frequency > SATURATED_FREQUENCY_HIGH ? 'HIGH' : 'MEDIUM'
  return {
    detector: 'reach_saturation',
    type: 'reach_saturation',
    metric: 'reach',
    severity,
    polarity: 'bad',
    direction: 'down',
    score: severityScore(severity),
    rarity: null,
    observed: reach,
    expected,
    lower: null,
    upper: null,
    deviation: reach / expected - 1,
    contributions: null,
  }
}
