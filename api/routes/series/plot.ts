/** What a version learnt, as a page, a picture or numbers. */
import { z } from 'zod'
import { AppError } from '../../../shared/core/errors.ts'
import type { PlotData } from '../../../shared/series/plot.ts'
import { renderPlotPage } from '../../../shared/series/plot-html.ts'
import { renderSvg } from '../../../shared/series/plot-svg.ts'
import { PLOT_ASSETS_PATH } from '../../plot-assets.ts'
import { route } from '../../route.ts'
import type { Route } from '../../route.ts'
import { requireSeriesId, requireVersion } from './params.ts'

const Query = z.object({
  series_id: z.string(),
  version: z.string().optional().describe('Like v3; the one that answers without'),
  model: z.string().max(200).optional().describe('Whose verdicts to show; the primary without'),
  channel: z.string().max(200).optional().describe('The only one to draw'),
  format: z.enum(['html', 'json', 'svg']).default('html'),
})

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null)
const Values = z.array(z.number().nullable())

const Plot = z
  .object({
    series_id: z.string(),
    version: z.string(),
    model: z.string(),
    timestamps: z.array(z.number()).describe('In the unit of the series'),
    channels: z.record(z.string(), Values),
    band: z.record(z.string(), z.object({ low: Values, high: Values })),
    anomalies: z.array(
      z.object({ index: z.int(), timestamp: z.number(), channel: z.string(), score: z.number() }),
    ),
    notice: z.string().nullable(),
  })
  .meta({ id: 'SeriesPlot' })

export const toPlotWire = (data: PlotData): z.infer<typeof Plot> => {
  const factor = data.version.timestampUnit === 's' ? 1000 : 1
  const timestamps = Array.from(data.timesMs, (ms) => ms / factor)
  return {
    series_id: data.version.seriesId,
    version: `v${data.version.version}`,
    model: data.member,
    timestamps,
    channels: Object.fromEntries(data.columns.map(({ name, values }) => [name, Array.from(values, finite)])),
    band: Object.fromEntries(
      data.columns.flatMap(({ name, low, high }) =>
        low && high ? [[name, { low: Array.from(low, finite), high: Array.from(high, finite) }]] : [],
      ),
    ),
    anomalies: data.anomalies.map(({ row, score, column }) => ({
      index: row,
      timestamp: timestamps[row] as number,
      channel: column,
      score,
    })),
    notice: data.notice,
  }
}

const plot = route({
  method: 'get',
  path: '/plot',
  role: 'viewer',
  allConfigs: true,
  summary: 'The last points a version was trained on, where they were expected, and what is odd',
  tag: 'Series',
  query: Query,
  texts: ['text/html', 'image/svg+xml'],
  reply: { 200: Plot },
  codes: [
    'INVALID_SERIES_ID',
    'MODEL_NOT_FOUND',
    'INVALID_VERSION',
    'VERSION_ARCHIVED',
    'UNKNOWN_MODEL',
    'UNKNOWN_CHANNEL',
  ],
  handle: async ({ query }, { plots }) => {
    const seriesId = requireSeriesId(query.series_id)
    const version = query.version ? requireVersion(query.version) : null
    const data = await plots.of(seriesId, version, query.model || null)
    const column = query.channel || null
    const known = data.columns.map(({ name }) => name)
    if (column !== null && !known.includes(column)) {
      throw new AppError(
        'UNKNOWN_CHANNEL',
        `series ${seriesId} has the channels ${known.join(', ')}, not ${column.slice(0, 60)}`,
        { details: { known } },
      )
    }
    if (query.format === 'json') return { status: 200, body: toPlotWire(data) }
    if (query.format === 'svg') {
      return {
        status: 200,
        headers: { 'content-type': 'image/svg+xml; charset=utf-8' },
        body: renderSvg(data, column === null ? null : [column]),
      }
    }
    return {
      status: 200,
      headers: { 'content-type': 'text/html; charset=utf-8' },
      body: renderPlotPage(data, column, PLOT_ASSETS_PATH),
    }
  },
})

export const seriesPlotRoutes: readonly Route[] = [plot]
