/**
 * What features are made of, in two queries per batch: who the entities are, then their days. The batch ends
 * with a campaign, so that everyone's siblings are in it.
 */
import type { Knex } from 'knex'
import type { BudgetOwner } from '../../ml/features/entity-features.ts'
import type { FeatureBatch, FeatureHead, FirstWeek } from '../../ml/features/feature-batch.ts'
import { FEATURE_DAYS } from '../../ml/features/compute-features.ts'
import type { DayNumber } from '../../ml/frame.ts'
import { toLocalDate } from '../../shared/core/days.ts'
import type { Level } from '../../shared/core/entity.ts'
import type { FeatureRequest, FeatureSource } from '../../shared/features/feature-source.ts'
import { arrayRows } from '../array-rows.ts'
import { activity, NEWEST_DAYS_SQL, statusSql } from './activity.ts'
import type { Delivery, StatusRow } from './activity.ts'
import { daysSql, decodeDays, overlayReach, REACH_SQL } from './frame-days.ts'
import type { DaysRow, ReachRow } from './frame-days.ts'
import { PAGE_SQL } from './frame-pages.ts'

/** Entities after which a batch ends with its campaign: their 30 days are about 3 MB. */
const BATCH_ENTITIES = 2000

const SHORT = { campaign: 'c', adset: 's', ad: 'a' } as const
const ID = { campaign: 'campaign_id', adset: 'adset_id', ad: 'ad_id' } as const
const TABLE = { campaign: 'ads_campaigns', adset: 'ads_adsets', ad: 'ads_ads' } as const

const hasBudget = (table: string): string =>
  `(${table}.daily_budget > 0 or ${table}.lifetime_budget > 0) is true`

const STATUS_AMONG: Record<Level, Record<Level, string>> = {
  campaign: {
    ad: 'is null',
    adset: 'is null',
    campaign: 'in (select id from page)',
  },
  adset: {
    ad: 'is null',
    adset: 'in (select id from page)',
    campaign: 'in (select campaign_id from page)',
  },
  ad: {
    ad: 'in (select id from page)',
    adset: 'in (select parent_id from page)',
    campaign: 'in (select campaign_id from page)',
  },
}

/**
 * One row: the entities with their budget's owner and targeting, their and their ancestors' status spans, and the
 * config's newest days. $1 config, $2 D, $3 campaign to go on after, $4 chosen entities or null for all.
 */
const entitiesSql = (level: Level): string => `
with page as materialized (
  ${PAGE_SQL[level]}
    and ${SHORT[level]}.campaign_id > $3
    and ($4::text[] is null or ${SHORT[level]}.campaign_id in (
      select campaign_id from ${TABLE[level]} where config_id = $1 and ${ID[level]} = any($4)))
  order by campaign_id
  fetch first ${BATCH_ENTITIES} rows with ties
), owners as (
  select c.campaign_id, case
      when ${hasBudget('c')} then 'campaign'
      when exists (
        select from ads_adsets s
        where s.config_id = $1 and s.campaign_id = c.campaign_id and ${hasBudget('s')}
      ) then 'adset'
    end as owner
  from ads_campaigns c
  where c.config_id = $1 and c.campaign_id in (select campaign_id from page)
)
select
  (select json_agg(
      json_build_array(p.id, p.parent_id, p.campaign_id, p.active_now, o.owner, ${level === 'adset' ? 't.targeting' : 'null'})
      order by p.campaign_id, p.parent_id, p.id)
    from page p left join owners o on o.campaign_id = p.campaign_id
    ${level === 'adset' ? 'left join ads_adsets t on t.config_id = $1 and t.adset_id = p.id' : ''}),
  (select json_agg(json_build_array(entity_type, entity_id, first_day, last_day) order by entity_type, entity_id, first_day)
    from (${statusSql(STATUS_AMONG[level])}) statuses),
  (select json_agg(day) from (${NEWEST_DAYS_SQL}) newest)`

type EntityRow = readonly [string, string | null, string, boolean, BudgetOwner | null, unknown]
type EntitiesRow = readonly [
  readonly EntityRow[] | null,
  readonly StatusRow[] | null,
  readonly DayNumber[] | null,
]

const ownDays = (order: 'asc' | 'desc', where: string): string => `
    select i.date from ads_insights_daily i
    where i.config_id = $1 and i.date <= $3 and ${where}
    order by i.date ${order} limit 1`

/** First and last day with a row up to $3, through the ads it has. */
const lifeOfGroup = (column: 'adset_id' | 'campaign_id'): string => `
    select min(oldest.date) as first_day, max(newest.date) as last_day,
           null::float8 as first_spend, null::float8 as first_impressions, null::float8 as first_clicks,
           null::date as first_until
    from ads_ads a
    left join lateral (${ownDays('asc', `i.ad_id = a.ad_id and i.${column} = e.id`)}) oldest on true
    left join lateral (${ownDays('desc', `i.ad_id = a.ad_id and i.${column} = e.id`)}) newest on true
    where a.config_id = $1 and a.${column} = e.id`

/** Of ads also the sums of their first 7 days with impressions. */
const LIFE_SQL: Record<Level, string> = {
  campaign: lifeOfGroup('campaign_id'),
  adset: lifeOfGroup('adset_id'),
  ad: `
    select (${ownDays('asc', 'i.ad_id = e.id')}) as first_day, (${ownDays('desc', 'i.ad_id = e.id')}) as last_day,
           sum(w.spend)::float8 as first_spend, sum(w.impressions)::float8 as first_impressions,
           sum(w.clicks)::float8 as first_clicks, max(w.date) as first_until
    from (
      select i.date, i.spend, i.impressions, i.clicks from ads_insights_daily i
      where i.config_id = $1 and i.ad_id = e.id and i.date <= $3 and i.impressions > 0
      order by i.date limit 7
    ) w`,
}

