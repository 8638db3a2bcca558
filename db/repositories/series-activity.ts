/** What is counted of predictions, per hour. */
import type { Knex } from 'knex'
import type { HourOfColumn, HourOfSeries, SeriesActivity } from '../../shared/series/activity.ts'

const ADD_HOURS = `
  insert into series_stats as s (series_id, hour, predictions, anomalies, errors, fallbacks, z_hist)
  select r.series_id, r.hour, r.predictions, r.anomalies, r.errors, r.fallbacks, r.z_hist
  from jsonb_to_recordset(cast(? as jsonb)) as r(
    series_id text, hour timestamptz, predictions bigint, anomalies bigint, errors bigint, fallbacks bigint,
    z_hist bigint[])
  order by r.series_id, r.hour
  on conflict (series_id, hour) do update
  set predictions = s.predictions + excluded.predictions, anomalies = s.anomalies + excluded.anomalies,
      errors = s.errors + excluded.errors, fallbacks = s.fallbacks + excluded.fallbacks,
      z_hist = (select array_agg(coalesce(a, 0) + coalesce(b, 0) order by place)
                from unnest(s.z_hist, excluded.z_hist) with ordinality as sums(a, b, place))`

const ADD_COLUMNS = `
  insert into drift_sketches as s (series_id, version, channel, hour, counts)
  select r.series_id, r.version, r.channel, r.hour, r.counts
  from jsonb_to_recordset(cast(? as jsonb)) as r(
    series_id text, version int, channel text, hour timestamptz, counts bigint[])
  order by r.series_id, r.version, r.channel, r.hour
  on conflict (series_id, version, channel, hour) do update
  set counts = (select array_agg(coalesce(a, 0) + coalesce(b, 0) order by place)
                from unnest(s.counts, excluded.counts) with ordinality as sums(a, b, place))`

interface StatsRow {
  readonly series_id: string
  readonly hour: Date
  readonly predictions: string | number
  readonly anomalies: string | number
  readonly errors: string | number
  readonly fallbacks: string | number
  readonly z_hist: readonly (string | number)[]
}

const fromRow = (row: StatsRow): HourOfSeries => ({
  seriesId: row.series_id,
  hour: row.hour,
  predictions: Number(row.predictions),
  anomalies: Number(row.anomalies),
  errors: Number(row.errors),
  fallbacks: Number(row.fallbacks),
  zHist: row.z_hist.map(Number),
})

const toHour = ({ seriesId, hour, zHist, ...counts }: HourOfSeries): object => ({
  series_id: seriesId,
  hour: hour.toISOString(),
  z_hist: zHist,
  ...counts,
})

const toColumn = ({ seriesId, version, column, hour, counts }: HourOfColumn): object => ({
  series_id: seriesId,
  version,
  channel: column,
  hour: hour.toISOString(),
  counts,
})

export const seriesActivity = (db: Knex): SeriesActivity => ({
  add: (hours, columns) =>
    // Rows are taken in one order, so that processes that flush at once never wait for each other in a circle.
    db.transaction(async (trx) => {
      if (hours.length > 0) await trx.raw(ADD_HOURS, [JSON.stringify(hours.map(toHour))])
      if (columns.length > 0) await trx.raw(ADD_COLUMNS, [JSON.stringify(columns.map(toColumn))])
    }),

  hours: async (seriesId, from, to) => {
    const rows = (await db('series_stats')
      .where({ series_id: seriesId })
      .where('hour', '>=', from)
      .where('hour', '<', to)
      .orderBy('hour')) as StatsRow[]
    return rows.map(fromRow)
  },
})
