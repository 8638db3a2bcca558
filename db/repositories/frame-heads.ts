/**
 * What a detector must know of entities besides their numbers: when they and their ancestors were active, what
 * a lead costs their ancestors, and changes of budget. Each is one query for a page of entities.
 */
import type { Knex } from 'knex'
import type { BudgetChange, DayNumber, EntityHead } from '../../ml/frame.ts'
import { toLocalDate } from '../../shared/core/days.ts'
import type { Level } from '../../shared/core/entity.ts'
import type { FrameRequest } from '../../shared/entities/frames.ts'
import { arrayRows } from '../array-rows.ts'
import type { EntityPage } from './frame-pages.ts'

/** An entity nobody has a status history of counts as ACTIVE until so many days of its config passed it by. */
const SILENT_DAYS = 7

interface SpendAndLeads {
  spend: number
  leads: number
}

/** What the ancestors of a request's entities spent and got over the reference window. */
export interface AncestorTotals {
  readonly adsets: ReadonlyMap<string, SpendAndLeads>
  readonly campaigns: ReadonlyMap<string, SpendAndLeads>
  account(): Promise<SpendAndLeads>
}

type TotalsRow = readonly [string | null, string | null, number, number]

const add = (map: Map<string, SpendAndLeads>, id: string | null, spend: number, leads: number): void => {
  if (id === null) return
  const total = map.get(id) ?? { spend: 0, leads: 0 }
  total.spend += spend
  total.leads += leads
  map.set(id, total)
}

/** @param campaignIds null: all of the account */
export const loadTotals = async (
  db: Knex,
  { configId, level, from, to, refFrom = from, refTo = to }: FrameRequest,
  campaignIds: readonly string[] | null,
): Promise<AncestorTotals> => {
  const window = [configId, toLocalDate(refFrom), toLocalDate(refTo)]
  const totalsBy = (campaign: string, adset: string, where: string, values: readonly unknown[]) =>
    arrayRows<TotalsRow>(
      db,
      `select ${campaign}, ${adset}, sum(spend)::float8, sum(leads::float8)
       from ads_insights_daily where config_id = $1 and date between $2 and $3 ${where} group by 1, 2 order by 1, 2`,
      values,
    )
  const adsets = new Map<string, SpendAndLeads>()
  const campaigns = new Map<string, SpendAndLeads>()
  if (level !== 'campaign') {
    const adset = level === 'ad' ? 'adset_id' : 'null::text'
    const rows = campaignIds
      ? await totalsBy(
          'campaign_id',
          adset,
          'and ad_id = any(array(select ad_id from ads_ads where config_id = $1 and campaign_id = any($4)))',
          [...window, campaignIds],
        )
      : await totalsBy('campaign_id', adset, '', window)
    for (const [campaignId, adsetId, spend, leads] of rows) {
      add(campaigns, campaignId, spend, leads)
      add(adsets, adsetId, spend, leads)
    }
  }
  let account: Promise<SpendAndLeads> | undefined
  const loadAccount = async (): Promise<SpendAndLeads> => {
    const [row] = await totalsBy('null::text', 'null::text', '', window)
    return { spend: row?.[2] ?? 0, leads: row?.[3] ?? 0 }
  }
  return { adsets, campaigns, account: () => (account ??= loadAccount()) }
}

/** Type, id, and one span ACTIVE all day; no span on the row of an entity that never was. */
type StatusRow = readonly [Level, string, DayNumber | null, DayNumber | null]

/**
 * Adjacent stretches become one before days are counted: a status written twice does not end a day. A day is
 * whole when it begins at or after the stretch did, also where the clocks skip midnight.
 */
const STATUS_SQL = `
  with known as (
    select s.entity_type, s.entity_id, c.timezone as zone,
           range_agg(tstzrange(s.from_at, s.to_at)) filter (where s.status = 'ACTIVE') as active
    from ads_entity_status s join ads_configs c on c.id = s.config_id
    where s.config_id = $1 and (
      (s.entity_type = 'ad' and s.entity_id = any($2)) or
      (s.entity_type = 'adset' and s.entity_id = any($3)) or
      (s.entity_type = 'campaign' and s.entity_id = any($4)))
    group by 1, 2, 3
  ), spans as (
    select entity_type, entity_id, zone, lower(span) as from_at, upper(span) as to_at
    from known left join lateral unnest(active) as span on true
  )
  select entity_type, entity_id,
         (from_at at time zone zone)::date - date '1970-01-01' +
           case when from_at > ((from_at at time zone zone)::date::timestamp at time zone zone) then 1 else 0 end,
         (to_at at time zone zone)::date - date '1970-01-01' - 1
  from spans
  order by 1, 2, 3`

type BudgetRow = readonly [Level, string, DayNumber, number]

const BUDGET_SQL = `
  select b.entity_type, b.entity_id, (b.changed_at at time zone c.timezone)::date - date '1970-01-01',
         b.new::float8 / b.old::float8
  from ads_budget_changes b join ads_configs c on c.id = b.config_id
  where b.config_id = $1 and b.old > 0 and (
    (b.entity_type = 'ad' and b.entity_id = any($2)) or
    (b.entity_type = 'adset' and b.entity_id = any($3)) or
    (b.entity_type = 'campaign' and b.entity_id = any($4)))
    and (b.changed_at at time zone c.timezone)::date between $5 and $6
  order by b.changed_at, b.id`

