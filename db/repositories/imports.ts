/**
 * Imports in PostgreSQL: rows go into temporary tables as they are read, and from there in a handful of
 * statements into the account's, whatever their number.
 */
import type { Knex } from 'knex'
import { AppError } from '../../shared/core/errors.ts'
import { numericId } from '../../shared/core/page.ts'
import type {
  ImportRecord,
  ImportSession,
  ImportStore,
  MergeOutcome,
  StoredReport,
} from '../../shared/entities/imports.ts'

const STAGING = `
create temporary table import_rows (
  line int not null,
  date date not null,
  hour smallint,
  ad_id text not null,
  adset_id text not null,
  campaign_id text not null,
  adset_given boolean not null,
  campaign_given boolean not null,
  spend numeric(15,2) not null,
  impressions bigint not null,
  reach bigint,
  clicks bigint not null,
  leads bigint not null
) on commit drop;
create temporary table import_entities (
  level text not null,
  id text not null,
  parent_id text not null,
  campaign_id text not null,
  name text,
  given boolean not null,
  parent_given boolean not null,
  campaign_given boolean not null,
  day int not null,
  line int not null
) on commit drop;
`

const STAGE_ROWS = `
insert into import_rows
select line, date '1970-01-01' + day, hour, ad_id, adset_id, campaign_id, adset_given, campaign_given,
       spend, impressions, reach, clicks, leads
from unnest(?::int[], ?::int[], ?::smallint[], ?::text[], ?::text[], ?::text[], ?::boolean[], ?::boolean[],
            ?::numeric[], ?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[])
  as r(line, day, hour, ad_id, adset_id, campaign_id, adset_given, campaign_given,
       spend, impressions, reach, clicks, leads)`

const STAGE_ENTITIES = `
insert into import_entities
select * from unnest(?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::boolean[], ?::boolean[],
                     ?::boolean[], ?::int[], ?::int[])`

/** A file may name an ad without its ad set, or an ad set without its campaign: known ones stay where they are. */
const ADOPT_PARENTS = [
  `update import_rows r set adset_id = a.adset_id, campaign_id = a.campaign_id
   from ads_ads a
   where not r.adset_given and a.config_id = :configId and a.ad_id = r.ad_id
     and (not r.campaign_given or a.campaign_id = r.campaign_id)`,
  `update import_rows r set campaign_id = s.campaign_id
   from ads_adsets s
   where r.adset_given and not r.campaign_given and s.config_id = :configId and s.adset_id = r.adset_id`,
  `update import_entities e set parent_id = a.adset_id, campaign_id = a.campaign_id
   from ads_ads a
   where e.level = 'ad' and not e.parent_given and a.config_id = :configId and a.ad_id = e.id
     and (not e.campaign_given or a.campaign_id = e.campaign_id)`,
  `update import_entities e set campaign_id = s.campaign_id
   from ads_adsets s
   where e.level = 'ad' and e.parent_given and not e.campaign_given
     and s.config_id = :configId and s.adset_id = e.parent_id`,
  `update import_entities e set parent_id = s.campaign_id, campaign_id = s.campaign_id
   from ads_adsets s
   where e.level = 'adset' and not e.campaign_given and s.config_id = :configId and s.adset_id = e.id`,
  // Stand-ins for missing parents that nobody needs after all.
  `delete from import_entities e where not e.given and e.level = 'adset'
     and not exists (select from import_rows r where r.adset_id = e.id)`,
  `delete from import_entities e where not e.given and e.level = 'campaign'
     and not exists (select from import_rows r where r.campaign_id = e.id)`,
]

interface EntityTable {
  readonly level: string
  readonly table: string
  readonly id: string
  /** Columns of the ids above it, and where import_entities has them. */
  readonly above: readonly (readonly [column: string, source: string])[]
}

const ENTITY_TABLES: readonly EntityTable[] = [
  { level: 'campaign', table: 'ads_campaigns', id: 'campaign_id', above: [] },
  { level: 'adset', table: 'ads_adsets', id: 'adset_id', above: [['campaign_id', 'campaign_id']] },
  {
    level: 'ad',
    table: 'ads_ads',
    id: 'ad_id',
    above: [
      ['adset_id', 'parent_id'],
      ['campaign_id', 'campaign_id'],
    ],
  },
]

/**
 * New entities appear, renamed and moved ones change; one the file does not name keeps its name. A file of older
 * days than those known changes nothing, so that history may be imported in any order.
 */
