/**
 * Holidays of countries and their states, by date-holidays (over 200 countries; 45 MB on disk, 0.1 s and 27 MB when
 * loaded, hence by the first question only).
 */
import type Holidays from 'date-holidays'
import { toDayNumber } from '../core/days.ts'
import type { LocalDate } from '../core/days.ts'

const DAY_MS = 86_400_000
/** Days off by law or custom: banks close at Carnival in Brazil. What is only observed changes no one's day. */
const TYPES = ['public', 'bank'] as const
const MOST_REMEMBERED = 500

export interface NationalHoliday {
  readonly date: LocalDate
  readonly days: number
  readonly name: string
}

type Package = typeof Holidays
let loaded: Promise<Package> | undefined
const load = (): Promise<Package> => (loaded ??= import('date-holidays').then((module) => module.default))

/** By country, region and year. */
const remembered = new Map<string, readonly NationalHoliday[]>()

const ofYear = (
  Calendar: Package,
  country: string,
  region: string | null,
  year: number,
): readonly NationalHoliday[] => {
  const key = `${country}|${region ?? ''}|${year}`
  const known = remembered.get(key)
  if (known) return known
  const options = { types: [...TYPES] }
  const calendar = region === null ? new Calendar(country, options) : new Calendar(country, region, options)
  const found = calendar.getHolidays(year).map(({ date, name, start, end }) => ({
    date: date.slice(0, 10),
    days: Math.max(1, Math.round((end.getTime() - start.getTime()) / DAY_MS)),
    name,
  }))
  if (remembered.size >= MOST_REMEMBERED) remembered.clear()
  remembered.set(key, found)
  return found
}

/** Whether holidays of the country (ISO 3166-1), or of that region of it (ISO 3166-2), are known. */
export const knowsHolidaysOf = async (country: string, region: string | null): Promise<boolean> => {
  const known = new (await load())()
  if (!(country in known.getCountries())) return false
  const regions =
    region === null ? null : (known.getStates(country) as Readonly<Record<string, string>> | undefined)
  return regions === null || (regions !== undefined && (region ?? '') in regions)
}

/** Those any day of which lies within the days given, both included; by date. */
export const nationalHolidays = async (
  country: string,
  region: string | null,
  from: LocalDate,
  to: LocalDate,
): Promise<readonly NationalHoliday[]> => {
  const Calendar = await load()
  const first = toDayNumber(from)
  const last = toDayNumber(to)
  const found: NationalHoliday[] = []
  // One that begins at the end of a year may go on in the next.
  for (let year = Number(from.slice(0, 4)) - 1; year <= Number(to.slice(0, 4)); year += 1) {
    for (const holiday of ofYear(Calendar, country, region, year)) {
      const day = toDayNumber(holiday.date)
      if (day <= last && day + holiday.days > first) found.push(holiday)
    }
  }
  return found.toSorted((a, b) => (a.date < b.date ? -1 : Number(a.date > b.date)))
}
