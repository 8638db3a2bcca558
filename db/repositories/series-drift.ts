/** What was seen of series lately, and what the last look at it found. */
import type { Knex } from 'knex'
import type { ColumnDrift, DriftLevel } from '../../ml/compare/drift.ts'
import type { DriftBins } from '../../ml/series/member.ts'
import type { DriftState, DriftStore, SeenColumn, SeenSeries } from '../../shared/series/drift.ts'
import { assertFence } from '../fence.ts'
import { modelOf } from './series.ts'

/** Every series of the page has a row, so that the page has an end even when none of them answers. */
const SEEN = `
  with page as (
    select distinct series_id from drift_sketches
    where hour >= ? and series_id > ? order by series_id limit ?
  ), summed as (
    select d.series_id, d.version, d.channel, c.place, sum(c.count)::float8 as count
    from page p
    join model_aliases a on a.model = ${modelOf('p.series_id')} and a.alias = 'stable'
    join drift_sketches d on d.series_id = p.series_id and d.version = a.version and d.hour >= ?
    cross join lateral unnest(d.counts) with ordinality as c(count, place)
    group by d.series_id, d.version, d.channel, c.place
  ), columns as (
    select series_id, version, channel, array_agg(count order by place) as counts
    from summed group by series_id, version, channel
  )
  select p.series_id, c.version, c.channel, c.counts, v.drift_edges -> c.channel as trained
  from page p
  left join columns c on c.series_id = p.series_id
  left join model_versions v on v.model = ${modelOf('p.series_id')} and v.version = c.version
  order by p.series_id, c.channel`

const PUT = `
  update series s
  set drift = r.drift, drift_level = case when r.drift ->> 'level' in ('warn', 'alert') then r.drift ->> 'level' end
  from jsonb_to_recordset(cast(? as jsonb)) as r(series_id text, drift jsonb)
  where s.id = r.series_id collate "C" and s.deleted_at is null
    and (s.drift is null or (s.drift ->> 'at')::timestamptz <= (r.drift ->> 'at')::timestamptz)`

const FORGET = `
  update series set drift = null, drift_level = null
  where drift is not null and (drift ->> 'at')::timestamptz < ?`

interface SeenRow {
  readonly series_id: string
  /** Null, as what follows: nothing was seen of the stable version. */
  readonly version: number | null
  readonly channel: string
  readonly counts: readonly number[]
  readonly trained: DriftBins | null
}

/** As the column keeps it. */
interface StoredDrift {
  readonly version: number
  readonly at: string
  readonly level: DriftLevel | null
  readonly kl: number | null
  readonly columns: Readonly<Record<string, ColumnDrift>>
}

export const seriesDriftStore = (db: Knex): DriftStore => ({
  seen: async (since, after, limit) => {
    const { rows } = (await db.raw(SEEN, [since, after, limit, since])) as { rows: SeenRow[] }
    const series: (SeenSeries & { readonly columns: SeenColumn[] })[] = []
    const ids = new Set<string>()
    for (const { series_id: seriesId, version, channel, counts, trained } of rows) {
      ids.add(seriesId)
      if (version === null) continue
      if (series.at(-1)?.seriesId !== seriesId) series.push({ seriesId, version, columns: [] })
      series.at(-1)?.columns.push({ column: channel, counts, trained })
    }
    return { series, next: ids.size < limit ? null : (rows.at(-1)?.series_id ?? null) }
  },

  put: (states, fence) =>
    db.transaction(async (trx) => {
      await assertFence(trx, fence)
      await trx.raw(PUT, [
        JSON.stringify(states.map(({ seriesId, ...drift }) => ({ series_id: seriesId, drift }))),
      ])
    }),

  forgetBefore: (at, fence) =>
    db.transaction(async (trx) => {
      await assertFence(trx, fence)
      await trx.raw(FORGET, [at])
    }),

  of: async (seriesId) => {
    const { rows } = (await db.raw(
      `select s.drift, a.version as stable
       from series s left join model_aliases a on a.model = ${modelOf('s.id')} and a.alias = 'stable'
       where s.id = ? and s.deleted_at is null`,
      [seriesId],
    )) as { rows: { drift: StoredDrift | null; stable: number | null }[] }
    const [row] = rows
    if (!row) return null
    const drift: DriftState | null = row.drift && { ...row.drift, at: new Date(row.drift.at) }
    return { stable: row.stable, drift }
  },
})
