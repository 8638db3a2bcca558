/**
 * The days of whole campaigns at all levels. Only those of the ads are read: what they add up to is made here, row by
 * row in the ad set and the campaign it was delivered in. Money is added in whole cents, so that sums are exact.
 */
import type { Knex } from 'knex'
import type { DailyFrame, FrameBatch } from '../../ml/frame.ts'
import { mapBounded } from '../../shared/core/bounded.ts'
import { toLocalDate } from '../../shared/core/days.ts'
import type { Level } from '../../shared/core/entity.ts'
import type { AccountFramesRequest } from '../../shared/detection/account-source.ts'
import { arrayRows } from '../array-rows.ts'
import { decodeDays, newColumns, overlayReach, PLACED_DAYS_SQL } from './frame-days.ts'
import type { PlacedDaysRow, ReachRow } from './frame-days.ts'
import { loadAccountTotal, loadHeadFacts, makeHeads } from './frame-heads.ts'
import type { AncestorTotals, SpendAndLeads } from './frame-heads.ts'
import { entitiesOf, keep } from './frame-pages.ts'

/** Ads per query: it bounds memory in the server, and two run at once. */
const READ_ADS = 250
const READS_AT_ONCE = 2

type ByLevel<T> = Readonly<Record<Level, T>>

const ofLevels = <T>(make: (level: Level) => T): ByLevel<T> => ({
  campaign: make('campaign'),
  adset: make('adset'),
  ad: make('ad'),
})

/** Delivered reach of the days $2..$3 of those of the ads $4, ad sets $5 and campaigns $6 of config $1 that have any. */
const REACH_SQL = `
  select entity_type, entity_id,
         string_agg(int4send(date - date '1970-01-01'), ''::bytea),
         string_agg(int4send(window_days), ''::bytea),
         string_agg(float8send(reach::float8), ''::bytea)
  from ads_reach
  where config_id = $1 and date between $2 and $3 and (
    (entity_type = 'ad' and entity_id = any($4)) or
    (entity_type = 'adset' and entity_id = any($5)) or
    (entity_type = 'campaign' and entity_id = any($6)))
  group by entity_type, entity_id`

/** Days of entities end to end. */
interface EntityDays {
  readonly ids: readonly string[]
  readonly columns: DailyFrame
  readonly offsets: Int32Array
}

/** Sums by entity and day: cell = entity x width + day. */
interface Sums {
  readonly indexOf: ReadonlyMap<string, number>
  readonly width: number
  /** Whether the cell has a row. */
  readonly seen: Uint8Array
  readonly cents: Float64Array
  readonly impressions: Float64Array
  readonly clicks: Float64Array
  readonly leads: Float64Array
  /** NaN while no row says it. */
  readonly reach: Float64Array
}

const newSums = (ids: readonly string[], width: number): Sums => {
  const cells = ids.length * width
  return {
    indexOf: new Map(ids.map((id, i) => [id, i])),
    width,
    seen: new Uint8Array(cells),
    cents: new Float64Array(cells),
    impressions: new Float64Array(cells),
    clicks: new Float64Array(cells),
    leads: new Float64Array(cells),
    reach: new Float64Array(cells).fill(Number.NaN),
  }
}

const centsOf = (money: number): number => Math.round(money * 100)

/** Adds rows [first, end) to an entity's, those from day `from` on. */
const addRows = (
  sums: Sums,
  id: string,
  rows: DailyFrame,
  first: number,
  end: number,
  from: number,
): void => {
  const entity = sums.indexOf.get(id)
  if (entity === undefined) return
  const { seen, cents, impressions, clicks, leads, reach } = sums
  for (let row = first; row < end; row++) {
    const day = (rows.days[row] as number) - from
    if (day < 0) continue
    const cell = entity * sums.width + day
    seen[cell] = 1
    cents[cell] = (cents[cell] as number) + centsOf(rows.spend[row] as number)
    impressions[cell] = (impressions[cell] as number) + (rows.impressions[row] as number)
    clicks[cell] = (clicks[cell] as number) + (rows.clicks[row] as number)
    leads[cell] = (leads[cell] as number) + (rows.leads[row] as number)
    const reached = rows.reach[row] as number
    const before = reach[cell] as number
    if (!Number.isNaN(reached)) reach[cell] = Number.isNaN(before) ? reached : before + reached
  }
}

/** Of the entities that have a row. */
const toDays = (ids: readonly string[], sums: Sums, from: number): EntityDays => {
  const kept: string[] = []
  const ends: number[] = [0]
  let rows = 0
  ids.forEach((id, entity) => {
    const before = rows
    for (let cell = entity * sums.width; cell < (entity + 1) * sums.width; cell++)
      rows += sums.seen[cell] as number
    if (rows === before) return
    kept.push(id)
    ends.push(rows)
  })
  const columns = newColumns(rows)
  let row = 0
  for (let cell = 0; cell < sums.seen.length; cell++) {
    if (sums.seen[cell] === 0) continue
    columns.days[row] = from + (cell % sums.width)
    columns.spend[row] = (sums.cents[cell] as number) / 100
    columns.impressions[row] = sums.impressions[cell] as number
    columns.clicks[row] = sums.clicks[cell] as number
    columns.leads[row] = sums.leads[cell] as number
    columns.reach[row] = sums.reach[cell] as number
    row++
  }
  return { ids: kept, columns, offsets: Int32Array.from(ends) }
}

/** Adds up in cents. */
const addTotal = (totals: Map<string, SpendAndLeads>, id: string, cents: number, leads: number): void => {
  const total = totals.get(id)
  if (!total) totals.set(id, { spend: cents, leads })
  else {
    total.spend += cents
    total.leads += leads
  }
}

