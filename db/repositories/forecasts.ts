/** Forecasts in PostgreSQL: what the threads made of entities, what became of it, and lists of both. */
import type { Knex } from 'knex'
import type { LocalDate } from '../../shared/core/days.ts'
import type { Level } from '../../shared/core/entity.ts'
import { toPage } from '../../shared/core/page.ts'
import { wireNumber, wireNumbers } from '../../shared/core/wire.ts'
import type {
  ForecastBatch,
  ForecastFilter,
  ForecastPointRow,
  ForecastRow,
  ForecastStore,
  ForecastTarget,
} from '../../shared/forecasting/forecasts.ts'
import { assertFence } from '../fence.ts'
import { cutByDay, dayCursor } from './day-pages.ts'

/** First key of the advisory locks of forecasts; the second is the config. */
const LOCK_SPACE = 7_164_460

/** Longest horizon: points of a day belong to forecasts made at most so many days before. */
const HORIZON_DAYS_MAX = 30

/** Writers and validations of one config take turns: they lock the same points, in orders of their own. */
const takeTurn = async (trx: Knex.Transaction, configId: number): Promise<void> => {
  await trx.raw('select pg_advisory_xact_lock(?, ?)', [LOCK_SPACE, configId])
}

/** A repetition keeps the row's id. A run on older data that writes after one on newer data changes nothing. */
const WRITE = `
insert into ml_forecasts (
  config_id, entity_type, entity_id, parent_id, metric, horizon_days, forecast_date, watermark, model, weights,
  metrics, insufficient_data, run_id
)
select :configId, :level, r.entity_id, r.parent_id, r.metric, :horizonDays, cast(:day as date),
  cast(:watermark as timestamptz), r.model, r.weights, r.metrics, r.insufficient_data, cast(:runId as uuid)
from jsonb_to_recordset(cast(:records as jsonb)) as r(
  entity_id text, parent_id text, metric text, model text, weights jsonb, metrics jsonb, insufficient_data boolean
)
on conflict (config_id, entity_type, entity_id, metric, horizon_days, forecast_date) do update set
  parent_id = excluded.parent_id,
  watermark = excluded.watermark,
  model = excluded.model,
  weights = excluded.weights,
  metrics = excluded.metrics,
  insufficient_data = excluded.insufficient_data,
  created_at = excluded.created_at,
  run_id = excluded.run_id
where excluded.watermark >= ml_forecasts.watermark
returning id, entity_id, metric`

const WRITE_POINTS = `
insert into ml_forecast_points (forecast_id, step, date, predicted, lower, upper)
select p.forecast_id, p.step, cast(? as date) + p.step, nullif(p.predicted, 'NaN'), nullif(p.lower, 'NaN'),
  nullif(p.upper, 'NaN')
from unnest(cast(? as bigint[]), cast(? as int[]), cast(? as float8[]), cast(? as float8[]), cast(? as float8[]))
  as p(forecast_id, step, predicted, lower, upper)`

/** In place of a model where there was too little to choose one. */
const NO_MODEL = 'none'

/** What cannot be told, or is beyond all bounds, is null in the table. */
const finite = (value: number | undefined): number =>
  value !== undefined && Number.isFinite(value) ? value : Number.NaN

const toRecords = ({ ids, parents, result }: ForecastBatch): Record<string, unknown>[] =>
  result.drafts.map(({ entity, metric, chosen }) => ({
    entity_id: ids[entity],
    parent_id: parents[entity] ?? null,
    metric,
    model: chosen?.model ?? NO_MODEL,
    weights: chosen?.weights ?? {},
    metrics: chosen
      ? {
          wape: chosen.metrics.wape,
          mase: chosen.metrics.mase,
          pinball_025: chosen.metrics.pinballLower,
          pinball_975: chosen.metrics.pinballUpper,
          coverage: chosen.metrics.coverage,
        }
      : {},
    insufficient_data: chosen === null,
  }))

/** Points of the forecasts that were written, as columns. */
const pointsOf = (
  { ids, result }: ForecastBatch,
  horizonDays: number,
  written: ReadonlyMap<string, number>,
) => {
  const forecastIds: number[] = []
  const steps: number[] = []
  const columns: [number[], number[], number[]] = [[], [], []]
  for (const [i, { entity, metric, chosen }] of result.drafts.entries()) {
    const id = written.get(`${metric} ${ids[entity]}`)
    if (id === undefined || chosen === null) continue
    for (let step = 1; step <= horizonDays; step++) {
      const at = i * horizonDays + step - 1
      forecastIds.push(id)
      steps.push(step)
      columns[0].push(finite(result.predicted[at]))
      columns[1].push(finite(result.lower[at]))
      columns[2].push(finite(result.upper[at]))
    }
  }
  return { forecastIds, steps, columns }
}

