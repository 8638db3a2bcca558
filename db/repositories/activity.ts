/**
 * When entities and their ancestors were ACTIVE all day (ads-domain section 1): by the history of their status,
 * and where nobody wrote one, by when they delivered.
 */
import type { DayNumber, EntityHead } from '../../ml/frame.ts'
import type { Level } from '../../shared/core/entity.ts'
import type { EntityPage } from './frame-pages.ts'

/** An entity nobody has a status history of counts as ACTIVE until so many days of its config passed it by. */
const SILENT_DAYS = 7

/** Type, id, and one span ACTIVE all day; no span on the row of an entity that never was. */
export type StatusRow = readonly [Level, string, DayNumber | null, DayNumber | null]

/**
 * Rows of config $1, by type and id. Adjacent stretches become one before days are counted: a status written
 * twice does not end a day. A day is whole when it begins at or after the stretch did, also where the clocks
 * skip midnight.
 * @param among what the ids of each type must be, e.g. `= any($2)`
 */
export const statusSql = (among: Readonly<Record<Level, string>>): string => `
  with known as (
    select s.entity_type, s.entity_id, c.timezone as zone,
           range_agg(tstzrange(s.from_at, s.to_at)) filter (where s.status = 'ACTIVE') as active
    from ads_entity_status s join ads_configs c on c.id = s.config_id
    where s.config_id = $1 and (
      (s.entity_type = 'ad' and s.entity_id ${among.ad}) or
      (s.entity_type = 'adset' and s.entity_id ${among.adset}) or
      (s.entity_type = 'campaign' and s.entity_id ${among.campaign}))
    group by 1, 2, 3
  ), spans as (
    select entity_type, entity_id, zone, lower(span) as from_at, upper(span) as to_at
    from known left join lateral unnest(active) as span on true
  )
  select entity_type, entity_id,
         (from_at at time zone zone)::date - date '1970-01-01' +
           case when from_at > ((from_at at time zone zone)::date::timestamp at time zone zone) then 1 else 0 end
           as first_day,
         (to_at at time zone zone)::date - date '1970-01-01' - 1 as last_day
  from spans
  order by 1, 2, 3`

/** The newest days up to $2 on which config $1 has rows, found by hopping down the index (config, date). */
export const NEWEST_DAYS_SQL = `
  with recursive hop(date, n) as (
    select max(date), 1 from ads_insights_daily where config_id = $1 and date <= $2::date
    union all
    select (select max(d.date) from ads_insights_daily d where d.config_id = $1 and d.date < hop.date), n + 1
    from hop where n < ${SILENT_DAYS} and hop.date is not null
  )
  select date - date '1970-01-01' as day from hop where date is not null`

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

export const key = (level: Level, id: string): string => `${level} ${id}`

export const groupBy = <T, V>(
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
export const lineage = (
  level: Level,
  id: string,
  parentId: string | null,
  campaignId: string,
): readonly string[] => {
  if (level === 'campaign') return [key('campaign', id)]
  if (level === 'adset') return [key('adset', id), key('campaign', campaignId)]
  return [key('ad', id), key('adset', parentId ?? ''), key('campaign', campaignId)]
}

export interface ActivityFacts {
  readonly statuses: readonly StatusRow[]
  /** As `NEWEST_DAYS_SQL` gives them. */
  readonly newestDays: readonly DayNumber[]
}

/** First and last day with rows, up to the newest day looked at. */
export type Delivery = readonly [first: DayNumber, last: DayNumber]

/** From first row to `to` while ACTIVE, else to the last row; nothing for an entity without rows. */
const rangesByDelivery = (
  delivery: Delivery | null,
  active: boolean,
  newestDays: readonly DayNumber[],
  to: DayNumber,
): Ranges => {
  if (delivery === null) return []
  const [first, last] = delivery
  const silent = newestDays.filter((day) => day > last).length
  return [[first, active && silent < SILENT_DAYS ? to : last]]
}

/** The active ranges of entity `i` of the page. */
export const activity = (
  { level, from, to }: { readonly level: Level; readonly from: DayNumber; readonly to: DayNumber },
  page: EntityPage,
  facts: ActivityFacts,
  deliveryOf: (entity: number) => Delivery | null,
): ((entity: number) => Ranges) => {
  const known = groupBy(
    facts.statuses,
    ([type, id]) => key(type, id),
    ([, , first, last]): readonly [DayNumber, DayNumber] | null => {
      const span = [Math.max(first ?? to + 1, from), Math.min(last ?? to, to)] as const
      return first !== null && span[0] <= span[1] ? span : null
    },
  )
  return (i) => {
    const family = lineage(
      level,
      page.ids[i] as string,
      page.parentIds[i] ?? null,
      page.campaignIds[i] as string,
    )
    const [own, ...ancestors] = family.map((member) => known.get(member)?.filter((span) => span !== null))
    const self = own ?? rangesByDelivery(deliveryOf(i), page.activeNow[i] as boolean, facts.newestDays, to)
    return ancestors.reduce<Ranges>((all, spans) => (spans ? intersect(all, spans) : all), self)
  }
}
