/**
 * A plot as a page: works without scripts, by day and by night, from a phone on. Where a server has them, scripts make
 * the picture one to zoom into.
 */
import { escapeHtml } from '../report/escape-html.ts'
import { STYLE } from '../report/style.ts'
import { headingOf } from './plot.ts'
import type { PlotData } from './plot.ts'
import { inWords, renderSvg } from './plot-svg.ts'

const MOST_LISTED = 20
const PAGE_STYLE = `
form{display:flex;flex-wrap:wrap;gap:10px 16px;align-items:end}
label{display:grid;font-size:.875rem;color:var(--soft)}
select,button{font:inherit;padding:6px 10px;border-radius:8px;border:1px solid var(--line);background:var(--card);color:var(--ink)}
button{background:var(--brand);color:var(--card);border-color:var(--brand)}
.picture svg{display:block;width:100%;height:auto}
[data-plot]{min-height:260px;margin-top:12px}.u-title{font-size:.95rem;text-align:left}.u-legend{font-size:.8rem}
.wide{overflow-x:auto}
`

const number = (value: number): string => {
  const size = Math.abs(value)
  if (size >= 1e9 || (size > 0 && size < 1e-4)) return value.toExponential(3)
  return String(Number(value.toPrecision(7)))
}
const time = (ms: number): string => new Date(ms).toISOString().slice(0, 19).replace('T', ' ')

const options = (names: readonly string[], chosen: string): string =>
  names
    .map(
      (name) =>
        `<option value="${escapeHtml(name)}"${name === chosen ? ' selected' : ''}>${escapeHtml(name)}</option>`,
    )
    .join('')

const picker = (data: PlotData, column: string | null): string => {
  const { version, versions, members, member, columns } = data
  const names = versions.map((one) => `v${one}`)
  return `<form method="get" action="/plot">
<input type="hidden" name="series_id" value="${escapeHtml(version.seriesId)}">
<label>Version<select name="version">${options(names, `v${version.version}`)}</select></label>
<label>Model<select name="model">${options(members, member)}</select></label>
<label>Channel<select name="channel"><option value="">all</option>${options(
    columns.map(({ name }) => name),
    column ?? '',
  )}</select></label>
<button>Show</button></form>`
}

const numbersOf = ({ version, member }: PlotData): string =>
  `/plot?${new URLSearchParams({ series_id: version.seriesId, version: `v${version.version}`, model: member, format: 'json' }).toString()}`

const scripts = (assets: string): string =>
  `<script src="${assets}/uplot.js"></script><script src="${assets}/plot.js"></script>`

const statsTable = ({
  version,
}: PlotData): string => `<div class="wide"><table><caption>${version.points} points, ${time(version.firstMs)} to ${time(version.lastMs)} UTC</caption>
<thead><tr><th>Channel</th><th>mean</th><th>std</th><th>min</th><th>1 %</th><th>median</th><th>99 %</th><th>max</th></tr></thead>
<tbody>${Object.entries(version.stats)
  .map(
    ([name, { mean, std, min, max, quantiles }]) =>
      `<tr><th>${escapeHtml(headingOf(name))}</th>${[mean, std, min, quantiles[1], quantiles[4], quantiles[7], max].map((value) => `<td>${number(value ?? Number.NaN)}</td>`).join('')}</tr>`,
  )
  .join('')}</tbody></table></div>`

const anomalyTable = (data: PlotData): string => {
  const { anomalies, columns, timesMs } = data
  if (anomalies.length === 0) return '<p class="soft">None of the points kept is odd.</p>'
  const worst = anomalies.toSorted((a, b) => b.score - a.score || a.row - b.row).slice(0, MOST_LISTED)
  const more = anomalies.length - worst.length
  return `<div class="wide"><table><thead><tr><th>Time (UTC)</th><th>Channel</th><th>value</th><th>score</th></tr></thead>
<tbody>${worst
    .map(({ row, score, column }) => {
      const value = columns.find(({ name }) => name === column)?.values[row]
      return `<tr><th>${time(timesMs[row] as number)}</th><td>${escapeHtml(headingOf(column))}</td><td>${number(value ?? Number.NaN)}</td><td>${score.toFixed(4)}</td></tr>`
    })
    .join('')}</tbody></table></div>${more > 0 ? `<p class="soft small">and ${more} more</p>` : ''}`
}

/**
 * @param column the only one to draw; null: all
 * @param assets address of the scripts of the server that answers the choices; null: the page stands alone
 */
export const renderPlotPage = (data: PlotData, column: string | null, assets: string | null): string => {
  const { version, member, notice } = data
  const record = version.members.find(({ name }) => name === member)
  const title = `${version.seriesId} v${version.version}`
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>${escapeHtml(title)}</title>${assets === null ? '' : `<link rel="stylesheet" href="${assets}/uplot.css">`}<style>${STYLE}${PAGE_STYLE}</style></head>
<body><header><h1>${escapeHtml(title)}</h1><p class="soft">${escapeHtml(inWords(data))}</p></header>
<main>${notice === null ? '' : `<p class="notice">${escapeHtml(notice)}</p>`}
<section class="picture">${assets === null ? '' : picker(data, column)}
<div data-plot="${escapeHtml(numbersOf(data))}" data-unit="${version.timestampUnit}" data-channel="${escapeHtml(column ?? '')}">${renderSvg(data, column === null ? null : [column])}</div></section>
<section><h2>Odd points <span class="soft">${data.anomalies.length}</span></h2>${anomalyTable(data)}</section>
<section><h2>What it learnt from</h2>${statsTable(data)}
<p class="soft small">Trained ${time(version.trainedAt.getTime())} UTC; ${escapeHtml(member)}: threshold ${number(record?.threshold ?? Number.NaN)}, called ${number(100 * (record?.flagRate ?? 0))} % of its training odd.</p></section>
</main>${assets === null ? '' : scripts(assets)}</body></html>
`
}
