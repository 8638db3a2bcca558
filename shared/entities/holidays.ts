/** Holidays of an account: those of its country, where it was told which, and days of its own. */
import { z } from 'zod'
import { LocalDate, toDayNumber } from '../core/days.ts'
import { AppError } from '../core/errors.ts'
import type { Configs } from './configs.ts'
import { readHolidayRows } from './csv/holiday-rows.ts'
import { knowsHolidaysOf, nationalHolidays } from './national-holidays.ts'

const MOST_DAYS = 2000

export const Holiday = z.object({
  /** The first day. */
  date: LocalDate,
  days: z.int().min(1).max(366).default(1),
  name: z
    .string()
    .trim()
    .max(200)
    .regex(/^\P{Cc}*$/u, 'must not contain control characters')
    .default(''),
})
export type Holiday = z.output<typeof Holiday>

export const HolidayCalendar = z.object({
  country: z
    .string()
    .regex(/^[A-Z]{2}$/, 'must be an ISO 3166-1 code, e.g. BR')
    .nullable()
    .describe('ISO 3166-1, e.g. BR; null: no national holidays'),
  region: z
    .string()
    .regex(/^[A-Z0-9]{1,3}$/, 'must be the part of an ISO 3166-2 code after the hyphen, e.g. SP')
    .nullable()
    .default(null)
    .describe('State: ISO 3166-2 without the country, e.g. SP'),
  days: z
    .array(Holiday)
    .max(MOST_DAYS)
    .refine((days) => new Set(days.map(({ date }) => date)).size === days.length, 'names a date twice')
    .describe('Days of its own'),
})
export type HolidayCalendar = z.output<typeof HolidayCalendar>

export interface HolidayStore {
  /** Own days by date; null when there is no such config. */
  read(configId: number): Promise<HolidayCalendar | null>
  replace(configId: number, calendar: HolidayCalendar): Promise<void>
  /** Adds own days; of a date that is known the new ones count. */
  add(configId: number, days: readonly Holiday[]): Promise<void>
}

export interface DatedHoliday extends Holiday {
  readonly source: 'own' | 'national'
}

export interface HolidaysService {
  /** @throws AppError CONFIG_NOT_FOUND */
  calendar(configId: number): Promise<HolidayCalendar>
  /**
   * Holidays any day of which lies within the days given, both included; own ones first.
   * @throws AppError CONFIG_NOT_FOUND
   */
  between(configId: number, from: LocalDate, to: LocalDate): Promise<readonly DatedHoliday[]>
  /** @throws AppError CONFIG_NOT_FOUND; INVALID_REQUEST for a country or region whose holidays are not known */
  replace(configId: number, calendar: HolidayCalendar): Promise<void>
  /** Adds the days of a file. @throws AppError CONFIG_NOT_FOUND, INVALID_CSV */
  importDays(
    configId: number,
    source: AsyncIterable<Uint8Array>,
  ): Promise<{ readonly rows_read: number; readonly days_written: number }>
}

export const createHolidays = (parts: {
  readonly store: HolidayStore
  readonly configs: Pick<Configs, 'get'>
}): HolidaysService => {
  const { store, configs } = parts
  const calendar = async (configId: number): Promise<HolidayCalendar> => {
    const found = await store.read(configId)
    if (!found) throw new AppError('CONFIG_NOT_FOUND', `there is no config ${configId}`)
    return found
  }
  const assertKnown = async ({ country, region }: HolidayCalendar): Promise<void> => {
    if (country === null && region !== null) {
      throw new AppError('INVALID_REQUEST', 'region: needs a country', {
        errors: [{ field: 'body.region', message: 'needs a country' }],
      })
    }
    if (country === null || (await knowsHolidaysOf(country, region))) return
    const field = (await knowsHolidaysOf(country, null)) ? 'region' : 'country'
    const message = `holidays of ${field === 'region' ? `${country}-${region}` : country} are not known`
    throw new AppError('INVALID_REQUEST', `${field}: ${message}`, {
      errors: [{ field: `body.${field}`, message }],
    })
  }
  return {
    calendar,
    between: async (configId, from, to) => {
      const { country, region, days } = await calendar(configId)
      const first = toDayNumber(from)
      const last = toDayNumber(to)
      const own = days.filter(({ date, days: length }) => {
        const day = toDayNumber(date)
        return day <= last && day + length > first
      })
      const national = country === null ? [] : await nationalHolidays(country, region, from, to)
      return [
        ...own.map((holiday) => ({ ...holiday, source: 'own' as const })),
        ...national.map((holiday) => ({ ...holiday, source: 'national' as const })),
      ]
    },
    replace: async (configId, wanted) => {
      await configs.get(configId)
      await assertKnown(wanted)
      await store.replace(configId, wanted)
    },
    importDays: async (configId, source) => {
      const { account_id } = await configs.get(configId)
      const { rows, rowsRead } = await readHolidayRows(source, account_id)
      if (rows.length > 0) await store.add(configId, rows)
      return { rows_read: rowsRead, days_written: rows.length }
    },
  }
}
