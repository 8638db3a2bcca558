/**
 * Days of a page of entities, decoded from whole columns in PostgreSQL's binary forms.
 *
 * They are found through the ads of the page and the unique index (config, ad, date): on an account of 10,000
 * entities that took a quarter of the time of the plan PostgreSQL chose on its own, and its cost does not
 * depend on what else is in the table.
 */
import type { Knex } from 'knex'
import type { DailyFrame } from '../../ml/frame.ts'
import { toLocalDate } from '../../shared/core/days.ts'
import type { Level } from '../../shared/core/entity.ts'
import type { FrameRequest } from '../../shared/entities/frames.ts'
import { arrayRows } from '../array-rows.ts'

/**
 * Sums of money stay `numeric` until they are here: sums of doubles would depend on the order the rows happen
 * to lie in. Counts are exact as doubles.
 */
const DAILY_SQL: Record<Level, string> = {
  ad: `
    select ad_id as id, date, spend, impressions::float8 as impressions, clicks::float8 as clicks,
           leads::float8 as leads, reach::float8 as reach
    from ads_insights_daily
    where config_id = $1 and date between $2 and $3 and ad_id = any($4)
    order by ad_id, date`,
  adset: groupedSql('adset_id'),
  campaign: groupedSql('campaign_id'),
}

function groupedSql(column: 'adset_id' | 'campaign_id'): string {
  return `
    select ${column} as id, date, sum(spend) as spend, sum(impressions::float8) as impressions,
           sum(clicks::float8) as clicks, sum(leads::float8) as leads, sum(reach::float8) as reach
    from ads_insights_daily
    where config_id = $1 and date between $2 and $3 and ${column} = any($4)
      and ad_id = any(array(select ad_id from ads_ads where config_id = $1 and ${column} = any($4)))
    group by ${column}, date
    order by ${column}, date`
}

/** Whole columns in wire format. string_agg takes rows as they come, and they come sorted; `decodeDays` checks that. */
const COLUMNS_SQL = `
         string_agg(int4send(date - date '1970-01-01'), ''::bytea) as days,
         string_agg(numeric_send(spend), ''::bytea) as spend,
         string_agg(float8send(impressions), ''::bytea) as impressions,
         string_agg(float8send(clicks), ''::bytea) as clicks,
         string_agg(float8send(leads), ''::bytea) as leads,
         string_agg(float8send(coalesce(reach, 'NaN')), ''::bytea) as reach`

/** The days $2..$3 of those of the entities $4 of config $1 that have any. */
export const daysSql = (level: Level): string => `
  select id, ${COLUMNS_SQL}
  from (${DAILY_SQL[level]}) as daily
  group by id`

/** The same of ads, by where they were delivered: ids of ad set and campaign after the columns. */
export const PLACED_DAYS_SQL = `
  select id, ${COLUMNS_SQL}, adset_id, campaign_id
  from (
    select ad_id as id, adset_id, campaign_id, date, spend, impressions::float8 as impressions,
           clicks::float8 as clicks, leads::float8 as leads, reach::float8 as reach
    from ads_insights_daily
    where config_id = $1 and date between $2 and $3 and ad_id = any($4)
    order by ad_id, adset_id, campaign_id, date) as daily
  group by id, adset_id, campaign_id
  order by id, adset_id, campaign_id`

export type DaysRow = readonly [string, Buffer, Buffer, Buffer, Buffer, Buffer, Buffer]
export type PlacedDaysRow = readonly [...DaysRow, adsetId: string, campaignId: string]

/** Delivered reach: day, window in days and people, in parallel. */
export type ReachRow = readonly [string, Buffer, Buffer, Buffer]

/** Delivered reach of the days $2..$3 of those of the entities $4 of level $5 of config $1 that have any. */
export const REACH_SQL = `
  select entity_id as id,
         string_agg(int4send(date - date '1970-01-01'), ''::bytea) as reach_days,
         string_agg(int4send(window_days), ''::bytea) as reach_windows,
         string_agg(float8send(reach::float8), ''::bytea) as reached
  from ads_reach
  where config_id = $1 and entity_type = $5 and date between $2 and $3 and entity_id = any($4)
  group by entity_id`

/**
 * PostgreSQL's binary numeric (numeric_send): int16 count of base-10000 digits, weight of the first, sign,
 * display scale, then the digits. Two decimals are one division of whole numbers, so the result is the double
 * nearest to the decimal.
 * @returns the offset after it
 */
