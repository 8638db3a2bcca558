/** Whether the values of a series are still those its model was trained on. */
import { z } from 'zod'
import { DRIFT_HOURS, DRIFT_LEAST_VALUES, DRIFT_LEVELS } from '../../../ml/compare/drift.ts'
import { route } from '../../route.ts'
import type { Route } from '../../route.ts'
import { requireSeriesId, SeriesPath } from './params.ts'
import { versionOrNull } from './wire.ts'

const Level = z.enum(DRIFT_LEVELS).nullable().describe(`Null: fewer than ${DRIFT_LEAST_VALUES} values`)
const Kl = z.number().nullable().describe('Divergence of the values seen from those trained on, in nats')

const Drift = z
  .object({
    series_id: z.string(),
    version: z.string().nullable().describe('The one that answers'),
    level: Level.describe('The worst of the columns'),
    kl: Kl.describe('The largest of the columns'),
    at: z.iso.datetime().nullable().describe('Of the last look; null: nothing to look at yet'),
    columns: z.record(
      z.string(),
      z.object({ kl: Kl, n: z.int().describe(`Values seen in ${DRIFT_HOURS} hours`), level: Level }),
    ),
    bounds: z.object({ warn: z.number(), alert: z.number() }).describe('A divergence above is one'),
  })
  .meta({ id: 'SeriesDrift' })

const drift = route({
  method: 'get',
  path: '/api/v1/series/:id/drift',
  role: 'viewer',
  allConfigs: true,
  tag: 'Series',
  summary:
    'How far the values of the last 24 hours have moved from those trained on; looked at every 5 minutes',
  params: SeriesPath,
  reply: { 200: Drift },
  codes: ['INVALID_SERIES_ID', 'MODEL_NOT_FOUND'],
  handle: async ({ params }, { seriesDrift }) => {
    const id = requireSeriesId(params.id)
    const { stable, drift: last } = await seriesDrift.of(id)
    return {
      status: 200,
      body: {
        series_id: id,
        version: versionOrNull(stable),
        level: last?.level ?? null,
        kl: last?.kl ?? null,
        at: last?.at.toISOString() ?? null,
        columns: last?.columns ?? {},
        bounds: { ...seriesDrift.bounds },
      },
    }
  },
})

export const seriesDriftRoutes: readonly Route[] = [drift]
