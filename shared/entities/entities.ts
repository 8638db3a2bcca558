/**
 * The campaigns, ad sets and ads of a config: as a tree, and one by one.
 *
 * A report does not say whether an entity is switched on, so an imported entity counts as ACTIVE until 7 of
 * the days on which its config has rows have passed without one of its own; then it is INACTIVE. A status
 * that a source has told wins.
 */
import { z } from 'zod'
import { cplOf } from '../../ml/ratios.ts'
import type { Clock } from '../core/clock.ts'
import { LocalDate, toDayNumber, toLocalDate } from '../core/days.ts'
import { Level, LEVELS } from '../core/entity.ts'
import type { EntityRef } from '../core/entity.ts'
import { AppError } from '../core/errors.ts'
import { wireNumber } from '../core/wire.ts'
import type { DataFreshness } from './freshness.ts'

export const EntityStatus = z
  .string()
  .toUpperCase()
  .regex(/^[A-Z_]{1,30}$/, 'must be a status such as ACTIVE or INACTIVE')

const nodeShape = {
  entity_type: Level,
  entity_id: z.string(),
  name: z.string(),
  status: z.string(),
  /** Sums of [D-6, D]; account currency. */
  spend_7d: z.number().nullable(),
  leads_7d: z.number().nullable(),
  cpl_7d: z.number().nullable(),
}
const AdNode = z.object(nodeShape)
const AdsetNode = z.object({ ...nodeShape, children: z.array(AdNode) })
const CampaignNode = z.object({ ...nodeShape, children: z.array(AdsetNode) })

/** Wire form of the tree; campaigns, and within them ad sets and ads, by falling spend. */
export const EntityTree = z.object({
  config_id: z.int(),
  /** D, the newest complete day that has rows; null when there is none. */
  date: LocalDate.nullable(),
  data: z.array(CampaignNode),
})
export type EntityTree = z.infer<typeof EntityTree>

/** Wire form of one entity. */
export const EntityDetail = z.object({
  config_id: z.int(),
  ...nodeShape,
  parent_id: z.string().nullable(),
  campaign_id: z.string(),
  date: LocalDate.nullable(),
  objective: z.string().nullable(),
  daily_budget: z.number().nullable(),
  lifetime_budget: z.number().nullable(),
  targeting: z.unknown(),
  first_delivery: LocalDate.nullable(),
  last_delivery: LocalDate.nullable(),
  updated_at: z.iso.datetime(),
})
export type EntityDetail = z.infer<typeof EntityDetail>

/** An entity with its sums over the days asked for. */
export interface EntityRow {
  readonly id: string
  /** Null on campaigns. */
  readonly parentId: string | null
  readonly name: string
  /** Effective: ACTIVE, INACTIVE or what a source said. */
  readonly status: string
  readonly spend: number
  readonly leads: number
}

export interface EntityFacts extends EntityRow {
  readonly campaignId: string
  readonly objective: string | null
  readonly dailyBudget: number | null
  readonly lifetimeBudget: number | null
  readonly targeting: unknown
  readonly firstDelivery: LocalDate | null
  readonly lastDelivery: LocalDate | null
  readonly updatedAt: Date
}

/** Days to sum over, both inclusive. */
export interface DayRange {
  readonly from: LocalDate
  readonly to: LocalDate
}

export interface EntityStore {
  /** All entities of a level in one query, by falling spend. */
  ofLevel(configId: number, level: Level, range: DayRange): Promise<EntityRow[]>
  one(entity: EntityRef, range: DayRange): Promise<EntityFacts | null>
  exists(entity: EntityRef): Promise<boolean>
}

export interface Entities {
  /**
   * @param status keeps entities with that status, and those above them
   * @throws AppError CONFIG_NOT_FOUND
   */
  tree(configId: number, status: string | null): Promise<EntityTree>
  /** @throws AppError CONFIG_NOT_FOUND, ENTITY_NOT_FOUND */
  detail(entity: EntityRef): Promise<EntityDetail>
  /** @throws AppError ENTITY_NOT_FOUND */
  mustExist(entity: EntityRef): Promise<void>
}

const WINDOW_DAYS = 7
/** Of a config without rows: sums over it are 0. */
const NO_DAYS: DayRange = { from: '1970-01-01', to: '1970-01-01' }

const windowOf = (day: LocalDate | null): DayRange =>
  day === null ? NO_DAYS : { from: toLocalDate(toDayNumber(day) - WINDOW_DAYS + 1), to: day }

const toNode = (level: Level, row: EntityRow): z.infer<typeof AdNode> => ({
  entity_type: level,
  entity_id: row.id,
  name: row.name,
  status: row.status,
  spend_7d: wireNumber(row.spend),
  leads_7d: wireNumber(row.leads),
  cpl_7d: wireNumber(cplOf(row.spend, row.leads)),
})

const notFound = ({ configId, entityType, entityId }: EntityRef): AppError =>
  new AppError('ENTITY_NOT_FOUND', `Config ${configId} has no ${entityType} ${entityId}`)

/** Rows by the id of their parent, in their order. */
const byParent = <T>(rows: readonly EntityRow[], nodeOf: (row: EntityRow) => T | null): Map<string, T[]> => {
  const groups = new Map<string, T[]>()
  for (const row of rows) {
    const node = nodeOf(row)
    if (node === null) continue
    const group = groups.get(row.parentId ?? '')
    if (group) group.push(node)
    else groups.set(row.parentId ?? '', [node])
  }
  return groups
}

export const createEntities = (store: EntityStore, freshness: DataFreshness, clock: Clock): Entities => ({
  tree: async (configId, status) => {
    const day = await freshness.newestCompleteDayWithRows(configId, clock.now())
    const range = windowOf(day)
    const [campaigns, adsets, ads] = await Promise.all(
      LEVELS.map((level) => store.ofLevel(configId, level, range)),
    )
    const wanted = (row: EntityRow, children: readonly unknown[]): boolean =>
      status === null || row.status === status || children.length > 0

    const adsOf = byParent(ads ?? [], (row) => (wanted(row, []) ? toNode('ad', row) : null))
    const adsetsOf = byParent(adsets ?? [], (row) => {
      const children = adsOf.get(row.id) ?? []
      return wanted(row, children) ? { ...toNode('adset', row), children } : null
    })
    const tops = byParent(campaigns ?? [], (row) => {
      const children = adsetsOf.get(row.id) ?? []
      return wanted(row, children) ? { ...toNode('campaign', row), children } : null
    })
    return { config_id: configId, date: day, data: tops.get('') ?? [] }
  },

  detail: async (entity) => {
    const day = await freshness.newestCompleteDayWithRows(entity.configId, clock.now())
    const facts = await store.one(entity, windowOf(day))
    if (!facts) throw notFound(entity)
    return {
      config_id: entity.configId,
      ...toNode(entity.entityType, facts),
      parent_id: facts.parentId,
      campaign_id: facts.campaignId,
      date: day,
      objective: facts.objective,
      daily_budget: wireNumber(facts.dailyBudget),
      lifetime_budget: wireNumber(facts.lifetimeBudget),
      targeting: facts.targeting,
      first_delivery: facts.firstDelivery,
      last_delivery: facts.lastDelivery,
      updated_at: facts.updatedAt.toISOString(),
    }
  },

  mustExist: async (entity) => {
    if (!(await store.exists(entity))) throw notFound(entity)
  },
})
