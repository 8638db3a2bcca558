import { expect } from 'chai'
import { renderSvg } from '../../../../shared/series/plot-svg.ts'
import { plotData, plotVersion } from '../../../support/plots.ts'

const column = (name: string, n: number) => ({
  name,
  values: Float64Array.from({ length: n }, (_, i) => i),
  low: null,
  high: null,
})

/** Ordinates of the line. */
const heightsOf = (svg: string): number[] =>
  (/class="line" d="M([^"]*)"/.exec(svg)?.[1] ?? '').split('L').map((point) => Number(point.split(' ')[1]))

describe('a plot as SVG', () => {
  it('is the same for the same data', () => {
    expect(renderSvg(plotData(5000))).to.equal(renderSvg(plotData(5000)))
  })

  it('says in words what it shows', () => {
    const svg = renderSvg(plotData(2000))
    expect(svg).to.contain('role="img" aria-labelledby="plot-960-title plot-960-text"')
    expect(svg).to.contain('<title id="plot-960-title">pump_7 v2</title>')
    expect(svg).to.contain(
      'Series pump_7, version v2: 2,000 points from 2026-03-10 00:00 to 2026-03-11 09:19 UTC; 1 of them is odd to zscore.</desc>',
    )
  })

  it('has colours for light and dark, and fetches nothing', () => {
    const svg = renderSvg(plotData(100))
    expect(svg).to.contain('@media (prefers-color-scheme:dark)')
    expect(svg).to.not.match(/href|url\(|<script|<image|@import/)
  })

  it('keeps a spike of one point among a hundred thousand, in bounded bytes', () => {
    const n = 100_000
    const data = plotData(n)
    const svg = renderSvg(data)
    expect(svg.length).to.be.below(100_000)
    const heights = heightsOf(svg)
    const top = Math.min(...heights)
    expect(heights.filter((y) => y === top)).to.have.length(1)
    expect(svg).to.match(new RegExp(`class="odd" d="M[\\d.]+ ${top}h0"`))
  })

  it('draws as many dots as can be told apart', () => {
    const n = 50_000
    const odd = Array.from({ length: n }, (_, row) => ({ row, score: 0.9, column: 'value' }))
    const dots = /class="odd" d="([^"]*)"/.exec(renderSvg(plotData(n, { anomalies: odd })))?.[1] ?? ''
    expect(dots.split('M').length).to.be.within(1000, 30_000)
  })

  it('is as wide as asked for, with letters that grow only where it was made for a desk', () => {
    const narrow = renderSvg(plotData(1000), { width: 340 })
    expect(narrow).to.match(/^<svg [^>]*class="plot-340" width="340" height="\d+" viewBox="0 0 340 \d+"/)
    expect(narrow).to.not.contain('@media (max-width')
    expect(renderSvg(plotData(1000))).to.contain('@media (max-width:600px)')
    for (const [, x] of renderSvg(plotData(1000), { width: 340 }).matchAll(/<text [^>]*x="([\d.]+)"/g))
      expect(Number(x)).to.be.within(0, 340)
  })

  it('escapes what people wrote, wherever it stands', () => {
    const hostile = '</desc><script>alert(1)</script>&"\''
    const data = plotData(10, { member: hostile, notice: hostile })
    for (const one of [data, { ...data, timesMs: new Float64Array(0), columns: [] }]) {
      const svg = renderSvg(one)
      expect(svg).to.not.contain('<script')
      expect(svg.match(/<\/desc>/g)).to.have.length(1)
    }
    expect(renderSvg(data)).to.contain('&lt;script&gt;')
  })

  it('draws the columns asked for, the first eight, and says how many it leaves out', () => {
    const names = Array.from({ length: 9 }, (_, i) => `c${i}`)
    const data = plotData(10, { columns: names.map((name) => column(name, 10)), anomalies: [] })
    expect(renderSvg(data).match(/class="line"/g)).to.have.length(8)
    expect(renderSvg(data)).to.contain('1 more channel not drawn')
    const some = renderSvg(data, { columns: ['c8', 'c1'] })
    expect(some.match(/class="line"/g)).to.have.length(2)
    expect(some).to.contain('>c8</text>').and.to.not.contain('not drawn')
  })

  it('draws a single point, values that never change, and a band that has no start', () => {
    expect(renderSvg(plotData(1))).to.match(/class="line" d="M[\d. ]+h0"/)
    const flat = plotData(50, { columns: [{ ...column('value', 50), values: new Float64Array(50) }] })
    expect(renderSvg(flat)).to.not.contain('NaN')
    const low = new Float64Array(50).fill(Number.NaN)
    low.fill(-1, 31)
    const late = plotData(50, { columns: [{ ...column('value', 50), low, high: low.map((v) => v + 2) }] })
    expect(renderSvg(late)).to.contain('class="band"').and.to.not.contain('NaN')
  })

  it('says why there is nothing to draw', () => {
    const data = plotData(0, { columns: [], notice: 'No points are kept.' })
    expect(renderSvg(data)).to.contain('>No points are kept.</text>').and.to.contain('</svg>')
  })

  it('cuts names that would not fit, and keeps them whole in its title', () => {
    const seriesId = 's'.repeat(128)
    const svg = renderSvg(plotData(10, { version: plotVersion({ seriesId }) }))
    expect(svg).to.contain(`${seriesId} v2</title>`)
    expect(svg).to.match(/class="ink title"[^>]*>s+…</)
  })
})
