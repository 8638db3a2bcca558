/** What the next days bring, what became of it, and forecasts on demand. */
import { z } from 'zod'
import { LocalDate } from '../../shared/core/days.ts'
import { ConfigId, EntityId, Level } from '../../shared/core/entity.ts'
import { PageQuery, PageReply, toPageRequest } from '../../shared/core/page.ts'
import { FORECAST_METRICS, HORIZON_DAYS_MAX, HORIZON_DAYS_USUAL } from '../../shared/forecasting/forecasts.ts'
import { forecastLevel } from '../../shared/jobs/forecasting.ts'
import { route } from '../route.ts'
import type { Route } from '../route.ts'
import { requireDayOrder, startStep, StepScope, Ticket } from './scope.ts'

const TAG = 'Forecasts'

const number = z.number().nullable()

const Point = z.object({
  step: z.int(),
  date: LocalDate,
  predicted: number.describe('Null: a cost per lead where no lead is expected'),
  lower: number.describe('95% interval'),
  upper: number,
  actual: number.describe('What it was, once the day is over'),
  abs_error: number,
  pct_error: number.describe('Percent of the actual; null when that is 0'),
  in_interval: z.boolean().nullable(),
})

const Forecast = z.object({
  id: z.int(),
  config_id: z.int(),
  entity_type: Level,
  entity_id: z.string(),
  entity_name: z.string().nullable(),
  parent_id: z.string().nullable(),
  metric: z.enum(FORECAST_METRICS),
  horizon_days: z.int(),
  forecast_date: LocalDate.describe('D: the points are the days after it'),
  watermark: z.iso.datetime(),
  model: z.string().describe('The model that did best on held-out weeks, `combination`, or `spend/leads`'),
  weights: z.record(z.string(), z.number()).describe('Models that were averaged'),
  metrics: z
    .object({ wape: number, mase: number, pinball_025: number, pinball_975: number, coverage: number })
    .describe('On held-out weeks of the history'),
  insufficient_data: z.boolean().describe('Fewer than 7 days of history: no points'),
  created_at: z.iso.datetime(),
  run_id: z.string().nullable(),
  points: z.array(Point),
})

const list = route({
  method: 'get',
  path: '/api/v1/ml/forecasts',
  role: 'viewer',
  tag: TAG,
  summary: 'Forecasts with their points, newest first',
  query: PageQuery.extend({
    config_id: ConfigId,
    // Callers from before ad sets and ads existed send no entity_type.
    entity_type: Level.default('campaign'),
    entity_id: EntityId.optional(),
    metric: z.enum(FORECAST_METRICS).optional(),
    date: LocalDate.optional().describe('The day they were made from; wins over date_from and date_to'),
    date_from: LocalDate.optional(),
    date_to: LocalDate.optional(),
  }),
  reply: { 200: PageReply(Forecast) },
  handle: async ({ query, seesConfig }, services) => {
    seesConfig(query.config_id)
    await services.configs.get(query.config_id)
    const dateFrom = query.date ?? query.date_from
    const dateTo = query.date ?? query.date_to
    requireDayOrder(dateFrom, dateTo)
    const filter = {
      configId: query.config_id,
      level: query.entity_type,
      ...(query.entity_id === undefined ? {} : { entityId: query.entity_id }),
      ...(query.metric === undefined ? {} : { metric: query.metric }),
      ...(dateFrom === undefined ? {} : { dateFrom }),
      ...(dateTo === undefined ? {} : { dateTo }),
    }
    return { status: 200, body: await services.forecasting.list(filter, toPageRequest(query)) }
  },
})

const generate = route({
  method: 'post',
  path: '/api/v1/ml/forecasts/generate',
  role: 'trainer',
  tag: TAG,
  summary: 'Forecasts spend, leads and cost per lead of a level or of some of its entities',
  body: StepScope.extend({
    metrics: z.array(z.enum(FORECAST_METRICS)).min(1).optional().describe('Default: all'),
    horizon_days: z.int().min(1).max(HORIZON_DAYS_MAX).default(HORIZON_DAYS_USUAL),
  }),
  reply: { 202: Ticket },
  handle: (input, services) => {
    const { metrics, horizon_days: horizonDays } = input.body
    return startStep(forecastLevel, input, { metrics: metrics ?? null, horizonDays }, services)
  },
})

export const forecastRoutes: readonly Route[] = [list, generate]
