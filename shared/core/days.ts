/**
 * Calendar days of an account. A day is a `YYYY-MM-DD` text on the wire and in SQL, and an integer
 * (days since 1970-01-01) wherever it is computed with. Only what is called local here knows time zones.
 */
import { z } from 'zod'

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000

/** Far enough for any account, and no sum of days leaves what PostgreSQL and `YYYY-MM-DD` can hold. */
const FIRST_DATE = '1970-01-01'
const LAST_DATE = '2999-12-31'

export const LocalDate = z.iso
  .date({ error: 'must be a date such as 2026-03-10', abort: true })
  .refine((date) => date >= FIRST_DATE && date <= LAST_DATE, `must be within ${FIRST_DATE} and ${LAST_DATE}`)
export type LocalDate = string

export const toDayNumber = (date: LocalDate): number => Math.round(Date.parse(`${date}T00:00:00Z`) / DAY_MS)

export const toLocalDate = (day: number): LocalDate => new Date(day * DAY_MS).toISOString().slice(0, 10)

const formatters = new Map<string, Intl.DateTimeFormat>()

const formatterOf = (timeZone: string): Intl.DateTimeFormat => {
  let formatter = formatters.get(timeZone)
  if (!formatter) {
    formatter = new Intl.DateTimeFormat('en-CA', {
      timeZone,
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
    })
    formatters.set(timeZone, formatter)
  }
  return formatter
}

/** The calendar day it is at `instant` in `timeZone`. */
export const localDayOf = (instant: Date, timeZone: string): number =>
  toDayNumber(formatterOf(timeZone).format(instant))

const hourFormatters = new Map<string, Intl.DateTimeFormat>()

/** What the hour hand shows at `instant` in `timeZone`, 0..23. */
export const localHourOf = (instant: Date, timeZone: string): number => {
  let formatter = hourFormatters.get(timeZone)
  if (!formatter) {
    formatter = new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', hourCycle: 'h23' })
    hourFormatters.set(timeZone, formatter)
  }
  return Number(formatter.format(instant))
}

const LONGEST_DAY_HOURS = 25

/** Whole hours that passed since the day began at `instant` in `timeZone`: not the hour hand where clocks were set. */
export const hoursIntoDay = (instant: Date, timeZone: string): number => {
  const day = localDayOf(instant, timeZone)
  let hours = 0
  while (
    hours < LONGEST_DAY_HOURS &&
    localDayOf(new Date(instant.getTime() - (hours + 1) * HOUR_MS), timeZone) === day
  )
    hours += 1
  return hours
}

/** D: the newest day whose midnight-to-midnight lies wholly before `asOf` (ads-domain section 0). */
export const lastCompleteDay = (asOf: Date, timeZone: string): number => localDayOf(asOf, timeZone) - 1

export const isTimeZone = (name: string): boolean => {
  // One that is in use need not be tried again: that takes a millisecond.
  if (formatters.has(name)) return true
  try {
    return Boolean(new Intl.DateTimeFormat('en', { timeZone: name }))
  } catch {
    return false
  }
}

export const TimeZone = z
  .string()
  .max(64)
  .refine(isTimeZone, 'is not an IANA time zone, e.g. America/Sao_Paulo')
