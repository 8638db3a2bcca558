/** What a version learnt, as a page, a picture or numbers; without a series, a page to choose one on. */
import type { IncomingHttpHeaders } from 'node:http'
import { z } from 'zod'
import { AppError } from '../../../shared/core/errors.ts'
import type { PlotData } from '../../../shared/series/plot.ts'
import { renderPlotPage } from '../../../shared/series/plot-html.ts'
import type { PageAssets } from '../../../shared/series/plot-html.ts'
import { renderPlotList, renderPlotRefusal } from '../../../shared/series/plot-list-html.ts'
import { LEAST_WIDTH, MOST_WIDTH, renderSvg } from '../../../shared/series/plot-svg.ts'
import type { Services } from '../../../shared/services.ts'
import { route } from '../../route.ts'
import type { Route, RouteReply } from '../../route.ts'
import { requireSeriesId, requireVersion } from './params.ts'

const PAGE_SIZE = 50
/** A list of channels of the longest names. */
const MOST_CHANNEL_TEXT = 8000

const Query = z.object({
  series_id: z.string().optional().describe('Needed but for html, which has a list to choose from'),
  version: z.string().optional().describe('Like v3; the one that answers without'),
  model: z.string().max(200).optional().describe('Whose verdicts to show; the primary without'),
  channel: z
    .string()
    .max(MOST_CHANNEL_TEXT)
    .optional()
    .describe('The only one to show, or several separated by commas; all without'),
  format: z.enum(['html', 'json', 'svg']).default('html'),
  width: z.coerce
    .number()
    .int()
    .min(LEAST_WIDTH)
    .max(MOST_WIDTH)
    .optional()
    .describe(
      'Of the picture, in pixels: letters and detail are right where it is shown so wide; 960 without',
    ),
  prefix: z.string().max(200).optional().describe('Of the list: how the series begin'),
  cursor: z.string().max(2000).optional().describe('Of the list: where the page before ended'),
})
type Asked = z.output<typeof Query>

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null)
const Values = z.array(z.number().nullable())

const Plot = z
  .object({
    series_id: z.string(),
    version: z.string(),
    model: z.string(),
    timestamp_unit: z.enum(['s', 'ms']),
    timestamps: z.array(z.number()).describe('In timestamp_unit since 1970, UTC'),
    channels: z.record(z.string(), Values),
    band: z
      .record(z.string(), z.object({ low: Values, high: Values }))
      .describe('Where values were expected; null where there was too little history to tell'),
    anomalies: z
      .array(z.object({ index: z.int(), timestamp: z.number(), channel: z.string(), score: z.number() }))
      .describe('index: into timestamps; channel: the one furthest from what was expected'),
    notice: z.string().nullable().describe('What there is to know of the numbers, in words'),
  })
  .meta({ id: 'SeriesPlot' })

/** @param columns null: all */
export const toPlotWire = (
  data: PlotData,
  columns: readonly string[] | null = null,
): z.infer<typeof Plot> => {
  const { seriesId, version, timestampUnit } = data.version
  const factor = timestampUnit === 's' ? 1000 : 1
  const timestamps = Array.from(data.timesMs, (ms) => ms / factor)
  const shown = data.columns.filter(({ name }) => columns === null || columns.includes(name))
  return {
    series_id: seriesId,
    version: `v${version}`,
    model: data.member,
    timestamp_unit: timestampUnit,
    timestamps,
    channels: Object.fromEntries(shown.map(({ name, values }) => [name, Array.from(values, finite)])),
    band: Object.fromEntries(
      shown.flatMap(({ name, low, high }) =>
        low && high ? [[name, { low: Array.from(low, finite), high: Array.from(high, finite) }]] : [],
      ),
    ),
    anomalies: data.anomalies
      .filter(({ column }) => columns === null || columns.includes(column))
      .map(({ row, score, column }) => ({
        index: row,
        timestamp: timestamps[row] as number,
        channel: column,
        score,
      })),
    notice: data.notice,
  }
}

const page = (status: number, body: string): RouteReply => ({
  status,
  headers: { 'content-type': 'text/html; charset=utf-8' },
  body,
})

const columnsOf = (data: PlotData, channel: string | undefined): readonly string[] | null => {
  if (!channel) return null
  const wanted = channel.split(',')
  const known = data.columns.map(({ name }) => name)
  const stranger = wanted.find((name) => !known.includes(name))
  // Without points nothing is known of the columns, and nothing is drawn of them either.
  if (stranger === undefined || known.length === 0) return wanted
  throw new AppError(
    'UNKNOWN_CHANNEL',
    `series ${data.version.seriesId} has the channels ${known.join(', ')}, not ${JSON.stringify(stranger.slice(0, 60))}`,
    { details: { known } },
  )
}

const plotOf = async (
  asked: Asked,
  seriesId: string,
  { plots }: Services,
  assets: () => Promise<PageAssets>,
): Promise<RouteReply> => {
  const version = asked.version ? requireVersion(asked.version) : null
  const data = await plots.of(requireSeriesId(seriesId), version, asked.model || null)
  const columns = columnsOf(data, asked.channel)
  if (asked.format === 'json') return { status: 200, body: toPlotWire(data, columns) }
  if (asked.format === 'svg') {
    const svg = renderSvg(data, { columns, ...(asked.width === undefined ? {} : { width: asked.width }) })
    return { status: 200, headers: { 'content-type': 'image/svg+xml; charset=utf-8' }, body: svg }
  }
  return page(200, renderPlotPage(data, columns, await assets()))
}

const listOf = async ({ prefix = '', cursor }: Asked, { series }: Services): Promise<RouteReply> => {
  const list = await series.list({
    filter: prefix === '' ? {} : { prefix },
    order: 'series_id',
    pageSize: PAGE_SIZE,
    cursor: cursor ?? null,
  })
  return page(200, renderPlotList(list, prefix))
}

/** A browser that asks for a page; programs get the error every route answers with. */
const wantsPage = ({ format }: Asked, { accept }: IncomingHttpHeaders): boolean =>
  format === 'html' && (accept ?? '').includes('text/html')

export const seriesPlotRoutes = (assets: () => Promise<PageAssets>): readonly Route[] => [
  route({
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
    handle: async ({ query, headers }, services) => {
      const { series_id: seriesId, format } = query
      if (!seriesId) {
        if (format === 'html') return listOf(query, services)
        throw new AppError('INVALID_REQUEST', `series_id: needed for format ${format}`, {
          errors: [{ field: 'query.series_id', message: 'needed' }],
        })
      }
      try {
        return await plotOf(query, seriesId, services, assets)
      } catch (error) {
        if (!(error instanceof AppError) || !wantsPage(query, headers)) throw error
        return page(error.status, renderPlotRefusal(error, seriesId))
      }
    },
  }),
]
