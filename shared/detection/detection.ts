/**
 * Detection of one level of one config. Stages: which days, freshness; then per page of campaigns: the judge of
 * accounts and, beside it, per batch of entities models and detectors on the threads; findings through the gate into
 * the store; at the end incidents with their messages, in one transaction. Batches overlap; memory stays a page.
 */
import { MODEL_SOURCES, noneBySource, SEVERITIES } from '../../ml/detectors/signal.ts'
import type { Signal } from '../../ml/detectors/signal.ts'
import { pickEntities, rangesWithout } from '../../ml/frame.ts'
import type { DayNumber, FrameBatch } from '../../ml/frame.ts'
import { entityKey } from '../../ml/shifts/from-frames.ts'
import { passGate } from '../../ml/shifts/gate.ts'
import type { AccountAnomaly } from '../../ml/shifts/incidents.ts'
import type { ComputePool } from '../compute.ts'
import type { Clock } from '../core/clock.ts'
import { lastCompleteDay, localDayOf, toDayNumber, toLocalDate } from '../core/days.ts'
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
import type { Mutes } from '../notify/mutes.ts'
import type { Notifications } from '../notify/notifications.ts'
import { anchorOf } from './account-judge.ts'
import type { AccountJudge, AccountPage } from './account-judge.ts'
import type { DetectResult, DetectTask } from './detect-batch.ts'
import type { DetectionStore, ScoredAnomaly, ScoredBatch, WriteCounts } from './detection-store.ts'
import { findingsOf } from './findings.ts'
import type { Gate } from './findings.ts'
import { indexOfEntities, openStoredBook } from './incident-book.ts'
import { toEvents } from './incident-events.ts'
import type { IncidentLink, IncidentWriter, SavedIncident } from './incident-store.ts'
import type { JudgedAccount } from './judge-account.ts'
import { loadModels, noModels } from './load-models.ts'
import type { JudgementParams } from './params.ts'

/** Entities per thread task: small enough to keep both threads busy on an account of a hundred ads. */
const BATCH_SIZE = 128
/** Entities whose findings are written in one transaction. */
const WRITE_SIZE = 1024
/** Days of which late data is looked at again. */
const LATE_DAYS = 7
const FREQUENCY_REPEAT_DAYS = 7
/** Incidents that ended earlier are not continued: further back than any family remembers. */
const KNOWN_INCIDENT_DAYS = 21
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
  readonly accounts: AccountJudge
  readonly incidents: IncidentWriter
  readonly mutes: Pick<Mutes, 'within'>
  readonly webhooks: Pick<Notifications, 'notice' | 'hurry'>
  readonly params: JudgementParams
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

/** What the judge alone says of the levels that are not detected now. */
const otherLevels = (page: JudgedAccount, level: Level, days: readonly DayNumber[]): AccountAnomaly[] => {
  const wanted = new Set(days.map((day) => day - page.firstDay))
  const judgedBy = { modelSource: 'baseline', modelVersion: null } as const
  return [...page.signals].flatMap(([entity, byDay]) =>
    page.account.entities[entity]?.level === level
      ? []
      : [...byDay].flatMap(([day, signals]) =>
          wanted.has(day)
            ? passGate([], signals, judgedBy, false).anomalies.map((anomaly) => ({ ...anomaly, entity, day }))
            : [],
        ),
  )
}

interface Judged {
  readonly ids: readonly string[]
  readonly parents: readonly (string | null)[]
  readonly result: DetectResult
  /** Files that are as they were written, but no model of a format known here. */
  readonly unreadable: readonly ArtifactRef[]
}

/** What is remembered of the entities of a level. */
interface Memory {
  readonly excludedDays: ReadonlyMap<string, readonly DayNumber[]>
  readonly frequencyAlertDays: ReadonlyMap<string, readonly DayNumber[]>
}

