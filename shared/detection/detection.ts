/**
 * Detection of one level of one config. Stages: which days, freshness; then per batch of entities: frames,
 * models, judgement on the threads, findings into the store. Batches overlap; memory stays a few batches.
 */
import { MODEL_SOURCES, SEVERITIES } from '../../ml/detectors/signal.ts'
import type { DetectionParams } from '../../ml/detectors/params.ts'
import type { Signal } from '../../ml/detectors/signal.ts'
import type { DayNumber, FrameBatch } from '../../ml/frame.ts'
import type { ComputePool } from '../compute.ts'
import type { Clock } from '../core/clock.ts'
import { lastCompleteDay, toDayNumber, toLocalDate } from '../core/days.ts'
import type { LocalDate } from '../core/days.ts'
import type { Level } from '../core/entity.ts'
import { messageOf } from '../core/errors.ts'
import type { WorkContext, WorkOutcome } from '../core/work.ts'
import { zoneOf } from '../entities/configs.ts'
import type { Configs } from '../entities/configs.ts'
import { requireCompleteDay } from '../entities/freshness.ts'
import type { DataFreshness } from '../entities/freshness.ts'
import { frameBuffers } from '../entities/frames.ts'
import type { FrameSource } from '../entities/frames.ts'
import type { Logger } from '../platform/logger.ts'
import type { ModelLoader } from '../registry/model-loader.ts'
import type { ModelRegistry } from '../registry/model-registry.ts'
import type { ArtifactRef } from '../registry/model-version.ts'
import type { DetectResult, DetectTask } from './detect-batch.ts'
import type { DetectionStore, ScoredAnomaly } from './detection-store.ts'
import { loadModels, noModels } from './load-models.ts'

/** Entities per thread task: small enough to keep both threads busy on an account of a hundred ads. */
const BATCH_SIZE = 128
/** Entities whose findings are written in one transaction. */
const WRITE_SIZE = 1024
/** Days of which late data is looked at again. */
const LATE_DAYS = 7
const FREQUENCY_REPEAT_DAYS = 7
const EXPIRE_AFTER_MS = 7 * 86_400_000

export interface DetectRequest {
  readonly configId: number
  /** ISO 8601. */
  readonly asOf: string
  /** The newest day to judge; null: the newest complete day at `asOf` that has rows. */
  readonly day: LocalDate | null
  /** How many days, ending with `day`. */
  readonly days: number
  /** null: all entities of the level. */
  readonly entityIds: readonly string[] | null
}

export interface DryRunSignal extends Signal {
  readonly entityId: string
  readonly day: LocalDate
}

export interface DetectionService {
  detectLevel(level: Level, request: DetectRequest, context: WorkContext): Promise<WorkOutcome>
  /** The same judgement with nothing stored. */
  dryRun(level: Level, request: DetectRequest, signal: AbortSignal): Promise<readonly DryRunSignal[]>
}

export interface DetectionParts {
  readonly clock: Clock
  readonly store: DetectionStore
  readonly configs: Configs
  readonly freshness: DataFreshness
  readonly frames: FrameSource
  readonly registry: ModelRegistry
  readonly models: ModelLoader
  readonly compute: ComputePool
  readonly params: DetectionParams
  readonly useForests: boolean
  /** Counts for the metrics. */
  readonly onDetected?: (
    level: Level,
    counts: { readonly entities: number; readonly anomalies: number },
  ) => void
}

/** The part of a level's map that a batch needs: tasks are copied to threads. */
const entriesOf = <V>(map: ReadonlyMap<string, V>, ids: readonly string[]): ReadonlyMap<string, V> => {
  const part = new Map<string, V>()
  if (map.size === 0) return part
  for (const id of ids) {
    const value = map.get(id)
    if (value !== undefined) part.set(id, value)
  }
  return part
}

interface Judged {
  readonly batch: { readonly ids: readonly string[]; readonly parents: readonly (string | null)[] }
  readonly result: DetectResult
  /** Files that are as they were written, but no model of a format known here. */
  readonly unreadable: readonly ArtifactRef[]
}

