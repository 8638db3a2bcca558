/**
 * Training of the forests of a config, in stages that overlap:
 *
 * 1. days come from SQL in batches of entities
 * 2. threads build, fingerprint and fit them (`fit-batch.ts`)
 * 3. artifacts are written and fsynced under temporary names
 * 4. some hundred at a time get their numbers, files, rows and aliases in one transaction (`register-models.ts`)
 *
 * then the pooled models of whole levels the same way (`train-pools.ts`), and metadata.json. One entity's failure is counted and its siblings go on; a lost fence ends all of it.
 */
import { ALGORITHM_VERSION } from '../../ml/detectors/entity-forest.ts'
import type { EntityForestParams } from '../../ml/detectors/entity-forest.ts'
import type { DayNumber, FrameBatch } from '../../ml/frame.ts'
import type { ComputePool } from '../compute.ts'
import type { Clock } from '../core/clock.ts'
import { toDayNumber, toLocalDate } from '../core/days.ts'
import { anomalyModelName, entityKey, LEVELS } from '../core/entity.ts'
import type { Level } from '../core/entity.ts'
import { messageOf } from '../core/errors.ts'
import { startEarly } from '../core/start-early.ts'
import type { WorkContext, WorkOutcome } from '../core/work.ts'
import type { DetectionStore } from '../detection/detection-store.ts'
import { frameBuffers } from '../entities/frames.ts'
import type { FrameSource } from '../entities/frames.ts'
import type { ChildrenSummary } from '../jobs/define-job.ts'
import type { TrainChunkPayload, TrainConfigPayload, TrainingWork } from '../jobs/training.ts'
import type { ArtifactStore } from '../registry/artifact-store.ts'
import type { ModelRegistry } from '../registry/model-registry.ts'
import type { FitOutcome, TrainedForest } from './fit-batch.ts'
import { createRegistrar } from './register-models.ts'
import type { FittedModel, Registered } from './register-models.ts'
import { addResult, newTally, toOutcome } from './tally.ts'
import type { Tally } from './tally.ts'
import { trainPools } from './train-pools.ts'

/** Entities per task: small enough that the threads end together, large enough to keep messages few. */
const BATCH_ENTITIES = 24
const CHUNK_ENTITIES = 1000
const FAMILY = 'anomaly_detector'

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
  readonly registry: Pick<ModelRegistry, 'append' | 'fingerprints' | 'pooledFingerprints'>
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
  ): FittedModel['made'] => {
    const { trees, contamination, randomState } = settings.forest
    return {
      bytes: forest.bytes,
      draft: {
        family: FAMILY,
        entityKey: entityKey({ configId, entityType: level, entityId: forest.entityId }),
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
      },
    }
  }

  /** One run's way into the registry; a lost fence ends the work under way like an abort from outside. */
  const openRegistrar = (configId: number, context: WorkContext) => {
    const stop = new AbortController()
    const signal = AbortSignal.any([context.signal, stop.signal])
    const registrar = createRegistrar({
      registry,
      artifacts,
      configId,
      context,
      signal,
      stop: (reason) => stop.abort(reason),
    })
    return { signal, registrar }
  }

  /** Trains entities' own models. */
  const trainScopes = async (
    payload: TrainConfigPayload,
    scopes: readonly Scope[],
    context: WorkContext,
  ): Promise<Tally> => {
    const { configId } = payload
    const { signal, registrar } = openRegistrar(configId, context)
    const window = windowOf(payload)
    const trainedAt = clock.now()
    const total = scopes.reduce((sum, scope) => sum + scope.total, 0)
    const tally = newTally(trainedAt)

    const report = (): void => {
      const { done, skipped, failed } = tally.counts
      context.progress(total === 0 ? 0 : Math.min(1, (done + skipped + failed) / total), tally.counts)
    }

    const take = async (level: Level, outcomes: readonly FitOutcome[]): Promise<void> => {
      const fitted: FittedModel[] = []
      for (const outcome of outcomes) {
        const { entityId } = outcome
        if (outcome.status === 'failed') tally.fail(level, entityId, 'training_failed', outcome.error)
        else if (outcome.status === 'insufficient_data') tally.skip(level, entityId, outcome.samples)
        else
          fitted.push({
            model: anomalyModelName({ configId, entityType: level, entityId }),
            fingerprint: outcome.fingerprint,
            made: outcome.status === 'trained' ? toDraft(configId, level, trainedAt, outcome) : null,
            tell: (registered) => {
              if (registered.status === 'failed')
                tally.fail(level, entityId, registered.reason, registered.error)
              else tally.succeed(level, registered.status)
              report()
            },
          })
      }
      await registrar.take(fitted)
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
      await take(level, outcomes)
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
      // Also with nothing left to write: whoever lost the fence must not go on to the metadata.
      await registrar.finish()
    } catch (error) {
      await Promise.allSettled(underWay)
      await registrar.abandon()
      throw error
    }
    return tally
  }

  /** Pooled models of whole levels. A training of chosen entities leaves them: it does not see all of a pool. */
  const trainAllPools = async (
    payload: TrainConfigPayload,
    tally: Tally,
    context: WorkContext,
  ): Promise<void> => {
    const { configId, entityType, entityIds } = payload
    if (entityIds) return
    const { signal, registrar } = openRegistrar(configId, context)
    const window = windowOf(payload)
    const ids = await parts.entities.withRows(configId, window.from, window.to)
    const trainedAt = clock.now()
    try {
      for (const level of LEVELS) {
        if (entityType !== null && entityType !== level) continue
        const training = {
          configId,
          level,
          ...window,
          entityIds: ids[level],
          excludedDays: await parts.labels.labelledDays(configId, level, window.from),
          minSamples: settings.minSamples,
          historyDays: settings.historyDays,
          forest: settings.forest,
          trainedAt,
        }
        const tell = (model: string, outcome: Registered): void => {
          tally.pool(outcome.status)
          if (outcome.status !== 'failed') return
          const { reason, error } = outcome
          context.logger.error('a pooled model could not be trained', { model, reason, error })
        }
        await trainPools(training, { frames: parts.frames, registry, compute, registrar, signal, tell })
      }
      await registrar.finish()
    } catch (error) {
      await registrar.abandon()
      throw error
    }
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
      await trainAllPools(payload, tally, context)
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
      // Also asks for the fence: whoever lost it, or whose config was erased, must not go on to the metadata.
      await trainAllPools(payload, tally, context)
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