export const createDetection = (parts: DetectionParts): DetectionService => {
  const { store } = parts
  const params = parts.params.detection

  const memoryOf = async (configId: number, level: Level, days: readonly DayNumber[]): Promise<Memory> => {
    const first = days[0] ?? 0
    return {
      excludedDays: await store.labelledDays(configId, level, first - params.baselineDays),
      frequencyAlertDays: await store.frequencyAlertDays(
        configId,
        level,
        first - FREQUENCY_REPEAT_DAYS,
        days.at(-1) ?? 0,
      ),
    }
  }

  /** Judges batches on `days`, a few of them under way at once. */
  async function* judgeAll(
    level: Level,
    configId: number,
    days: readonly DayNumber[],
    memory: Memory,
    batches: AsyncIterable<FrameBatch> | Iterable<FrameBatch>,
    signal: AbortSignal,
  ): AsyncGenerator<Judged> {
    const judgeBatch = async (batch: FrameBatch): Promise<Judged> => {
      const ids = batch.heads.map((head) => head.id)
      const parents = batch.heads.map((head) => head.parentId)
      const { refs, models, modelOf } = parts.useForests
        ? await loadModels(parts, { configId, level }, batch.heads, days)
        : noModels(ids.length, days.length)
      const task: DetectTask = {
        batch,
        days,
        params,
        models,
        modelOf,
        forestsDisabled: !parts.useForests,
        excludedDays: entriesOf(memory.excludedDays, ids),
        frequencyAlertDays: entriesOf(memory.frequencyAlertDays, ids),
      }
      const result = await parts.compute.run('detect', task, { signal, transfer: frameBuffers(batch) })
      const unreadable = result.unreadable.flatMap((index) => refs[index] ?? [])
      return { ids, parents, result, unreadable }
    }
    const underWay: Promise<Judged>[] = []
    try {
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

  /** The asked entities of a page, in batches of their own memory. */
  function* batchesOf(
    { batches, resting }: AccountPage,
    level: Level,
    asked: ReadonlySet<string> | null,
  ): Generator<FrameBatch> {
    for (const batch of batches[level]) {
      const wanted = batch.heads.flatMap(({ id }, i) => (asked === null || asked.has(id) ? [i] : []))
      for (let i = 0; i < wanted.length; i += BATCH_SIZE) {
        const picked = pickEntities(batch, wanted.slice(i, i + BATCH_SIZE))
        const heads = picked.heads.map((head) => {
          // Of a parent whose children all rest, none is missing.
          const days = resting.get(entityKey(level, head.id))
          return days ? { ...head, activeRanges: rangesWithout(head.activeRanges, days) } : head
        })
        yield { ...picked, heads }
      }
    }
  }

  /** What the judge says of the entities of a batch. */
  const gateOf = (
    { signals, firstDay }: JudgedAccount,
    indexOf: ReadonlyMap<string, number>,
    level: Level,
    ids: readonly string[],
    leadsArrived: DayNumber,
  ): Gate => {
    const mine = ids.map((id) => signals.get(indexOf.get(entityKey(level, id)) ?? -1))
    return {
      shiftsOf: (entity, day) => mine[entity]?.get(day - firstDay) ?? [],
      open: parts.params.openGate,
      leadsArrived,
    }
  }

  const chosenDay = async ({ configId, asOf, day }: DetectRequest, zone: string): Promise<DayNumber> => {
    const instant = new Date(asOf)
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
  const freshOf = async (configId: number, days: readonly DayNumber[]): Promise<ReadonlySet<DayNumber>> =>
    new Set((await parts.freshness.freshDays(configId, days.map(toLocalDate))).map(toDayNumber))

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

  /**
   * Days that leads of have arrived since the newest look: what was left open then is judged now. A day whose leads
   * arrived with the day itself needs no second look.
   */
  const settledDays = (day: DayNumber, leadsArrived: DayNumber, lookedAt: DayNumber | null): DayNumber[] => {
    if (leadsArrived >= day) return []
    const wait = day - leadsArrived
    const missed = lookedAt === null ? 1 : Math.min(LATE_DAYS, Math.max(1, day - lookedAt))
    return lastDays(day - wait, missed)
  }

  /** Those of the week that ends with `day`. */
  const daysSince = (first: DayNumber | null, day: DayNumber): DayNumber[] =>
    first === null ? [] : lastDays(day, Math.min(LATE_DAYS, day - first + 1))

  const skipped = (reason: string, day: DayNumber, expired: number): WorkOutcome => ({
    status: 'skipped',
    counts: { done: 0, skipped: 1, failed: 0 },
    reasons: { [reason]: 1 },
    result: { day: toLocalDate(day), expired },
  })

  return {
    detectLevel: async (level, request, context) => {
      const { configId } = request
      const { attribution_lag_days: lagDays, ...config } = await parts.configs.get(configId)
      const zone = zoneOf(config)
      const day = await chosenDay(request, zone)
      const asked = lastDays(day, request.days)
      const seenAt = parts.clock.now()
      const whole = request.entityIds === null
      const look = { job: `detect.${level}`, configId, runId: context.fence.runId }
      const week = { since: anchorOf(day), from: day - LATE_DAYS + 1, to: day }
      // Of the days since, leads are still arriving.
      const leadsArrived = localDayOf(new Date(request.asOf), zone) - lagDays
      const question = { configId, level, entityIds: request.entityIds, day }
      const chooseDays = async () => {
        const late = whole ? await store.lateDays(look, week) : null
        // A verdict builds on the days before it: those after a restated day are given again.
        const outdated = daysSince(late?.days[0] ?? null, day)
        const settled = whole ? settledDays(day, leadsArrived, late?.lookedAt ?? null) : []
        const wanted = new Set([...asked, ...outdated, ...settled])
        // After the late days: what comes in between is looked at again, not missed.
        return { late, days: await freshOf(configId, [...wanted]) }
      }
      // Both before the frames are read, for the same reason.
      const [{ late, days }, account] = await Promise.all([chooseDays(), parts.accounts.look(question)])
      const expiry = whole ? { at: seenAt, openedBefore: new Date(seenAt.getTime() - EXPIRE_AFTER_MS) } : null
      const expire = async (): Promise<number> =>
        expiry ? store.expire(context.fence, configId, level, expiry) : 0
      // Anomalies grow old also while a source delivers nothing.
      if (!days.has(day)) return skipped('stale_data', day, await expire())

      const ordered = [...days].sort((a, b) => a - b)

      const counts = { done: 0, skipped: 0, failed: 0 }
      const bySeverity: Record<string, number> = Object.fromEntries(
        SEVERITIES.map((severity) => [severity, 0]),
      )
      let signals = 0
      let gated = 0
      let hypotheses = 0
      let anomalies = 0
      let created = 0
      let restated = 0
      let judgedByForest = 0
      const judgedBy = noneBySource()
      let pendingIds: string[] = []
      let pending: ScoredAnomaly[] = []
      const takePending = (): ScoredBatch => {
        const batch = { configId, level, entityIds: pendingIds, days: ordered, anomalies: pending, seenAt }
        pendingIds = []
        pending = []
        return batch
      }
      const note = (written: WriteCounts): void => {
        created += written.created
        restated += written.restated
      }
      const recall = async () => {
        const memory = await memoryOf(configId, level, ordered)
        const known = await parts.incidents.known(configId, (ordered[0] ?? day) - KNOWN_INCIDENT_DAYS)
        const mutes = await parts.mutes.within(configId, toLocalDate(ordered[0] ?? day), toLocalDate(day))
        return { memory, known, mutes }
      }
      // Asked for while the frames are being read, one after the other: they are small.
      const remembered = recall()
      remembered.catch(() => {})
      const saved: SavedIncident[] = []
      const links: IncidentLink[] = []
      const asks = {
        ...question,
        leadsArrived,
        rows: late?.rows ?? null,
        refFrom: (ordered[0] ?? day) - params.baselineDays,
      }
      const askedIds = request.entityIds ? new Set(request.entityIds) : null
      for await (const page of parts.accounts.judge(account, asks, context.signal)) {
        const { memory, known, mutes } = await remembered
        // One entity at a time, while the judge looks at all together.
        const looked: Judged[] = []
        const batches = batchesOf(page, level, askedIds)
        for await (const batch of judgeAll(level, configId, ordered, memory, batches, context.signal))
          looked.push(batch)
        const judged = await page.judged
        const { firstDay } = judged
        const indexOf = indexOfEntities(judged)
        const found: AccountAnomaly[] = []
        for (const { ids, parents, result, unreadable } of looked) {
          await quarantine(unreadable, context.logger)
          const failed = new Set(result.failed.map(({ entity }) => entity))
          for (const { entity, message } of result.failed) {
            context.logger.error('an entity could not be judged', { entity_id: ids[entity], error: message })
          }
          ids.forEach((id, i) => {
            if (!failed.has(i)) pendingIds.push(id)
          })
          const passed = findingsOf(result, ordered, gateOf(judged, indexOf, level, ids, leadsArrived))
          for (const { entity, day: at, anomaly, baselineReason } of passed.findings) {
            const entityId = ids[entity] ?? ''
            bySeverity[anomaly.severity] = (bySeverity[anomaly.severity] ?? 0) + 1
            pending.push({ entityId, parentId: parents[entity] ?? null, day: at, anomaly, baselineReason })
            const index = indexOf.get(entityKey(level, entityId))
            if (index !== undefined) found.push({ ...anomaly, entity: index, day: at - firstDay })
          }
          counts.done += ids.length - failed.size
          counts.failed += failed.size
          signals += passed.signals
          gated += passed.gated
          hypotheses += result.hypotheses
          anomalies += passed.findings.length
          judgedByForest += result.judgedByForest
          for (const source of MODEL_SOURCES) judgedBy[source] += result.judgedBy[source]
          if (pendingIds.length < WRITE_SIZE) continue
          note(await store.write(context.fence, takePending()))
          context.progress(0.5, counts)
        }
        const mine = known.filter(({ campaignId }) => indexOf.has(entityKey('campaign', campaignId)))
        const book = openStoredBook({
          page: judged,
          indexOf,
          known: mine,
          days: ordered,
          mutes,
        })
        // What the judge says of the other levels names causes and roots at once.
        const others = otherLevels(judged, level, ordered)
        for (const one of ordered) {
          const today = [...found, ...others].filter((anomaly) => anomaly.day === one - firstDay)
          book.take(one, today)
        }
        const entries = book.entries()
        links.push(
          ...entries.links.map((link) => ({
            ...link,
            incident: link.incident === null ? null : link.incident + saved.length,
          })),
        )
        saved.push(...entries.incidents)
      }
      const incidents = await parts.incidents.save(
        context.fence,
        {
          configId,
          findings: takePending(),
          expiry,
          day,
          leadsDay: Math.min(day, leadsArrived),
          at: seenAt,
          budget: { perDay: parts.params.alarmBudget, timeZone: zone },
          incidents: saved,
          links,
        },
        (changes) => parts.webhooks.notice(toEvents(changes, seenAt, day)),
      )
      note(incidents)
      // The messages are safe; that they leave soon may fail without harm.
      await parts.webhooks.hurry(incidents.carriages)

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
          gated,
          anomalies,
          by_severity: bySeverity,
          created,
          restated,
          expired: incidents.expired,
          judged_by_forest: judgedByForest,
          judged_by: judgedBy,
          leads_arrived: toLocalDate(leadsArrived),
          incidents: {
            opened: incidents.opened,
            escalated: incidents.escalated,
            resolved: incidents.resolved,
          },
        },
      }
    },

    dryRun: async (level, request, signal) => {
      const zone = zoneOf(await parts.configs.get(request.configId))
      const asked = lastDays(await chosenDay(request, zone), request.days)
      const fresh = await freshOf(request.configId, asked)
      const days = asked.filter((day) => fresh.has(day))
      const found: DryRunSignal[] = []
      if (days.length === 0) return found
      const memory = await memoryOf(request.configId, level, days)
      const frames = parts.frames.batches({
        configId: request.configId,
        level,
        from: (days[0] ?? 0) - params.baselineDays,
        to: days.at(-1) ?? 0,
        ...(request.entityIds ? { entityIds: request.entityIds } : {}),
        batchSize: BATCH_SIZE,
      })
      const judged = judgeAll(level, request.configId, days, memory, frames, signal)
      for await (const { ids, result } of judged) {
        for (const { entity, day, anomaly } of findingsOf(result, days, null).findings) {
          for (const one of anomaly.signals) {
            found.push({ ...one, entityId: ids[entity] ?? '', day: toLocalDate(day) })
          }
        }
      }
      return found
    },
  }
}
