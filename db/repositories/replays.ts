/** What a replay asks of PostgreSQL besides days. */
import type { Knex } from 'knex'
import { toDayNumber, toLocalDate } from '../../shared/core/days.ts'
import type { LocalDate } from '../../shared/core/days.ts'
import type { Level } from '../../shared/core/entity.ts'
import type { NamedEntity } from '../../shared/detection/incident-store.ts'
import type { JudgedFinding, ReplayStore } from '../../shared/replay/replay-store.ts'

const TABLES: Readonly<Record<Level, readonly [table: string, id: string]>> = {
  campaign: ['ads_campaigns', 'campaign_id'],
  adset: ['ads_adsets', 'adset_id'],
  ad: ['ads_ads', 'ad_id'],
}

export const replayStore = (db: Knex): ReplayStore => ({
  span: async (configId) => {
    const { rows } = (await db.raw(
      `select min(date) as first, max(date) as last from ads_insights_daily where config_id = ?`,
      [configId],
    )) as { rows: { first: LocalDate | null; last: LocalDate | null }[] }
    const [row] = rows
    return row?.first && row.last ? { first: toDayNumber(row.first), last: toDayNumber(row.last) } : null
  },

  entities: async (configId, from, to) => {
    const { rows } = (await db.raw(
      `select (count(distinct ad_id) + count(distinct adset_id) + count(distinct campaign_id))::int as entities
       from ads_insights_daily where config_id = ? and date between ? and ?`,
      [configId, toLocalDate(from), toLocalDate(to)],
    )) as { rows: { entities: number }[] }
    return rows[0]?.entities ?? 0
  },

  names: async (configId, level) => {
    const [table, id] = TABLES[level]
    const rows = (await db(table)
      .where({ config_id: configId })
      .select({ entityId: id, name: 'name' })) as Omit<NamedEntity, 'entityType'>[]
    return rows.map((row) => ({ ...row, entityType: level }))
  },

  verdicts: async (configId, from, to) => {
    const { rows } = (await db.raw(
      `select * from (
         select distinct on (a.id) a.anomaly_date as day, a.entity_type as "entityType",
           a.entity_id as "entityId", a.metric, f.verdict
         from ml_anomalies a join ml_anomaly_feedback f on f.anomaly_id = a.id
         where a.config_id = ? and a.anomaly_date between ? and ?
         order by a.id, f.id desc
       ) newest
       order by day, "entityType", "entityId" collate "C", metric`,
      [configId, toLocalDate(from), toLocalDate(to)],
    )) as { rows: (Omit<JudgedFinding, 'day'> & { readonly day: LocalDate })[] }
    return rows.map((row) => ({ ...row, day: toDayNumber(row.day) }))
  },
})