export const createDetection = (parts: DetectionParts): DetectionService => {
  const { store, params } = parts

  /** Judges all entities of the request on `days`, batch by batch, with a few batches under way at once. */
  async function* judge(
    level: Level,
    request: DetectRequest,
    days: readonly DayNumber[],
    signal: AbortSignal,
  ): AsyncGenerator<Judged> {
    const first = days[0] ?? 0
    const last = days.at(-1) ?? 0
    const [excludedDays, frequencyAlertDays] = await Promise.all([
      store.labelledDays(request.configId, level, first - params.baselineDays),
      store.frequencyAlertDays(request.configId, level, first - FREQUENCY_REPEAT_DAYS, last),
    ])
    const judgeBatch = async (batch: FrameBatch): Promise<Judged> => {
      const ids = batch.heads.map((head) => head.id)
      const parents = batch.heads.map((head) => head.parentId)
      const { refs, models, modelOf } = parts.useForests
        ? await loadModels(parts, { configId: request.configId, level }, batch.heads, days)
        : noModels(ids.length, days.length)
      const task: DetectTask = {
        batch,
        days,
        params,
        models,
        modelOf,
        forestsDisabled: !parts.useForests,
        excludedDays: entriesOf(excludedDays, ids),
        frequencyAlertDays: entriesOf(frequencyAlertDays, ids),
      }
      const result = await parts.compute.run('detect', task, { signal, transfer: frameBuffers(batch) })
      const unreadable = result.unreadable.flatMap((index) => refs[index] ?? [])
      return { batch: { ids, parents }, result, unreadable }
    }
    const underWay: Promise<Judged>[] = []
    try {
      const batches = parts.frames.batches({
        configId: request.configId,
        level,
        from: first - params.baselineDays,
        to: last,
        ...(request.entityIds ? { entityIds: request.entityIds } : {}),
        batchSize: BATCH_SIZE,
      })
      for await (const batch of batches) {
        signal.throwIfAborted()
        const judged = judgeBatch(batch)
        // It may fail while an earlier one is being written; whoever takes it sees the failure then.
        judged.catch(() => {})
        underWay.push(judged)
        if (underWay.length > parts.compute.threads) yield await underWay.shift()!
      }
      while (underWay.length > 0) yield await underWay.shift()!
    } finally {
      // An early end leaves nothing unwatched behind.
      await Promise.allSettled(underWay)
    }
  }

  const chosenDay = async ({ configId, asOf, day }: DetectRequest): Promise<DayNumber> => {
    const instant = new Date(asOf)
    const zone = zoneOf(await parts.configs.get(configId))
    if (day !== null) {
      requireCompleteDay(day, instant, zone)
      return toDayNumber(day)
    }
    const newest = await parts.freshness.newestCompleteDayWithRows(configId, instant)
    return newest === null ? lastCompleteDay(instant, zone) : toDayNumber(newest)
  }

  const lastDays = (day: DayNumber, count: number): DayNumber[] =>
    Array.from({ length: count }, (_, i) => day - count + 1 + i)

  /** Those of `days` whose figures are in; on any other, all that is active would look stopped. */
  const freshOf = async (configId: number, days: readonly DayNumber[]): Promise<DayNumber[]> => {
    const states = await Promise.all(days.map((day) => parts.freshness.freshness(configId, toLocalDate(day))))
    return days.filter((_, i) => states[i] === 'fresh')
  }

  /** Takes them out of service. Where that fails the next run finds them again. */
  const quarantine = async (refs: readonly ArtifactRef[], logger: Logger): Promise<void> => {
    for (const ref of refs) {
      try {
        await parts.registry.markBroken(ref, 'the file is no model of a known format')
      } catch (error) {
        const { model, version } = ref
        logger.error('an unreadable artifact could not be quarantined', {
          model,
          version,
          error: messageOf(error),
        })
      }
    }
  }

  const skipped = (reason: string, day: DayNumber, expired: number): WorkOutcome => ({
    status: 'skipped',
    counts: { done: 0, skipped: 1, failed: 0 },
    reasons: { [reason]: 1 },
    result: { day: toLocalDate(day), expired },
  })

  return {
    detectLevel: async (level, request, context) => {
      const { configId } = request
      const day = await chosenDay(request)
      const asked = lastDays(day, request.days)
      const fresh = await freshOf(configId, asked)
      const seenAt = parts.clock.now()
      const whole = request.entityIds === null
      const expire = async (): Promise<number> =>
        whole
          ? store.expire(context.fence, configId, level, seenAt, new Date(seenAt.getTime() - EXPIRE_AFTER_MS))
          : 0
      // Anomalies grow old also while a source delivers nothing.
      if (fresh.at(-1) !== day) return skipped('stale_data', day, await expire())

      const look = { job: `detect.${level}`, configId, runId: context.fence.runId }
      // Before the frames are read: what comes in between is looked at again, not missed.
      const late = whole ? await store.lateDays(look, day - LATE_DAYS + 1, day) : null
      const days = new Set([...fresh, ...(late?.days ?? [])])
      const ordered = [...days].sort((a, b) => a - b)

      const counts = { done: 0, skipped: 0, failed: 0 }
      const bySeverity: Record<string, number> = Object.fromEntries(
        SEVERITIES.map((severity) => [severity, 0]),
      )
      let signals = 0
      let hypotheses = 0
      let anomalies = 0
      let created = 0
      let restated = 0
      let judgedByForest = 0
      const judgedBy = { own: 0, adset: 0, campaign: 0, account: 0, baseline: 0 }
      let pendingIds: string[] = []
      let pending: ScoredAnomaly[] = []
      const flush = async (): Promise<void> => {
        if (pendingIds.length === 0) return
        const written = await store.write(context.fence, {
          configId,
          level,
          entityIds: pendingIds,
          days: ordered,
          anomalies: pending,
          seenAt,
        })
        created += written.created
        restated += written.restated
        pendingIds = []
        pending = []
      }
      for await (const { batch, result, unreadable } of judge(level, request, ordered, context.signal)) {
        await quarantine(unreadable, context.logger)
        const failed = new Set(result.failed.map(({ entity }) => entity))
        for (const { entity, message } of result.failed) {
          context.logger.error('an entity could not be judged', {
            entity_id: batch.ids[entity],
            error: message,
          })
        }
        batch.ids.forEach((id, i) => {
          if (!failed.has(i)) pendingIds.push(id)
        })
        for (const { entity, day: found, anomaly, baselineReason } of result.findings) {
          bySeverity[anomaly.severity] = (bySeverity[anomaly.severity] ?? 0) + 1
          pending.push({
            entityId: batch.ids[entity] ?? '',
            parentId: batch.parents[entity] ?? null,
            day: found,
            anomaly,
            baselineReason,
          })
        }
        counts.done += batch.ids.length - failed.size
        counts.failed += failed.size
        signals += result.signals
        hypotheses += result.hypotheses
        anomalies += result.findings.length
        judgedByForest += result.judgedByForest
        for (const source of MODEL_SOURCES) judgedBy[source] += result.judgedBy[source]
        if (pendingIds.length >= WRITE_SIZE) await flush()
        context.progress(0.5, counts)
      }
      await flush()
      const expired = await expire()

      parts.onDetected?.(level, { entities: counts.done, anomalies })
      const wanted = new Set(request.entityIds).size
      const unknown = Math.max(0, wanted - counts.done - counts.failed)
      counts.skipped = unknown
      return {
        status: counts.failed === 0 ? 'succeeded' : counts.done > 0 ? 'partial' : 'failed',
        counts,
        reasons: {
          ...(unknown > 0 ? { no_data: unknown } : {}),
          ...(counts.failed > 0 ? { detection_failed: counts.failed } : {}),
        },
        result: {
          day: toLocalDate(day),
          days: ordered.map(toLocalDate),
          watermark: late?.watermark?.toISOString() ?? null,
          stale_days: asked.filter((one) => !days.has(one)).map(toLocalDate),
          hypotheses,
          signals,
          anomalies,
          by_severity: bySeverity,
          created,
          restated,
          expired,
          judged_by_forest: judgedByForest,
          judged_by: judgedBy,
        },
      }
    },

    dryRun: async (level, request, signal) => {
      const days = await freshOf(request.configId, lastDays(await chosenDay(request), request.days))
      const found: DryRunSignal[] = []
      if (days.length === 0) return found
      for await (const { batch, result } of judge(level, request, days, signal)) {
        for (const { entity, day, anomaly } of result.findings) {
          for (const one of anomaly.signals) {
            found.push({ ...one, entityId: batch.ids[entity] ?? '', day: toLocalDate(day) })
          }
        }
      }
      return found
    },
  }
}
