/**
 * Days cut at an hour, as columns straight from SQL: PostgreSQL sums up and answers one row per entity, as for whole
 * days (`frame-days`).
 */
import type { Knex } from 'knex'
import type { HourlyFrame, HourlyHead } from '../../ml/detectors/intraday.ts'
import type { DayNumber } from '../../ml/frame.ts'
import { toLocalDate } from '../../shared/core/days.ts'
import type { Level } from '../../shared/core/entity.ts'
import type { HourlyFrames, HourlyReach, HourlyRequest, HourSet } from '../../shared/detection/intraday.ts'
import { arrayRows } from '../array-rows.ts'
import { activity, groupBy, key, lineage } from './activity.ts'
import { loadHeadFacts } from './frame-heads.ts'
import { familyOf, keep, nextPage, PAGE_ENTITIES } from './frame-pages.ts'
import type { EntityPage } from './frame-pages.ts'

const ID_COLUMN = { campaign: 'campaign_id', adset: 'adset_id', ad: 'ad_id' } as const

/** Hops from hour to hour of the index, however many ads there are, and reads the rows of the newest ones only. */
const REACH_SQL = `
  select d.day::int, covered.hours::int, stamp.at
  from generate_series($2::int, $3::int) as d(day)
  cross join lateral (
    select bit_or(1 << o.hour) as hours, max(o.hour) as newest from generate_series(0, 23) as o(hour)
    where exists (
      select from ads_insights_hourly h
      where h.config_id = $1 and h.date = date '1970-01-01' + d.day and h.hour = o.hour::smallint)
  ) covered
  cross join lateral (
    select max(h.updated_at) as at from ads_insights_hourly h
    where h.config_id = $1 and h.date = date '1970-01-01' + d.day and h.hour = covered.newest::smallint
  ) stamp
  where covered.hours is not null
  order by d.day`

/** Sums of money are exact before they become doubles: these do not depend on the order of the rows. */
const sumsSql = (level: Level): string => `
  select id,
         string_agg(int4send(date - date '1970-01-01'), ''::bytea) as days,
         string_agg(float8send(spend), ''::bytea) as spend,
         string_agg(float8send(leads), ''::bytea) as leads
  from (
    select ${ID_COLUMN[level]} as id, date, sum(spend)::float8 as spend, sum(leads)::float8 as leads
    from ads_insights_hourly
    where config_id = $1 and date = any($2::date[]) and (1 << hour) & $3 <> 0
    group by 1, 2
  ) cut
  group by id`

/** How many are in the set. */
const countOf = (hours: HourSet): number => hours.toString(2).replaceAll('0', '').length

type SumsRow = readonly [id: string, days: Buffer, spend: Buffer, leads: Buffer]

/** The days of one entity's row, as they come. */
const daysOf = ([, days]: SumsRow): DayNumber[] =>
  Array.from({ length: days.length / 4 }, (_, i) => days.readInt32BE(4 * i))

interface Deliveries {
  readonly rows: ReadonlyMap<string, SumsRow>
  readonly request: HourlyRequest
}

/** Heads of those of the page that have rows. */
const headsOf = async (db: Knex, page: EntityPage, { rows, request }: Deliveries): Promise<HourlyHead[]> => {
  const { configId, level, today, days } = request
  const known = keep(
    page,
    page.ids.filter((id) => rows.has(id)),
  )
  if (known.ids.length === 0) return []
  const window = { configId, level, from: days[0] ?? today, to: today, batchSize: PAGE_ENTITIES }
  const facts = await loadHeadFacts(db, window, familyOf(level, known))
  const rangesOf = activity(window, known, facts, (i) => {
    const delivered = daysOf(rows.get(known.ids[i] as string) as SumsRow)
    return [Math.min(...delivered), Math.max(...delivered)]
  })
  const changes = groupBy(
    facts.budgets,
    ([type, id]) => key(type, id),
    ([, , day, ratio]) => ({ day, ratio }),
  )
  return known.ids.map((id, i) => {
    const parentId = known.parentIds[i] ?? null
    const campaignId = known.campaignIds[i] as string
    const family = lineage(level, id, parentId, campaignId)
    return {
      id,
      parentId,
      campaignId,
      activeRanges: rangesOf(i),
      budgetChanges: family.flatMap((member) => changes.get(member) ?? []).toSorted((a, b) => a.day - b.day),
    }
  })
}

const load = async (db: Knex, request: HourlyRequest): Promise<HourlyFrame> => {
  const { configId, level, today, hours } = request
  const days = Int32Array.from(request.days)
  const dates = [...request.days, today].map(toLocalDate)
  const found = await arrayRows<SumsRow>(db, sumsSql(level), [configId, dates, hours])
  const rows = new Map(found.map((row) => [row[0], row]))
  const heads: HourlyHead[] = []
  for (let after = ''; ;) {
    const page = await nextPage(db, { configId, level }, after)
    heads.push(...(await headsOf(db, page, { rows, request })))
    if (page.ids.length < PAGE_ENTITIES) break
    after = page.ids.at(-1) as string
  }

  const width = days.length + 1
  const cellOf = new Map([...request.days, today].map((day, i) => [day, i]))
  const spend = new Float64Array(heads.length * width).fill(Number.NaN)
  const leads = new Float64Array(heads.length * width).fill(Number.NaN)
  heads.forEach(({ id, activeRanges }, entity) => {
    for (const [day, i] of cellOf) {
      if (!activeRanges.some(([from, to]) => from <= day && day <= to)) continue
      spend[entity * width + i] = 0
      leads[entity * width + i] = 0
    }
    const row = rows.get(id) as SumsRow
    daysOf(row).forEach((day, i) => {
      const cell = entity * width + (cellOf.get(day) as number)
      spend[cell] = row[2].readDoubleBE(8 * i)
      leads[cell] = row[3].readDoubleBE(8 * i)
    })
  })
  return { today, hours: countOf(hours), days, heads, spend, leads }
}

export const hourlyFrames = (db: Knex): HourlyFrames => ({
  reach: async (configId, from, to) => {
    const rows = await arrayRows<readonly [DayNumber, HourSet, Date]>(db, REACH_SQL, [configId, from, to])
    return rows.map(([day, hours, writtenAt]): HourlyReach => ({ day, hours, writtenAt }))
  },
  load: (request) => load(db, request),
})
