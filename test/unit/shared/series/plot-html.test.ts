import { expect } from 'chai'
import { AppError } from '../../../../shared/core/errors.ts'
import { renderPlotPage, stretchesOf } from '../../../../shared/series/plot-html.ts'
import { renderPlotList, renderPlotRefusal } from '../../../../shared/series/plot-list-html.ts'
import { plotData, plotVersion } from '../../../support/plots.ts'

const ASSETS = {
  styles: ['/plot/assets/x/a.css'],
  scripts: [
    { src: '/plot/assets/x/a.js', isModule: false },
    { src: '/plot/assets/x/b.js', isModule: true },
  ],
}

describe('odd points that follow each other', () => {
  const odd = (row: number, score = 0.6, column = 'value') => ({ row, score, column })

  it('are one stretch up to three rows apart, told by the strangest of them', () => {
    const points = [odd(1), odd(4, 0.9, 'b'), odd(8, 0.7), odd(9)]
    expect(stretchesOf(points)).to.deep.equal([
      { first: 1, last: 4, points: 2, worst: odd(4, 0.9, 'b') },
      { first: 8, last: 9, points: 2, worst: odd(8, 0.7) },
    ])
    expect(stretchesOf([])).to.deep.equal([])
  })
})

describe('a plot as a page', () => {
  it('has a picture for desks and one for phones, choices, statistics and the models', () => {
    const page = renderPlotPage(plotData(500), null, ASSETS)
    expect(page.match(/<svg [^>]*role="img"/g)).to.have.length(2)
    expect(page).to.contain('<option value="v2" selected>v2 (stable)</option>')
    expect(page).to.contain('<option value="v1" disabled>v1 (archived)</option>')
    for (const title of ['Mean', 'Std', 'Min', '1%', '5%', '25%', 'Median', '75%', '95%', '99%', 'Max'])
      expect(page).to.contain(`<th scope="col">${title}</th>`)
    expect(page).to.contain('<dd>2026-03-12 08:00 UTC</dd>').and.to.contain('1,000, the last 500 kept')
    expect(page).to.contain('<td>1.25%</td>')
    expect(page).to.contain(
      'data-plot="/plot?series_id=pump_7&amp;version=v2&amp;model=zscore&amp;format=json&amp;channel=value"',
    )
  })

  it('has no script of its own: the uPlot first, then what draws with it', () => {
    const page = renderPlotPage(plotData(50), null, ASSETS)
    expect(page.match(/<script[^>]*>[^<]*/g)).to.deep.equal([
      '<script defer src="/plot/assets/x/a.js">',
      '<script type="module" src="/plot/assets/x/b.js">',
    ])
    expect(page).to.not.match(/ on[a-z]+=/)
  })

  it('stands alone: no script, no choice, no address to follow', () => {
    const page = renderPlotPage(plotData(50), null, null)
    expect(page).to.not.match(/<script|<form|<a |<link rel="stylesheet"/)
    expect(page).to.contain(`content="default-src 'none'`)
  })

  it('offers the version it shows, however old it is', () => {
    const page = renderPlotPage(plotData(50, { version: plotVersion({ version: 900 }) }), null, ASSETS)
    expect(page).to.contain('<option value="v900" selected>v900 (stable)</option>')
  })

  it('escapes what people and models wrote', () => {
    const hostile = '"><img src=x onerror=alert(1)>'
    const version = plotVersion({
      members: plotVersion().members.map((one) => ({
        ...one,
        name: hostile,
        status: 'failed',
        error: hostile,
      })),
    })
    const data = plotData(50, { version, member: hostile, members: [hostile], notice: hostile })
    expect(renderPlotPage(data, null, ASSETS)).to.not.contain('<img')
  })

  it('says what there is to know when no points are kept', () => {
    const data = plotData(0, { columns: [], anomalies: [], notice: 'No points are kept with this version.' })
    const page = renderPlotPage(data, null, ASSETS)
    expect(page).to.contain('<p class="notice" role="note">No points are kept with this version.</p>')
    expect(page).to.not.contain('<svg viewBox="0 0 26 10">').and.to.not.contain('data-plot')
    expect(page).to.contain('What it learnt from')
  })

  it('says that nothing is odd', () => {
    expect(renderPlotPage(plotData(50, { anomalies: [] }), null, ASSETS)).to.contain(
      'None of the points kept is odd.',
    )
  })
})

describe('the list of series to choose from', () => {
  const overview = (id: string, stable: number | null) => ({
    series: {
      id,
      class: 'short' as const,
      ranges: {},
      timestampUnit: 's' as const,
      minPoints: null,
      maxPoints: null,
      tags: {},
      channels: stable === null ? null : ['value'],
      lastVersion: stable ?? 0,
      generation: 1,
      createdAt: new Date('2026-03-10T00:00:00Z'),
      updatedAt: new Date('2026-03-10T00:00:00Z'),
    },
    versions: stable ?? 0,
    stable,
    previous: null,
  })

  it('links those that can be shown, and goes on where there are more', () => {
    const list = renderPlotList({ rows: [overview('a', 2), overview('b', null)], nextCursor: 'c+d' }, 'p&q')
    expect(list).to.contain('<a href="/plot?series_id=a">').and.to.not.contain('series_id=b')
    expect(list).to.contain('href="/plot?prefix=p%26q&amp;cursor=c%2Bd"')
    expect(list).to.contain('value="p&amp;q"')
  })

  it('tells no series from none that begins so', () => {
    expect(renderPlotList({ rows: [], nextCursor: null }, '')).to.contain('There are no series yet')
    expect(renderPlotList({ rows: [], nextCursor: null }, '<b')).to.contain(
      'No series begins with <b>&lt;b</b>',
    )
  })

  it('says why a plot is refused', () => {
    const page = renderPlotRefusal(new AppError('INVALID_VERSION', 'series <x> has no version v9'), '<x>')
    expect(page).to.contain('series &lt;x&gt; has no version v9').and.to.contain('INVALID_VERSION')
  })
})
