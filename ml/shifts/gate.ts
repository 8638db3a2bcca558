/**
 * The alert gate: signals of the day's detectors become anomalies when the judge of shifts bears them out. What
 * chance gives hundreds of entities every day (z, change points, a forest's tenth of all days) stays a signal;
 * zero delivery, frequency bands and saturation are rules and pass.
 */
import { toAnomalies } from '../detectors/anomalies.ts'
import type { AnomalyDraft, DetectorName, Metric, ModelSource, Signal } from '../detectors/signal.ts'
import type { ShiftSignal } from './anomalies.ts'
import type { Shift } from './shift.ts'

const RULES: ReadonlySet<DetectorName> = new Set([
  'zero_spend',
  'zero_impressions',
  'frequency',
  'reach_saturation',
])

export interface GatedAnomaly extends AnomalyDraft {
  /** What bore it out; null for what a rule says alone. */
  readonly shift: Shift | null
}

export interface GatedDay {
  readonly anomalies: readonly GatedAnomaly[]
  /** Signals that became no anomaly. */
  readonly gated: number
}

/** Metrics that count leads; a forest's rows do too. */
export const LEAD_METRICS: readonly Metric[] = ['leads', 'cpl', 'conversion_rate', 'multivariate']

/** What may be said of a day whose leads are still arriving. */
export const withoutLeads = (signals: readonly Signal[]): readonly Signal[] =>
  signals.filter(({ metric }) => !LEAD_METRICS.includes(metric))

/** Which model the entity had that day. */
export interface JudgedBy {
  readonly modelSource: ModelSource
  readonly modelVersion: number | null
}

const keyOf = ({ type, metric }: Pick<Signal, 'type' | 'metric'>): string => `${type} ${metric}`

/**
 * One entity on one day.
 * @param open whether everything passes (USE_ALERT_GATE=false)
 */
export const passGate = (
  signals: readonly Signal[],
  shifts: readonly ShiftSignal[],
  judgedBy: JudgedBy,
  open: boolean,
): GatedDay => {
  const byKey = new Map<string, Shift>()
  const confirmed = shifts.map(({ shift, ...signal }): Signal => {
    byKey.set(keyOf(signal), shift)
    return { ...signal, ...judgedBy }
  })
  const passed = signals.filter((signal) => open || RULES.has(signal.detector) || byKey.has(keyOf(signal)))
  return {
    // Through the gate the judge speaks: it knows the whole account, the others one entity.
    anomalies: toAnomalies([...confirmed, ...passed], open ? undefined : 'shift').map((draft) => ({
      ...draft,
      shift: byKey.get(keyOf(draft)) ?? null,
    })),
    gated: signals.length - passed.length,
  }
}
