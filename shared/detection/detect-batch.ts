/**
 * The thread's part of a detection: judges the wanted days of a batch of entities. No I/O; what it needs
 * comes with the task, artifacts as shared memory.
 */
import { createHash } from 'node:crypto'
import { ArtifactFormatError } from '../../ml/artifact/safetensors.ts'
import { toAnomalies } from '../../ml/detectors/anomalies.ts'
import { detectDay } from '../../ml/detectors/detect-day.ts'
import { decodeEntityForest } from '../../ml/detectors/entity-forest.ts'
import type { EntityJudge } from '../../ml/detectors/entity-forest.ts'
import { judgeByLadder, RUNGS } from '../../ml/detectors/ladder.ts'
import type { Rung } from '../../ml/detectors/ladder.ts'
import type { DetectionParams } from '../../ml/detectors/params.ts'
import { decodePooledForest } from '../../ml/detectors/pooled-forest.ts'
import { noneBySource } from '../../ml/detectors/signal.ts'
import type { BaselineReason, ModelSource, Signal } from '../../ml/detectors/signal.ts'
import { densify, frameAt, rowOf } from '../../ml/frame.ts'
import type { DayNumber, FrameBatch } from '../../ml/frame.ts'
import type { ShiftSignal } from '../../ml/shifts/anomalies.ts'
import { passGate, withoutLeads } from '../../ml/shifts/gate.ts'
import type { GatedAnomaly, GatedDay, JudgedBy } from '../../ml/shifts/gate.ts'
import { messageOf } from '../core/errors.ts'

/** A model of the batch: its artifact, or why there is none to use. */
export type BatchModel =
  | { readonly version: number; readonly bytes: SharedArrayBuffer }
  | { readonly version: number; readonly broken: true }

export interface DetectTask {
  readonly batch: FrameBatch
  /** Days to judge, ascending. */
  readonly days: readonly DayNumber[]
  readonly params: DetectionParams
  readonly models: readonly BatchModel[]
  /** entities x days x rungs of the ladder: index in `models`, or -1 for none. */
  readonly modelOf: Int32Array
  /** Whether forests are switched off (USE_ISOLATION_FOREST=false). */
  readonly forestsDisabled: boolean
  /** Days labelled true_positive, by entity id. */
  readonly excludedDays: ReadonlyMap<string, readonly DayNumber[]>
  /** Days that already have a frequency alert, by entity id. */
  readonly frequencyAlertDays: ReadonlyMap<string, readonly DayNumber[]>
  /** Null: every signal is a finding. */
  readonly gate: GateTask | null
}