const mergeEntities = ({ level, table, id, above }: EntityTable): string => {
  const columns = above.map(([column]) => column)
  const changing = ['name', ...columns]
  return `
with newest as (
  select distinct on (id) id, parent_id, campaign_id, name, day
  from import_entities where level = '${level}'
  order by id, day desc, line desc
), changes as (
  select n.id, n.day, k.${id} is null as is_new,
         ${['coalesce(n.name, k.name, n.id) as name', ...above.map(([column, source]) => `n.${source} as ${column}`)].join(', ')}
  from newest n left join ${table} k on k.config_id = :configId and k.${id} = n.id
  where (${['coalesce(n.name, k.name, n.id)', ...above.map(([, source]) => `n.${source}`)].join(', ')})
    is distinct from (${changing.map((column) => `k.${column}`).join(', ')})
), merged as (
  insert into ${table} as known (config_id, ${[id, ...changing].join(', ')}, updated_at)
  select :configId, ${[id, ...changing].map((column) => (column === id ? 'c.id' : `c.${column}`)).join(', ')}, :stamp
  from changes c
  where c.is_new or date '1970-01-01' + c.day >= coalesce((
    select max(known_day.date)
    from ads_ads a
    cross join lateral (
      select max(i.date) as date from ads_insights_daily i where i.config_id = a.config_id and i.ad_id = a.ad_id
    ) known_day
    where a.config_id = :configId and a.${id} = c.id
  ), '-infinity')
  on conflict (config_id, ${id}) do update
  set ${changing.map((column) => `${column} = excluded.${column}`).join(', ')}, updated_at = excluded.updated_at
  -- xmax is 0 on a row version nobody replaced: the entity is new.
  returning xmax = 0 as created
)
select count(*) filter (where created) as created from merged`
}

const FIGURES = ['adset_id', 'campaign_id', 'spend', 'impressions', 'reach', 'clicks', 'leads']

/** The last row of a key wins; a row equal to what is known is left alone, its `updated_at` too. */
const mergeRows = (table: string, key: readonly string[], which: string): string => `
with newest as materialized (
  select distinct on (${key.join(', ')}) ${[...key, ...FIGURES].join(', ')}
  from import_rows where hour is ${which}
  order by ${key.join(', ')}, line desc
), merged as (
  insert into ${table} as known (config_id, ${[...key, ...FIGURES].join(', ')}, updated_at)
  select :configId, ${[...key, ...FIGURES].join(', ')}, :stamp from newest
  on conflict (config_id, ${key.join(', ')}) do update
  set ${FIGURES.map((column) => `${column} = excluded.${column}`).join(', ')}, updated_at = excluded.updated_at
  where (${FIGURES.map((column) => `known.${column}`).join(', ')})
    is distinct from (${FIGURES.map((column) => `excluded.${column}`).join(', ')})
  returning 1
)
select (select count(*) from newest) as upserted, (select count(*) from merged) as changed`

const MERGE_DAILY = mergeRows('ads_insights_daily', ['ad_id', 'date'], 'null')
const MERGE_HOURLY = mergeRows('ads_insights_hourly', ['ad_id', 'date', 'hour'], 'not null')

const SHOWN_LINES = 5
const OVERRIDDEN = `
select line from (
  select line, row_number() over (partition by ad_id, date, hour order by line desc) as place from import_rows
) r where place > 1 order by line limit ${SHOWN_LINES}`

const MERGE_BUDGET_CHANGES = `
with changes as (
  select distinct on (entity_id, date) entity_id, date, factor
  from unnest(cast(:entityIds as text[]), cast(:dates as date[]), cast(:factors as numeric[])) with ordinality as c(entity_id, date, factor, place)
  order by entity_id, date, place desc
), found as (
  select coalesce(c.level, s.level, a.level) as entity_type, x.entity_id, x.date, x.factor
  from changes x
  left join (select campaign_id, 'campaign' as level from ads_campaigns where config_id = :configId) c
    on c.campaign_id = x.entity_id
  left join (select adset_id, 'adset' as level from ads_adsets where config_id = :configId) s
    on s.adset_id = x.entity_id
  left join (select ad_id, 'ad' as level from ads_ads where config_id = :configId) a
    on a.ad_id = x.entity_id
), known as (
  select * from found where entity_type is not null
), merged as (
  insert into ads_budget_changes as b (config_id, entity_type, entity_id, old, new, changed_at)
  select :configId, entity_type, entity_id, 100, 100 * factor, date::timestamp at time zone :timeZone from known
  on conflict (config_id, entity_type, entity_id, changed_at) do update
  set old = excluded.old, new = excluded.new
  where (b.old, b.new) is distinct from (excluded.old, excluded.new)
  returning 1
)
select (select count(*) from known) as known, (select count(*) from merged) as changed,
  array(select distinct entity_id from found where entity_type is null order by 1) as strangers`

interface ImportRow {
  id: number
  config_id: number
  sha256: string
  date_from: string | null
  date_to: string | null
  report: StoredReport
  actor: string
  created_at: Date
}

const fromRow = (row: ImportRow): ImportRecord => ({
  import_id: row.id,
  config_id: row.config_id,
  sha256: row.sha256,
  date_from: row.date_from,
  date_to: row.date_to,
  actor: row.actor,
  created_at: row.created_at.toISOString(),
  report: row.report,
})

const firstRow = async <T>(query: PromiseLike<{ rows: T[] }>): Promise<T> => {
  const [row] = (await query).rows
  if (!row) throw new Error('a statement that counts gave no row')
  return row
}

