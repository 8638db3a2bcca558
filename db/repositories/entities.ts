/** Campaigns, ad sets and ads in PostgreSQL. */
import type { Knex } from 'knex'
import type { EntityRef, Level } from '../../shared/core/entity.ts'
import type { DayRange, EntityFacts, EntityRow, EntityStore } from '../../shared/entities/entities.ts'

/** Days of the config without a row of its own after which an imported entity is no longer active. */
const SILENT_DAYS = 7

/**
 * SQL of a date: an imported entity is active on `:day` when it has a row on or after it. It is the 7th
 * newest day, up to `:day`, on which the config has rows; null when it has fewer. Found in 7 steps down the
 * index (config_id, date), however many rows a day has.
 */
export const ACTIVE_SINCE = `(
  with recursive delivered(date, n) as (
    select max(date), 1 from ads_insights_daily where config_id = :configId and date <= :day
    union all
    select (
      select max(i.date) from ads_insights_daily i where i.config_id = :configId and i.date < d.date
    ), n + 1
    from delivered d where n < ${SILENT_DAYS} and d.date is not null
  )
  select date from delivered where n = ${SILENT_DAYS}
)`

const TABLES = {
  campaign: { table: 'ads_campaigns', id: 'campaign_id', parent: 'null' },
  adset: { table: 'ads_adsets', id: 'adset_id', parent: 'e.campaign_id' },
  ad: { table: 'ads_ads', id: 'ad_id', parent: 'e.adset_id' },
} as const satisfies Record<Level, { table: string; id: string; parent: string }>

/** SQL of the status of `e` on `:day`; `active.since` is ACTIVE_SINCE, `s.last_date` its newest row since then. */
export const statusSql = (level: Level): string => `
  case
    when e.status <> 'ACTIVE' then e.status
    -- A source that reports statuses is believed.
    when exists (
      select from ads_entity_status h
      where h.config_id = e.config_id and h.entity_type = '${level}' and h.entity_id = e.${TABLES[level].id}
    ) then e.status
    when (select since from active) is null or s.last_date >= (select since from active) then 'ACTIVE'
    else 'INACTIVE'
  end`

const selection = (level: Level): string => {
  const { id, parent } = TABLES[level]
  return `
  e.${id} as id, ${parent} as parent_id, e.campaign_id, e.name, ${statusSql(level)} as status,
  coalesce(s.spend, 0) as spend, coalesce(s.leads, 0) as leads`
}

const SUMS = `max(i.date) as last_date,
    sum(i.spend) filter (where i.date between :from and :to) as spend,
    sum(i.leads) filter (where i.date between :from and :to) as leads`

const levelSql = (level: Level): string => {
  const { table, id } = TABLES[level]
  return `
with active as (select ${ACTIVE_SINCE} as since)
select ${selection(level)}
from ${table} e
left join (
  select i.${id}, ${SUMS}
  from ads_insights_daily i
  where i.config_id = :configId and i.date >= least((select since from active), cast(:from as date))
  group by i.${id}
) s on s.${id} = e.${id}
where e.config_id = :configId
order by spend desc, e.name, e.${id}`
}

const oneSql = (level: Level): string => {
  const { table, id } = TABLES[level]
  return `
with active as (select ${ACTIVE_SINCE} as since)
select ${selection(level)},
  e.objective, e.daily_budget, e.lifetime_budget, e.targeting, e.updated_at,
  s.first_date as first_delivery, s.last_date as last_delivery
from ${table} e
left join lateral (
  select ${SUMS}, min(i.date) as first_date
  from ads_insights_daily i
  where i.config_id = :configId and i.${id} = :entityId
) s on true
where e.config_id = :configId and e.${id} = :entityId`
}

interface NodeRow {
  id: string
  parent_id: string | null
  campaign_id: string
  name: string
  status: string
  spend: number
  leads: number
}

interface FactsRow extends NodeRow {
  objective: string | null
  daily_budget: number | null
  lifetime_budget: number | null
  targeting: unknown
  updated_at: Date
  first_delivery: string | null
  last_delivery: string | null
}

const fromNode = (row: NodeRow): EntityRow => ({
  id: row.id,
  parentId: row.parent_id,
  name: row.name,
  status: row.status,
  spend: row.spend,
  leads: row.leads,
})

const fromFacts = (row: FactsRow): EntityFacts => ({
  ...fromNode(row),
  campaignId: row.campaign_id,
  objective: row.objective,
  dailyBudget: row.daily_budget,
  lifetimeBudget: row.lifetime_budget,
  targeting: row.targeting,
  firstDelivery: row.first_delivery,
  lastDelivery: row.last_delivery,
  updatedAt: row.updated_at,
})

export const entities = (db: Knex): EntityStore => ({
  ofLevel: async (configId: number, level: Level, { from, to }: DayRange) => {
    const { rows }: { rows: NodeRow[] } = await db.raw(levelSql(level), { configId, from, to, day: to })
    return rows.map(fromNode)
  },
  one: async ({ configId, entityType, entityId }: EntityRef, { from, to }: DayRange) => {
    const bindings = { configId, entityId, from, to, day: to }
    const { rows }: { rows: FactsRow[] } = await db.raw(oneSql(entityType), bindings)
    return rows[0] ? fromFacts(rows[0]) : null
  },
  exists: async ({ configId, entityType, entityId }: EntityRef) => {
    const { table, id } = TABLES[entityType]
    const row: unknown = await db(table)
      .where({ config_id: configId, [id]: entityId })
      .first('name')
    return row !== undefined
  },
})
