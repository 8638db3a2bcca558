/**
 * Days of entities as columns, straight from SQL: PostgreSQL groups and orders, and answers one row per
 * entity whose cells are whole columns in wire format. Nothing here is an object per day.
 *
 * 1. `page`    which entities come next, and their parents
 * 2. `days`    their days (and `reaches`, where the source delivers reach apart)
 * 3. `heads`   what else a detector must know: activity, ancestors' cost per lead, budget changes
 * 4. `batches` cuts what was read, while the next page is being read
 *
 * Days are found through the ads of the page and the unique index (config, ad, date): on an account of
 * 10,000 entities that took a quarter of the time the planner needed on its own, and its cost does not depend
 * on what else is in the table.
 */
import type { Knex } from 'knex'
import type { PoolClient } from 'pg'
import type { BudgetChange, DailyFrame, DayNumber, EntityHead, FrameBatch } from '../../ml/frame.ts'
import { toLocalDate } from '../../shared/core/days.ts'
import type { Level } from '../../shared/core/entity.ts'
import type { FrameRequest, FrameSource } from '../../shared/entities/frames.ts'

/** Entities per query. Bounds memory here and in the server: 500 ads of 90 days are about 2.5 MB. */
const PAGE_ENTITIES = 500
/** An entity nobody has a status history of counts as ACTIVE until so many days of its config passed it by. */
const SILENT_DAYS = 7

const ID_COLUMN = { campaign: 'campaign_id', adset: 'adset_id', ad: 'ad_id' } as const

/**
 * Rows as arrays. Past knex' own `raw`, so that a list of ids bound once can be named twice.
 * (pg's `binary` option would spare the hexadecimal text of bytea, but decodes every cell as UTF-8 first.)
 */
const arrayRows = async <R extends readonly unknown[]>(
  db: Knex,
  text: string,
  values: readonly unknown[],
): Promise<readonly R[]> => {
  const connection = (await db.client.acquireConnection()) as PoolClient
  try {
    const result = await connection.query<R[number][]>({ text, values: [...values], rowMode: 'array' })
    return result.rows as unknown as readonly R[]
  } finally {
    await db.client.releaseConnection(connection)
  }
}

// ---------------------------------------------------------------------------------------------- pages

/** Parallel columns over the entities of a page, in the order of their ids. */
interface EntityPage {
  readonly ids: readonly string[]
  readonly parentIds: readonly (string | null)[]
  readonly campaignIds: readonly string[]
  /** Status of it and its ancestors is ACTIVE now. */
  readonly activeNow: readonly boolean[]
}

const PAGE_SQL: Record<Level, string> = {
  campaign: `
    select c.campaign_id, null::text, c.campaign_id, c.status = 'ACTIVE'
    from ads_campaigns c where c.config_id = $1`,
  adset: `
    select s.adset_id, s.campaign_id, s.campaign_id, s.status = 'ACTIVE' and coalesce(c.status = 'ACTIVE', true)
    from ads_adsets s
    left join ads_campaigns c on c.config_id = s.config_id and c.campaign_id = s.campaign_id
    where s.config_id = $1`,
  ad: `
    select a.ad_id, a.adset_id, a.campaign_id,
           a.status = 'ACTIVE' and coalesce(s.status = 'ACTIVE', true) and coalesce(c.status = 'ACTIVE', true)
    from ads_ads a
    left join ads_adsets s on s.config_id = a.config_id and s.adset_id = a.adset_id
    left join ads_campaigns c on c.config_id = a.config_id and c.campaign_id = a.campaign_id
    where a.config_id = $1`,
}
const ALIAS = { campaign: 'c', adset: 's', ad: 'a' } as const

type PageRow = readonly [string, string | null, string, boolean]

const toPage = (rows: readonly PageRow[]): EntityPage => ({
  ids: rows.map((row) => row[0]),
  parentIds: rows.map((row) => row[1]),
  campaignIds: rows.map((row) => row[2]),
  activeNow: rows.map((row) => row[3]),
})

/** The entities after `after`, in the order of the primary key. */
const nextPage = async (db: Knex, { configId, level }: FrameRequest, after: string): Promise<EntityPage> => {
  const id = `${ALIAS[level]}.${ID_COLUMN[level]}`
  const text = `${PAGE_SQL[level]} and ${id} > $2 order by ${id} limit ${PAGE_ENTITIES}`
  return toPage(await arrayRows<PageRow>(db, text, [configId, after]))
}

const pageOf = async (
  db: Knex,
  { configId, level }: FrameRequest,
  ids: readonly string[],
): Promise<EntityPage> => {
  const id = `${ALIAS[level]}.${ID_COLUMN[level]}`
  const text = `${PAGE_SQL[level]} and ${id} = any($2) order by ${id}`
  return toPage(await arrayRows<PageRow>(db, text, [configId, ids]))
}

// ----------------------------------------------------------------------------------------------- days

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

/** string_agg takes rows as they come, and they come sorted; `readDays` checks that they did. */
const daysSql = (level: Level): string => `
  select id,
         string_agg(int4send(date - date '1970-01-01'), ''::bytea),
         string_agg(numeric_send(spend), ''::bytea),
         string_agg(float8send(impressions), ''::bytea),
         string_agg(float8send(clicks), ''::bytea),
         string_agg(float8send(leads), ''::bytea),
         string_agg(float8send(coalesce(reach, 'NaN')), ''::bytea)
  from (${DAILY_SQL[level]}) as daily
  group by id`

type DaysRow = readonly [string, Buffer, Buffer, Buffer, Buffer, Buffer, Buffer]

