/** A day far from its weekday baseline, by robust z or beyond Tukey's fences (1977). */
import { studentP } from '../stats/two-sided.ts'
import type { DayView, Judgement } from './day.ts'
import type { DetectionParams } from './params.ts'
import { directionOf, polarityOf } from './polarity.ts'
import { capGood, liftCostly, zSeverity } from './severity.ts'
import { GUARD_P, volumeP } from './volume-guard.ts'
import type { BaselineMetric, WeekdayBaseline } from './weekday-baseline.ts'

/** One metric of a day, or of the hours of it. */
export interface MetricView extends Pick<DayView, 'totals' | 'circumstances'> {
  readonly observed: number
  readonly baseline: WeekdayBaseline | null
}

export const judgeMetric = (
  metric: BaselineMetric,
  { baseline, observed, totals, circumstances }: MetricView,
  params: Pick<DetectionParams, 'zThreshold'>,
): Judgement => {
  if (baseline === null || Number.isNaN(observed)) return 'not_tested'

  const residual = observed - baseline.expected
  const z = residual / baseline.scale
  const odd = Math.abs(z) > params.zThreshold || residual < baseline.fenceLow || residual > baseline.fenceHigh
  if (!odd) return 'normal'
  const chance = volumeP(metric, totals, baseline.expected)
  if (chance > GUARD_P) return 'normal'

  const direction = directionOf(residual)
  const polarity = polarityOf(metric, direction, circumstances)
  const rarity = Math.max(studentP(z, baseline.n - 1), chance)
  return {
    detector: 'z_iqr',
    type: direction === 'up' ? `${metric}_spike` : `${metric}_drop`,
    metric,
    severity: capGood(liftCostly(zSeverity(z), metric, direction), polarity),
    polarity,
    direction,
    score: 1 - rarity,
    rarity,
    observed,
    expected: baseline.expected,
    lower: baseline.lower,
    upper: baseline.upper,
    deviation: z,
    contributions: null,
  }
}

export const zIqr = (
  metric: BaselineMetric,
  { observed, baselines, totals, circumstances }: DayView,
  params: DetectionParams,
): Judgement =>
  judgeMetric(
    metric,
    { observed: observed[metric], baseline: baselines[metric], totals, circumstances },
    params,
  )
