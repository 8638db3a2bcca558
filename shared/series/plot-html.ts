/**
 * A plot as a page: it is whole without scripts, by day and by night, from a phone on. Where a server has scripts for
 * it, they make the picture one to zoom into.
 */
import type { ColumnStats } from '../../ml/series/member.ts'
import { QUANTILES } from '../../ml/series/member.ts'
import { escapeHtml } from '../report/escape-html.ts'
import { headingOf } from './plot.ts'
import type { OddPoint, PlotData } from './plot.ts'
import { exactTime } from './plot-scale.ts'
import { PLOT_STYLE } from './plot-style.ts'
import { countOf, MOST_PANELS, renderSvg, summaryOf } from './plot-svg.ts'

/** The strangest ones. */
const MOST_LISTED = 20
/** Odd points with no more than so many rows from one to the next belong together. */
const TOGETHER = 3
/** Of the picture for phones; the other is for desks. */
const NARROW = 340
const BROAD = 1000

/** A saved page needs its own style and nothing else. */
const ALONE =
  "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"

/** Where a server keeps what the page needs. */
export interface PageAssets {
  readonly styles: readonly string[]
  /** In the order in which they run, once the page is there. */
  readonly scripts: readonly { readonly src: string; readonly isModule: boolean }[]
}

export const figure = (value: number | null | undefined): string => {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–'
  const size = Math.abs(value)
  if (size >= 1e9 || (size > 0 && size < 1e-4)) return value.toExponential(4)
  return String(Number(value.toPrecision(6)))
}

export const pageOf = (title: string, assets: PageAssets | null, body: string): string => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
${assets ? '' : `<meta http-equiv="Content-Security-Policy" content="${ALONE}">\n`}<title>${escapeHtml(title)}</title>
${(assets?.styles ?? []).map((href) => `<link rel="stylesheet" href="${href}">\n`).join('')}<link rel="icon" href="data:,">
<style>${PLOT_STYLE}</style></head>
<body>${body}${(assets?.scripts ?? [])
  .map(({ src, isModule }) => `\n<script ${isModule ? 'type="module"' : 'defer'} src="${src}"></script>`)
  .join('')}</body></html>
`

interface Choice {
  readonly value: string
  readonly text?: string
  readonly closed?: boolean
}

const select = (label: string, name: string, choices: readonly Choice[], chosen: string): string =>
  `<label>${label}<select name="${name}">${choices
    .map(
      ({ value, text = value, closed }) =>
        `<option value="${escapeHtml(value)}"${value === chosen ? ' selected' : ''}${closed ? ' disabled' : ''}>${escapeHtml(text)}</option>`,
    )
    .join('')}</select></label>`

const picker = (
  { version, versions, members, member, columns }: PlotData,
  shown: readonly string[] | null,
): string => {
  const here = { version: version.version, state: version.state, aliases: version.aliases }
  // A very old version is not among those listed.
  const listed = versions.some((one) => one.version === here.version) ? versions : [...versions, here]
  const choices = listed.map(({ version: n, state, aliases }): Choice => {
    const words = [...aliases, ...(state === 'ready' ? [] : [state])]
    const text = words.length > 0 ? `v${n} (${words.join(', ')})` : `v${n}`
    return { value: `v${n}`, text, closed: state === 'archived' }
  })
  const all = columns.length > MOST_PANELS ? `first ${MOST_PANELS} of ${columns.length}` : 'all'
  const channels = columns.map(({ name }) => ({ value: name, text: headingOf(name) }))
  return `<form method="get" action="/plot">
