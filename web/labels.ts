/** Words beside the lines of a chart. Times are UTC. */
const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ')
const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS
const DAY_MS = 1440 * MINUTE_MS
const MONTH_MS = 28 * DAY_MS
const YEAR_MS = 365 * DAY_MS

/** Marks of time `stepMs` apart; below them, where it changes, the day of hours and the year of days and months. */
export const timeLabels = (marksMs: readonly number[], stepMs: number): string[] => {
  let before = ''
  return marksMs.map((ms) => {
    const date = new Date(ms)
    const year = String(date.getUTCFullYear())
    if (stepMs >= YEAR_MS) return year
    const month = MONTHS[date.getUTCMonth()] ?? ''
    const day = `${date.getUTCDate()} ${month}`
    const end = stepMs < SECOND_MS ? 23 : stepMs < MINUTE_MS ? 19 : 16
    const label = stepMs >= MONTH_MS ? month : stepMs >= DAY_MS ? day : date.toISOString().slice(11, end)
    const under = stepMs >= DAY_MS ? year : day
    if (under === before) return label
    before = under
    return `${label}\n${under}`
  })
}

/** `2026-10-01 08:05:00`, with milliseconds where there are any. */
export const exactTime = (ms: number): string =>
  new Date(ms)
    .toISOString()
    .slice(0, ms % SECOND_MS === 0 ? 19 : 23)
    .replace('T', ' ')

/** All digits that tell a value from its neighbours, without those of binary fractions. */
export const exactValue = (value: number): string => String(Number(value.toPrecision(12)))

/** As many digits as a glance takes in. */
export const roundValue = (value: number): string => String(Number(value.toPrecision(6)))

/** Labels `step` apart, all different. */
export const valueLabels = (marks: readonly number[], step: number): string[] => {
  const decimals = Math.min(20, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)))
  const plain = marks.map((value) => (value === 0 ? '0' : value.toFixed(decimals)))
  if (plain.every((label) => label.length <= 8)) return plain
  const largest = Math.max(...marks.map(Math.abs))
  const digits = Math.min(15, Math.max(0, Math.floor(Math.log10(largest)) - Math.floor(Math.log10(step))))
  return marks.map((value) => (value === 0 ? '0' : value.toExponential(digits)))
}
