/** Training of series: as a run to be followed, or waited for. */
import { z } from 'zod'
import { limitCallerOf, limitHeaders } from '../../../shared/series/limits.ts'
import type { TrainingReply } from '../../../shared/series/training.ts'
import type { Services } from '../../../shared/services.ts'
import { route } from '../../route.ts'
import type { Route, RouteInput, RouteReply } from '../../route.ts'
import { requireSeriesId, SeriesPath } from './params.ts'
import { TrainingBody } from './points-body.ts'
import { toVersionWire, VersionBody } from './wire.ts'

const TAG = 'Series'
/** Longer is not waited for, whatever is asked. */
const LONGEST_WAIT_S = 30
const SECOND_MS = 1000
const WAIT = /(?:^|[,;\s])wait\s*=\s*"?(\d{1,9})"?/i

/** Seconds of `Prefer: wait=N` (RFC 7240); 0 without. */
export const waitSecondsOf = (prefer: string | string[] | undefined): number => {
  const text = Array.isArray(prefer) ? prefer.join(',') : (prefer ?? '')
  return Math.min(LONGEST_WAIT_S, Number(WAIT.exec(text)?.[1] ?? 0))
}

const Queued = z
  .object({
    run_id: z.string(),
    series_id: z.string(),
    status: z.enum(['queued', 'running']),
    status_url: z.string(),
  })
  .meta({ id: 'SeriesTraining' })

const Trained = VersionBody.extend({
  created: z.boolean().describe('False: the same points and models were trained before'),
}).meta({ id: 'SeriesTrained' })

type Input = RouteInput<z.output<typeof SeriesPath>, unknown, unknown>

const ask = async (
  input: Input,
  { seriesTraining }: Pick<Services, 'seriesTraining'>,
  waitS: number,
): Promise<{ readonly seriesId: string; readonly reply: TrainingReply }> => {
  const seriesId = requireSeriesId(input.params.id)
  const body = {
    bytes: input.raw,
    contentType: input.headers['content-type'],
    query: input.query as Readonly<Record<string, string>>,
  }
  const reply = await seriesTraining.request(seriesId, body, {
    caller: limitCallerOf(input.principal, input.address),
    actor: input.principal.actor,
    traceId: input.traceId,
    waitMs: waitS * SECOND_MS,
  })
  return { seriesId, reply }
}

const queuedReply = (seriesId: string, reply: Extract<TrainingReply, { runId: string }>): RouteReply => {
  const url = `/api/v1/runs/${reply.runId}`
  return {
    status: 202,
    headers: { ...limitHeaders(reply.limit), Location: url },
    body: { run_id: reply.runId, series_id: seriesId, status: reply.status, status_url: url },
    audit: { target: `series/${seriesId}`, after: { run_id: reply.runId } },
  }
}

const train = route({
  method: 'post',
  path: '/api/v1/series/:id/train',
  role: 'trainer',
  summary: 'Train a model of a series; with Prefer: wait=N (at most 30) the reply is the version',
  tag: TAG,
  params: SeriesPath,
  query: z.record(z.string(), z.string()),
  body: TrainingBody,
  raw: true,
  forms: ['application/x-ndjson', 'application/octet-stream'],
  ownLimits: true,
  allConfigs: true,
  reply: { 202: Queued, 201: Trained, 200: Trained },
  codes: [
    'INVALID_SERIES_ID',
    'UNKNOWN_CHANNEL',
    'INSUFFICIENT_DATA',
    'TOO_MANY_POINTS',
    'INVALID_TIMESTAMP',
    'INVALID_VALUE',
    'CONSTANT_SERIES',
    'UNKNOWN_MODEL',
    'MODEL_NOT_FOUND',
    'VERSION_CONFLICT',
    'TRAINING_FAILED',
    'OVERLOADED',
  ],
  handle: async (input, services) => {
    const waitS = waitSecondsOf(input.headers['prefer'])
    const { seriesId, reply } = await ask(input, services, waitS)
    if (reply.status !== 'done') return queuedReply(seriesId, reply)
    const { version, created } = reply
    return {
      status: created ? 201 : 200,
      headers: {
        ...limitHeaders(reply.limit),
        ...(created ? { Location: `/api/v1/series/${seriesId}/versions/v${version.version}` } : {}),
        ...(waitS > 0 ? { 'Preference-Applied': `wait=${waitS}` } : {}),
      },
      body: { ...toVersionWire(version), created },
      audit: { target: `series/${seriesId}`, after: { version: `v${version.version}`, created } },
    }
  },
})

const fit = route({
  method: 'post',
  path: '/fit/:id',
  role: 'trainer',
  summary: 'Train and wait for it, in few words: the shape other anomaly services have',
  tag: TAG,
  params: SeriesPath,
  query: z.record(z.string(), z.string()),
  body: TrainingBody,
  raw: true,
  forms: ['application/x-ndjson', 'application/octet-stream'],
  ownLimits: true,
  allConfigs: true,
  reply: {
    202: Queued,
    201: z.object({ series_id: z.string(), version: z.string(), points_used: z.int() }),
    200: z.object({ series_id: z.string(), version: z.string(), points_used: z.int() }),
  },
  codes: train.codes ?? [],
  handle: async (input, services) => {
    const { seriesId, reply } = await ask(input, services, LONGEST_WAIT_S)
    if (reply.status !== 'done') return queuedReply(seriesId, reply)
    const { version, created } = reply
    return {
      status: created ? 201 : 200,
      headers: limitHeaders(reply.limit),
      body: { series_id: seriesId, version: `v${version.version}`, points_used: version.points },
      audit: { target: `series/${seriesId}`, after: { version: `v${version.version}`, created } },
    }
  },
})

export const seriesTrainingRoutes: readonly Route[] = [train, fit]
