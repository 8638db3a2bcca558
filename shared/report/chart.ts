/**
 * A small chart of a daily figure: what was, what is expected, and how far that may be off. The drawing stretches
 * to its place; its letters stand beside it, so that they stay as large as all others.
 */
import { toDayNumber, toLocalDate } from '../core/days.ts'
import type { LocalDate } from '../core/days.ts'
import { escapeHtml } from './escape-html.ts'
import type { Interval } from './report.ts'
import { shortDay } from './words.ts'

/** The chart's own units. */
const WIDTH = 1000
const HEIGHT = 100
/** Lines across, but for the one at the bottom. */
const LINES = 3
/** Dates closer than this share of the width would overlap. */
const APART = 0.2
const HALF = 0.5

export interface Series {
  readonly title: string
  /** What the figures beside the lines are in; empty for counts. */
  readonly unit: string
  /** At least one day, ascending. */
  readonly past: readonly { readonly date: LocalDate; readonly value: number }[]
  readonly next: readonly { readonly date: LocalDate; readonly value: Interval }[]
  readonly format: (value: number) => string
}

/** The highest line of a chart and the distance between lines: 1, 2, 2.5 or 5 times a power of ten. */
export const scaleOf = (most: number): { readonly top: number; readonly step: number } => {
  if (!(most > 0)) return { top: 1, step: 1 }
  const power = 10 ** Math.floor(Math.log10(most / LINES))
  const step = [1, 2, 2.5, 5, 10].map((times) => times * power).find((one) => one * LINES >= most) ?? most
  return { top: Math.ceil(most / step - 1e-9) * step, step }
}

const short = new Intl.NumberFormat('en-US', { notation: 'compact', maximumSignificantDigits: 3 })

const place = (share: number): string => `${(100 * share).toFixed(2)}%`

/** In words what the chart shows, for those who do not see it. */
const inWords = ({ title, past, next, format }: Series): string => {
  const values = past.map(({ value }) => value)
  const sum = values.reduce((total, value) => total + value, 0)
  const ahead = next.reduce((total, { value }) => total + value.predicted, 0)
  const last = past.at(-1)
  return (
    `${title}: ${format(sum)} in ${past.length === 1 ? '1 day' : `${past.length} days`}, ` +
    `between ${format(Math.min(...values))} and ${format(Math.max(...values))} a day, ` +
    `${format(last?.value ?? 0)} on ${shortDay(last?.date ?? '')}` +
    (next.length > 0
      ? `; ${format(ahead)} expected from ${shortDay(next[0]?.date ?? '')} to ${shortDay(next.at(-1)?.date ?? '')}.`
      : '.')
  )
}

export const chart = (series: Series): string => {
  const { title, unit, past, next } = series
  const first = past[0]
  const last = past.at(-1)
  if (!first || !last) return ''
  // A forecast made some days ago begins within what was, or even before it.
  const from = Math.min(toDayNumber(first.date), ...next.slice(0, 1).map(({ date }) => toDayNumber(date)))
  const end = next.at(-1)?.date ?? last.date
  const span = Math.max(toDayNumber(end), toDayNumber(last.date)) - from
  const { top, step } = scaleOf(
    Math.max(...past.map(({ value }) => value), ...next.map(({ value }) => value.upper)),
  )
  const shareOf = (date: LocalDate): number => (span === 0 ? 0.5 : (toDayNumber(date) - from) / span)
  const at = (date: LocalDate, value: number): string =>
    `${(shareOf(date) * WIDTH).toFixed(1)},${(HEIGHT - (value / top) * HEIGHT).toFixed(2)}`

  const line = past.map(({ date, value }) => at(date, value))
  const joins = next[0] !== undefined && toDayNumber(next[0].date) === toDayNumber(last.date) + 1
  const here = joins ? [at(last.date, last.value)] : []
  const expected = [...here, ...next.map(({ date, value }) => at(date, value.predicted))]
  const upper = next.map(({ date, value }) => at(date, value.upper))
  const lower = next.map(({ date, value }) => at(date, value.lower)).toReversed()
  const now = (shareOf(last.date) * WIDTH).toFixed(1)
  const ticks = Array.from({ length: Math.round(top / step) + 1 }, (_, i) => i * step)
  const drawing = [
    ...ticks.map((tick) => {
      const y = (HEIGHT - (tick / top) * HEIGHT).toFixed(2)
      return `<path class="grid" d="M0 ${y}H${WIDTH}"/>`
    }),
    `<polygon class="area" points="${at(first.date, 0)} ${line.join(' ')} ${at(last.date, 0)}"/>`,
    ...(next.length > 0
      ? [
          `<path class="now" d="M${now} 0V${HEIGHT}"/>`,
          `<polygon class="band" points="${[...here, ...upper, ...lower].join(' ')}"/>`,
          `<polyline class="next" points="${expected.join(' ')}"/>`,
        ]
      : []),
    `<polyline class="past" points="${line.join(' ')}"/>`,
    `<path class="dot" d="M${at(last.date, last.value)}h0"/>`,
  ]
  // The last day's date ends at its line, so that the date at the right has room even on a phone.
  const share = shareOf(last.date)
  const dates = [
    ...(span > 0 && share >= HALF ? [`<span style="left:0">${shortDay(toLocalDate(from))}</span>`] : []),
    share >= HALF
      ? `<span style="right:${place(1 - share)}">${shortDay(last.date)}</span>`
      : `<span style="left:${place(share)}">${shortDay(last.date)}</span>`,
    ...(span > 0 && share <= 1 - APART ? [`<span style="right:0">${shortDay(end)}</span>`] : []),
  ]
  return `<figure><figcaption>${escapeHtml(title)} a day${unit === '' ? '' : `, ${escapeHtml(unit)}`}</figcaption>
<div class="plot"><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${escapeHtml(inWords(series))}">
${drawing.join('\n')}
</svg>${ticks.map((tick) => `<span aria-hidden="true" style="bottom:${place(tick / top)}">${short.format(tick)}</span>`).join('')}</div>
<div class="dates" aria-hidden="true">${dates.join('')}</div></figure>`
}
