/**
 * A plot as SVG: the same version gives the same bytes. A panel per column: values as a line that keeps every spike,
 * the expected band, odd points as dots. Times are UTC.
 *
 * Its letters are as large as those around it where it is shown as wide as it was made; made for a desk and shown on a
 * phone, they grow and every other mark of time goes.
 */
import { escapeHtml } from '../report/escape-html.ts'
import { headingOf } from './plot.ts'
import type { PlotColumn, PlotData } from './plot.ts'
import { boundsOf, decimate, envelope, exactTime, timeTicks, valueTicks } from './plot-scale.ts'

export const DEFAULT_WIDTH = 960
export const LEAST_WIDTH = 280
export const MOST_WIDTH = 3840
/** More columns than these would be no picture any more. */
export const MOST_PANELS = 8

/** Made at least so wide, letters grow when it is shown on a phone. */
const GROWS_FROM = 600
const RIGHT = 14
/** Room for a heading. */
const ABOVE = 32
/** Room for marks of time, in two lines; the second is for letters that may grow. */
const BELOW = 40
const BELOW_GROWN = 58
const LINE = 18
const LINE_GROWN = 27
/** Widths of a digit. */
const LETTER = 6.8
const LETTER_GROWN = 13
/** Dots closer than this show as one. */
const DOT_GRID = 2