const sessionOf = (trx: Knex.Transaction, configId: number): ImportSession => {
  let staged = 0
  let stamp = new Date(0)
  let orphans = false
  return {
    stage: async ({ rows, entities }) => {
      if (staged === 0) await trx.raw(STAGING)
      staged += rows.lines.length
      orphans ||= rows.adsetGiven.includes(false) || rows.campaignGiven.includes(false)
      await trx.raw(STAGE_ROWS, [
        rows.lines,
        rows.days,
        rows.hours,
        rows.adIds,
        rows.adsetIds,
        rows.campaignIds,
        rows.adsetGiven,
        rows.campaignGiven,
        rows.spend,
        rows.impressions,
        rows.reach,
        rows.clicks,
        rows.leads,
      ] as Knex.Value[])
      await trx.raw(STAGE_ENTITIES, [
        entities.levels,
        entities.ids,
        entities.parentIds,
        entities.campaignIds,
        entities.names,
        entities.given,
        entities.parentGiven,
        entities.campaignGiven,
        entities.days,
        entities.lines,
      ] as Knex.Value[])
    },

    settle: async (sha256) => {
      // One merge at a time per config; rows that refer to the config may still be written.
      const config: unknown = await trx('ads_configs').where({ id: configId }).forNoKeyUpdate().first('id')
      if (!config) throw new AppError('CONFIG_NOT_FOUND', `There is no config ${configId}`)
      const twin = await trx<ImportRow>('ads_imports').where({ config_id: configId, sha256 }).first()
      return twin ? { importId: twin.id, report: twin.report } : null
    },

    merge: async (now): Promise<MergeOutcome> => {
      // Whole milliseconds, as a Date can hold them, and always newer than the import before, even when the
      // clock was set back: otherwise a reader who remembers the newest instant would miss these rows.
      const last = await trx<ImportRow>('ads_imports')
        .where({ config_id: configId })
        .max<{ at: Date | null }[]>('created_at as at')
      stamp = new Date(Math.max(now.getTime(), (last[0]?.at?.getTime() ?? 0) + 1))
      if (staged === 0)
        return {
          rowsUpserted: 0,
          rowsChanged: 0,
          entitiesCreated: 0,
          repeated: { rows: 0, lines: [] },
          hasHoursOnly: false,
        }

      const bindings = { configId, stamp }
      if (orphans) for (const statement of ADOPT_PARENTS) await trx.raw(statement, bindings)
      let entitiesCreated = 0
      for (const table of ENTITY_TABLES) {
        const { created } = await firstRow<{ created: number }>(trx.raw(mergeEntities(table), bindings))
        entitiesCreated += created
      }
      type Merged = { upserted: number; changed: number }
      const daily = await firstRow<Merged>(trx.raw(MERGE_DAILY, bindings))
      const hourly = await firstRow<Merged>(trx.raw(MERGE_HOURLY, bindings))
      const hasHoursOnly =
        hourly.upserted > 0 &&
        (await trx('ads_insights_daily').where({ config_id: configId }).first('ad_id')) === undefined
      const rowsUpserted = daily.upserted + hourly.upserted
      const repeatedRows = staged - rowsUpserted
      const overridden: { rows: { line: number }[] } =
        repeatedRows > 0 ? await trx.raw(OVERRIDDEN) : { rows: [] }
      return {
        rowsUpserted,
        rowsChanged: daily.changed + hourly.changed,
        entitiesCreated,
        repeated: { rows: repeatedRows, lines: overridden.rows.map(({ line }) => line) },
        hasHoursOnly,
      }
    },

    record: async ({ sha256, actor, dateFrom, dateTo, report }) => {
      const [row] = await trx('ads_imports')
        .insert({
          config_id: configId,
          sha256,
          date_from: dateFrom,
          date_to: dateTo,
          report: JSON.stringify(report),
          actor,
          created_at: stamp,
        })
        .returning<{ id: number }[]>('id')
      if (!row) throw new Error('an import was recorded without an id')
      return row.id
    },
  }
}

export const imports = (db: Knex): ImportStore => ({
  within: (configId, work) => db.transaction((trx) => work(sessionOf(trx, configId))),

  page: async (configId, { page, pageSize, afterId }) => {
    const ofConfig = () => db<ImportRow>('ads_imports').where({ config_id: configId })
    const rows = ofConfig().orderBy('id', 'desc').limit(pageSize)
    if (afterId === null) void rows.offset((page - 1) * pageSize)
    else void rows.where('id', '<', numericId(afterId))
    const [found, counted] = await Promise.all([
      rows.select('*'),
      ofConfig().count<{ total: number }[]>('* as total'),
    ])
    return { rows: found.map(fromRow), total: counted[0]?.total ?? 0 }
  },

  refreshStatistics: async () => {
    await db.raw('analyze ads_insights_daily, ads_ads, ads_adsets, ads_campaigns')
  },

  mergeBudgetChanges: (configId, timeZone, { entityIds, dates, factors }) =>
    firstRow<{ known: number; changed: number; strangers: string[] }>(
      db.raw(MERGE_BUDGET_CHANGES, { configId, timeZone, entityIds, dates, factors } as Knex.ValueDict),
    ),
})
