/** What a thread does with pooled models: fingerprint, fit, artifact. Pure, as `fit-batch.ts`. */
import type { EntityForestParams, EntityMatrix } from '../../ml/detectors/entity-forest.ts'
import { fitEntityForest } from '../../ml/detectors/entity-forest.ts'
import {
  encodePooledForest,
  POOLED_ALGORITHM_VERSION,
  pooledFingerprintOf,
} from '../../ml/detectors/pooled-forest.ts'
import type { Ancestor } from '../../ml/detectors/pooled-forest.ts'
import type { DayNumber } from '../../ml/frame.ts'
import { toLocalDate } from '../core/days.ts'
import type { Level } from '../core/entity.ts'
import { messageOf } from '../core/errors.ts'
import { metricsOf, seedsOf, sha256 } from './fit-batch.ts'

export interface PoolToFit {
  readonly ancestor: Ancestor
  readonly matrix: EntityMatrix
  /** Rows the pool has, of which `matrix` holds as many as are fitted on. */
  readonly rows: number
  /** Fingerprints of usable versions: a match is not fitted again. */
  readonly known: readonly string[]
}

export interface FitPoolsTask {
  readonly configId: number
  /** Of the entities. */
  readonly level: Level
  readonly from: DayNumber
  readonly to: DayNumber
  readonly pools: readonly PoolToFit[]
  readonly params: EntityForestParams
  /** ISO 8601, written into the artifacts. */
  readonly trainedAt: string
}

export interface TrainedPool {
  readonly status: 'trained'
  readonly fingerprint: string
  /** The whole artifact file. */
  readonly bytes: Uint8Array
  /** Of the whole file, hex. */
  readonly sha256: string
  /** Rows trained on. */
  readonly samples: number
  readonly stats: Readonly<Record<string, unknown>>
}

export type PoolOutcome =
  | TrainedPool
  | { readonly status: 'reused'; readonly fingerprint: string }
  | { readonly status: 'failed'; readonly error: string }

/** One per pool of the task, in its order. */
export type FitPoolsResult = readonly PoolOutcome[]

const fitOne = (task: FitPoolsTask, { ancestor, matrix, rows, known }: PoolToFit): PoolOutcome => {
  const { params } = task
  const fingerprint = pooledFingerprintOf(matrix, params, sha256)
  if (known.includes(fingerprint)) return { status: 'reused', fingerprint }
  const model = fitEntityForest(matrix, params, seedsOf(params))
  const window = { trainStart: toLocalDate(task.from), trainEnd: toLocalDate(task.to) }
  const bytes = encodePooledForest(
    model,
    params,
    { configId: task.configId, entityType: task.level, ancestor, ...window, trainedAt: task.trainedAt },
    sha256,
  )
  return {
    status: 'trained',
    fingerprint,
    bytes,
    sha256: sha256(bytes),
    samples: matrix.n,
    stats: {
      algorithm_version: POOLED_ALGORITHM_VERSION,
      features: model.features,
      train_start: window.trainStart,
      train_end: window.trainEnd,
      rows,
      metrics: metricsOf(model),
    },
  }
}

export const fitPools = (task: FitPoolsTask): FitPoolsResult =>
  task.pools.map((pool) => {
    try {
      return fitOne(task, pool)
    } catch (error) {
      return { status: 'failed', error: messageOf(error) }
    }
  })

/** The buffers of a result that a thread can hand over instead of copying. */
export const poolBuffersOf = (result: FitPoolsResult): ArrayBuffer[] =>
  result.flatMap((outcome) =>
    outcome.status === 'trained' && outcome.bytes.buffer instanceof ArrayBuffer ? [outcome.bytes.buffer] : [],
  )
