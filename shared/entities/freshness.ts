/**
 * How new a config's data is: which day to analyse, whether its figures are in, and since when (the
 * watermark). A day without rows means two things: nobody imported it yet (stale), or an import covered it
 * and nothing was delivered. A day whose rows come from an import made while it ran has only part of its figures,
 * which would look like a collapse: it is stale until its end is imported.
 */
import type { LocalDate } from '../core/days.ts'
import { isTimeZone, lastCompleteDay, toDayNumber, toLocalDate } from '../core/days.ts'
import { AppError } from '../core/errors.ts'
import type { ConfigSweep } from '../jobs/sweep.ts'
import type { Logger } from '../platform/logger.ts'
import { zoneOf } from './configs.ts'
import type { Configs } from './configs.ts'

export type Freshness = 'fresh' | 'stale'

/** What came in of a day. */
export interface Arrivals {
  /** When a row of the day was last written; null without rows. */
  readonly written: Date | null
  /** When the newest import whose declared days include the day was made. */
  readonly covered: Date | null
  /** IANA zone of the account. */
  readonly timeZone: string
}

export interface FreshnessStore {
  activeZones(): Promise<{ configId: number; timeZone: string }[]>
  /** Newest `updated_at` of the rows up to each config's day, in one query; configs without rows are left out. */
  watermarks(configs: readonly { configId: number; day: LocalDate }[]): Promise<Map<number, Date>>
  /** How many verdicts people gave on findings of days up to each config's; those without any are left out. */
  verdicts(configs: readonly { configId: number; day: LocalDate }[]): Promise<Map<number, number>>
  /** In the order of `days`; none when there is no such config. */
  arrivals(configId: number, days: readonly LocalDate[]): Promise<readonly Arrivals[]>
  newestDayWithRows(configId: number, upTo: LocalDate): Promise<LocalDate | null>
}

export interface DataFreshness extends ConfigSweep {
  /** The watermark of one config: newest `updated_at` among its rows dated <= day; the epoch when it has none. */
  watermark(configId: number, day: LocalDate): Promise<Date>
  /**
   * How many verdicts people gave on findings of days up to `day`. Every change of mind counts, so it grows
   * whenever what a training leaves out may have changed.
   */
  verdicts(configId: number, day: LocalDate): Promise<number>
  /** @throws AppError CONFIG_NOT_FOUND */
  freshness(configId: number, day: LocalDate): Promise<Freshness>
  /** Those of `days` that are fresh, in one query. @throws AppError CONFIG_NOT_FOUND */
  freshDays(configId: number, days: readonly LocalDate[]): Promise<readonly LocalDate[]>
  /**
   * D of a request that names no day; null when the config has no complete day with rows.
   * @throws AppError CONFIG_NOT_FOUND
   */
  newestCompleteDayWithRows(configId: number, asOf: Date): Promise<LocalDate | null>
}

/**
 * A day that still runs has only part of its figures, which would look like a collapse.
 * @throws AppError INVALID_REQUEST
 */
export const requireCompleteDay = (date: LocalDate, asOf: Date, timeZone: string, field = 'date'): void => {
  const newest = lastCompleteDay(asOf, timeZone)
  if (toDayNumber(date) <= newest) return
  const message = `${date} is not over in ${timeZone}; the newest complete day is ${toLocalDate(newest)}`
  throw new AppError('INVALID_REQUEST', `${field}: ${message}`)
}

const EPOCH = new Date(0)

export const createDataFreshness = (
  store: FreshnessStore,
  configs: Configs,
  logger: Logger,
): DataFreshness => {
  const isFresh = (configId: number, day: LocalDate, { written, covered, timeZone }: Arrivals): boolean => {
    // Rows that no import brought were put there by whoever knows that they are whole.
    if (covered === null) return written !== null
    const zone = zoneOf({ id: configId, timezone: timeZone })
    const isOver = (at: Date): boolean => lastCompleteDay(at, zone) >= toDayNumber(day)
    return isOver(covered) || (written !== null && isOver(written))
  }
  const freshDays = async (configId: number, days: readonly LocalDate[]): Promise<readonly LocalDate[]> => {
    if (days.length === 0) return []
    const arrivals = await store.arrivals(configId, days)
    if (arrivals.length === 0) throw new AppError('CONFIG_NOT_FOUND', `There is no config ${configId}`)
    return days.filter((day, i) => isFresh(configId, day, arrivals[i] as Arrivals))
  }
  const freshnessOf = async (configId: number, day: LocalDate): Promise<Freshness> =>
    (await freshDays(configId, [day])).length > 0 ? 'fresh' : 'stale'
  return {
    activeConfigs: async (asOf) => {
      const days: { configId: number; day: LocalDate }[] = []
      for (const { configId, timeZone } of await store.activeZones()) {
        // Only possible where the row was edited by hand; the other configs go on.
        if (isTimeZone(timeZone)) days.push({ configId, day: toLocalDate(lastCompleteDay(asOf, timeZone)) })
        else logger.error('a config has an unknown time zone', { config_id: configId, time_zone: timeZone })
      }
      const [watermarks, verdicts] = await Promise.all([store.watermarks(days), store.verdicts(days)])
      return days.map(({ configId, day }) => ({
        configId,
        day,
        watermark: (watermarks.get(configId) ?? EPOCH).toISOString(),
        verdicts: verdicts.get(configId) ?? 0,
      }))
    },

    watermark: async (configId, day) => (await store.watermarks([{ configId, day }])).get(configId) ?? EPOCH,

    verdicts: async (configId, day) => (await store.verdicts([{ configId, day }])).get(configId) ?? 0,

    freshness: freshnessOf,
    freshDays,

    newestCompleteDayWithRows: async (configId, asOf) => {
      const zone = zoneOf(await configs.get(configId))
      const newest = await store.newestDayWithRows(configId, toLocalDate(lastCompleteDay(asOf, zone)))
      if (newest === null || (await freshnessOf(configId, newest)) === 'fresh') return newest
      const before = await store.newestDayWithRows(configId, toLocalDate(toDayNumber(newest) - 1))
      return before ?? newest
    },
  }
}
