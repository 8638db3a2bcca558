/** Training: every active config at night, one config on demand, a chunk of a large one. */
import { z } from 'zod'
import { Instant } from '../core/clock.ts'
import { LocalDate } from '../core/days.ts'
import { ConfigId, EntityId, Level } from '../core/entity.ts'
import type { WorkContext, WorkOutcome } from '../core/work.ts'
import { askedFor } from './asked-for.ts'
import { defineJob, instantKey } from './define-job.ts'
import type { ChildrenSummary } from './define-job.ts'
import { sweep } from './sweep.ts'
import type { SweptConfig } from './sweep.ts'

export const TrainConfigPayload = z.object({
  configId: ConfigId,
  asOf: Instant,
  /** D: the training window ends the day before it. */
  day: LocalDate,
  watermark: Instant,
  /** Null: all levels. */
  entityType: Level.nullable().default(null),
  /** Null: all entities. */
  entityIds: z.array(EntityId).min(1).max(500).nullable().default(null),
  /** Verdicts people gave on findings so far: they take days out of the training, without a row that changes. */
  verdicts: z.int().min(0).default(0),
})
export type TrainConfigPayload = z.output<typeof TrainConfigPayload>

export const TrainChunkPayload = z.object({
  ...TrainConfigPayload.shape,
  entityType: Level,
  /** What its training was asked for; null: all levels. */
  askedType: Level.nullable(),
  /** At most 1,000. */
  entityIds: z.array(EntityId).min(1).max(1000),
  /** Position among the chunks of its training. */
  chunk: z.int().min(0),
})
export type TrainChunkPayload = z.output<typeof TrainChunkPayload>

/** What the training jobs call. */
export interface TrainingWork {
  /** The chunks to train as runs of their own; none when the config is small enough for one run. */
  planChunks(payload: TrainConfigPayload, context: WorkContext): Promise<readonly TrainChunkPayload[]>
  trainConfig(payload: TrainConfigPayload, context: WorkContext): Promise<WorkOutcome>
  trainChunk(payload: TrainChunkPayload, context: WorkContext): Promise<WorkOutcome>
  /** After the last chunk: metadata.json and the sum of all. */
  finishConfig(
    payload: TrainConfigPayload,
    children: ChildrenSummary,
    context: WorkContext,
  ): Promise<WorkOutcome>
}

const MINUTE_MS = 60_000

const trainingKey = (payload: TrainConfigPayload): (string | number)[] => [
  payload.configId,
  payload.day,
  instantKey(payload.watermark),
  ...(payload.verdicts > 0 ? [`verdicts-${payload.verdicts}`] : []),
]

export const trainChunk = defineJob<TrainChunkPayload>({
  name: 'train.chunk',
  queue: 'training',
  payload: TrainChunkPayload,
  retry: { attempts: 3, delayMs: 30_000 },
  timeoutMs: 40 * MINUTE_MS,
  // A chunk belongs to one training: it sums up the chunks it started, not those of another.
  key: (payload) => [
    ...trainingKey(payload),
    askedFor(payload.askedType, null),
    payload.chunk,
    askedFor(payload.entityType, payload.entityIds),
  ],
  configId: ({ configId }) => configId,
  run: (context, { training }) => training.trainChunk(context.payload, context),
})

export const trainConfig = defineJob<TrainConfigPayload>({
  name: 'train.config',
  queue: 'training',
  payload: TrainConfigPayload,
  // Two retries; the last lands well after a failover of PostgreSQL.
  retry: { attempts: 3, delayMs: 30_000 },
  timeoutMs: 40 * MINUTE_MS,
  key: (payload) => [...trainingKey(payload), askedFor(payload.entityType, payload.entityIds)],
  configId: ({ configId }) => configId,
  run: async (context, { training }) => {
    const chunks = await training.planChunks(context.payload, context)
    if (chunks.length === 0) return training.trainConfig(context.payload, context)
    await context.spawn(trainChunk, chunks)
    return { status: 'succeeded', counts: { done: 0, skipped: 0, failed: 0 }, reasons: {} }
  },
  finish: (context, { training }) => training.finishConfig(context.payload, context.children, context),
})

const TrainClassifierPayload = TrainConfigPayload.omit({ entityIds: true, verdicts: true })
export type TrainClassifierPayload = z.output<typeof TrainClassifierPayload>

/** The classifiers of tiers, of a config's levels. */
export const trainClassifier = defineJob<TrainClassifierPayload>({
  name: 'train.classifier',
  queue: 'training',
  payload: TrainClassifierPayload,
  retry: { attempts: 2, delayMs: MINUTE_MS },
  timeoutMs: 20 * MINUTE_MS,
  key: ({ configId, day, watermark, entityType }) => [
    configId,
    day,
    instantKey(watermark),
    askedFor(entityType, null),
  ],
  configId: ({ configId }) => configId,
  run: (context, { classifiers }) => classifiers.train(context.payload, context),
})

export const trainClassifiers = sweep(
  trainClassifier,
  { name: 'train.classifiers', retry: { attempts: 2, delayMs: MINUTE_MS }, timeoutMs: 20 * MINUTE_MS },
  ({ configId, day, watermark }, asOf) => ({ configId, asOf, day, watermark, entityType: null }),
)

const wholeConfig = (
  { configId, day, watermark, verdicts }: SweptConfig,
  asOf: Instant,
): TrainConfigPayload => ({
  configId,
  asOf,
  day,
  watermark,
  entityType: null,
  entityIds: null,
  verdicts,
})

export const trainAll = sweep(
  trainConfig,
  { name: 'train.all', retry: { attempts: 2, delayMs: 30_000 }, timeoutMs: 10 * MINUTE_MS },
  wholeConfig,
)

/**
 * An hour later the same question again: failed and partial trainings start over, configs whose rows were
 * restated since have a newer watermark and train what changed, and so do those whose findings were judged
 * since; all others are up to date.
 */
export const trainRetrain = sweep(
  trainConfig,
  { name: 'train.retrain', retry: { attempts: 2, delayMs: MINUTE_MS }, timeoutMs: 40 * MINUTE_MS },
  wholeConfig,
)