<input type="hidden" name="series_id" value="${escapeHtml(version.seriesId)}">
${select('Version', 'version', choices, `v${version.version}`)}
${select(
  'Model',
  'model',
  members.map((value) => ({ value })),
  member,
)}
${select('Channel', 'channel', [{ value: '', text: all }, ...channels], shown?.length === 1 ? (shown[0] ?? '') : '')}
<button class="go">Show</button></form>`
}

export const plotAddress = (
  data: Pick<PlotData, 'version' | 'member'>,
  format: string,
  columns: readonly string[] = [],
): string => {
  const { seriesId, version } = data.version
  const query = new URLSearchParams({
    series_id: seriesId,
    version: `v${version}`,
    model: data.member,
    format,
  })
  if (columns.length > 0) query.set('channel', columns.join(','))
  return `/plot?${query.toString()}`
}

const KEY = `<ul class="key" aria-hidden="true"><li><svg viewBox="0 0 26 10"><path class="line" d="M0 5h26"/></svg>value</li>
<li><svg viewBox="0 0 26 10"><rect class="area" width="26" height="10"/></svg>expected</li>
<li><svg viewBox="0 0 26 10"><circle class="odd" cx="13" cy="5" r="4"/></svg>odd</li></ul>`

const picture = (data: PlotData, shown: readonly string[], assets: PageAssets | null): string => {
  const svg = (width: number): string => renderSvg(data, { columns: shown, width, bare: true })
  const numbers = assets
    ? ` data-plot="${escapeHtml(plotAddress(data, 'json', shown))}" data-threshold="${data.threshold}"`
    : ''
  return `<div class="picture"${numbers}><div class="broad">${svg(BROAD)}</div><div class="narrow">${svg(NARROW)}</div></div>`
}

/**
 * A table that scrolls within itself, also by keyboard.
 * @param texts how many of the first columns hold words
 */
const table = (label: string, head: readonly string[], rows: readonly string[], texts = 1): string => {
  const cells = head.map(
    (title, i) => `<th scope="col"${i > 0 && i < texts ? ' class="text"' : ''}>${title}</th>`,
  )
  return `<div class="wide" tabindex="0" role="region" aria-label="${label}"><table><thead><tr>${cells.join('')}</tr></thead>
