/**
 * The thread's part of a detection: judges the wanted days of a batch of entities. No I/O; what it needs
 * comes with the task, artifacts as shared memory.
 */
import { ArtifactFormatError } from '../../ml/artifact/safetensors.ts'
import { detectDay } from '../../ml/detectors/detect-day.ts'
import { decodeEntityForest } from '../../ml/detectors/entity-forest.ts'
import type { EntityJudge } from '../../ml/detectors/entity-forest.ts'
import { judgeByLadder, RUNGS } from '../../ml/detectors/ladder.ts'
import type { Rung } from '../../ml/detectors/ladder.ts'
import type { DetectionParams } from '../../ml/detectors/params.ts'
import { decodePooledForest } from '../../ml/detectors/pooled-forest.ts'
import { BASELINE_REASONS, MODEL_SOURCES, noneBySource } from '../../ml/detectors/signal.ts'
import type { BaselineReason, ModelSource, Signal } from '../../ml/detectors/signal.ts'
import { densify, frameAt, rowOf } from '../../ml/frame.ts'
import type { DayNumber, FrameBatch } from '../../ml/frame.ts'
import { messageOf } from '../core/errors.ts'

/** A model of the batch: its artifact, or that there is none to use. */
export type BatchModel =
  /** The whole file, whose checksum has been compared with the registry's. */
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
}

/** A cell is an entity on a day: entity x days + day. */
export interface DetectResult {
  /** What the detectors say of a cell; those that say nothing are left out. */
  readonly signals: ReadonlyMap<number, readonly Signal[]>
  /** Per cell which model is in charge: its place in `MODEL_SOURCES`, and its version, 0 of statistics. */
  readonly sources: Uint8Array
  readonly versions: Int32Array
  /** Per cell why it is statistics, where it is: place in `BASELINE_REASONS`. */
  readonly reasons: Uint8Array
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
        // Whoever loaded it has compared the whole file with what the registry knows of it.
        judge = decode(new Uint8Array(model.bytes), null)
      } catch (error) {
        if (!(error instanceof ArtifactFormatError)) throw error
        unreadable.push(index)
      }
    }
    judges.set(index, judge)
    return judge
  }

  const signals = new Map<number, readonly Signal[]>()
  const cells = batch.heads.length * days.length
  const sources = new Uint8Array(cells)
  const versions = new Int32Array(cells)
  const reasons = new Uint8Array(cells)
  const failed: { entity: number; message: string }[] = []
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
  const first = (days[0] ?? 0) - params.baselineDays
  const last = days.at(-1) ?? 0

  for (let entity = 0; entity < batch.heads.length; entity += 1) {
    const head = batch.heads[entity]!
    const mine: [number, readonly Signal[]][] = []
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
        const cell = entity * days.length + d
        sources[cell] = MODEL_SOURCES.indexOf(source)
        versions[cell] = modelVersion ?? 0
        if (source === 'baseline') reasons[cell] = BASELINE_REASONS.indexOf(reasonAt(base))
        if (found.signals.length > 0) mine.push([cell, found.signals])
      }
      for (const [cell, own] of mine) signals.set(cell, own)
    } catch (error) {
      failed.push({ entity, message: messageOf(error) })
    }
  }
  return { signals, sources, versions, reasons, hypotheses, judgedByForest, judgedBy, failed, unreadable }
}
