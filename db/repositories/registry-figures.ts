/** Counts over the registry, in one statement. */
import type { Knex } from 'knex'
import type { ReadFigures } from '../../shared/registry/figures.ts'

interface FigureRow {
  readonly series_trained: number
  readonly versions: Record<string, number>
  readonly warned: number
  readonly alerted: number
  readonly average_ms: number | null
  readonly p95_ms: number | null
}

export const registryFigures =
  (db: Knex): ReadFigures =>
  async () => {
    const { rows } = (await db.raw(`
      select
        (select count(*) from series where last_version > 0 and deleted_at is null) as series_trained,
        (select coalesce(jsonb_object_agg(state, n), '{}')
           from (select state, count(*) as n from model_versions group by state) as states) as versions,
        drifting.warned, drifting.alerted, lately.average_ms, lately.p95_ms
      from (
        select avg(duration_ms)::float8 as average_ms,
          percentile_cont(0.95) within group (order by duration_ms) as p95_ms
        from model_versions
        where series_id is not null and created_at > now() - interval '5 minutes'
      ) as lately, (
        select count(*) filter (where drift_level = 'warn') as warned,
          count(*) filter (where drift_level = 'alert') as alerted
        from series where drift_level is not null
      ) as drifting`)) as { readonly rows: readonly [FigureRow] }
    const [row] = rows
    return {
      seriesTrained: row.series_trained,
      versions: row.versions,
      drifting: { warn: row.warned, alert: row.alerted },
      training: { averageMs: row.average_ms, p95Ms: row.p95_ms },
    }
  }
