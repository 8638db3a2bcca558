/**
 * Training of the forests of a config, in stages that overlap:
 *
 * 1. days come from SQL in batches of entities
 * 2. threads build, fingerprint and fit them (`fit-batch.ts`)
 * 3. artifacts are written and fsynced under temporary names
 * 4. some hundred at a time get their numbers, files, rows and aliases in one transaction
 *
 * then metadata.json. One entity's failure is counted and its siblings go on; a lost fence ends all of it.
 */
import { ALGORITHM_VERSION } from '../../ml/detectors/entity-forest.ts'
import type { EntityForestParams } from '../../ml/detectors/entity-forest.ts'
import type { DayNumber, FrameBatch } from '../../ml/frame.ts'
import type { ComputePool } from '../compute.ts'
import { mapBounded } from '../core/bounded.ts'
import type { Clock } from '../core/clock.ts'
import { toDayNumber, toLocalDate } from '../core/days.ts'
import { anomalyModelName, entityKey, LEVELS } from '../core/entity.ts'
import type { Level } from '../core/entity.ts'
import { messageOf } from '../core/errors.ts'
import { startEarly } from '../core/start-early.ts'
import { FenceLost } from '../core/work.ts'
import type { WorkContext, WorkOutcome } from '../core/work.ts'
import type { DetectionStore } from '../detection/detection-store.ts'
import { frameBuffers } from '../entities/frames.ts'
import type { FrameSource } from '../entities/frames.ts'
import type { ChildrenSummary } from '../jobs/define-job.ts'
import type { TrainChunkPayload, TrainConfigPayload, TrainingWork } from '../jobs/training.ts'
import type { ArtifactStore, StagedArtifact } from '../registry/artifact-store.ts'
import type { ModelRegistry } from '../registry/model-registry.ts'
import type { KnownModel, VersionDraft } from '../registry/model-versions.ts'
import type { FitOutcome, TrainedForest } from './fit-batch.ts'
import { addResult, newTally, toOutcome } from './tally.ts'
import type { Tally } from './tally.ts'

/** Entities per task: small enough that the threads end together, large enough to keep messages few. */
const BATCH_ENTITIES = 24
const FILES_IN_FLIGHT = 16
/** Models per registry transaction. */
const REGISTRY_MODELS = 250
const CHUNK_ENTITIES = 1000
const FAMILY = 'anomaly_detector'
const ACTOR = 'training'

export interface TrainingSettings {
  readonly useForests: boolean
  readonly historyDays: number
  /** Fewest days with impressions. */
  readonly minSamples: number
  readonly forest: EntityForestParams
}

/** Which entities have rows in the window. */
export interface TrainableEntities {
  /** Ids per level; neighbours in the account are neighbours here. */
  withRows(
    configId: number,
    from: DayNumber,
    to: DayNumber,
  ): Promise<Readonly<Record<Level, readonly string[]>>>
}

export interface TrainingParts {
  readonly clock: Clock
  readonly entities: TrainableEntities
  readonly frames: FrameSource
  readonly labels: Pick<DetectionStore, 'labelledDays'>
  readonly registry: Pick<ModelRegistry, 'append' | 'fingerprints'>
  readonly artifacts: Pick<ArtifactStore, 'stage' | 'discard' | 'writeMetadata'>
  readonly compute: ComputePool
  readonly settings: TrainingSettings
}

/** What one run trains: levels, and of each all entities or some. */
interface Scope {
  readonly level: Level
  readonly total: number
  /** Null: every entity with rows. */
  readonly entityIds: readonly string[] | null
}

interface Window {
  readonly from: DayNumber
  readonly to: DayNumber
}

const DISABLED: WorkOutcome = {
  status: 'skipped',
  counts: { done: 0, skipped: 0, failed: 0 },
  reasons: { disabled: 1 },
}

