/** Daily figures in PostgreSQL, grouped to the level asked for. */
import type { Knex } from 'knex'
import type { Level } from '../../shared/core/entity.ts'
import type { DailySums, InsightStore } from '../../shared/entities/insights.ts'

const ID = { campaign: 'campaign_id', adset: 'adset_id', ad: 'ad_id' } as const satisfies Record<
  Level,
  string
>

interface SumsRow {
  entity_id: string
  date: string
  spend: number
  impressions: number
  clicks: number
  leads: number
  reach: number | null
  summed_reach: number | null
}

const fromRow = (row: SumsRow): DailySums => ({
  entityId: row.entity_id,
  date: row.date,
  spend: row.spend,
  impressions: row.impressions,
  clicks: row.clicks,
  leads: row.leads,
  reach: row.reach,
  summedReach: row.summed_reach,
})

const filterSql = (level: Level, entityId: string | null): string =>
  `i.config_id = :configId and i.date between :from and :to${entityId === null ? '' : ` and i.${ID[level]} = :entityId`}`

const dailySql = (level: Level, entityId: string | null, after: boolean): string => {
  const id = `i.${ID[level]}`
  return `
select d.*, r.reach
from (
  select i.date, ${id} as entity_id, sum(i.spend) as spend, sum(i.impressions) as impressions,
    sum(i.clicks) as clicks, sum(i.leads) as leads, sum(i.reach) as summed_reach
  from ads_insights_daily i
  where ${filterSql(level, entityId)}
    ${after ? `and (i.date, ${id}) < (cast(:afterDate as date), :afterId)` : ''}
  group by i.date, ${id}
  order by i.date desc, ${id} desc
  limit :limit offset :offset
) d
left join ads_reach r on r.config_id = :configId and r.entity_type = :level and r.entity_id = d.entity_id
  and r.date = d.date and r.window_days = 1
order by d.date desc, d.entity_id desc`
}

/** Ads have one row a day: nothing to group. */
const countSql = (level: Level, entityId: string | null): string => `
select count(*) as total from (
  select ${level === 'ad' ? '' : 'distinct'} i.date, i.${ID[level]}
  from ads_insights_daily i
  where ${filterSql(level, entityId)}
) d`

export const insights = (db: Knex): InsightStore => ({
  daily: async ({ configId, level, entityId }, range, { limit, offset, after }) => {
    const { rows }: { rows: SumsRow[] } = await db.raw(dailySql(level, entityId, after !== null), {
      configId,
      level,
      ...range,
      ...(entityId === null ? {} : { entityId }),
      ...(after ? { afterDate: after.date, afterId: after.entityId } : {}),
      limit,
      offset,
    })
    return rows.map(fromRow)
  },
  countDaily: async ({ configId, level, entityId }, range) => {
    const { rows }: { rows: { total: number }[] } = await db.raw(countSql(level, entityId), {
      configId,
      ...range,
      ...(entityId === null ? {} : { entityId }),
    })
    return rows[0]?.total ?? 0
  },
})