/** Delivered reach: day, window in days and people, in parallel. */
type ReachRow = readonly [string, Buffer, Buffer, Buffer]

const REACH_SQL = `
  select entity_id,
         string_agg(int4send(date - date '1970-01-01'), ''::bytea),
         string_agg(int4send(window_days), ''::bytea),
         string_agg(float8send(reach::float8), ''::bytea)
  from ads_reach
  where config_id = $1 and entity_type = $4 and date between $2 and $3 and entity_id = any($5)
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

const newColumns = (rows: number): DailyFrame => ({
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
const readDays = (rows: readonly DaysRow[]): { columns: DailyFrame; offsets: Int32Array } => {
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
const overlayReach = (
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

// ---------------------------------------------------------------------------------------------- heads

interface SpendAndLeads {
  spend: number
  leads: number
}

/** What the ancestors of a request's entities spent and got over the reference window. */
interface AncestorTotals {
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
const loadTotals = async (
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

interface HeadFacts {
  readonly statuses: readonly StatusRow[]
  readonly budgets: readonly BudgetRow[]
  readonly configDays: readonly DayNumber[]
}

const loadHeadFacts = async (db: Knex, request: FrameRequest, page: EntityPage): Promise<HeadFacts> => {
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

const makeHeads = async (
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

// -------------------------------------------------------------------------------------------- batches

interface PageFrames {
  readonly heads: readonly EntityHead[]
  readonly offsets: Int32Array
  readonly columns: DailyFrame
}

/** Reads the page's days and heads. Entities without a row in the window are left out. */
const readPage = async (
  db: Knex,
  request: FrameRequest,
  page: EntityPage,
  totalsOf: (page: EntityPage) => Promise<AncestorTotals>,
): Promise<PageFrames> => {
  const { configId, level } = request
  const window = [configId, toLocalDate(request.from), toLocalDate(request.to)]
  const [rows, [facts, reaches], totals] = await Promise.all([
    arrayRows<DaysRow>(db, daysSql(level), [...window, page.ids]),
    (async () =>
      [
        await loadHeadFacts(db, request, page),
        await arrayRows<ReachRow>(db, REACH_SQL, [...window, level, page.ids]),
      ] as const)(),
    totalsOf(page),
  ])
  const found = new Map(rows.map((row) => [row[0], row]))
  const kept = page.ids.flatMap((id, i) => (found.has(id) ? [i] : []))
  const present: EntityPage = {
    ids: kept.map((i) => page.ids[i] as string),
    parentIds: kept.map((i) => page.parentIds[i] ?? null),
    campaignIds: kept.map((i) => page.campaignIds[i] as string),
    activeNow: kept.map((i) => page.activeNow[i] as boolean),
  }
  const frames = readDays(present.ids.map((id) => found.get(id) as DaysRow))
  overlayReach(frames, new Map(present.ids.map((id, i) => [id, i])), reaches)
  const daysOf = (i: number) => frames.columns.days.subarray(frames.offsets[i], frames.offsets[i + 1])
  return { ...frames, heads: await makeHeads(request, present, daysOf, facts, totals) }
}

/** Entities [first, end) of what was read, in memory of their own. */
const cut = ({ heads, offsets, columns }: PageFrames, first: number, end: number): FrameBatch => {
  const from = offsets[first] as number
  const to = offsets[end] as number
  return {
    heads: heads.slice(first, end),
    offsets: offsets.slice(first, end + 1).map((offset) => offset - from),
    columns: {
      days: columns.days.slice(from, to),
      spend: columns.spend.slice(from, to),
      impressions: columns.impressions.slice(from, to),
      clicks: columns.clicks.slice(from, to),
      leads: columns.leads.slice(from, to),
      reach: columns.reach.slice(from, to),
      reach7: columns.reach7.slice(from, to),
    },
  }
}

async function* pagesOf(db: Knex, request: FrameRequest): AsyncGenerator<EntityPage> {
  if (request.entityIds) {
    const ids = [...new Set(request.entityIds)]
    for (let i = 0; i < ids.length; i += PAGE_ENTITIES)
      yield pageOf(db, request, ids.slice(i, i + PAGE_ENTITIES))
    return
  }
  for (let after = ''; ;) {
    const page = await nextPage(db, request, after)
    if (page.ids.length > 0) yield page
    if (page.ids.length < PAGE_ENTITIES) return
    after = page.ids.at(-1) as string
  }
}

async function* readBatches(db: Knex, request: FrameRequest): AsyncGenerator<FrameBatch> {
  let whole: Promise<AncestorTotals> | undefined
  // Chosen entities: what their campaigns add up to. All: one scan serves every page.
  const totalsOf = (page: EntityPage): Promise<AncestorTotals> =>
    request.entityIds
      ? loadTotals(db, request, [...new Set(page.campaignIds)])
      : (whole ??= loadTotals(db, request, null))
  const pages = pagesOf(db, request)
  const readNext = async (): Promise<PageFrames | undefined> => {
    const next = await pages.next()
    return next.done ? undefined : readPage(db, request, next.value, totalsOf)
  }
  let upcoming = readNext()
  try {
    for (let page = await upcoming; page; page = await upcoming) {
      upcoming = readNext()
      // Looked at when its turn comes; until then its failure is nobody's unhandled rejection.
      upcoming.catch(() => {})
      for (let i = 0; i < page.heads.length; i += request.batchSize)
        yield cut(page, i, Math.min(i + request.batchSize, page.heads.length))
    }
  } finally {
    await upcoming.catch(() => {})
  }
}

export const frameSource = (db: Knex): FrameSource => ({
  batches: (request) => readBatches(db, request),
})