<tbody>${rows.join('\n')}</tbody></table></div>`
}

const row = (first: string, cells: readonly string[], texts = 1): string =>
  `<tr><th scope="row">${first}</th>${cells.map((cell, i) => `<td${i + 1 < texts ? ' class="text"' : ''}>${cell}</td>`).join('')}</tr>`

interface Stretch {
  readonly first: number
  readonly last: number
  readonly points: number
  readonly worst: OddPoint
}

/** Odd points that follow each other, whatever their channels. */
export const stretchesOf = (anomalies: readonly OddPoint[]): readonly Stretch[] => {
  const stretches: Stretch[] = []
  for (const point of anomalies) {
    const open = stretches.at(-1)
    if (!open || point.row - open.last > TOGETHER)
      stretches.push({ first: point.row, last: point.row, points: 1, worst: point })
    else {
      const worst = point.score > open.worst.score ? point : open.worst
      stretches[stretches.length - 1] = { ...open, last: point.row, points: open.points + 1, worst }
    }
  }
  return stretches
}

const oddTable = (data: PlotData): string => {
  const { anomalies, columns, timesMs } = data
  if (anomalies.length === 0) return '<p class="soft">None of the points kept is odd.</p>'
  const byName = new Map(columns.map((column) => [column.name, column]))
  const stretches = stretchesOf(anomalies)
  const listed = stretches
    .toSorted((a, b) => b.worst.score - a.worst.score || a.first - b.first)
    .slice(0, MOST_LISTED)
  const rows = listed.map(({ first, last, points, worst }) => {
    const column = byName.get(worst.column)
    const [from, to] = [exactTime(timesMs[first] as number), exactTime(timesMs[last] as number)]
    const isSameDay = from.slice(0, 10) === to.slice(0, 10)
    const until = first === last ? '' : ` to ${isSameDay ? to.slice(11) : to}`
    return row(
      `<time datetime="${new Date(timesMs[first] as number).toISOString()}" data-row="${worst.row}">${from}${until}</time>`,
      [
        escapeHtml(headingOf(worst.column)),
        points.toLocaleString('en-US'),
        figure(column?.values[worst.row]),
        `${figure(column?.low?.[worst.row])} to ${figure(column?.high?.[worst.row])}`,
        worst.score.toFixed(4),
      ],
      2,
    )
  })
  const more = stretches.length - listed.length
  return (
    table('Odd points', ['Time, UTC', 'Channel', 'Points', 'Strangest', 'Expected', 'Score'], rows, 2) +
    (more > 0
      ? `<p class="soft small more">The strangest ${listed.length}; ${more.toLocaleString('en-US')} more are in the picture.</p>`
      : '')
  )
}

const titleOf = (share: number): string => (share === 0.5 ? 'Median' : `${share * 100}%`)

const statsTable = (stats: Readonly<Record<string, ColumnStats>>): string => {
  const inner = QUANTILES.flatMap((share, i) => (share > 0 && share < 1 ? [i] : []))
  const head = ['Channel', 'Mean', 'Std', 'Min', ...inner.map((i) => titleOf(QUANTILES[i] as number)), 'Max']
  const rows = Object.entries(stats)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { mean, std, min, max, quantiles }]) =>
      row(
        escapeHtml(headingOf(name)),
        [mean, std, min, ...inner.map((i) => quantiles[i]), max].map((value) => figure(value)),
      ),
    )
  return table('Statistics by channel', head, rows)
}

const modelsTable = ({ version }: PlotData): string => {
  const rows = version.members.map(({ name, family, channels, threshold, flagRate, status, error }) =>
    row(
      escapeHtml(name),
      [
        escapeHtml(family.replace('_', ' ')),
        escapeHtml(channels.join(', ')),
        status === 'ready' ? figure(threshold) : '–',
        status === 'ready' ? `${figure(Number((100 * (flagRate ?? 0)).toPrecision(3)))}%` : '–',
        status === 'ready' ? 'ready' : `<span class="bad">failed</span> ${escapeHtml(error ?? '')}`,
      ],
      3,
    ),
  )
  return table('Models', ['Name', 'Family', 'Channels', 'Threshold', 'Odd in training', 'State'], rows, 3)
}

const fact = (name: string, value: string): string => `<div><dt>${name}</dt><dd>${value}</dd></div>`

const section = (id: string, title: string, content: string): string =>
  `<section aria-labelledby="${id}"><h2 id="${id}">${title}</h2>\n${content}</section>`

/**
 * @param columns names to draw; null: all, the first MOST_PANELS of them
 * @param assets null: the page stands alone
 */
export const renderPlotPage = (
  data: PlotData,
  columns: readonly string[] | null,
  assets: PageAssets | null,
): string => {
  const { version, notice, anomalies } = data
  const { seriesId } = version
  const title = `${seriesId} v${version.version}`
  const names = data.columns.map(({ name }) => name)
  const shown = (columns ?? names).slice(0, MOST_PANELS)
  const hidden = (columns ?? names).length - shown.length
  const hasPoints = data.timesMs.length > 0
  const facts = [
    fact('Trained', `${exactTime(Math.floor(version.trainedAt.getTime() / 1000) * 1000)} UTC`),
    fact(
      'Points',
      `${version.points.toLocaleString('en-US')}, the last ${data.timesMs.length.toLocaleString('en-US')} kept`,
    ),
    fact('From', `${exactTime(version.firstMs)} UTC`),
    fact('To', `${exactTime(version.lastMs)} UTC`),
  ]
  const links = assets
    ? `<p class="small more"><a href="${escapeHtml(plotAddress(data, 'json'))}">Numbers (JSON)</a> · <a href="${escapeHtml(plotAddress(data, 'svg', columns ?? []))}">Picture (SVG)</a></p>`
    : ''
  return pageOf(
    title,
    assets,
    `<header>${assets ? '<p class="crumb"><a href="/plot">All series</a></p>' : ''}<h1>${escapeHtml(seriesId)}<span class="tag">v${version.version}</span></h1>
<p class="lead">${escapeHtml(summaryOf(data))}</p></header>
<main>${notice === null ? '' : `<p class="notice" role="note">${escapeHtml(notice)}</p>`}
<section aria-label="Plot">${assets ? picker(data, columns) : ''}
${hasPoints ? KEY + picture(data, shown, assets) : ''}${hasPoints && hidden > 0 ? `<p class="soft small">${countOf(hidden, 'channel')} more${assets ? ' can be chosen above' : ' are not drawn'}.</p>` : ''}${links}</section>
${hasPoints ? section('odd', `Odd points <span class="soft">${anomalies.length.toLocaleString('en-US')}</span>`, oddTable(data)) : ''}
${section('learnt', 'What it learnt from', `<dl class="facts">${facts.join('')}</dl>${statsTable(version.stats)}`)}
${section('models', 'Models', modelsTable(data))}
</main><footer>Times are UTC.</footer>`,
  )
}
