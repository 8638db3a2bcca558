/**
 * The dates of a file: ISO dates, date-times with or without a zone, Unix seconds; and how they go on. All of a
 * file are of one form.
 */

/** `local`: on the wall clock of a place nobody names. `zoned`: with an offset. `epoch`: Unix seconds. */
export type StampForm = 'local' | 'zoned' | 'epoch'

const EPOCH = /^-?\d{1,12}$/
const ISO =
  /^(\d{4})-(\d{2})-(\d{2})(?:([T ])(\d{2}):(\d{2})(?::(\d{2})([.,]\d{1,9})?)?( ?(?:Z|UTC|[+-]\d{2}(?::?\d{2})?))?)?$/

/** A forecast of 366 weeks stays within four digits. */
const YEAR_MIN = 100
const YEAR_MAX = 9900
const EPOCH_MIN = Date.UTC(YEAR_MIN, 0, 1) / 1000
const EPOCH_MAX = Date.UTC(YEAR_MAX, 0, 1) / 1000

/** Seconds east of UTC; NaN for none that exists. */
const offsetOf = (zone: string): number => {
  const digits = zone.replace(/[^\d]/g, '')
  if (digits === '') return 0
  const hours = Number(digits.slice(0, 2))
  const minutes = Number(digits.slice(2) || 0)
  if (hours > 18 || minutes > 59) return Number.NaN
  return (zone.includes('-') ? -1 : 1) * (hours * 3600 + minutes * 60)
}

/** Of the cell that names it; null: this is no date. */
export const formOf = (cell: string): StampForm | null => {
  if (EPOCH.test(cell)) return 'epoch'
  const parts = ISO.exec(cell)
  if (!parts) return null
  return parts[9] === undefined ? 'local' : 'zoned'
}

/** @returns seconds of the wall clock as if it were UTC; NaN when the calendar or the clock has no such time */
const wallClock = (parts: RegExpExecArray): number => {
  const [year, month, day] = [Number(parts[1]), Number(parts[2]), Number(parts[3])]
  const [hour, minute, second] = [Number(parts[5] ?? 0), Number(parts[6] ?? 0), Number(parts[7] ?? 0)]
  if (year < YEAR_MIN || year > YEAR_MAX || hour > 23 || minute > 59 || second > 59) return Number.NaN
  const midnight = Date.UTC(year, month - 1, day)
  // 30 February would roll over into March.
  const date = new Date(midnight)
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return Number.NaN
  return midnight / 1000 + hour * 3600 + minute * 60 + second
}

/**
 * @returns seconds: since 1970 for zoned and epoch stamps, of the wall clock as if it were UTC for local ones;
 *   NaN when the cell is none of that form. Fractions of a second are dropped.
 */
export const parseStamp = (cell: string, form: StampForm): number => {
  if (form === 'epoch') {
    const seconds = EPOCH.test(cell) ? Number(cell) : Number.NaN
    return seconds >= EPOCH_MIN && seconds <= EPOCH_MAX ? seconds : Number.NaN
  }
  const parts = ISO.exec(cell)
  if (!parts || (parts[9] === undefined) !== (form === 'local')) return Number.NaN
  const seconds = wallClock(parts)
  return form === 'local' ? seconds : seconds - offsetOf(parts[9] as string)
}

/** Seconds east of UTC of a stamp's own zone; 0 for forms without. @param cell that `parseStamp` took */
export const zoneOffsetOf = (cell: string): number => offsetOf(ISO.exec(cell)?.[9] ?? '')

/** `2026-03-29T01:00:00` */
const isoOf = (wallS: number): string => new Date(wallS * 1000).toISOString()

/**
 * The stamps behind `cell`, written as it is: epoch stays epoch, a date-time keeps its separator, its seconds and
 * its zone. Steps of a day and more are dates.
 * @param cell that `parseStamp` took
 * @param stepS seconds
 */
export const continueStamps = (
  cell: string,
  form: StampForm,
  stepS: number,
  count: number,
): readonly string[] => {
  const last = parseStamp(cell, form)
  if (form === 'epoch') return Array.from({ length: count }, (_, i) => String(last + (i + 1) * stepS))
  const wall = last + zoneOffsetOf(cell)
  const next = (i: number): string => isoOf(wall + (i + 1) * stepS)
  if (stepS >= 86_400) return Array.from({ length: count }, (_, i) => next(i).slice(0, 10))
  const [, , , , separator = 'T', hour, , second, fraction = '', zone = ''] = ISO.exec(cell) ?? []
  // A midnight may come as a date alone; what follows needs its time.
  const timeLength = hour !== undefined && second === undefined ? 5 : 8
  return Array.from({ length: count }, (_, i) => {
    const iso = next(i)
    return `${iso.slice(0, 10)}${separator}${iso.slice(11, 11 + timeLength)}${fraction}${zone}`
  })
}
