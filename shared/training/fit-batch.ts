/**
 * What a thread does with a batch of entities: matrix, fingerprint, fit with out-of-fold scores, artifact.
 * Pure: no clock, no files, no database. One entity's failure is its own.
 */
import { createHash } from 'node:crypto'
import {
  ALGORITHM_VERSION,
  buildEntityMatrix,
  drawEntityForestSeeds,
  encodeEntityForest,
  fingerprintOf,
  fitEntityForest,
} from '../../ml/detectors/entity-forest.ts'
import type {
  EntityForest,
  EntityForestParams,
  EntityForestSeeds,
  Sha256,
} from '../../ml/detectors/entity-forest.ts'
import { frameAt } from '../../ml/frame.ts'
import type { DayNumber, FrameBatch } from '../../ml/frame.ts'
import { quantileSorted } from '../../ml/stats/quantile.ts'
import { toLocalDate } from '../core/days.ts'
import type { Level } from '../core/entity.ts'
import { messageOf } from '../core/errors.ts'

export interface FitTask {
  readonly batch: FrameBatch
  readonly configId: number
  readonly level: Level
  /** The training window, both inclusive; the batch has no other days. */
  readonly from: DayNumber
  readonly to: DayNumber
  /** Days labelled `true_positive`, per entity of the batch that has any. */
  readonly excludedDays: ReadonlyMap<string, readonly DayNumber[]>
  /** Fingerprints of usable versions, per entity: a match is not fitted again. */
  readonly known: ReadonlyMap<string, readonly string[]>
  /** Fewest days with impressions. */
  readonly minSamples: number
  readonly params: EntityForestParams
  /** ISO 8601, written into the artifacts. */
  readonly trainedAt: string
}

export interface TrainedForest {
  readonly status: 'trained'
  readonly entityId: string
  readonly fingerprint: string
  /** The whole artifact file. */
  readonly bytes: Uint8Array
  /** Of the whole file, hex. */
  readonly sha256: string
  /** Rows trained on. */
  readonly samples: number
  /** What the registry keeps of the fit; wire form. */
  readonly stats: Readonly<Record<string, unknown>>
}

export type FitOutcome =
  | TrainedForest
  | { readonly status: 'reused'; readonly entityId: string; readonly fingerprint: string }
  | { readonly status: 'insufficient_data'; readonly entityId: string; readonly samples: number }
  | { readonly status: 'failed'; readonly entityId: string; readonly error: string }

/** One per entity of the batch, in its order. */
export type FitResult = readonly FitOutcome[]

export const sha256: Sha256 = (...parts) => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

/** Drawing them costs more than a fit, and all entities share them. */
let lastSeeds: { readonly key: string; readonly seeds: EntityForestSeeds } | undefined
export const seedsOf = (params: EntityForestParams): EntityForestSeeds => {
  const key = `${params.randomState} ${params.trees}`
  if (lastSeeds?.key !== key) lastSeeds = { key, seeds: drawEntityForestSeeds(params) }
  return lastSeeds.seeds
}

const NO_DAYS: ReadonlySet<DayNumber> = new Set()

/** How well the forest separates days it has not seen, for people who compare versions. */
export const metricsOf = ({ oofScores, threshold }: EntityForest): Record<string, number> => ({
  threshold,
  oof_median: quantileSorted(oofScores, 0.5),
  oof_p90: quantileSorted(oofScores, 0.9),
  oof_share_above_threshold: oofScores.filter((score) => score > threshold).length / oofScores.length,
})

const fitOne = (task: FitTask, i: number, entityId: string): FitOutcome => {
  const { batch, params } = task
  const excluded = task.excludedDays.get(entityId)
  const matrix = buildEntityMatrix(
    frameAt(batch, i),
    batch.heads[i]?.ancestorCpl ?? null,
    excluded ? new Set(excluded) : NO_DAYS,
  )
  if (matrix.n < task.minSamples) return { status: 'insufficient_data', entityId, samples: matrix.n }
  const fingerprint = fingerprintOf(matrix, params, sha256)
  if (task.known.get(entityId)?.includes(fingerprint)) return { status: 'reused', entityId, fingerprint }

  const model = fitEntityForest(matrix, params, seedsOf(params))
  const window = { trainStart: toLocalDate(task.from), trainEnd: toLocalDate(task.to) }
  const bytes = encodeEntityForest(
    model,
    params,
    { configId: task.configId, entityType: task.level, entityId, ...window, trainedAt: task.trainedAt },
    sha256,
  )
  return {
    status: 'trained',
    entityId,
    fingerprint,
    bytes,
    sha256: sha256(bytes),
    samples: matrix.n,
    stats: {
      algorithm_version: ALGORITHM_VERSION,
      features: model.features,
      train_start: window.trainStart,
      train_end: window.trainEnd,
      metrics: metricsOf(model),
    },
  }
}

export const fitBatch = (task: FitTask): FitResult =>
  task.batch.heads.map(({ id }, i) => {
    try {
      return fitOne(task, i, id)
    } catch (error) {
      return { status: 'failed', entityId: id, error: messageOf(error) }
    }
  })

/** The buffers of a result that a thread can hand over instead of copying. */
export const buffersOf = (result: FitResult): ArrayBuffer[] =>
  result.flatMap((outcome) =>
    outcome.status === 'trained' && outcome.bytes.buffer instanceof ArrayBuffer ? [outcome.bytes.buffer] : [],
  )
