/** Which entities frames are read of, page by page, and their place in the account. */
import type { Knex } from 'knex'
import { LEVELS } from '../../shared/core/entity.ts'
import type { Level } from '../../shared/core/entity.ts'
import type { FrameRequest } from '../../shared/entities/frames.ts'
import { arrayRows } from '../array-rows.ts'

/** Entities per query. Bounds memory here and in the server: 500 ads of 90 days are about 2.5 MB. */
export const PAGE_ENTITIES = 500

const ID_COLUMN = { campaign: 'campaign_id', adset: 'adset_id', ad: 'ad_id' } as const

/** Parallel columns over the entities of a page, in the order of their ids. */
export interface EntityPage {
  readonly ids: readonly string[]
  readonly parentIds: readonly (string | null)[]
  readonly campaignIds: readonly string[]
  /** Status of it and its ancestors is ACTIVE now. */
  readonly activeNow: readonly boolean[]
}

/** Every entity of config $1: id, parent_id, campaign_id, active_now. A condition may be added at the end. */
export const PAGE_SQL: Record<Level, string> = {
  campaign: `
    select c.campaign_id as id, null::text as parent_id, c.campaign_id, c.status = 'ACTIVE' as active_now
    from ads_campaigns c where c.config_id = $1`,
  adset: `
    select s.adset_id as id, s.campaign_id as parent_id, s.campaign_id,
           s.status = 'ACTIVE' and coalesce(c.status = 'ACTIVE', true) as active_now
    from ads_adsets s
    left join ads_campaigns c on c.config_id = s.config_id and c.campaign_id = s.campaign_id
    where s.config_id = $1`,
  ad: `
    select a.ad_id as id, a.adset_id as parent_id, a.campaign_id,
           a.status = 'ACTIVE' and coalesce(s.status = 'ACTIVE', true) and coalesce(c.status = 'ACTIVE', true)
             as active_now
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
export const nextPage = async (
  db: Knex,
  { configId, level }: Pick<FrameRequest, 'configId' | 'level'>,
  after: string,
): Promise<EntityPage> => {
  const id = `${ALIAS[level]}.${ID_COLUMN[level]}`
  const text = `${PAGE_SQL[level]} and ${id} > $2 order by ${id} limit ${PAGE_ENTITIES}`
  return toPage(await arrayRows<PageRow>(db, text, [configId, after]))
}

export const pageOf = async (
  db: Knex,
  { configId, level }: FrameRequest,
  ids: readonly string[],
): Promise<EntityPage> => {
  const id = `${ALIAS[level]}.${ID_COLUMN[level]}`
  const text = `${PAGE_SQL[level]} and ${id} = any($2) order by ${id}`
  return toPage(await arrayRows<PageRow>(db, text, [configId, ids]))
}

/** All entities of those campaigns, by level; null: of all there are. */
export const entitiesOf = async (
  db: Knex,
  configId: number,
  campaignIds: readonly string[] | null,
): Promise<Readonly<Record<Level, EntityPage>>> => {
  const ofLevel = (level: Level): string =>
    `${PAGE_SQL[level]}${campaignIds ? ` and ${ALIAS[level]}.campaign_id = any($2)` : ''}`
  const rows = await arrayRows<readonly [...PageRow, Level]>(
    db,
    `select entity.id, parent_id, campaign_id, active_now, level from (
       ${LEVELS.map((level) => `select of_level.*, '${level}' as level from (${ofLevel(level)}) of_level`).join(' union all ')}
     ) entity order by entity.id`,
    campaignIds ? [configId, campaignIds] : [configId],
  )
  const pageOfLevel = (level: Level): EntityPage =>
    toPage(
      rows.flatMap(([id, parentId, campaignId, activeNow, of]) =>
        of === level ? [[id, parentId, campaignId, activeNow] as const] : [],
      ),
    )
  return { campaign: pageOfLevel('campaign'), adset: pageOfLevel('adset'), ad: pageOfLevel('ad') }
}

/** Those of the page whose ids are in `ids`, a part of its own in the same order. */
export const keep = (page: EntityPage, ids: readonly string[]): EntityPage => {
  const wanted = new Set(ids)
  const kept = page.ids.flatMap((id, i) => (wanted.has(id) ? [i] : []))
  return {
    ids,
    parentIds: kept.map((i) => page.parentIds[i] ?? null),
    campaignIds: kept.map((i) => page.campaignIds[i] as string),
    activeNow: kept.map((i) => page.activeNow[i] as boolean),
  }
}

const isId = (id: string | null): id is string => id !== null

/** The entities of a page and their ancestors. */
export const familyOf = (level: Level, page: EntityPage): Readonly<Record<Level, readonly string[]>> => ({
  ad: level === 'ad' ? page.ids : [],
  adset: level === 'adset' ? page.ids : level === 'ad' ? [...new Set(page.parentIds)].filter(isId) : [],
  campaign: [...new Set(page.campaignIds)],
})
