/** Jobs of series. */
import { z } from 'zod'
import type { WorkContext, WorkOutcome } from '../core/work.ts'
import { SERIES_ID, SERIES_PLANS } from '../series/series.ts'
import { defineJob } from './define-job.ts'

const Sha256 = z.string().regex(/^[\da-f]{64}$/)

/** Hashes only: the points wait in the upload of that fingerprint. */
export const TrainSeriesPayload = z.object({
  seriesId: z.string().regex(SERIES_ID),
  generation: z.int().min(1),
  fingerprint: Sha256,
  dataHash: Sha256,
  plan: z.enum(SERIES_PLANS),
  tags: z.record(z.string(), z.string()),
  /** Run that made a version whose file was lost since; null otherwise. Makes its repair a run of its own. */
  repairs: z.string().nullable(),
})
export type TrainSeriesPayload = z.output<typeof TrainSeriesPayload>

/** What `train.series` calls. */
export interface SeriesTrainingWork {
  train(payload: TrainSeriesPayload, context: WorkContext): Promise<WorkOutcome>
}

export const trainSeries = defineJob<TrainSeriesPayload>({
  name: 'train.series',
  queue: 'training',
  payload: TrainSeriesPayload,
  retry: { attempts: 3, delayMs: 2000 },
  timeoutMs: 2 * 60_000,
  key: ({ seriesId, generation, fingerprint, repairs }) => [
    seriesId,
    generation,
    fingerprint,
    ...(repairs === null ? [] : [repairs]),
  ],
  run: (context, { seriesTraining }) => seriesTraining.train(context.payload, context),
})
