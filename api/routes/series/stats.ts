/** How much a series is asked, and how often it is odd. */
import { z } from 'zod'
import { Z_BINS } from '../../../shared/series/activity.ts'
import { BUCKETS } from '../../../shared/series/statistics.ts'
import type { BucketOfSeries } from '../../../shared/series/statistics.ts'
import { route } from '../../route.ts'
import type { Route } from '../../route.ts'
import { requireSeriesId, SeriesPath } from './params.ts'

const DAY_MS = 86_400_000

const BucketBody = z
  .object({
    start: z.iso.datetime(),
    predictions: z.int().describe('Points or windows, whatever the number of models'),
    anomalies: z.int(),
    anomaly_ratio: z.number().nullable().describe('Null: nothing was asked'),
    errors: z.int(),
    fallbacks: z.int(),
    z_histogram: z
      .array(z.int())
      .describe(`Predictions by z against the baseline: up to ${Z_BINS.join(', ')}, and above`),
  })
  .meta({ id: 'SeriesBucket' })

const toWire = ({ start, zHist, ...counts }: BucketOfSeries): z.infer<typeof BucketBody> => ({
  start: start.toISOString(),
  ...counts,
  anomaly_ratio: counts.predictions === 0 ? null : counts.anomalies / counts.predictions,
  z_histogram: [...zHist],
})

const stats = route({
  method: 'get',
  path: '/api/v1/series/:id/stats',
  role: 'viewer',
  allConfigs: true,
  summary:
    'Predictions, anomalies, errors and fallbacks of a series by hour or day (UTC); the last day without from',
  tag: 'Series',
  params: SeriesPath,
  query: z.object({
    bucket: z.enum(BUCKETS).default('hour'),
    from: z.iso.datetime({ offset: true }).optional(),
    to: z.iso.datetime({ offset: true }).optional().describe('Exclusive; now without'),
  }),
  reply: {
    200: z.object({ series_id: z.string(), bucket: z.enum(BUCKETS), buckets: z.array(BucketBody) }),
  },
  codes: ['INVALID_SERIES_ID', 'MODEL_NOT_FOUND'],
  handle: async ({ params, query }, { seriesStatistics, clock }) => {
    const seriesId = requireSeriesId(params.id)
    const to = query.to === undefined ? clock.now() : new Date(query.to)
    const from = query.from === undefined ? new Date(to.getTime() - DAY_MS) : new Date(query.from)
    const buckets = await seriesStatistics.of(seriesId, { bucket: query.bucket, from, to })
    return { status: 200, body: { series_id: seriesId, bucket: query.bucket, buckets: buckets.map(toWire) } }
  },
})

export const seriesStatsRoutes: readonly Route[] = [stats]