/** The entries of a batch alone: what goes to a thread is copied. */
const only = <V>(all: ReadonlyMap<string, V>, ids: readonly string[]): ReadonlyMap<string, V> =>
  new Map(
    ids.flatMap((id) => {
      const value = all.get(id)
      return value === undefined ? [] : [[id, value] as const]
    }),
  )

export const createTraining = (parts: TrainingParts): TrainingWork => {
  const { clock, compute, registry, artifacts, settings } = parts

  /** The window ends the day before D, so D is never in its model. */
  const windowOf = (payload: TrainConfigPayload): Window => {
    const to = toDayNumber(payload.day) - 1
    return { from: to - settings.historyDays + 1, to }
  }

  const scopesOf = async (payload: TrainConfigPayload): Promise<readonly Scope[]> => {
    const { entityType, entityIds } = payload
    if (entityType && entityIds) {
      const asked = [...new Set(entityIds)]
      return [{ level: entityType, total: asked.length, entityIds: asked }]
    }
    const { from, to } = windowOf(payload)
    const ids = await parts.entities.withRows(payload.configId, from, to)
    return LEVELS.filter((level) => entityType === null || level === entityType).map((level) => ({
      level,
      total: ids[level].length,
      entityIds: null,
    }))
  }

  const toDraft = (
    configId: number,
    level: Level,
    trainedAt: Date,
    forest: TrainedForest,
    staged: StagedArtifact,
  ): VersionDraft => {
    const ref = { configId, entityType: level, entityId: forest.entityId }
    const { trees, contamination, randomState } = settings.forest
    return {
      model: anomalyModelName(ref),
      family: FAMILY,
      fingerprint: forest.fingerprint,
      entityKey: entityKey(ref),
      entityType: level,
      entityId: forest.entityId,
      params: {
        algorithm_version: ALGORITHM_VERSION,
        trees,
        contamination,
        random_state: randomState,
        history_days: settings.historyDays,
      },
      stats: forest.stats,
      points: forest.samples,
      artifactSha256: forest.sha256,
      artifactBytes: forest.bytes.byteLength,
      trainedAt,
      staged,
    }
  }

  /** One run's models on their way from the threads into the registry. */
  const trainScopes = async (
    payload: TrainConfigPayload,
    scopes: readonly Scope[],
    context: WorkContext,
  ): Promise<Tally> => {
    const { configId } = payload
    const { fence } = context
    // A lost fence ends the work under way like an abort from outside.
    const stop = new AbortController()
    const signal = AbortSignal.any([context.signal, stop.signal])
    const window = windowOf(payload)
    const trainedAt = clock.now()
    const total = scopes.reduce((sum, scope) => sum + scope.total, 0)
    const tally = newTally(trainedAt)
    const writer = `${fence.runId}-${fence.attempt}`

    let drafts: VersionDraft[] = []
    let known: KnownModel[] = []
    const levelOf = new Map<string, { level: Level; entityId: string }>()
    /** Staging and registering take their turns, so that both stay bounded. */
    let staging = Promise.resolve()
    let registering = Promise.resolve()

    const report = (): void => {
      const { done, skipped, failed } = tally.counts
      context.progress(total === 0 ? 0 : Math.min(1, (done + skipped + failed) / total), tally.counts)
    }

    const discard = async (waiting: readonly VersionDraft[]): Promise<void> => {
      await mapBounded(waiting, FILES_IN_FLIGHT, ({ staged }) => artifacts.discard(staged).catch(() => {}))
    }

    const register = async (): Promise<void> => {
      const batch = { drafts, known }
      drafts = []
      known = []
      const names = [...batch.drafts, ...batch.known].map((item) => item.model)
      const entityOf = (model: string) => levelOf.get(model) ?? { level: 'ad' as const, entityId: model }
      try {
        signal.throwIfAborted()
        const { outcomes } = await registry.append({ configId, fence, actor: ACTOR, ...batch })
        for (const outcome of outcomes) {
          const { level, entityId } = entityOf(outcome.model)
          if (outcome.status === 'save_failed') tally.fail(level, entityId, 'save_failed', outcome.error)
          else tally.succeed(level, outcome.status)
        }
      } catch (error) {
        await discard(batch.drafts)
        if (error instanceof FenceLost) stop.abort(error)
        signal.throwIfAborted()
        context.logger.error('models could not be registered', {
          models: names.length,
          error: messageOf(error),
        })
        for (const name of names) {
          const { level, entityId } = entityOf(name)
          tally.fail(level, entityId, 'registry_failed', messageOf(error))
        }
      }
      for (const name of names) levelOf.delete(name)
      report()
    }

    const stage = async (level: Level, forest: TrainedForest): Promise<void> => {
      const model = anomalyModelName({ configId, entityType: level, entityId: forest.entityId })
      try {
        const staged = await artifacts.stage(model, forest.bytes, writer)
        drafts.push(toDraft(configId, level, trainedAt, forest, staged))
        levelOf.set(model, { level, entityId: forest.entityId })
      } catch (error) {
        tally.fail(level, forest.entityId, 'save_failed', messageOf(error))
      }
    }

    const take = async (level: Level, outcomes: readonly FitOutcome[]): Promise<void> => {
      const trained: TrainedForest[] = []
      for (const outcome of outcomes) {
        const { entityId } = outcome
        if (outcome.status === 'trained') trained.push(outcome)
        else if (outcome.status === 'failed') tally.fail(level, entityId, 'training_failed', outcome.error)
        else if (outcome.status === 'insufficient_data') tally.skip(level, entityId, outcome.samples)
        else {
          const model = anomalyModelName({ configId, entityType: level, entityId })
          known.push({ model, fingerprint: outcome.fingerprint })
          levelOf.set(model, { level, entityId })
        }
      }
      await mapBounded(trained, FILES_IN_FLIGHT, (forest) => stage(level, forest))
      if (drafts.length + known.length >= REGISTRY_MODELS) {
        registering = registering.then(register)
        registering.catch(() => {})
      }
      report()
    }

    const fit = async (
      level: Level,
      batch: FrameBatch,
      excludedDays: ReadonlyMap<string, readonly DayNumber[]>,
      prints: ReadonlyMap<string, readonly string[]>,
    ): Promise<void> => {
      const ids = batch.heads.map((head) => head.id)
      let outcomes: readonly FitOutcome[]
      try {
        const task = {
          batch,
          configId,
          level,
          ...window,
          excludedDays: only(excludedDays, ids),
          known: only(prints, ids),
          minSamples: settings.minSamples,
          params: settings.forest,
          trainedAt: trainedAt.toISOString(),
        }
        outcomes = await compute.run('fit', task, { signal, transfer: frameBuffers(batch) })
      } catch (error) {
        if (signal.aborted) throw error
        // The thread itself failed, e.g. out of memory: these entities are lost, the pool starts another.
        outcomes = ids.map((entityId) => ({ status: 'failed', entityId, error: messageOf(error) }))
      }
      const turn = staging.then(() => take(level, outcomes))
      staging = turn.catch(() => {})
      await turn
    }

    const underWay = new Set<Promise<void>>()

    /** Asks for everything the level needs; its first days are read at once. */
    const open = (scope: Scope) => {
      const { level, entityIds } = scope
      const facts = Promise.all([
        parts.labels.labelledDays(configId, level, window.from),
        registry.fingerprints(configId, level, entityIds),
      ])
      facts.catch(() => {})
      const wanted = entityIds ? { entityIds } : {}
      const request = { configId, level, ...window, ...wanted, batchSize: BATCH_ENTITIES }
      return { level, entityIds, facts, batches: startEarly(parts.frames.batches(request)) }
    }

    /** Ends when the last batch of the level is with the threads: the next level follows without a gap. */
    const feed = async ({ level, entityIds, facts, batches }: ReturnType<typeof open>): Promise<void> => {
      const [excludedDays, prints] = await facts
      const missing = new Set(entityIds)
      for await (const batch of batches) {
        signal.throwIfAborted()
        for (const head of batch.heads) missing.delete(head.id)
        const work = fit(level, batch, excludedDays, prints).finally(() => underWay.delete(work))
        work.catch(() => {})
        underWay.add(work)
        if (underWay.size >= 2 * compute.threads) await Promise.race(underWay)
      }
      for (const entityId of missing) tally.skip(level, entityId, 0)
    }

    try {
      for (const level of scopes.filter((scope) => scope.total > 0).map(open)) await feed(level)
      await Promise.all(underWay)
      await registering
      // Also with nothing left to write: whoever lost the fence must not go on to the metadata.
      await register()
    } catch (error) {
      await Promise.allSettled([...underWay, registering])
      await discard(drafts)
      throw error
    }
    return tally
  }

  const writeMetadata = async (
    configId: number,
    { result, counts }: Tally,
    { logger }: WorkContext,
  ): Promise<void> => {
    const now = clock.now()
    const metadata = {
      format_version: 1,
      config_id: configId,
      last_training: now.toISOString(),
      models_count: result.models_count,
      skipped_count: result.skipped_count,
      failed_count: result.failed_count,
      training_duration_seconds: Math.max(0, now.getTime() - Date.parse(result.started_at)) / 1000,
    }
    try {
      await artifacts.writeMetadata(configId, metadata)
    } catch (error) {
      // Where models could not be saved either, what was counted says more than this error would.
      if (counts.failed === 0) throw error
      logger.error('metadata.json could not be written', { error: messageOf(error) })
    }
  }

  return {
    planChunks: async (payload) => {
      if (!settings.useForests || payload.entityIds) return []
      const { from, to } = windowOf(payload)
      const ids = await parts.entities.withRows(payload.configId, from, to)
      const levels = LEVELS.filter((level) => payload.entityType === null || level === payload.entityType)
      if (levels.reduce((sum, level) => sum + ids[level].length, 0) <= CHUNK_ENTITIES) return []
      const chunks: TrainChunkPayload[] = []
      for (const level of levels) {
        for (let i = 0; i < ids[level].length; i += CHUNK_ENTITIES) {
          const entityIds = ids[level].slice(i, i + CHUNK_ENTITIES)
          chunks.push({
            ...payload,
            entityType: level,
            askedType: payload.entityType,
            entityIds,
            chunk: chunks.length,
          })
        }
      }
      return chunks
    },

    trainConfig: async (payload, context) => {
      if (!settings.useForests) return DISABLED
      const scopes = await scopesOf(payload)
      if (scopes.every((scope) => scope.total === 0))
        return {
          ...DISABLED,
          reasons: { no_data: 1 },
          result: { window_end: toLocalDate(windowOf(payload).to) },
        }
      const tally = await trainScopes(payload, scopes, context)
      await writeMetadata(payload.configId, tally, context)
      return toOutcome(tally)
    },

    trainChunk: async (payload, context) => {
      const { entityType: level, entityIds } = payload
      return toOutcome(await trainScopes(payload, [{ level, total: entityIds.length, entityIds }], context))
    },

    finishConfig: async (payload, children: ChildrenSummary, context) => {
      const tally = newTally(clock.now())
      for (const result of children.results) addResult(tally, result)
      Object.assign(tally.reasons, children.reasons)
      // Nothing to write, but whoever lost the fence, or whose config was erased, must not go on to the metadata.
      const { fence } = context
      await registry.append({ configId: payload.configId, fence, actor: ACTOR, drafts: [], known: [] })
      await writeMetadata(payload.configId, tally, context)
      const outcome = toOutcome(tally)
      if (children.failedRuns === 0) return outcome
      return {
        ...outcome,
        status: outcome.counts.done > 0 ? 'partial' : 'failed',
        reasons: { ...outcome.reasons, chunk_failed: children.failedRuns },
      }
    },
  }
}
