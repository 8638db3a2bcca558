/** What people type: files and numbers, refused with what would do before anything is opened. */
import { stat } from 'node:fs/promises'
import { lastCompleteDay, toDayNumber, toLocalDate } from '../shared/core/days.ts'
import { AppError, messageOf } from '../shared/core/errors.ts'
import { zoneOf } from '../shared/entities/configs.ts'
import type { AdsConfig } from '../shared/entities/configs.ts'
import type { Services } from '../shared/services.ts'

/** @returns its size in bytes */
export const sizeOfFile = async (path: string): Promise<number> => {
  try {
    const found = await stat(path)
    if (found.isFile()) return found.size
  } catch (error) {
    throw new AppError('INVALID_REQUEST', `${path} cannot be read: ${messageOf(error)}`, {}, { cause: error })
  }
  throw new AppError('INVALID_REQUEST', `${path} is not a file`)
}

const MOST_CONFIGS_NAMED = 20

/** Days back of a list: at most a quarter. */
export const MOST_DAYS_BACK = 90

export const daysBack = (text: string): number => {
  const days = Number(text)
  if (!Number.isInteger(days) || days < 1 || days > MOST_DAYS_BACK)
    throw new AppError('INVALID_REQUEST', `--days: is a whole number from 1 to ${MOST_DAYS_BACK}`)
  return days
}

/**
 * The `days` newest days with figures, and all that came after: last month's export is looked at up to its end, and
 * what is found today, while it still runs, belongs to the newest.
 */
export const newestDays = async (
  { freshness, clock }: Pick<Services, 'freshness' | 'clock'>,
  config: AdsConfig,
  days: number,
): Promise<{ readonly dateFrom: string; readonly dateTo: string }> => {
  const now = clock.now()
  const last = lastCompleteDay(now, zoneOf(config))
  const day = await freshness.newestCompleteDayWithRows(config.id, now)
  const newest = day === null ? last : toDayNumber(day)
  return { dateFrom: toLocalDate(newest - days + 1), dateTo: toLocalDate(last + 1) }
}

/** Which config is meant. @throws AppError CONFIG_NOT_FOUND naming those there are */
export const configNamed = async (
  configs: Pick<Services['configs'], 'find' | 'list'>,
  idOrName: string | undefined,
): Promise<AdsConfig> => {
  const found = idOrName === undefined ? null : await configs.find(idOrName)
  if (found) return found
  const { data } = await configs.list(
    { ids: null, isActive: null },
    { page: 1, pageSize: MOST_CONFIGS_NAMED, afterId: null },
  )
  const known = data.map((one) => `${one.id} ${one.name}`).join('; ') || 'none yet: import a report first'
  if (idOrName !== undefined)
    throw new AppError('CONFIG_NOT_FOUND', `there is no config ${idOrName}; there are: ${known}`)
  const [only] = data
  if (only && data.length === 1) return only
  throw new AppError('CONFIG_NOT_FOUND', `--config: name one of the configs (${known})`)
}