/** The config's days with rows, found by hopping from one to the next in the index (config, date). */
const CONFIG_DAYS_SQL = `
  with recursive hop as (
    (select date from ads_insights_daily where config_id = $1 and date between $2 and $3 order by date limit 1)
    union all
    select (select d.date from ads_insights_daily d
            where d.config_id = $1 and d.date > hop.date and d.date <= $3 order by d.date limit 1)
    from hop where hop.date is not null
  )
  select date - date '1970-01-01' from hop where date is not null`

type Ranges = EntityHead['activeRanges']

/** Days in both; both ascending and without overlap. */
const intersect = (a: Ranges, b: Ranges): Ranges => {
  const both: [DayNumber, DayNumber][] = []
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const [fromA, toA] = a[i] as readonly [DayNumber, DayNumber]
    const [fromB, toB] = b[j] as readonly [DayNumber, DayNumber]
    const from = Math.max(fromA, fromB)
    const to = Math.min(toA, toB)
    if (from <= to) both.push([from, to])
    if (toA < toB) i++
    else j++
  }
  return both
}

const key = (level: Level, id: string): string => `${level} ${id}`

const groupBy = <T, V>(
  rows: readonly T[],
  keyOf: (row: T) => string,
  valueOf: (row: T) => V,
): Map<string, V[]> => {
  const groups = new Map<string, V[]>()
  for (const row of rows) {
    const values = groups.get(keyOf(row))
    if (values) values.push(valueOf(row))
    else groups.set(keyOf(row), [valueOf(row)])
  }
  return groups
}

/** `entity_type id` of an entity and its ancestors, itself first. */
const lineage = (
  level: Level,
  id: string,
  parentId: string | null,
  campaignId: string,
): readonly string[] => {
  if (level === 'campaign') return [key('campaign', id)]
  if (level === 'adset') return [key('adset', id), key('campaign', campaignId)]
  return [key('ad', id), key('adset', parentId ?? ''), key('campaign', campaignId)]
}

export interface HeadFacts {
  readonly statuses: readonly StatusRow[]
  readonly budgets: readonly BudgetRow[]
  readonly configDays: readonly DayNumber[]
}

export const loadHeadFacts = async (
  db: Knex,
  request: FrameRequest,
  page: EntityPage,
): Promise<HeadFacts> => {
  const { configId, level } = request
  const window = [toLocalDate(request.from), toLocalDate(request.to)]
  const ids = [
    level === 'ad' ? page.ids : [],
    level === 'adset' ? page.ids : level === 'ad' ? [...new Set(page.parentIds)] : [],
    [...new Set(page.campaignIds)],
  ]
  const statuses = await arrayRows<StatusRow>(db, STATUS_SQL, [configId, ...ids])
  const budgets = await arrayRows<BudgetRow>(db, BUDGET_SQL, [configId, ...ids, ...window])
  const days = await arrayRows<readonly [DayNumber]>(db, CONFIG_DAYS_SQL, [configId, ...window])
  return { statuses, budgets, configDays: days.map(([day]) => day) }
}

/** From first row to `to` while ACTIVE, else to the last row; nothing for an entity without rows. */
const rangesByDelivery = (
  days: Int32Array,
  active: boolean,
  configDays: readonly DayNumber[],
  to: DayNumber,
): Ranges => {
  const first = days[0]
  const last = days.at(-1)
  if (first === undefined || last === undefined) return []
  const silent = configDays.filter((day) => day > last).length
  return [[first, active && silent < SILENT_DAYS ? to : last]]
}

const costPerLead = (total: SpendAndLeads | undefined): number | null =>
  total && total.leads > 0 ? total.spend / total.leads : null

export const makeHeads = async (
  { level, from, to }: FrameRequest,
  page: EntityPage,
  daysOf: (entity: number) => Int32Array,
  facts: HeadFacts,
  totals: AncestorTotals,
): Promise<readonly EntityHead[]> => {
  const known = groupBy(
    facts.statuses,
    ([type, id]) => key(type, id),
    ([, , first, last]): readonly [DayNumber, DayNumber] | null => {
      const span = [Math.max(first ?? to + 1, from), Math.min(last ?? to, to)] as const
      return first !== null && span[0] <= span[1] ? span : null
    },
  )
  const changes = groupBy(
    facts.budgets,
    ([type, id]) => key(type, id),
    ([, , day, ratio]): BudgetChange => ({ day, ratio }),
  )
  const heads: EntityHead[] = []
  for (const [i, id] of page.ids.entries()) {
    const parentId = page.parentIds[i] ?? null
    const campaignId = page.campaignIds[i] as string
    const family = lineage(level, id, parentId, campaignId)
    const [own, ...ancestors] = family.map((member) => known.get(member)?.filter((span) => span !== null))
    const self = own ?? rangesByDelivery(daysOf(i), page.activeNow[i] as boolean, facts.configDays, to)
    heads.push({
      id,
      parentId,
      campaignId,
      activeRanges: ancestors.reduce<Ranges>((all, spans) => (spans ? intersect(all, spans) : all), self),
      ancestorCpl:
        (level === 'ad' ? costPerLead(totals.adsets.get(parentId ?? '')) : null) ??
        (level === 'campaign' ? null : costPerLead(totals.campaigns.get(campaignId))) ??
        costPerLead(await totals.account()),
      budgetChanges: family.flatMap((member) => changes.get(member) ?? []).toSorted((a, b) => a.day - b.day),
    })
  }
  return heads
}
