/** What PostgreSQL knows about how new a config's data is. */
import type { Knex } from 'knex'
import type { FreshnessStore } from '../../shared/entities/freshness.ts'

const WATERMARKS = `
select c.config_id, w.updated_at
from unnest(cast(:configIds as int[]), cast(:days as date[])) as c(config_id, day)
cross join lateral (
  select max(i.updated_at) as updated_at from ads_insights_daily i
  where i.config_id = c.config_id and i.date <= c.day
) w
where w.updated_at is not null`

const VERDICTS = `
select a.config_id, count(*)::int as verdicts
from ml_anomaly_feedback f
join ml_anomalies a on a.id = f.anomaly_id
join unnest(cast(:configIds as int[]), cast(:days as date[])) as c(config_id, day) on c.config_id = a.config_id
where a.anomaly_date <= c.day
group by a.config_id`

const ARRIVALS = `
select timezone as time_zone,
  (select max(updated_at) from ads_insights_daily where config_id = c.id and date = asked.day) as written,
  (select max(created_at) from ads_imports
   where config_id = c.id and date_from <= asked.day and date_to >= asked.day) as covered
from ads_configs c cross join unnest(cast(:days as date[])) with ordinality as asked(day, place)
where id = :configId
order by asked.place`

type ConfigDays = Parameters<FreshnessStore['watermarks']>[0]

const bindingsOf = (configs: ConfigDays): { configIds: number[]; days: string[] } => ({
  configIds: configs.map(({ configId }) => configId),
  days: configs.map(({ day }) => day),
})

export const freshness = (db: Knex): FreshnessStore => ({
  activeZones: async () =>
    db('ads_configs')
      .where({ is_active: true })
      .orderBy('id')
      .select<{ configId: number; timeZone: string }[]>({ configId: 'id', timeZone: 'timezone' }),

  watermarks: async (configs) => {
    const { rows }: { rows: { config_id: number; updated_at: Date }[] } = await db.raw(
      WATERMARKS,
      bindingsOf(configs),
    )
    return new Map(rows.map((row) => [row.config_id, row.updated_at]))
  },

  verdicts: async (configs) => {
    const { rows }: { rows: { config_id: number; verdicts: number }[] } = await db.raw(
      VERDICTS,
      bindingsOf(configs),
    )
    return new Map(rows.map((row) => [row.config_id, row.verdicts]))
  },

  arrivals: async (configId, days) => {
    const { rows }: { rows: { written: Date | null; covered: Date | null; time_zone: string }[] } =
      await db.raw(ARRIVALS, { configId, days: [...days] })
    return rows.map((row) => ({ written: row.written, covered: row.covered, timeZone: row.time_zone }))
  },

  newestDayWithRows: async (configId, upTo) => {
    const [row] = await db('ads_insights_daily')
      .where({ config_id: configId })
      .where('date', '<=', upTo)
      .max<{ date: string | null }[]>('date as date')
    return row?.date ?? null
  },
})
