/** Predictions: one series, many points, or many series at once. */
import { z } from 'zod'
import type { Role } from '../../../shared/access/principal.ts'
import { limitCallerOf, limitHeaders } from '../../../shared/series/limits.ts'
import {
  formOf,
  isAnomalous,
  isLong,
  toLines,
  toPredictionBody,
  toPredictionText,
  toResultsText,
  toTensors,
} from '../../../shared/series/write-predictions.ts'
import type { PointsBody } from '../../../shared/series/points.ts'
import type { Services } from '../../../shared/services.ts'
import { route } from '../../route.ts'
import type { Route, RouteInput, RouteReply } from '../../route.ts'
import { requireSeriesId, requireVersion, SeriesPath } from './params.ts'
import { PredictionBody } from './points-body.ts'

const TAG = 'Series'

/** Of a body that is text already. */
const JSON_TEXT = { 'content-type': 'application/json; charset=utf-8' }

const Query = z.record(z.string(), z.string())

const Row = z
  .object({
    model: z.string(),
    version: z.string(),
    timestamp: z.number().describe('As it was sent'),
    score: z.number().describe('0 normal to 1 anomalous'),
    threshold: z.number().describe('A score above it is an anomaly'),
    is_anomaly: z.boolean(),
    channel: z.string().describe('The one furthest from what was expected'),
    raw: z.number().nullable().describe('In the unit of the family: z, mean depth, mean squared error'),
    expected: z.record(z.string(), z.object({ low: z.number().nullable(), high: z.number().nullable() })),
    fallback: z.boolean().describe('The baseline answered: the fault is ours'),
    fallback_reason: z.enum(['missing', 'corrupt', 'timeout', 'breaker', 'error']).optional(),
    warnings: z.array(z.string()),
  })
  .meta({ id: 'SeriesPrediction' })

const Predicted = z
  .object({
    series_id: z.string(),
    version: z.string(),
    is_anomaly: z.boolean().describe('Of the primary model, at any point'),
    predictions: z.array(Row),
    trace_id: z.string(),
  })
  .meta({ id: 'SeriesPredictions' })

type Input = RouteInput<z.output<typeof SeriesPath>, z.output<typeof Query>, unknown>

const bodyOf = (
  input: Pick<Input, 'raw' | 'headers' | 'query'>,
): { readonly body: PointsBody; readonly version: number | null } => {
  const { version, ...query } = input.query
  return {
    body: { bytes: input.raw, contentType: input.headers['content-type'], query },
    version: version === undefined ? null : requireVersion(version),
  }
}

const predict = async (input: Input, { predictions }: Pick<Services, 'predictions'>): Promise<RouteReply> => {
  const seriesId = requireSeriesId(input.params.id)
  const { body, version } = bodyOf(input)
  const { prediction, limit } = await predictions.predict(seriesId, version, body, {
    caller: limitCallerOf(input.principal, input.address),
  })
  const headers = limitHeaders(limit)
  const form = formOf(input.headers.accept)
  if (form === 'application/octet-stream') {
    return {
      status: 200,
      headers: { ...headers, 'content-type': form },
      body: toTensors(prediction, input.traceId),
    }
  }
  if (form === 'application/x-ndjson')
    return { status: 200, headers: { ...headers, 'content-type': form }, body: await toLines(prediction) }
  if (!isLong(prediction)) return { status: 200, headers, body: toPredictionBody(prediction, input.traceId) }
  return {
    status: 200,
    headers: { ...headers, ...JSON_TEXT },
    body: await toPredictionText(prediction, input.traceId),
  }
}

const common = {
  method: 'post',
  role: 'viewer' as Role,
  tag: TAG,
  query: Query,
  raw: true,
  ownLimits: true,
  // What is predicted changes nothing: no audit, and repeating it is free.
  readOnly: true,
  allConfigs: true,
  codes: [
    'INVALID_SERIES_ID',
    'MODEL_NOT_FOUND',
    'INVALID_VERSION',
    'VERSION_ARCHIVED',
    'UNKNOWN_MODEL',
    'UNKNOWN_CHANNEL',
    'WINDOW_TOO_SHORT',
    'TOO_MANY_POINTS',
    'INVALID_TIMESTAMP',
    'INVALID_VALUE',
    'OVERLOADED',
  ],
} as const

const FORMS = ['application/x-ndjson', 'application/octet-stream']

const one = route({
  ...common,
  path: '/api/v1/series/:id/predict',
  hot: true,
  summary: 'Whether points of a series are odd; version: ?version=v3, models: ?models=all',
  params: SeriesPath,
  body: PredictionBody,
  forms: FORMS,
  reply: { 200: Predicted },
  handle: predict,
})

const batch = route({
  ...common,
  path: '/api/v1/series/:id/predict/batch',
  summary: 'The same for many points, at most 100,000, in their order',
  params: SeriesPath,
  body: PredictionBody,
  forms: FORMS,
  reply: { 200: Predicted },
  handle: predict,
})

const Failed = z.object({
  series_id: z.string().nullable().describe('Null where none can be told'),
  error: z.object({ code: z.string(), message: z.string(), details: z.unknown().optional() }),
})

const across = route({
  ...common,
  path: '/api/v1/series/predict',
  summary: 'Points of many series, at most 1,000; a result or an error for each, in their order',
  body: z.object({
    items: z
      .array(PredictionBody.extend({ series_id: z.string(), version: z.string().optional() }))
      .max(1000),
  }),
  reply: {
    200: z.object({
      results: z.array(z.union([Predicted.omit({ trace_id: true }), Failed])),
      trace_id: z.string(),
    }),
  },
  handle: async (input, { predictions }) => {
    const body = { bytes: input.raw, contentType: input.headers['content-type'], query: input.query }
    const results = await predictions.predictAcross(body, {
      caller: limitCallerOf(input.principal, input.address),
    })
    return { status: 200, headers: JSON_TEXT, body: await toResultsText(results, input.traceId) }
  },
})

const short = route({
  ...common,
  path: '/predict/:id',
  summary: 'In few words: the shape other anomaly services have',
  params: SeriesPath,
  body: PredictionBody,
  forms: FORMS,
  reply: { 200: z.object({ anomaly: z.boolean(), model_version: z.string() }) },
  handle: async (input, { predictions }) => {
    const seriesId = requireSeriesId(input.params.id)
    const { body, version } = bodyOf(input)
    const { prediction, limit } = await predictions.predict(seriesId, version, body, {
      caller: limitCallerOf(input.principal, input.address),
    })
    return {
      status: 200,
      headers: limitHeaders(limit),
      body: { anomaly: isAnomalous(prediction), model_version: `v${prediction.version.version}` },
    }
  },
})

export const seriesPredictionRoutes: readonly Route[] = [across, one, batch, short]
