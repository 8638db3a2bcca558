/**
 * All detectors on one entity and one day (ads-domain section 2). Pure, and cheap enough to run hourly on
 * whole accounts: about 0.1 ms.
 *
 * To do a batch: for each entity `densify(frameAt(batch, i), ...)` once over all days of interest and their
 * history, then call this per day.
 */
import type { DailyFrame, DayNumber, EntityHead } from '../frame.ts'
import { changePoint, CHANGE_POINT_METRICS } from './change-point.ts'
import { type Finding, type Judgement, viewDay } from './day.ts'
import { featureDeviates } from './feature-deviates.ts'
import { type ForestVerdict, forestSignal } from './forest-signal.ts'
import type { DetectionParams } from './params.ts'
import { frequencyAlert, reachSaturation } from './reach.ts'
import type { ModelSource, Signal } from './signal.ts'
import { BASELINE_METRICS } from './weekday-baseline.ts'
import { zeroDelivery } from './zero-delivery.ts'
import { zIqr } from './z-iqr.ts'

export interface DayInput {
  /** The day that is judged, complete. */
  readonly day: DayNumber
  /** Densified over `baselineDays` before `day`, and `day`. Later rows are not looked at. */
  readonly frame: DailyFrame
  readonly head: Pick<EntityHead, 'activeRanges' | 'budgetChanges'>
  /** Days labelled `true_positive`: truly odd, so no part of what is normal. */
  readonly excludedDays: ReadonlySet<DayNumber>
  /** Newest day up to `day` that already has a frequency alert of this entity; null for none. */
  readonly lastFrequencyAlertDay: DayNumber | null
  /** null when there is no usable model, or the forest does not judge this day. */
  readonly verdict: ForestVerdict | null
  readonly modelSource: ModelSource
  readonly modelVersion: number | null
}

export interface DayFindings {
  readonly signals: readonly Signal[]
  /** Metrics a rarity could have been given for, raised or not: what chance had to pick from. */
  readonly hypotheses: number
}

const NOTHING: DayFindings = { signals: [], hypotheses: 0 }

/** No findings when the entity has no row on the day, that is: neither delivered nor was active. */
export const detectDay = (input: DayInput, params: DetectionParams): DayFindings => {
  const view = viewDay(input.frame, input.day, input.head, input.excludedDays, params)
  if (view === null) return NOTHING

  const findings: Finding[] = []
  const tested = new Set<string>()
  const note = (metric: string, judgement: Judgement): void => {
    if (judgement === 'not_tested') return
    tested.add(metric)
    if (judgement !== 'normal') findings.push(judgement)
  }
  for (const metric of BASELINE_METRICS) note(metric, zIqr(metric, view, params))
  for (const metric of CHANGE_POINT_METRICS) note(metric, changePoint(metric, view, params))
  if (input.verdict) {
    const { frame, day, excludedDays, head } = input
    const { budgetChanges } = head
    const deviatesOf = () =>
      featureDeviates({ frame, day, windowDays: params.baselineDays, excludedDays, budgetChanges })
    note('multivariate', forestSignal(input.verdict, view.circumstances, deviatesOf))
  }
  const rules = [
    zeroDelivery(view),
    frequencyAlert(view, input.lastFrequencyAlertDay, params),
    reachSaturation(view),
  ]
  for (const finding of rules) if (finding) findings.push(finding)

  const { modelSource, modelVersion } = input
  return {
    signals: findings.map((finding) => ({ ...finding, modelSource, modelVersion })),
    hypotheses: tested.size,
  }
}
