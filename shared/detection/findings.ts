/** What becomes of the signals of a batch: findings, through the gate that the judge of the account keeps. */
import { toAnomalies } from '../../ml/detectors/anomalies.ts'
import { BASELINE_REASONS, MODEL_SOURCES } from '../../ml/detectors/signal.ts'
import type { BaselineReason, ModelSource } from '../../ml/detectors/signal.ts'
import type { DayNumber } from '../../ml/frame.ts'
import type { ShiftSignal } from '../../ml/shifts/anomalies.ts'
import { passGate, withoutLeads } from '../../ml/shifts/gate.ts'
import type { GatedAnomaly } from '../../ml/shifts/gate.ts'
import type { DetectResult } from './detect-batch.ts'

/** What decides which signals become findings. */
export interface Gate {
  /** What the judge of the account says of an entity of the batch on a day. */
  readonly shiftsOf: (entity: number, day: DayNumber) => readonly ShiftSignal[]
  /** Whether every signal passes. */
  readonly open: boolean
  /** Leads of later days are still arriving. */
  readonly leadsArrived: DayNumber
}

export interface Finding {
  /** Index of the entity in the batch. */
  readonly entity: number
  readonly day: DayNumber
  readonly anomaly: GatedAnomaly
  readonly baselineReason: BaselineReason | null
}

export interface Findings {
  readonly findings: readonly Finding[]
  readonly signals: number
  /** Signals that became no finding. */
  readonly gated: number
}

/**
 * @param days those the batch was judged on
 * @param gate null: every signal is a finding
 */
export const findingsOf = (result: DetectResult, days: readonly DayNumber[], gate: Gate | null): Findings => {
  const findings: Finding[] = []
  let signals = 0
  let gated = 0
  const failed = new Set(result.failed.map(({ entity }) => entity))
  for (let cell = 0; cell < result.sources.length; cell++) {
    const entity = Math.floor(cell / days.length)
    if (failed.has(entity)) continue
    const day = days[cell % days.length] as DayNumber
    const own = result.signals.get(cell) ?? []
    const shifts = gate?.shiftsOf(entity, day) ?? []
    const raised = !gate || day <= gate.leadsArrived ? own : withoutLeads(own)
    signals += raised.length + shifts.length
    if (raised.length + shifts.length === 0) continue
    const modelSource = MODEL_SOURCES[result.sources[cell] as number] as ModelSource
    const isModel = modelSource !== 'baseline'
    const modelVersion = isModel ? (result.versions[cell] as number) : null
    const reason = isModel ? null : (BASELINE_REASONS[result.reasons[cell] as number] as BaselineReason)
    const passed = gate
      ? passGate(raised, shifts, { modelSource, modelVersion }, gate.open)
      : { anomalies: toAnomalies(raised).map((draft) => ({ ...draft, shift: null })), gated: 0 }
    gated += passed.gated
    for (const anomaly of passed.anomalies) findings.push({ entity, day, anomaly, baselineReason: reason })
  }
  return { findings, signals, gated }
}
