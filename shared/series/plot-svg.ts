/**
 * A plot as SVG: the same version gives the same bytes. A panel per column: values as a line that keeps every spike
 * (smallest and largest value of each pixel), the expected band, odd points as dots. Times are UTC.
 */
import { escapeHtml } from '../report/escape-html.ts'
import { headingOf } from './plot.ts'
import type { PlotColumn, PlotData } from './plot.ts'

const WIDTH = 960
const PANEL = 220
const LEFT = 64
const RIGHT = 16
const TOP = 34
const BOTTOM = 26
const GAP = 30
const PLOT_WIDTH = WIDTH - LEFT - RIGHT
const VALUE_TICKS = 4
const TIME_TICKS = 6
const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
/** Distances between marks of time that people read without counting. */
const STEPS_MS = [1, 5, 10, 30, 60, 180, 360, 720].map((minutes) => minutes * MINUTE_MS)
const STEPS_DAYS = [1, 2, 7, 14, 30, 90, 180, 365]

const STYLE = `
.ground{fill:#fff}.ink{fill:#1b2430}.soft{fill:#566070}.grid{stroke:#dde2e8}.line{stroke:#0b5fa5;fill:none;stroke-width:1.4;stroke-linejoin:round}
.band{fill:#0b5fa5;fill-opacity:.14}.odd{fill:#b3261e}text{font:12px system-ui,sans-serif}.title{font-size:15px;font-weight:600}
@media (prefers-color-scheme:dark){.ground{fill:#1a2029}.ink{fill:#e8ecf1}.soft{fill:#a5afbc}.grid{stroke:#303945}
.line{stroke:#6db5f2}.band{fill:#6db5f2;fill-opacity:.22}.odd{fill:#ff8a80}}
`

const round = (value: number): string => String(Math.round(value * 100) / 100)

/** Steps of 1, 2 or 5 times a power of ten, about `ticks` of them between the two. */
export const valueTicks = (low: number, high: number, ticks = VALUE_TICKS): number[] => {
  const span = high - low
  if (!(span > 0)) return [low]
  const power = 10 ** Math.floor(Math.log10(span / ticks))
  const step = [1, 2, 5, 10].map((times) => times * power).find((one) => span / one <= ticks) ?? span
  const first = Math.ceil(low / step - 1e-9)
  const last = Math.floor(high / step + 1e-9)
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => (first + i) * step)
}

export const timeTicks = (
  fromMs: number,
  toMs: number,
): { readonly ms: number; readonly label: string }[] => {
  const span = toMs - fromMs
  const stepMs =
    [...STEPS_MS, ...STEPS_DAYS.map((days) => days * DAY_MS)].find((step) => span / step <= TIME_TICKS) ??
    span
  if (!(stepMs > 0)) return []
  const marks: { ms: number; label: string }[] = []
  for (let ms = Math.ceil(fromMs / stepMs) * stepMs; ms <= toMs; ms += stepMs) {
    const text = new Date(ms).toISOString()
    marks.push({ ms, label: stepMs < DAY_MS ? text.slice(5, 16).replace('T', ' ') : text.slice(0, 10) })
  }
  return marks
}

const label = (value: number): string => {
  const size = Math.abs(value)
  if (size >= 1e6 || (size > 0 && size < 1e-4)) return value.toExponential(2)
  return String(Number(value.toPrecision(6)))
}

interface Bounds {
  readonly low: number
  readonly high: number
}

const boundsOf = ({ values, low, high }: PlotColumn): Bounds => {
  let least = Infinity
  let most = -Infinity
  for (const list of [values, low, high]) {
    if (!list) continue
    for (const value of list) {
      if (value < least) least = value
      if (value > most) most = value
    }
  }
  if (!Number.isFinite(least)) return { low: 0, high: 1 }
  const pad = (most - least) * 0.05 || Math.abs(most) * 0.05 || 1
  return { low: least - pad, high: most + pad }
}

/** First, smallest, largest and last value of each pixel, in the order in which they come. */
const decimate = (xs: ArrayLike<number>, ys: ArrayLike<number>): number[] => {
  const rows: number[] = []
  const n = ys.length
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
    for (const row of [...new Set([start, least, most, end - 1])].sort((a, b) => a - b)) rows.push(row)
    start = end
  }
  return rows
}

