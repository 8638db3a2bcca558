/** Dates of a report: ISO, else day first under Portuguese headers and month first under English ones. */
import { toDayNumber } from '../../core/days.ts'
import type { Language } from './headers.ts'

const ISO = /^(\d{4})-(\d{2})-(\d{2})$/
const SLASHED = /^(\d{1,2})\/(\d{1,2})\/(\d{4})$/

const dayNumberOf = (year: number, month: number, day: number): number | null => {
  const date = new Date(Date.UTC(year, month - 1, day))
  // 30 February would roll over into March; years below 100 would become 19xx.
  const real = date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day
  return real ? toDayNumber(date.toISOString().slice(0, 10)) : null
}

/** @returns days since 1970-01-01, or null when `cell` is no ISO date: files of our own form have no language */
export const parseIsoDay = (cell: string): number | null => {
  const iso = ISO.exec(cell)
  return iso && dayNumberOf(Number(iso[1]), Number(iso[2]), Number(iso[3]))
}

/** @returns days since 1970-01-01, or null when `cell` is no date of the calendar */
export const parseDay = (cell: string, language: Language): number | null => {
  if (ISO.test(cell)) return parseIsoDay(cell)
  const slashed = SLASHED.exec(cell)
  if (!slashed) return null
  const [first, second, year] = [Number(slashed[1]), Number(slashed[2]), Number(slashed[3])]
  return language === 'pt' ? dayNumberOf(year, second, first) : dayNumberOf(year, first, second)
}

/** `13`, `13:00` or `13:00:00 - 13:59:59`: the hour the row begins with. */
const HOUR = /^(\d{1,2})(?::00(?::00)?)?(?:\s*-\s*\d{1,2}:59(?::59)?)?$/

/** @returns 0..23, or null */
export const parseHour = (cell: string): number | null => {
  const hour = Number(HOUR.exec(cell)?.[1] ?? Number.NaN)
  return hour <= 23 ? hour : null
}
