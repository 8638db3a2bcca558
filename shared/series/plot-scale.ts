/**
 * What a drawing of a series is measured with: which points a pixel needs, where the lines across stand and what is
 * written beside them. Times are UTC.
 */
const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
/** 1970-01-05, the first Monday: weeks begin on one. */
const MONDAY_MS = 4 * DAY_MS
const MONTH_MS = 30.4 * DAY_MS
const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ')

/** Distances people read without counting. */
const STEPS_MS = [
  1,
  2,
  5,
  10,
  20,
  50,
  100,
  200,
  500,
  ...[1, 2, 5, 10, 15, 30].map((seconds) => seconds * SECOND_MS),
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * MINUTE_MS),
  ...[1, 2, 3, 6, 12].map((hours) => hours * HOUR_MS),
  ...[1, 2, 7, 14].map((days) => days * DAY_MS),
]
/** Longer ones, which have no fixed length. */
const STEPS_MONTHS = [1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200, 2400, 6000, 12_000, 24_000, 60_000]

/** Longer labels of values are written with an exponent. */
const LONGEST_LABEL = 8

export interface TimeTick {
  readonly ms: number
  readonly label: string
  /** A second line where it changes: the day of hours, the year of days and months. */
  readonly under: string | null
}

const labelOf = (date: Date, stepMs: number): { readonly label: string; readonly under: string | null } => {
  const year = String(date.getUTCFullYear())
  const month = MONTHS[date.getUTCMonth()] ?? ''
  const day = `${date.getUTCDate()} ${month}`
  if (stepMs >= 11 * MONTH_MS) return { label: year, under: null }
  if (stepMs >= MONTH_MS) return { label: month, under: year }
  if (stepMs >= DAY_MS) return { label: day, under: year }
  const end = stepMs < SECOND_MS ? 23 : stepMs < MINUTE_MS ? 19 : 16
  return { label: date.toISOString().slice(11, end), under: day }
}

/** Starts of months within the two, `step` months apart, counted from January of the year 0. */
const monthsBetween = (fromMs: number, toMs: number, step: number): number[] => {
  const from = new Date(fromMs)
  const to = new Date(toMs)
  const first = Math.floor((from.getUTCFullYear() * 12 + from.getUTCMonth()) / step)
  const last = Math.floor((to.getUTCFullYear() * 12 + to.getUTCMonth()) / step)
  return Array.from({ length: last - first + 1 }, (_, i) => {
    const month = (first + i) * step
    return Date.UTC(Math.floor(month / 12), month % 12)
  }).filter((ms) => ms >= fromMs && ms <= toMs)
}

const stepsBetween = (fromMs: number, toMs: number, stepMs: number): number[] => {
  const origin = stepMs >= 7 * DAY_MS ? MONDAY_MS : 0
  const first = Math.ceil((fromMs - origin) / stepMs)
  const last = Math.floor((toMs - origin) / stepMs)
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => origin + (first + i) * stepMs)
}

/** About `most` marks between the two: whole seconds, minutes, hours, days, Mondays, months or years. */
export const timeTicks = (fromMs: number, toMs: number, most: number): readonly TimeTick[] => {
  const span = toMs - fromMs
  const fits = (stepMs: number): boolean => span / stepMs <= most
  const stepMs = span > 0 ? STEPS_MS.find(fits) : MINUTE_MS
  const months = STEPS_MONTHS.find((step) => fits(step * MONTH_MS)) ?? 60_000
  const marks =
    stepMs === undefined
      ? monthsBetween(fromMs, toMs, months)
      : span > 0
        ? stepsBetween(fromMs, toMs, stepMs)
        : [fromMs]
  let before: string | null = null
  return marks.map((ms) => {
    const { label, under } = labelOf(new Date(ms), stepMs ?? months * MONTH_MS)
    const isNew = under !== before
    before = under
    return { ms, label, under: isNew ? under : null }
  })
}

/** `2026-10-01 08:05`, with seconds and milliseconds only where there are any. */
export const exactTime = (ms: number): string => {
  const end = ms % SECOND_MS !== 0 ? 23 : ms % MINUTE_MS !== 0 ? 19 : 16
  return new Date(ms).toISOString().slice(0, end).replace('T', ' ')
}

export interface ValueTick {
  readonly value: number
  readonly label: string
}

