/**
 * Detection day by day over the past of an account, as it would have run: each day by what was known before it.
 * Nothing is stored. Pure, so that it can run on a thread.
 */
import { detectDay } from '../../ml/detectors/detect-day.ts'
import type { Signal } from '../../ml/detectors/signal.ts'
import type { AccountDays, AccountEntity } from '../../ml/shifts/account.ts'
import { shiftSignals } from '../../ml/shifts/anomalies.ts'
import { passGate } from '../../ml/shifts/gate.ts'
import { openIncidentBook } from '../../ml/shifts/incidents.ts'
import type { AccountAnomaly, Incident, ToldAnomaly } from '../../ml/shifts/incidents.ts'
import { findShifts } from '../../ml/shifts/judge.ts'
import type { JudgementParams } from '../detection/params.ts'
import { entityDays } from './frames.ts'

export interface ReplayTask {
  readonly account: AccountDays
  /** Day 0 of the account, since 1970. */
  readonly firstDay: number
  /** Days that are reported, both inclusive, counted from the first of the account. */
  readonly from: number
  readonly to: number
  /** Days between trainings of the forests; each judges by what was trained on earlier days. */
  readonly trainEveryDays: number
  readonly params: JudgementParams
}

export interface ReplayedDay {
  /** Counted from the first of the account. */
  readonly day: number
  readonly hypotheses: number
  readonly signals: number
  /** Signals that became no anomaly. */
  readonly gated: number
  readonly anomalies: readonly ToldAnomaly[]
}

export interface Replayed {
  readonly days: readonly ReplayedDay[]
  readonly incidents: readonly Incident[]
}

/** Metrics that wait for leads: of days whose leads are still arriving nothing is said. */
const LEAD_METRICS: ReadonlySet<string> = new Set(['leads', 'cpl', 'conversion_rate', 'multivariate'])

export const replayAccount = ({ account, firstDay, from, to, params }: ReplayTask): Replayed => {
  const until = Math.min(to, account.completeUntil - 1)
  const shifts = shiftSignals(account, findShifts(account, params.shifts))
  const hypotheses = new Float64Array(account.days)
  const signals = new Float64Array(account.days)
  const gated = new Float64Array(account.days)
  const anomalies: AccountAnomaly[][] = Array.from({ length: account.days }, () => [])
  const excludedDays = new Set<number>()

  account.entities.forEach((entity: AccountEntity, i) => {
    const { head, frame } = entityDays(account, i, firstDay)
    let lastFrequencyAlertDay: number | null = null
    for (let t = Math.max(0, entity.start); t <= until; t++) {
      const judgedBy = { modelSource: 'baseline', modelVersion: null } as const
      const found = detectDay(
        { day: firstDay + t, frame, head, excludedDays, lastFrequencyAlertDay, verdict: null, ...judgedBy },
        params.detection,
      )
      const isProvisional = t >= account.leadsUntil
      const raised = isProvisional
        ? found.signals.filter(({ metric }: Signal) => !LEAD_METRICS.has(metric))
        : found.signals
      if (raised.some(({ detector }) => detector === 'frequency')) lastFrequencyAlertDay = firstDay + t
      const own = shifts.get(i)?.get(t) ?? []
      const day = passGate(raised, own, judgedBy, params.openGate)
      ;(hypotheses[t] as number) += found.hypotheses
      ;(signals[t] as number) += raised.length + own.length
      ;(gated[t] as number) += day.gated
      for (const anomaly of day.anomalies) anomalies[t]?.push({ ...anomaly, entity: i, day: t })
    }
  })

  const book = openIncidentBook(account, { budget: params.alarmBudget })
  const days: ReplayedDay[] = []
  for (let t = 0; t <= until; t++) {
    const told = book.take(t, anomalies[t] ?? [])
    if (t < from) continue
    days.push({
      day: t,
      hypotheses: hypotheses[t] as number,
      signals: signals[t] as number,
      gated: gated[t] as number,
      anomalies: told,
    })
  }
  return { days, incidents: book.incidents }
}