const DAYS_TO_VALIDATE = `
select p.date from ml_forecasts f join ml_forecast_points p on p.forecast_id = f.id
where f.config_id = :configId and p.date between cast(:again as date) and cast(:upTo as date)
  and f.forecast_date between cast(:again as date) - ${HORIZON_DAYS_MAX} and cast(:upTo as date) - 1
union
-- A cost per lead without leads stays without an actual.
select p.date from ml_forecast_points p join ml_forecasts f on f.id = p.forecast_id
where p.actual is null and p.date < cast(:again as date) and f.config_id = :configId and f.metric <> 'cpl'
order by 1`

/** Sides of the interval are compared as people read them, to six decimals: a constant series has none to spare. */
const TOLERANCE = '5e-7'

const VALIDATE = `
with sums as materialized (
  select date,
    case grouping(campaign_id, adset_id, ad_id) when 3 then 'campaign' when 5 then 'adset' else 'ad' end as level,
    coalesce(campaign_id, adset_id, ad_id) as id, sum(spend)::float8 as spend, sum(leads)::float8 as leads
  from ads_insights_daily
  where config_id = :configId and date = any(cast(:days as date[]))
  group by grouping sets ((date, campaign_id), (date, adset_id), (date, ad_id))
), compared as (
  select p.forecast_id, p.step, p.predicted, p.lower, p.upper,
    case f.metric
      when 'spend' then coalesce(s.spend, 0)
      when 'leads' then coalesce(s.leads, 0)
      else s.spend / nullif(s.leads, 0)
    end as actual
  from ml_forecasts f
  join ml_forecast_points p on p.forecast_id = f.id
  left join sums s on s.date = p.date and s.level = f.entity_type and s.id = f.entity_id
  where f.config_id = :configId and p.date = any(cast(:days as date[]))
    and f.forecast_date between cast(:first as date) - ${HORIZON_DAYS_MAX} and cast(:last as date) - 1
), judged as (
  select forecast_id, step, actual,
    abs(actual - predicted) as abs_error,
    100 * abs(actual - predicted) / nullif(abs(actual), 0) as pct_error,
    actual >= lower - ${TOLERANCE} and actual <= upper + ${TOLERANCE} as in_interval
  from compared
), changed as (
  update ml_forecast_points p
  set actual = j.actual, abs_error = j.abs_error, pct_error = j.pct_error, in_interval = j.in_interval
  from judged j
  where p.forecast_id = j.forecast_id and p.step = j.step and p.actual is distinct from j.actual
  returning 1
)
select count(*) as points, count(in_interval) as judged, count(*) filter (where in_interval) as in_interval,
  (select count(*) from changed) as changed
from judged`

interface StoredForecast extends Omit<ForecastRow, 'watermark' | 'created_at' | 'points'> {
  readonly watermark: Date
  readonly created_at: Date
}

interface StoredPoint extends ForecastPointRow {
  readonly forecast_id: number
}

const fromPoint = (point: StoredPoint): ForecastPointRow => ({
  step: point.step,
  date: point.date,
  predicted: wireNumber(point.predicted),
  lower: wireNumber(point.lower),
  upper: wireNumber(point.upper),
  actual: wireNumber(point.actual),
  abs_error: wireNumber(point.abs_error),
  pct_error: wireNumber(point.pct_error),
  in_interval: point.in_interval,
})

const fromRow = (row: StoredForecast, points: readonly StoredPoint[]): ForecastRow => ({
  id: row.id,
  config_id: row.config_id,
  entity_type: row.entity_type,
  entity_id: row.entity_id,
  entity_name: row.entity_name,
  parent_id: row.parent_id,
  metric: row.metric,
  horizon_days: row.horizon_days,
  forecast_date: row.forecast_date,
  watermark: row.watermark.toISOString(),
  model: row.model,
  weights: wireNumbers(row.weights) ?? {},
  metrics: {
    wape: wireNumber(row.metrics.wape),
    mase: wireNumber(row.metrics.mase),
    pinball_025: wireNumber(row.metrics.pinball_025),
    pinball_975: wireNumber(row.metrics.pinball_975),
    coverage: wireNumber(row.metrics.coverage),
  },
  insufficient_data: row.insufficient_data,
  created_at: row.created_at.toISOString(),
  run_id: row.run_id,
  points: points.map(fromPoint),
})