/** One row per entity of $4, in that order. $1 config, $2 and $3 first and last day, $5 level. */
const batchDaysSql = (level: Level): string => `
with delivered as (${daysSql(level)}), reached as (${REACH_SQL})
select e.id, d.days, d.spend, d.impressions, d.clicks, d.leads, d.reach,
       r.reach_days, r.reach_windows, r.reached,
       life.first_day - date '1970-01-01', life.last_day - date '1970-01-01',
       life.first_spend, life.first_impressions, life.first_clicks, life.first_until - date '1970-01-01'
from unnest($4::text[]) with ordinality as e(id, place)
left join delivered d on d.id = e.id
left join reached r on r.id = e.id
cross join lateral (${LIFE_SQL[level]}) life
order by e.place`

type Cell = Buffer | null
type BatchRow = readonly [
  id: string,
  days: Cell,
  spend: Cell,
  impressions: Cell,
  clicks: Cell,
  leads: Cell,
  reach: Cell,
  reachDays: Cell,
  reachWindows: Cell,
  reached: Cell,
  firstDay: DayNumber | null,
  lastDay: DayNumber | null,
  firstSpend: number | null,
  firstImpressions: number | null,
  firstClicks: number | null,
  firstUntil: DayNumber | null,
]

const NOTHING = Buffer.alloc(0)

const daysOf = ([id, ...cells]: BatchRow): DaysRow => {
  const [days, spend, impressions, clicks, leads, reach] = cells
  return [
    id,
    days ?? NOTHING,
    spend ?? NOTHING,
    impressions ?? NOTHING,
    clicks ?? NOTHING,
    leads ?? NOTHING,
    reach ?? NOTHING,
  ]
}

const reachOf = (row: BatchRow): readonly ReachRow[] => {
  const [id, , , , , , , days, windows, reached] = row
  return days && windows && reached ? [[id, days, windows, reached]] : []
}

const deliveryOf = (row: BatchRow): Delivery | null => {
  const [first, last] = [row[10], row[11]]
  return first === null || last === null ? null : [first, last]
}

const firstWeekOf = (row: BatchRow): FirstWeek | null => {
  const [spend, impressions, clicks, lastDay] = [row[12], row[13], row[14], row[15]]
  return spend === null || impressions === null || clicks === null || lastDay === null
    ? null
    : { spend, impressions, clicks, lastDay }
}

/** Delivered for the 7 days that end on `day`: also where that day has no row of its own. */
const weekReachOf = (row: BatchRow, day: DayNumber): number => {
  for (const [, days, windows, reached] of reachOf(row)) {
    for (let i = 0; i < days.length / 4; i++) {
      if (days.readInt32BE(i * 4) === day && windows.readInt32BE(i * 4) === 7)
        return reached.readDoubleBE(i * 8)
    }
  }
  return Number.NaN
}

const toBatch = (
  { level, day }: FeatureRequest,
  entities: readonly EntityRow[],
  statuses: readonly StatusRow[],
  newestDays: readonly DayNumber[],
  rows: readonly BatchRow[],
): FeatureBatch => {
  const decoded = decodeDays(rows.map(daysOf))
  overlayReach(decoded, new Map(rows.map(([id], i) => [id, i])), rows.flatMap(reachOf))
  const page = {
    ids: entities.map(([id]) => id),
    parentIds: entities.map(([, parentId]) => parentId),
    campaignIds: entities.map(([, , campaignId]) => campaignId),
    activeNow: entities.map(([, , , activeNow]) => activeNow),
  }
  const window = { level, from: day - FEATURE_DAYS + 1, to: day }
  const rangesOf = activity(window, page, { statuses, newestDays }, (i) => deliveryOf(rows[i] as BatchRow))
  const heads = entities.map(([id, parentId, campaignId, , budgetOwner, targeting], i): FeatureHead => {
    const row = rows[i] as BatchRow
    return {
      id,
      parentId,
      campaignId,
      activeRanges: rangesOf(i),
      budgetOwner,
      targeting,
      reach7: weekReachOf(row, day),
      firstWeek: firstWeekOf(row),
    }
  })
  return { heads, ...decoded }
}

async function* readBatches(db: Knex, request: FeatureRequest): AsyncGenerator<FeatureBatch> {
  const { configId, level, day, entityIds } = request
  const to = toLocalDate(day)
  for (let after = ''; ;) {
    const [facts] = await arrayRows<EntitiesRow>(db, entitiesSql(level), [configId, to, after, entityIds])
    const [entities, statuses, newestDays] = facts ?? [null, null, null]
    if (!entities) return
    const ids = entities.map(([id]) => id)
    const values = [configId, toLocalDate(day - FEATURE_DAYS + 1), to, ids, level]
    const rows = await arrayRows<BatchRow>(db, batchDaysSql(level), values)
    yield toBatch(request, entities, statuses ?? [], newestDays ?? [], rows)
    if (entities.length < BATCH_ENTITIES) return
    after = entities.at(-1)?.[2] as string
  }
}

export const featureSource = (db: Knex): FeatureSource => ({
  batches: (request) => readBatches(db, request),
})
