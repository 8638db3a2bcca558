/** The page to choose a series on, and the one that says why a plot cannot be shown. */
import type { AppError } from '../core/errors.ts'
import { escapeHtml } from '../report/escape-html.ts'
import type { CursorPage } from './catalogue.ts'
import { pageOf } from './plot-html.ts'
import { exactTime } from './plot-scale.ts'
import type { SeriesOverview } from './registry-store.ts'

const NO_ASSETS = { styles: [], scripts: [] }

const search = (prefix: string): string => `<form method="get" action="/plot" role="search">
<label>Series whose name begins with<input type="search" name="prefix" value="${escapeHtml(prefix)}" maxlength="128" autocomplete="off" spellcheck="false"></label>
<button class="go">Search</button></form>`

const rowOf = ({ series, versions, stable }: SeriesOverview): string => {
  const name = escapeHtml(series.id)
  const address = `/plot?series_id=${encodeURIComponent(series.id)}`
  return `<li><p>${stable === null ? `<b>${name}</b>` : `<a href="${address}"><b>${name}</b></a>`}</p>
<p class="soft small">${
    stable === null
      ? 'not trained yet'
      : `v${stable} of ${versions} ${versions === 1 ? 'version' : 'versions'} answers; ${escapeHtml((series.channels ?? []).join(', '))}`
  }; ${series.class}, since ${exactTime(series.createdAt.getTime()).slice(0, 10)}</p></li>`
}

export const renderPlotList = ({ rows, nextCursor }: CursorPage<SeriesOverview>, prefix: string): string => {
  const query = nextCursor === null ? '' : new URLSearchParams({ prefix, cursor: nextCursor }).toString()
  const none =
    prefix === ''
      ? 'There are no series yet; train one with <code>vigia series train FILE.csv --series NAME</code>.'
      : `No series begins with <b>${escapeHtml(prefix)}</b>. <a href="/plot">Show all</a>`
  return pageOf(
    'Series',
    NO_ASSETS,
    `<header><h1>Series</h1><p class="lead">Choose one to see what its model learnt: the last points, where they were expected, and what is odd.</p></header>
<main><section aria-label="Search">${search(prefix)}</section>
<section aria-label="Series">${rows.length === 0 ? `<p>${none}</p>` : `<ul class="items">${rows.map(rowOf).join('\n')}</ul>`}
${nextCursor === null ? '' : `<p class="pages"><a href="/plot?${escapeHtml(query)}">More series</a></p>`}</section></main>`,
  )
}

export const renderPlotRefusal = ({ code, message }: AppError, seriesId: string): string =>
  pageOf(
    'No plot',
    NO_ASSETS,
    `<header><p class="crumb"><a href="/plot">All series</a></p><h1>No plot</h1></header>
<main><p class="notice" role="alert">${escapeHtml(message)}<br><span class="soft small">${code}</span></p>
<section aria-label="Search">${search(seriesId)}</section></main>`,
  )