const NAMES: Readonly<Record<Level, { readonly table: string; readonly id: string }>> = {
  campaign: { table: 'ads_campaigns', id: 'campaign_id' },
  adset: { table: 'ads_adsets', id: 'adset_id' },
  ad: { table: 'ads_ads', id: 'ad_id' },
}

const filtered = (db: Knex, filter: ForecastFilter): Knex.QueryBuilder => {
  const query = db('ml_forecasts as f').where({
    'f.config_id': filter.configId,
    'f.entity_type': filter.level,
  })
  if (filter.entityId !== undefined) void query.where('f.entity_id', filter.entityId)
  if (filter.metric !== undefined) void query.where('f.metric', filter.metric)
  if (filter.dateFrom !== undefined) void query.where('f.forecast_date', '>=', filter.dateFrom)
  if (filter.dateTo !== undefined) void query.where('f.forecast_date', '<=', filter.dateTo)
  return query
}

const writeBatch = async (
  trx: Knex.Transaction,
  runId: string,
  target: ForecastTarget,
  batch: ForecastBatch,
): Promise<number> => {
  const { configId, level, day, watermark, horizonDays } = target
  const { rows } = (await trx.raw(WRITE, {
    configId,
    level,
    horizonDays,
    day,
    watermark,
    runId,
    records: JSON.stringify(toRecords(batch)),
  })) as { rows: { id: number; entity_id: string; metric: string }[] }
  await trx('ml_forecast_points')
    .whereRaw('forecast_id = any(?::bigint[])', [rows.map((row) => row.id)])
    .delete()
  const written = new Map(rows.map((row) => [`${row.metric} ${row.entity_id}`, row.id]))
  const { forecastIds, steps, columns } = pointsOf(batch, horizonDays, written)
  await trx.raw(WRITE_POINTS, [day, forecastIds, steps, ...columns])
  return rows.length
}

export const forecastStore = (db: Knex): ForecastStore => ({
  writtenBy: async (runId, { configId, level, day }) => {
    const rows = (await db('ml_forecasts')
      .where({ config_id: configId, entity_type: level, forecast_date: day, run_id: runId })
      .distinct('entity_id')) as { entity_id: string }[]
    return new Set(rows.map((row) => row.entity_id))
  },

  write: (fence, target, batch) =>
    db.transaction(async (trx) => {
      await assertFence(trx, fence)
      await takeTurn(trx, target.configId)
      return writeBatch(trx, fence.runId, target, batch)
    }),

  daysToValidate: async (configId, upTo, again) => {
    const { rows } = (await db.raw(DAYS_TO_VALIDATE, {
      configId,
      upTo,
      again,
    })) as { rows: { date: LocalDate }[] }
    return rows.map((row) => row.date)
  },

  validate: (fence, configId, days) =>
    db.transaction(async (trx) => {
      await assertFence(trx, fence)
      const [first] = days
      const last = days.at(-1)
      if (first === undefined || last === undefined)
        return { points: 0, changed: 0, judged: 0, inInterval: 0 }
      await takeTurn(trx, configId)
      const { rows } = (await trx.raw(VALIDATE, {
        configId,
        days: [...days],
        first,
        last,
      } as unknown as Knex.ValueDict)) as {
        rows: { points: number; changed: number; judged: number; in_interval: number }[]
      }
      const [row] = rows
      return {
        points: row?.points ?? 0,
        changed: row?.changed ?? 0,
        judged: row?.judged ?? 0,
        inInterval: row?.in_interval ?? 0,
      }
    }),

  list: async (filter, page) => {
    const { table, id } = NAMES[filter.level]
    const query = cutByDay(
      filtered(db, filter)
        .leftJoin(`${table} as e`, (join) => {
          join.on('e.config_id', 'f.config_id').on(`e.${id}`, 'f.entity_id')
        })
        .select('f.*', 'e.name as entity_name'),
      page,
      'f.forecast_date',
      'f.id',
    )
    const [rows, counted] = (await Promise.all([query, filtered(db, filter).count('* as n').first()])) as [
      StoredForecast[],
      { n: number },
    ]
    const points = (await db('ml_forecast_points')
      .whereRaw('forecast_id = any(?::bigint[])', [rows.map((row) => row.id)])
      .orderBy(['forecast_id', 'step'])) as StoredPoint[]
    const byForecast = new Map<number, StoredPoint[]>(rows.map((row) => [row.id, []]))
    for (const point of points) byForecast.get(point.forecast_id)?.push(point)
    const data = rows.map((row) => fromRow(row, byForecast.get(row.id) ?? []))
    return toPage(page, counted.n, data, (row) => dayCursor(row.forecast_date, row.id))
  },
})