const readNumeric = (cell: Buffer, offset: number, into: Float64Array, row: number): number => {
  const digits = cell.readInt16BE(offset)
  const weight = cell.readInt16BE(offset + 2)
  const negative = cell.readUInt16BE(offset + 4) === 0x4000
  let whole = 0
  for (let i = 0; i < digits; i++) whole = whole * 10_000 + cell.readInt16BE(offset + 8 + 2 * i)
  const exponent = digits === 0 ? 0 : weight - digits + 1
  const value = exponent < 0 ? whole / 10_000 ** -exponent : whole * 10_000 ** exponent
  into[row] = negative ? -value : value
  return offset + 8 + 2 * digits
}

export const newColumns = (rows: number): DailyFrame => ({
  days: new Int32Array(rows),
  spend: new Float64Array(rows),
  impressions: new Float64Array(rows),
  clicks: new Float64Array(rows),
  leads: new Float64Array(rows),
  reach: new Float64Array(rows),
  reach7: new Float64Array(rows).fill(Number.NaN),
})

const bytesOf = (column: Int32Array | Float64Array): Buffer =>
  Buffer.from(column.buffer, column.byteOffset, column.byteLength)

const COPIED = ['impressions', 'clicks', 'leads', 'reach'] as const

/** The rows' columns end to end, and where each entity's begin. */
export const decodeDays = (
  rows: readonly (DaysRow | PlacedDaysRow)[],
): { columns: DailyFrame; offsets: Int32Array } => {
  const offsets = new Int32Array(rows.length + 1)
  for (const [i, row] of rows.entries()) offsets[i + 1] = (offsets[i] as number) + row[1].length / 4
  const columns = newColumns(offsets[rows.length] as number)
  const dayBytes = bytesOf(columns.days)
  const targets = COPIED.map((name) => bytesOf(columns[name]))
  for (const [i, row] of rows.entries()) {
    const first = offsets[i] as number
    const end = offsets[i + 1] as number
    row[1].copy(dayBytes, first * 4)
    for (let at = 0, day = first; day < end; day++) at = readNumeric(row[2], at, columns.spend, day)
    targets.forEach((target, k) => (row[3 + k] as Buffer).copy(target, first * 8))
  }
  dayBytes.swap32()
  for (const target of targets) target.swap64()
  for (const [i, row] of rows.entries()) {
    for (let day = (offsets[i] as number) + 1; day < (offsets[i + 1] as number); day++) {
      if ((columns.days[day] as number) <= (columns.days[day - 1] as number))
        throw new Error(`days of ${row[0]} did not come in order`)
    }
  }
  return { columns, offsets }
}

/** Delivered reach wins over the sum of the ads'. */
export const overlayReach = (
  { columns, offsets }: { columns: DailyFrame; offsets: Int32Array },
  indexOf: ReadonlyMap<string, number>,
  rows: readonly ReachRow[],
): void => {
  for (const [id, days, windows, reach] of rows) {
    const entity = indexOf.get(id)
    if (entity === undefined) continue
    const first = offsets[entity] as number
    const own = columns.days.subarray(first, offsets[entity + 1])
    for (let i = 0; i < days.length / 4; i++) {
      const row = own.indexOf(days.readInt32BE(i * 4))
      if (row < 0) continue
      const column = windows.readInt32BE(i * 4) === 1 ? columns.reach : columns.reach7
      column[first + row] = reach.readDoubleBE(i * 8)
    }
  }
}

/** The days of those of `ids` that have any in the request's window: their ids, and their columns end to end. */
export interface PageDays {
  readonly ids: readonly string[]
  readonly columns: DailyFrame
  /** ids.length + 1 offsets into the columns. */
  readonly offsets: Int32Array
}

/** In the order of `ids`. */
export const readDays = async (
  db: Knex,
  { configId, level, from, to }: FrameRequest,
  ids: readonly string[],
): Promise<PageDays> => {
  const window = [configId, toLocalDate(from), toLocalDate(to)]
  const [rows, reaches] = await Promise.all([
    arrayRows<DaysRow>(db, daysSql(level), [...window, ids]),
    arrayRows<ReachRow>(db, REACH_SQL, [...window, ids, level]),
  ])
  const found = new Map(rows.map((row) => [row[0], row]))
  const kept = ids.filter((id) => found.has(id))
  const frames = decodeDays(kept.map((id) => found.get(id) as DaysRow))
  overlayReach(frames, new Map(kept.map((id, i) => [id, i])), reaches)
  return { ids: kept, ...frames }
}