/** Marks of values within the two, at most about `most`, at 1, 2 or 5 times a power of ten; all labels differ. */
export const valueTicks = (low: number, high: number, most: number): readonly ValueTick[] => {
  const span = high - low
  if (!(span > 0)) return [{ value: low, label: String(low) }]
  const power = 10 ** Math.floor(Math.log10(span / most))
  const step = [1, 2, 5, 10].map((times) => times * power).find((one) => span / one <= most) ?? span
  const first = Math.ceil(low / step - 1e-9)
  const last = Math.floor(high / step + 1e-9)
  const values = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => (first + i) * step)
  const decimals = Math.min(20, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)))
  const plain = values.map((value) => (value === 0 ? '0' : value.toFixed(decimals)))
  if (plain.every((label) => label.length <= LONGEST_LABEL))
    return values.map((value, i) => ({ value, label: plain[i] as string }))
  const largest = Math.max(Math.abs(low), Math.abs(high))
  const digits = Math.min(
    15,
    Math.max(0, Math.floor(Math.log10(largest)) - Math.floor(Math.log10(step) + 1e-9)),
  )
  // Where a step is finer than what a float can tell apart, the first of equals stands for all.
  return values
    .map((value) => ({ value, label: value === 0 ? '0' : value.toExponential(digits) }))
    .filter(({ label }, i, all) => label !== all[i - 1]?.label)
}

/**
 * Rows a line needs so that it looks as with all of them: of each pixel the first, smallest, largest and last value,
 * in the order in which they come (M4; Jugel et al., VLDB 2014).
 * @param xs in pixels, ascending
 */
export const decimate = (xs: ArrayLike<number>, ys: ArrayLike<number>): number[] => {
  const rows: number[] = []
  const n = xs.length
  for (let start = 0; start < n;) {
    const pixel = Math.floor(xs[start] as number)
    let end = start
    let least = start
    let most = start
    while (end < n && Math.floor(xs[end] as number) === pixel) {
      if ((ys[end] as number) < (ys[least] as number)) least = end
      if ((ys[end] as number) > (ys[most] as number)) most = end
      end++
    }
    const middle = least < most ? [least, most] : [most, least]
    for (const row of [start, ...middle, end - 1]) if (row !== rows.at(-1)) rows.push(row)
    start = end
  }
  return rows
}

export interface EnvelopePoint {
  readonly x: number
  readonly low: number
  readonly high: number
}

/**
 * The outline of a band: of each pixel its lowest and highest place. Stretches in which it stays as it is have their
 * ends only; rows without a band (NaN) part one outline from the next.
 * @param xs in pixels, ascending
 */
export const envelope = (
  xs: ArrayLike<number>,
  low: ArrayLike<number>,
  high: ArrayLike<number>,
): readonly (readonly EnvelopePoint[])[] => {
  const outlines: EnvelopePoint[][] = []
  let outline: EnvelopePoint[] = []
  const push = (point: EnvelopePoint): void => {
    const [last, before] = [outline.at(-1), outline.at(-2)]
    const isFlat = [last, before].every((one) => one?.low === point.low && one.high === point.high)
    if (isFlat) outline.pop()
    outline.push(point)
  }
  const n = xs.length
  for (let row = 0; row < n;) {
    if (Number.isNaN(low[row])) {
      if (outline.length > 0) outlines.push(outline)
      outline = []
      row++
      continue
    }
    const pixel = Math.floor(xs[row] as number)
    const first = row
    let least = Infinity
    let most = -Infinity
    for (; row < n && Math.floor(xs[row] as number) === pixel && !Number.isNaN(low[row]); row++) {
      least = Math.min(least, low[row] as number)
      most = Math.max(most, high[row] as number)
    }
    push({ x: xs[first] as number, low: least, high: most })
    if (row - 1 > first) push({ x: xs[row - 1] as number, low: least, high: most })
  }
  if (outline.length > 0) outlines.push(outline)
  return outlines
}

/**
 * Bounds that show all values, and of the band what keeps them readable: one that is far wider than the values would
 * press them into a line.
 */
export const boundsOf = (
  values: ArrayLike<number>,
  low: ArrayLike<number> | null,
  high: ArrayLike<number> | null,
): { readonly low: number; readonly high: number } => {
  let least = Infinity
  let most = -Infinity
  for (let row = 0; row < values.length; row++) {
    least = Math.min(least, values[row] as number)
    most = Math.max(most, values[row] as number)
  }
  if (!Number.isFinite(least)) return { low: 0, high: 1 }
  const reach = most > least ? most - least : Math.max(Math.abs(most), 1)
  let [bottom, top] = [least, most]
  for (let row = 0; row < (low?.length ?? 0); row++) {
    // Comparisons leave out NaN.
    if ((low?.[row] as number) < bottom) bottom = low?.[row] as number
    if ((high?.[row] as number) > top) top = high?.[row] as number
  }
  bottom = Math.max(bottom, least - reach)
  top = Math.min(top, most + reach)
  const pad = (top - bottom) * 0.05 || reach * 0.05
  return { low: bottom - pad, high: top + pad }
}
