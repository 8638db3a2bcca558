/**
 * A lasting change: the last 3 days against the 7 before them, from sums. The noise of the two means is
 * that of 3 and of 7 days with the baseline's scale each.
 */
import { lowerBound, type Totals, totalsOf } from '../frame.ts'
import { studentP } from '../stats/two-sided.ts'
import { type DayView, type Judgement, metricOf } from './day.ts'
import type { DetectionParams } from './params.ts'
import { directionOf, polarityOf } from './polarity.ts'
import { capGood, changeSeverity } from './severity.ts'
import { GUARD_P, volumeP } from './volume-guard.ts'

export const CHANGE_POINT_METRICS = ['spend', 'cpl', 'ctr'] as const
export type ChangePointMetric = (typeof CHANGE_POINT_METRICS)[number]

const AFTER_DAYS = 3
const BEFORE_DAYS = 7
const NOISE_OF_DIFFERENCE = Math.sqrt(1 / AFTER_DAYS + 1 / BEFORE_DAYS)
/** Sums of cents are off by their last bits; a change of exactly the smallest size still counts. */
const ROUNDING = 1e-12

interface Windows {
  readonly after: Totals
  readonly before: Totals
}

/** null unless all ten days are there and none is known to be odd. */
const windowsOf = ({ frame, row, day, excludedDays }: DayView): Windows | null => {
  const length = AFTER_DAYS + BEFORE_DAYS
  const first = lowerBound(frame.days, day - length + 1)
  if (row - first + 1 < length) return null
  for (let i = first; i <= row; i++) {
    if (excludedDays.has(frame.days[i] as number)) return null
  }
  return {
    before: totalsOf(frame, first, first + BEFORE_DAYS),
    after: totalsOf(frame, first + BEFORE_DAYS, row + 1),
  }
}

const perDay = (metric: ChangePointMetric, totals: Totals, days: number): number =>
  metric === 'spend' ? totals.spend / days : metricOf(metric, totals)

export const changePoint = (metric: ChangePointMetric, view: DayView, params: DetectionParams): Judgement => {
  const baseline = view.baselines[metric]
  const windows = baseline === null ? null : windowsOf(view)
  if (baseline === null || windows === null) return 'not_tested'

  const { before, after } = windows
  const expected = perDay(metric, before, BEFORE_DAYS)
  const observed = perDay(metric, after, AFTER_DAYS)
  const change = (observed - expected) / expected
  // Neither a null ratio nor a start from nothing can be expressed as a change.
  if (!Number.isFinite(change)) return 'not_tested'

  const noise = baseline.scale * NOISE_OF_DIFFERENCE
  const z = (observed - expected) / noise
  if (Math.abs(change) < params.changePointPct - ROUNDING || Math.abs(z) <= params.zThreshold) return 'normal'
  const chance = volumeP(metric, after, expected)
  if (chance > GUARD_P) return 'normal'

  const direction = directionOf(change)
  const polarity = polarityOf(metric, direction, {
    ...view.circumstances,
    cplHeld: metricOf('cpl', after) <= metricOf('cpl', before),
    conversionFell: metricOf('conversion_rate', after) < metricOf('conversion_rate', before),
  })
  const rarity = Math.max(studentP(z, baseline.n - 1), chance)
  return {
    detector: 'change_point',
    type: direction === 'up' ? `${metric}_spike` : `${metric}_drop`,
    metric,
    severity: capGood(changeSeverity(change), polarity),
    polarity,
    direction,
    score: 1 - rarity,
    rarity,
    observed,
    expected,
    lower: Math.max(0, expected - params.zThreshold * noise),
    upper: expected + params.zThreshold * noise,
    deviation: change,
    contributions: null,
  }
}