/** What decides which signals become findings. */
export interface GateTask {
  /** What the judge of the account says, by index of the entity in the batch and day. */
  readonly shifts: ReadonlyMap<number, ReadonlyMap<DayNumber, readonly ShiftSignal[]>>
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

export interface DetectResult {
  readonly findings: readonly Finding[]
  readonly signals: number
  /** Signals that became no finding. */
  readonly gated: number
  readonly hypotheses: number
  /** Entity-days a forest judged. */
  readonly judgedByForest: number
  /** Entity-days by the model in charge of them; days on which the entity neither delivered nor was active do not count. */
  readonly judgedBy: Readonly<Record<ModelSource, number>>
  /** Entities that could not be judged; the others could. */
  readonly failed: readonly { readonly entity: number; readonly message: string }[]
  /** Indices in `models` whose bytes are no usable artifact. */
  readonly unreadable: readonly number[]
}

const sha256 = (...parts: readonly (Uint8Array | string)[]): string => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

const NO_DAYS: readonly DayNumber[] = []

const newestUpTo = (days: readonly DayNumber[], day: DayNumber): DayNumber | null => {
  let newest: DayNumber | null = null
  for (const candidate of days)
    if (candidate <= day && (newest === null || candidate > newest)) newest = candidate
  return newest
}

export const detectBatch = (task: DetectTask): DetectResult => {
  const { batch, days, params } = task
  const judges = new Map<number, EntityJudge | null>()
  const unreadable: number[] = []
  const judgeOf = (index: number, rung: Rung): EntityJudge | null => {
    const known = judges.get(index)
    if (known !== undefined) return known
    const model = task.models[index]
    let judge: EntityJudge | null = null
    if (model && 'bytes' in model) {
      try {
        const decode = rung === 'own' ? decodeEntityForest : decodePooledForest
        judge = decode(new Uint8Array(model.bytes), sha256)
      } catch (error) {
        if (!(error instanceof ArtifactFormatError)) throw error
        unreadable.push(index)
      }
    }
    judges.set(index, judge)
    return judge
  }

  const findings: Finding[] = []
  const failed: { entity: number; message: string }[] = []
  let signals = 0
  let gated = 0
  let hypotheses = 0
  let judgedByForest = 0
  const judgedBy = noneBySource()
  /** Why statistics judge alone, given the rungs from `base` on. */
  const reasonAt = (base: number): BaselineReason => {
    if (task.forestsDisabled) return 'disabled'
    const broken = RUNGS.some((_, rung) => {
      const index = task.modelOf[base + rung] ?? -1
      return index >= 0 && judges.get(index) === null
    })
    return broken ? 'broken_artifact' : 'no_model'
  }
  /** Which of an entity's signals of a day become findings. */
  const pass = (
    raised: readonly Signal[],
    entity: number,
    day: DayNumber,
    judgedBy: JudgedBy,
  ): GatedDay & { readonly signals: number } => {
    const { gate } = task
    if (!gate)
      return {
        anomalies: toAnomalies(raised).map((draft) => ({ ...draft, shift: null })),
        gated: 0,
        signals: raised.length,
      }
    const shifts = gate.shifts.get(entity)?.get(day) ?? []
    const settled = day <= gate.leadsArrived ? raised : withoutLeads(raised)
    return { ...passGate(settled, shifts, judgedBy, gate.open), signals: settled.length + shifts.length }
  }
  const first = (days[0] ?? 0) - params.baselineDays
  const last = days.at(-1) ?? 0

  for (let entity = 0; entity < batch.heads.length; entity += 1) {
    const head = batch.heads[entity]!
    const mine: Finding[] = []
    try {
      const frame = densify(frameAt(batch, entity), head.activeRanges, first, last)
      const excludedDays = new Set(task.excludedDays.get(head.id))
      const alertDays = [...(task.frequencyAlertDays.get(head.id) ?? NO_DAYS)]
      for (let d = 0; d < days.length; d += 1) {
        const day = days[d]!
        const base = (entity * days.length + d) * RUNGS.length
        const indexAt = (rung: Rung): number => task.modelOf[base + RUNGS.indexOf(rung)] ?? -1
        const { source, verdict } = judgeByLadder(
          (rung) => {
            const index = indexAt(rung)
            return index < 0 ? null : judgeOf(index, rung)
          },
          frame,
          day,
          params.baselineDays,
          excludedDays,
        )
        if (verdict) judgedByForest += 1
        if (rowOf(frame.days, day) >= 0) judgedBy[source] += 1
        const baselineReason = source === 'baseline' ? reasonAt(base) : null
        const modelVersion = source === 'baseline' ? null : (task.models[indexAt(source)]?.version ?? null)
        const found = detectDay(
          {
            day,
            frame,
            head,
            excludedDays,
            lastFrequencyAlertDay: newestUpTo(alertDays, day),
            verdict,
            modelSource: source,
            modelVersion,
          },
          params,
        )
        hypotheses += found.hypotheses
        if (found.signals.some(({ detector }) => detector === 'frequency')) alertDays.push(day)
        const passed = pass(found.signals, entity, day, { modelSource: source, modelVersion })
        signals += passed.signals
        gated += passed.gated
        for (const anomaly of passed.anomalies) mine.push({ entity, day, anomaly, baselineReason })
      }
      findings.push(...mine)
    } catch (error) {
      failed.push({ entity, message: messageOf(error) })
    }
  }
  return { findings, signals, gated, hypotheses, judgedByForest, judgedBy, failed, unreadable }
}