const styleOf = (scope: string, grows: boolean): string => {
  const rules = (text: string): string => text.replace(/\.(?=[a-z])/g, `.${scope} .`)
  return (
    rules(
      `.ground{fill:#fff}.ink{fill:#1b2430}.soft{fill:#566070}.grid,.edge{stroke:#dde2e8;fill:none}.line{stroke:#0b5fa5;fill:none;stroke-width:1.3;stroke-linejoin:round;stroke-linecap:round}` +
        `.band{fill:#0b5fa5;fill-opacity:.14}.odd{stroke:#b3261e;stroke-width:7;stroke-linecap:round;fill:none}`,
    ) +
    `.${scope} text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif;font-variant-numeric:tabular-nums}.${scope} .name{font-weight:600;font-size:13px}.${scope} .title{font-weight:600;font-size:16px}` +
    (grows
      ? `@media (max-width:${GROWS_FROM}px){.${scope} text,.${scope} .name{font-size:23px}.${scope} .title{font-size:27px}.${scope} .minor{display:none}` +
        `.${scope} .mark{transform:translateY(7px)}.${scope} .under{transform:translateY(18px)}}`
      : '') +
    `@media (prefers-color-scheme:dark){${rules(
      `.ground{fill:#1a2029}.ink{fill:#e8ecf1}.soft{fill:#a5afbc}.grid,.edge{stroke:#303945}.line{stroke:#6db5f2}` +
        `.band{fill:#6db5f2;fill-opacity:.2}.odd{stroke:#ff8a80}`,
    )}}`
  )
}

/** Two digits of a pixel are finer than any screen. */
const px = (value: number): string => String(Math.round(value * 100) / 100)

const cut = (text: string, most: number): string =>
  text.length <= most ? text : `${text.slice(0, Math.max(1, most - 1))}…`

export const countOf = (n: number, one: string): string =>
  `${n.toLocaleString('en-US')} ${n === 1 ? one : `${one}s`}`

interface Frame {
  readonly width: number
  readonly grows: boolean
  readonly top: number
  readonly height: number
}

const panel = (data: PlotData, column: PlotColumn, { width, grows, top, height }: Frame): string => {
  const { timesMs } = data
  const from = timesMs[0] as number
  const to = timesMs.at(-1) as number
  const { low, high } = boundsOf(column.values, column.low, column.high)
  const marks = valueTicks(low, high, height < 160 ? 4 : 5)
  const longest = Math.max(...marks.map(({ label }) => label.length))
  const left = Math.ceil(Math.max(4, longest) * (grows ? LETTER_GROWN : LETTER)) + 12
  const right = width - RIGHT
  const bottom = top + height
  const x = (ms: number): number => left + (to === from ? 0.5 : (ms - from) / (to - from)) * (right - left)
  // The band may reach beyond the panel.
  const y = (value: number): number =>
    Math.min(bottom, Math.max(top, bottom - ((value - low) / (high - low)) * height))
  const xs = Float64Array.from(timesMs, x)
  const name = cut(headingOf(column.name), Math.floor((width - 16) / 8))
  const parts = [`<text class="ink name" x="${left}" y="${top - 10}">${escapeHtml(name)}</text>`]
  for (const { value, label } of marks) {
    const at = px(y(value))
    parts.push(
      `<path class="grid" d="M${left} ${at}H${right}"/>`,
      `<text class="soft" x="${left - 8}" y="${px(y(value) + 4)}" text-anchor="end">${label}</text>`,
    )
  }
  let shown = 0
  for (const { ms, label, under } of timeTicks(from, to, Math.max(3, Math.floor((right - left) / 84)))) {
    const at = x(ms)
    // A label at an edge would be cut off.
    const edge = label.length * (LETTER / 2)
    const anchor = at + edge > width ? 'end' : at - edge < left - 20 ? 'start' : 'middle'
    const text = `x="${px(at)}" text-anchor="${anchor}"`
    const minor = grows && under === null && shown++ % 2 === 0 ? ' minor' : ''
    parts.push(
      `<path class="grid" d="M${px(at)} ${bottom}v5"/>`,
      `<text class="soft mark${minor}" ${text} y="${bottom + 19}">${label}</text>`,
    )
    if (under !== null) parts.push(`<text class="soft under" ${text} y="${bottom + 34}">${under}</text>`)
  }
  if (column.low && column.high) {
    const outlines = envelope(xs, column.low, column.high)
    const paths = outlines.map((outline) => {
      const upper = outline.map((point) => `${px(point.x)} ${px(y(point.high))}`)
      const lower = outline.toReversed().map((point) => `${px(point.x)} ${px(y(point.low))}`)
      return `M${[...upper, ...lower].join('L')}Z`
    })
    if (paths.length > 0) parts.push(`<path class="band" d="${paths.join('')}"/>`)
  }
  const place = (row: number): string => `${px(xs[row] as number)} ${px(y(column.values[row] as number))}`
  const line = decimate(xs, column.values).map(place)
  parts.push(
    `<path class="edge" d="M${left} ${bottom}H${right}"/>`,
    `<path class="line" d="M${line.join('L')}${line.length === 1 ? 'h0' : ''}"/>`,
  )
  const cells = new Map<string, number>()
  for (const { row, column: name } of data.anomalies) {
    if (name !== column.name) continue
    const across = Math.round((xs[row] as number) / DOT_GRID)
    const cell = `${across} ${Math.round(y(column.values[row] as number) / DOT_GRID)}`
    if (!cells.has(cell)) cells.set(cell, row)
  }
  if (cells.size > 0)
    parts.push(`<path class="odd" d="${[...cells.values()].map((row) => `M${place(row)}h0`).join('')}"/>`)
  return parts.join('\n')
}

/** How many points, of when, and how many of them are odd. */
export const summaryOf = ({ timesMs, anomalies, member }: PlotData): string => {
  if (timesMs.length === 0) return 'No points are kept.'
  const n = anomalies.length
  const odd = n === 0 ? 'none of them is' : `${n.toLocaleString('en-US')} of them ${n === 1 ? 'is' : 'are'}`
  const period = `from ${exactTime(timesMs[0] as number)} to ${exactTime(timesMs.at(-1) as number)} UTC`
  return `${countOf(timesMs.length, 'point')} ${period}; ${odd} odd to ${member}.`
}

export interface SvgOptions {
  /** Names to draw; null: all. The first MOST_PANELS of them are. */
  readonly columns?: readonly string[] | null
  /** In pixels, LEAST_WIDTH to MOST_WIDTH: how wide it will be shown. */
  readonly width?: number
  /** Part of a page that has a heading of its own. */
  readonly bare?: boolean
}

const headingLines = (data: PlotData, hidden: number): readonly string[] => {
  const { member, timesMs, anomalies, notice } = data
  if (timesMs.length === 0) return []
  return [
    `${exactTime(timesMs[0] as number)} to ${exactTime(timesMs.at(-1) as number)} UTC`,
    `${countOf(timesMs.length, 'point')}, ${anomalies.length.toLocaleString('en-US')} odd to ${member}`,
    ...(hidden > 0 ? [`${hidden} more ${hidden === 1 ? 'channel' : 'channels'} not drawn`] : []),
    ...(notice === null ? [] : [notice]),
  ]
}

export const renderSvg = (data: PlotData, options: SvgOptions = {}): string => {
  const { columns = null, width = DEFAULT_WIDTH, bare = false } = options
  const wanted = data.columns.filter(({ name }) => columns === null || columns.includes(name))
  const shown = data.timesMs.length === 0 ? [] : wanted.slice(0, MOST_PANELS)
  const grows = !bare && width >= GROWS_FROM
  const title = `${data.version.seriesId} v${data.version.version}`
  const size = width < GROWS_FROM ? 150 : 200
  const parts: string[] = []
  let top = bare ? 0 : 30
  if (!bare) {
    parts.push(
      `<text class="ink title" x="14" y="${top}">${escapeHtml(cut(title, Math.floor((width - 28) / (grows ? 14 : 10))))}</text>`,
    )
    for (const line of headingLines(data, wanted.length - shown.length)) {
      top += grows ? LINE_GROWN : LINE
      parts.push(
        `<text class="soft" x="14" y="${top}">${escapeHtml(cut(line, Math.floor((width - 28) / (grows ? LETTER_GROWN : LETTER))))}</text>`,
      )
    }
    top += 12
  }
  if (shown.length === 0) {
    top += 40
    parts.push(`<text class="soft" x="14" y="${top}">${escapeHtml(data.notice ?? 'Nothing to draw.')}</text>`)
    top += 40
  }
  for (const column of shown) {
    top += ABOVE
    parts.push(panel(data, column, { width, grows, top, height: size }))
    top += size + (grows ? BELOW_GROWN : BELOW)
  }
  const scope = `plot-${width}`
  return `<svg xmlns="http://www.w3.org/2000/svg" class="${scope}" width="${width}" height="${top}" viewBox="0 0 ${width} ${top}" style="max-width:100%;height:auto" role="img" aria-labelledby="${scope}-title ${scope}-text">
<title id="${scope}-title">${escapeHtml(title)}</title><desc id="${scope}-text">${escapeHtml(`Series ${data.version.seriesId}, version v${data.version.version}: ${summaryOf(data)}`)}</desc><style>${styleOf(scope, grows)}</style>
${bare ? '' : `<rect class="ground" width="${width}" height="${top}" rx="10"/>\n`}${parts.join('\n')}
</svg>
`
}