const panel = (data: PlotData, column: PlotColumn, top: number): string => {
  const { timesMs } = data
  const from = timesMs[0] as number
  const to = timesMs.at(-1) as number
  const { low, high } = boundsOf(column)
  const x = (ms: number): number => LEFT + (to === from ? 0.5 : (ms - from) / (to - from)) * PLOT_WIDTH
  const y = (value: number): number => top + PANEL - ((value - low) / (high - low)) * PANEL
  const xs = Float64Array.from(timesMs, x)
  const parts = [`<text class="ink" x="${LEFT}" y="${top - 10}">${escapeHtml(headingOf(column.name))}</text>`]
  for (const tick of valueTicks(low, high)) {
    parts.push(
      `<path class="grid" d="M${LEFT} ${round(y(tick))}H${LEFT + PLOT_WIDTH}"/>`,
      `<text class="soft" x="${LEFT - 8}" y="${round(y(tick) + 4)}" text-anchor="end">${label(tick)}</text>`,
    )
  }
  for (const { ms, label: text } of timeTicks(from, to)) {
    // A label at an edge would be cut off.
    const at = x(ms)
    if (at < LEFT + 40 || at > LEFT + PLOT_WIDTH - 40) continue
    parts.push(
      `<text class="soft" x="${round(at)}" y="${top + PANEL + 18}" text-anchor="middle">${text}</text>`,
    )
  }
  if (column.low && column.high) {
    const { low: under, high: over } = column
    const rows = decimate(xs, over).filter((row) => !Number.isNaN(over[row]))
    const upper = rows.map((row) => `${round(xs[row] as number)},${round(y(over[row] as number))}`)
    const lower = rows
      .toReversed()
      .map((row) => `${round(xs[row] as number)},${round(y(under[row] as number))}`)
    if (rows.length > 0) parts.push(`<polygon class="band" points="${[...upper, ...lower].join(' ')}"/>`)
  }
  const line = decimate(xs, column.values)
  parts.push(
    `<polyline class="line" points="${line.map((row) => `${round(xs[row] as number)},${round(y(column.values[row] as number))}`).join(' ')}"/>`,
  )
  for (const { row, column: name } of data.anomalies) {
    if (name !== column.name) continue
    parts.push(
      `<circle class="odd" cx="${round(xs[row] as number)}" cy="${round(y(column.values[row] as number))}" r="3"/>`,
    )
  }
  return parts.join('\n')
}

/** What the picture shows, for those who do not see it. */
export const inWords = ({ version, timesMs, anomalies, member }: PlotData): string => {
  if (timesMs.length === 0) return 'No points are kept.'
  const day = (ms: number): string => new Date(ms).toISOString().slice(0, 16).replace('T', ' ')
  const odd = anomalies.length === 1 ? '1 point is odd' : `${anomalies.length} points are odd`
  return `Series ${version.seriesId}, version v${version.version}: ${timesMs.length} points from ${day(timesMs[0] as number)} to ${day(timesMs.at(-1) as number)} UTC; to ${member}, ${odd}.`
}

/** @param columns names to draw; null: all, up to eight panels */
export const renderSvg = (data: PlotData, columns: readonly string[] | null = null): string => {
  const shown = data.columns.filter(({ name }) => columns === null || columns.includes(name)).slice(0, 8)
  const panels = data.timesMs.length === 0 ? [] : shown
  const height = TOP + Math.max(1, panels.length) * (PANEL + BOTTOM + GAP)
  const title = `${data.version.seriesId} v${data.version.version}, ${data.member}`
  const body =
    panels.length === 0
      ? `<text class="soft" x="${LEFT}" y="${TOP + 40}">${escapeHtml(data.notice ?? 'Nothing to draw.')}</text>`
      : panels.map((column, i) => panel(data, column, TOP + GAP + i * (PANEL + BOTTOM + GAP))).join('\n')
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="t d">
<title id="t">${escapeHtml(title)}</title><desc id="d">${escapeHtml(inWords(data))}</desc><style>${STYLE}</style>
<rect class="ground" width="${WIDTH}" height="${height}" rx="10"/>
<text class="ink title" x="${LEFT}" y="24">${escapeHtml(title)}</text>
${body}
</svg>
`
}
