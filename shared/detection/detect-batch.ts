/**
 * The thread's part of a detection: judges the wanted days of a batch of entities. No I/O; what it needs
 * comes with the task, artifacts as shared memory.
 */
import { createHash } from 'node:crypto'
import { ArtifactFormatError } from '../../ml/artifact/safetensors.ts'
import { toAnomalies } from '../../ml/detectors/anomalies.ts'
import { detectDay } from '../../ml/detectors/detect-day.ts'
import { decodeEntityForest, judgeDay } from '../../ml/detectors/entity-forest.ts'
import type { EntityJudge } from '../../ml/detectors/entity-forest.ts'
import type { DetectionParams } from '../../ml/detectors/params.ts'
import type { AnomalyDraft, BaselineReason } from '../../ml/detectors/signal.ts'
import { densify, frameAt } from '../../ml/frame.ts'
import type { DayNumber, FrameBatch } from '../../ml/frame.ts'
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
  /** entities x days: index in `models`, or -1 for none. */
  readonly modelOf: Int32Array
  /** Whether forests are switched off (USE_ISOLATION_FOREST=false). */
  readonly forestsDisabled: boolean
  /** Days labelled true_positive, by entity id. */
  readonly excludedDays: ReadonlyMap<string, readonly DayNumber[]>
  /** Days that already have a frequency alert, by entity id. */
  readonly frequencyAlertDays: ReadonlyMap<string, readonly DayNumber[]>
}

export interface Finding {
  /** Index of the entity in the batch. */
  readonly entity: number
  readonly day: DayNumber
  readonly anomaly: AnomalyDraft
  readonly baselineReason: BaselineReason | null
}

export interface DetectResult {
  readonly findings: readonly Finding[]
  readonly signals: number
  readonly hypotheses: number
  /** Entity-days a forest judged. */
  readonly judgedByForest: number
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
  const judgeOf = (index: number): EntityJudge | null => {
    const known = judges.get(index)
    if (known !== undefined) return known
    const model = task.models[index]
    let judge: EntityJudge | null = null
    if (model && 'bytes' in model) {
      try {
        judge = decodeEntityForest(new Uint8Array(model.bytes), sha256)
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
  let hypotheses = 0
  let judgedByForest = 0
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
        const index = task.modelOf[entity * days.length + d] ?? -1
        const judge = index < 0 ? null : judgeOf(index)
        const verdict = judge ? judgeDay(judge, frame, day) : null
        if (verdict) judgedByForest += 1
        let baselineReason: BaselineReason | null = null
        if (!judge)
          baselineReason = task.forestsDisabled ? 'disabled' : index < 0 ? 'no_model' : 'broken_artifact'
        const found = detectDay(
          {
            day,
            frame,
            head,
            excludedDays,
            lastFrequencyAlertDay: newestUpTo(alertDays, day),
            verdict,
            modelSource: judge ? 'own' : 'baseline',
            modelVersion: judge ? (task.models[index]?.version ?? null) : null,
          },
          params,
        )
        signals += found.signals.length
        hypotheses += found.hypotheses
        for (const anomaly of toAnomalies(found.signals)) {
          if (anomaly.type === 'frequency_alert') alertDays.push(day)
          mine.push({ entity, day, anomaly, baselineReason })
        }
      }
      findings.push(...mine)
    } catch (error) {
      failed.push({ entity, message: messageOf(error) })
    }
  }
  return { findings, signals, hypotheses, judgedByForest, failed, unreadable }
}
