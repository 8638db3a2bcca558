/** Daily figures of entities, every ratio from sums (ads-domain section 1). */
import { z } from 'zod'
import { conversionRateOf, cpcOf, cplOf, cpmOf, ctrOf, frequencyOf } from '../../ml/ratios.ts'
import type { Clock } from '../core/clock.ts'
import { lastCompleteDay, LocalDate, localDayOf, toDayNumber, toLocalDate } from '../core/days.ts'
import { Level } from '../core/entity.ts'
import { AppError } from '../core/errors.ts'
import { toPage } from '../core/page.ts'
import type { Page, PageRequest } from '../core/page.ts'
import { wireNumber } from '../core/wire.ts'
import { zoneOf } from './configs.ts'
import type { Configs } from './configs.ts'
import type { DayRange, Entities } from './entities.ts'

/** Wire form of one entity's day. Null: not defined, or not known. */
export const DailyInsight = z.object({
  entity_type: Level,
  entity_id: z.string(),
  date: LocalDate,
  spend: z.number().nullable(),
  impressions: z.number().nullable(),
  clicks: z.number().nullable(),
  leads: z.number().nullable(),
  reach: z.number().nullable(),
  /** Reach was added up over ads, which counts people who saw several of them more than once. */
  reach_estimated: z.boolean(),
  /** Percent. */
  ctr: z.number().nullable(),
  cpm: z.number().nullable(),
  cpc: z.number().nullable(),
  /** Percent. */
  conversion_rate: z.number().nullable(),
  cpl: z.number().nullable(),
  frequency: z.number().nullable(),
  /** The day is over in the account's time zone. */
  complete: z.boolean(),
})
export type DailyInsight = z.infer<typeof DailyInsight>

/** Sums of one entity's day. */
export interface DailySums {
  readonly entityId: string
  readonly date: LocalDate
  readonly spend: number
  readonly impressions: number
  readonly clicks: number
  readonly leads: number
  /** As delivered for the entity itself; null when unknown. */
  readonly reach: number | null
  /** Sum over its ads; null when no ad's is known. */
  readonly summedReach: number | null
}

export interface InsightStore {
  /** Newest day first, then by falling id. `after`: only what follows that entity's day. */
  daily(
    scope: { readonly configId: number; readonly level: Level; readonly entityId: string | null },
    range: DayRange,
    slice: {
      readonly limit: number
      readonly offset: number
      readonly after: { readonly date: LocalDate; readonly entityId: string } | null
    },
  ): Promise<DailySums[]>
  countDaily(
    scope: { readonly configId: number; readonly level: Level; readonly entityId: string | null },
    range: DayRange,
  ): Promise<number>
}

export interface DailyRequest {
  readonly configId: number
  readonly level: Level
  /** Null: all entities of the level. */
  readonly entityId: string | null
  readonly dateFrom: LocalDate | null
  readonly dateTo: LocalDate | null
}

export interface Insights {
  /**
   * The days asked for, by default the 30 up to today; at most 400.
   * @throws AppError CONFIG_NOT_FOUND, ENTITY_NOT_FOUND, INVALID_REQUEST for dates out of order or too far apart
   */
  daily(request: DailyRequest, page: PageRequest): Promise<Page<DailyInsight>>
}

const DEFAULT_DAYS = 30
const MOST_DAYS = 400

const rangeOf = (from: LocalDate | null, to: LocalDate | null, today: number): DayRange => {
  const last = to === null ? today : toDayNumber(to)
  const first = from === null ? last - DEFAULT_DAYS + 1 : toDayNumber(from)
  const problem = (message: string): AppError =>
    new AppError('INVALID_REQUEST', message, { errors: [{ field: 'query.date_from', message }] })
  if (first > last) throw problem('date_from must not be after date_to')
  if (last - first + 1 > MOST_DAYS) throw problem(`date_from and date_to may span at most ${MOST_DAYS} days`)
  return { from: toLocalDate(first), to: toLocalDate(last) }
}

const toWire = (level: Level, sums: DailySums, lastComplete: number): DailyInsight => {
  const { spend, impressions, clicks, leads } = sums
  const reach = sums.reach ?? sums.summedReach
  return {
    entity_type: level,
    entity_id: sums.entityId,
    date: sums.date,
    spend: wireNumber(spend),
    impressions: wireNumber(impressions),
    clicks: wireNumber(clicks),
    leads: wireNumber(leads),
    reach: wireNumber(reach),
    // What an ad reports is its own; above ads the sum only stands in.
    reach_estimated: level !== 'ad' && sums.reach === null && reach !== null,
    ctr: wireNumber(ctrOf(clicks, impressions)),
    cpm: wireNumber(cpmOf(spend, impressions)),
    cpc: wireNumber(cpcOf(spend, clicks)),
    conversion_rate: wireNumber(conversionRateOf(leads, clicks)),
    cpl: wireNumber(cplOf(spend, leads)),
    frequency: wireNumber(frequencyOf(impressions, reach ?? Number.NaN)),
    complete: toDayNumber(sums.date) <= lastComplete,
  }
}

/** Cursors carry date and entity id of the last row. */
const CURSOR = /^(\d{4}-\d{2}-\d{2})_([A-Za-z0-9_-]+)$/

const afterOf = (cursor: string): { date: LocalDate; entityId: string } => {
  const [, date, entityId] = CURSOR.exec(cursor) ?? []
  if (date === undefined || entityId === undefined || !LocalDate.safeParse(date).success)
    throw new AppError('INVALID_REQUEST', 'The cursor is not one of this list; start again without it')
  return { date, entityId }
}

export const createInsights = (
  store: InsightStore,
  configs: Configs,
  entities: Entities,
  clock: Clock,
): Insights => ({
  daily: async ({ configId, level, entityId, dateFrom, dateTo }, page) => {
    const zone = zoneOf(await configs.get(configId))
    if (entityId !== null) await entities.mustExist({ configId, entityType: level, entityId })
    const now = clock.now()
    const range = rangeOf(dateFrom, dateTo, localDayOf(now, zone))
    const after = page.afterId === null ? null : afterOf(page.afterId)
    const offset = after ? 0 : (page.page - 1) * page.pageSize
    const scope = { configId, level, entityId }
    const [rows, total] = await Promise.all([
      store.daily(scope, range, { limit: page.pageSize, offset, after }),
      store.countDaily(scope, range),
    ])
    const lastComplete = lastCompleteDay(now, zone)
    return toPage(
      page,
      total,
      rows.map((row) => toWire(level, row, lastComplete)),
      (row) => `${row.date}_${row.entity_id}`,
    )
  },
})
