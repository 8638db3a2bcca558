/** Jobs of series. */
import { z } from 'zod'
import type { WorkContext, WorkOutcome } from '../core/work.ts'
import { SERIES_ID, SERIES_PLANS } from '../series/series.ts'
import { defineJob, instantKey } from './define-job.ts'
import { SchedulePayload } from './sweep.ts'

const Sha256 = z.string().regex(/^[\da-f]{64}$/)

/** Hashes only: the points wait in the upload of that fingerprint. */
export const TrainSeriesPayload = z.object({
  seriesId: z.string().regex(SERIES_ID),
  generation: z.int().min(1),
  fingerprint: Sha256,
  dataHash: Sha256,
  /** Name of the upload. */
  upload: Sha256,
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
  run: (context, { seriesTraining, tracer }) =>
    tracer.span('training', { series_id: context.payload.seriesId }, () =>
      seriesTraining.train(context.payload, context),
    ),
})

/** What `series.drift` calls. */
export interface SeriesDriftWork {
  /** Measures every series that was asked anything in the last day, and notes what it finds. */
  look(context: WorkContext): Promise<WorkOutcome>
}

export const driftOfSeries = defineJob<SchedulePayload>({
  name: 'series.drift',
  queue: 'control',
  payload: SchedulePayload,
  // The next look is five minutes away.
  retry: { attempts: 2, delayMs: 10_000 },
  timeoutMs: 4 * 60_000,
  key: ({ asOf }) => [instantKey(asOf)],
  run: (context, { seriesDrift }) => seriesDrift.look(context),
})

/** What the jobs that tidy up call. */
export interface SeriesRetentionWork {
  /** Archives versions beyond those kept, puts files where they belong, drops counts that are old. */
  retain(asOf: Date, context: WorkContext): Promise<WorkOutcome>
  /** Removes points of trainings that nobody waits for any more. */
  sweepUploads(asOf: Date, context: WorkContext): Promise<WorkOutcome>
}

export const seriesRetention = defineJob<SchedulePayload>({
  name: 'series.retention',
  queue: 'maintenance',
  payload: SchedulePayload,
  retry: { attempts: 2, delayMs: 60_000 },
  timeoutMs: 60 * 60_000,
  key: ({ asOf }) => [instantKey(asOf)],
  run: (context, { seriesRetention: work }) => work.retain(new Date(context.payload.asOf), context),
})

export const uploadsSweep = defineJob<SchedulePayload>({
  name: 'uploads.sweep',
  queue: 'maintenance',
  payload: SchedulePayload,
  retry: { attempts: 2, delayMs: 60_000 },
  timeoutMs: 10 * 60_000,
  key: ({ asOf }) => [instantKey(asOf)],
  run: (context, { seriesRetention: work }) => work.sweepUploads(new Date(context.payload.asOf), context),
})