const inMoney = (totals: ReadonlyMap<string, SpendAndLeads>): Map<string, SpendAndLeads> =>
  new Map([...totals].map(([id, { spend, leads }]) => [id, { spend: spend / 100, leads }]))

/** What the rows since `refFrom` add up to. */
const totalsOf = (
  placed: readonly PlacedDaysRow[],
  rows: DailyFrame,
  offsets: Int32Array,
  refFrom: number,
): Pick<AncestorTotals, 'adsets' | 'campaigns'> & { readonly whole: SpendAndLeads } => {
  const adsets = new Map<string, SpendAndLeads>()
  const campaigns = new Map<string, SpendAndLeads>()
  const whole = { spend: 0, leads: 0 }
  placed.forEach((group, i) => {
    let cents = 0
    let leads = 0
    for (let row = offsets[i] as number; row < (offsets[i + 1] as number); row++) {
      if ((rows.days[row] as number) < refFrom) continue
      cents += centsOf(rows.spend[row] as number)
      leads += rows.leads[row] as number
    }
    addTotal(adsets, group[7], cents, leads)
    addTotal(campaigns, group[8], cents, leads)
    whole.spend += cents
    whole.leads += leads
  })
  return {
    adsets: inMoney(adsets),
    campaigns: inMoney(campaigns),
    whole: { spend: whole.spend / 100, leads: whole.leads },
  }
}

/** What groups of rows add up to, each at the id that `idOf` names. */
const addUp = (
  ids: readonly string[],
  placed: readonly PlacedDaysRow[],
  idOf: (group: PlacedDaysRow) => string,
  { rows, offsets }: { readonly rows: DailyFrame; readonly offsets: Int32Array },
  { from, to }: { readonly from: number; readonly to: number },
): EntityDays => {
  const sums = newSums(ids, to - from + 1)
  placed.forEach((group, i) => {
    addRows(sums, idOf(group), rows, offsets[i] as number, offsets[i + 1] as number, from)
  })
  return toDays(ids, sums, from)
}

/** Whether each ad is in one group and they come in the order of `ids`: then the rows are its days already. */
const isInOrder = (ids: readonly string[], placed: readonly PlacedDaysRow[]): boolean => {
  let next = 0
  return placed.every(([id]) => {
    next = ids.indexOf(id, next) + 1
    return next > 0
  })
}

/** In parts of about the same size. */
const parts = (ids: readonly string[]): string[][] => {
  const count = Math.ceil(ids.length / READ_ADS)
  const size = Math.ceil(ids.length / Math.max(1, count))
  return Array.from({ length: count }, (_, i) => ids.slice(i * size, (i + 1) * size))
}

export const readAccountFrames = async (
  db: Knex,
  { configId, campaigns, from, to, refFrom }: AccountFramesRequest,
): Promise<ByLevel<FrameBatch>> => {
  const pages = await entitiesOf(db, configId, campaigns)
  const ids = ofLevels((level) => pages[level].ids)
  const readFacts = async () => ({
    reaches: await arrayRows<readonly [Level, ...ReachRow]>(db, REACH_SQL, [
      configId,
      toLocalDate(from),
      toLocalDate(to),
      ids.ad,
      ids.adset,
      ids.campaign,
    ]),
    ...(await loadHeadFacts(db, { configId, from, to }, ids)),
  })
  // Small questions follow one another while the days are read: every further connection costs more than they do.
  const [groups, { reaches, ...facts }] = await Promise.all([
    mapBounded(parts(ids.ad), READS_AT_ONCE, (some) =>
      arrayRows<PlacedDaysRow>(db, PLACED_DAYS_SQL, [
        configId,
        toLocalDate(Math.min(from, refFrom)),
        toLocalDate(to),
        some,
      ]),
    ),
    readFacts(),
  ])
  const placed = groups.flat()
  const { columns: rows, offsets } = decodeDays(placed)
  const read = { rows, offsets }
  const window = { from, to }
  const days: ByLevel<EntityDays> = {
    campaign: addUp(ids.campaign, placed, (group) => group[8], read, window),
    adset: addUp(ids.adset, placed, (group) => group[7], read, window),
    ad:
      refFrom >= from && isInOrder(ids.ad, placed)
        ? { ids: placed.map(([id]) => id), columns: rows, offsets }
        : addUp(ids.ad, placed, (group) => group[0], read, window),
  }
  const { adsets, campaigns: ofCampaigns, whole } = totalsOf(placed, rows, offsets, refFrom)
  let account: Promise<SpendAndLeads> | undefined
  const totals: AncestorTotals = {
    adsets,
    campaigns: ofCampaigns,
    account: () =>
      (account ??= campaigns === null ? Promise.resolve(whole) : loadAccountTotal(db, configId, refFrom, to)),
  }
  const toBatch = async (level: Level): Promise<FrameBatch> => {
    const { ids: kept, columns, offsets: ends } = days[level]
    overlayReach(
      { columns, offsets: ends },
      new Map(kept.map((id, i) => [id, i])),
      reaches.flatMap(([type, ...reach]) => (type === level ? [reach] : [])),
    )
    const daysOf = (i: number) => columns.days.subarray(ends[i], ends[i + 1])
    const heads = await makeHeads({ level, from, to }, keep(pages[level], kept), daysOf, facts, totals)
    return { heads, offsets: ends, columns }
  }
  const [campaign, adset, ad] = await Promise.all([toBatch('campaign'), toBatch('adset'), toBatch('ad')])
  return { campaign, adset, ad }
}
