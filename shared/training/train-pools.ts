/**
 * The pooled models of one level of a config, after its entities' own. Days are read again, in the order of the
 * account's tree: an ancestor's entities are neighbours, so its pool is fitted and let go of as soon as the next
 * page has none of them, and memory stays that of a page and the pools it touches.
 */
import {
  ancestorsOf,
  createPool,
  entityRows,
  POOLED_ALGORITHM_VERSION,
} from '../../ml/detectors/pooled-forest.ts'
import type { Ancestor, Pool } from '../../ml/detectors/pooled-forest.ts'
import type { EntityForestParams } from '../../ml/detectors/entity-forest.ts'
import { frameAt } from '../../ml/frame.ts'
import type { DayNumber } from '../../ml/frame.ts'
import type { ComputePool } from '../compute.ts'
import { poolKey, pooledModelName } from '../core/entity.ts'
import type { Level, PoolRef } from '../core/entity.ts'
import { messageOf } from '../core/errors.ts'
import type { FrameSource } from '../entities/frames.ts'
import type { ModelRegistry } from '../registry/model-registry.ts'
import type { FitPoolsResult, PoolToFit, TrainedPool } from './fit-pools.ts'
import type { FittedModel, ModelRegistrar, Registered } from './register-models.ts'

/** Entities read at once: what one query of the frame source answers. */
const PAGE_ENTITIES = 500
/** Pools per task: small enough that the threads end together. */
const TASK_POOLS = 8
const FAMILY = 'anomaly_detector'

export interface PoolTrainingParts {
  readonly frames: FrameSource
  readonly registry: Pick<ModelRegistry, 'pooledFingerprints'>
  readonly compute: ComputePool
  readonly registrar: ModelRegistrar
  readonly signal: AbortSignal
  readonly tell: (model: string, outcome: Registered) => void
}

export interface PoolTraining {
  readonly configId: number
  readonly level: Level
  readonly from: DayNumber
  readonly to: DayNumber
  /** Neighbours in the account are neighbours here. */
  readonly entityIds: readonly string[]
  readonly excludedDays: ReadonlyMap<string, readonly DayNumber[]>
  /** Fewest rows of a pool. */
  readonly minSamples: number
  readonly historyDays: number
  readonly forest: EntityForestParams
  readonly trainedAt: Date
}

interface OpenPool {
  readonly ancestor: Ancestor
  readonly pool: Pool
  /** Spend / leads of the nearest ancestor with leads, for a pool without. */
  ancestorCpl: number | null
  /** Page of its newest entity. */
  page: number
}

const NO_DAYS: ReadonlySet<DayNumber> = new Set()

export const trainPools = async (training: PoolTraining, parts: PoolTrainingParts): Promise<void> => {
  const { configId, level, from, to, forest, trainedAt } = training
  const { compute, registrar, signal } = parts
  const prints = await parts.registry.pooledFingerprints(configId, level)
  const refOf = ({ level: ancestorType, id }: Ancestor): PoolRef => ({
    configId,
    entityType: level,
    ancestorType,
    ancestorId: id,
  })

  const draftOf = (ref: PoolRef, pool: TrainedPool): FittedModel['made'] => ({
    bytes: pool.bytes,
    draft: {
      family: FAMILY,
      entityKey: poolKey(ref),
      entityType: level,
      entityId: null,
      params: {
        algorithm_version: POOLED_ALGORITHM_VERSION,
        trees: forest.trees,
        contamination: forest.contamination,
        random_state: forest.randomState,
        history_days: training.historyDays,
        ancestor_type: ref.ancestorType,
        ancestor_id: ref.ancestorId,
      },
      stats: pool.stats,
      points: pool.samples,
      artifactSha256: pool.sha256,
      artifactBytes: pool.bytes.byteLength,
      trainedAt,
    },
  })

  const fit = async (pools: readonly PoolToFit[]): Promise<void> => {
    let outcomes: FitPoolsResult
    try {
      const task = { configId, level, from, to, pools, params: forest, trainedAt: trainedAt.toISOString() }
      const transfer = pools.map(({ matrix }) => matrix.rows.buffer as ArrayBuffer)
      outcomes = await compute.run('fitPools', task, { signal, transfer })
    } catch (error) {
      if (signal.aborted) throw error
      outcomes = pools.map(() => ({ status: 'failed', error: messageOf(error) }))
    }
    const fitted: FittedModel[] = []
    outcomes.forEach((outcome, i) => {
      const pool = pools[i]
      if (!pool) return
      const ref = refOf(pool.ancestor)
      const model = pooledModelName(ref)
      if (outcome.status === 'failed')
        parts.tell(model, { status: 'failed', reason: 'training_failed', error: outcome.error })
      else
        fitted.push({
          model,
          fingerprint: outcome.fingerprint,
          made: outcome.status === 'trained' ? draftOf(ref, outcome) : null,
          tell: (registered) => parts.tell(model, registered),
        })
    })
    await registrar.take(fitted)
  }

  const open = new Map<string, OpenPool>()
  /** An ancestor comes once: should the tree have it twice, what comes later is left out. */
  const closed = new Set<string>()
  const underWay = new Set<Promise<void>>()
  const waiting: PoolToFit[] = []

  const send = async (least: number): Promise<void> => {
    while (waiting.length >= least && waiting.length > 0) {
      const pools = waiting.splice(0, TASK_POOLS)
      const work = fit(pools).finally(() => underWay.delete(work))
      work.catch(() => {})
      underWay.add(work)
      if (underWay.size >= 2 * compute.threads) await Promise.race(underWay)
    }
  }

  /** Fits the pools whose last entity came before `page`. */
  const close = async (page: number): Promise<void> => {
    for (const [key, { ancestor, pool, ancestorCpl, page: last }] of open) {
      if (last >= page) continue
      open.delete(key)
      closed.add(key)
      if (pool.rows < training.minSamples) continue
      const known = prints.get(pooledModelName(refOf(ancestor))) ?? []
      waiting.push({ ancestor, matrix: pool.matrix(ancestorCpl), rows: pool.rows, known })
      await send(TASK_POOLS)
    }
  }

  try {
    for (let page = 0; page * PAGE_ENTITIES < training.entityIds.length; page += 1) {
      const entityIds = training.entityIds.slice(page * PAGE_ENTITIES, (page + 1) * PAGE_ENTITIES)
      const request = { configId, level, from, to, entityIds, batchSize: PAGE_ENTITIES }
      for await (const batch of parts.frames.batches(request)) {
        signal.throwIfAborted()
        batch.heads.forEach((head, i) => {
          const excluded = training.excludedDays.get(head.id)
          const rows = entityRows(head.id, frameAt(batch, i), excluded ? new Set(excluded) : NO_DAYS)
          for (const ancestor of ancestorsOf(level, head, configId)) {
            const key = `${ancestor.level} ${ancestor.id}`
            if (closed.has(key)) continue
            const entry = open.get(key) ?? { ancestor, pool: createPool(), ancestorCpl: null, page }
            entry.pool.add(rows)
            entry.ancestorCpl = head.ancestorCpl
            entry.page = page
            open.set(key, entry)
          }
        })
      }
      await close(page)
    }
    await close(Infinity)
    await send(1)
    await Promise.all(underWay)
  } finally {
    await Promise.allSettled(underWay)
  }
}
