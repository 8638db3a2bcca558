import { expect } from 'chai'
import fc from 'fast-check'
import { toLocalDate } from '../../../../shared/core/days.ts'
import { chart, scaleOf } from '../../../../shared/report/chart.ts'
import type { Series } from '../../../../shared/report/chart.ts'

const FIRST = 20_000
const series = (past: readonly number[], next: readonly number[] = [], gap = 1): Series => ({
  title: 'Spend',
  unit: 'BRL',
  past: past.map((value, i) => ({ date: toLocalDate(FIRST + i), value })),
  next: next.map((predicted, i) => ({
    date: toLocalDate(FIRST + past.length - 1 + gap + i),
    value: { predicted, lower: predicted - 1, upper: predicted + 1 },
  })),
  format: String,
})

/** The points of one line of the drawing. */
const lineOf = (page: string, name: string): (readonly [x: number, y: number])[] =>
  (new RegExp(`class="${name}" points="([^"]*)"`).exec(page)?.[1] ?? '')
    .split(' ')
    .filter((point) => point !== '')
    .map((point) => {
      const [x = Number.NaN, y = Number.NaN] = point.split(',').map(Number)
      return [x, y]
    })
const datesOf = (page: string): (string | undefined)[] =>
  [...page.matchAll(/<span style="[^"]*">([^<]*)<\/span>/g)].map(([, date]) => date)

describe('the lines of a chart', () => {
  it('are at round figures', () => {
    expect(scaleOf(3)).to.deep.equal({ top: 3, step: 1 })
    expect(scaleOf(3.01)).to.deep.equal({ top: 4, step: 2 })
    expect(scaleOf(75)).to.deep.equal({ top: 75, step: 25 })
    expect(scaleOf(584)).to.deep.equal({ top: 600, step: 200 })
    expect(scaleOf(0)).to.deep.equal({ top: 1, step: 1 })
  })

  it('hold all values and are four at most, the one at the bottom included', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-6, max: 1e12, noNaN: true }), (most) => {
        const { top, step } = scaleOf(most)
        expect(top).to.be.at.least(most * (1 - 1e-9))
        expect(Math.round(top / step)).to.be.within(1, 3)
      }),
    )
  })
})

describe('a chart', () => {
  it('draws what was over its days, and what is expected from the last of them on', () => {
    const page = chart(series([0, 30, 15], [15, 30]))
    expect(lineOf(page, 'past')).to.deep.equal([
      [0, 100],
      [250, 25],
      [500, 62.5],
    ])
    expect(lineOf(page, 'next')).to.deep.equal([
      [500, 62.5],
      [750, 62.5],
      [1000, 25],
    ])
    // There and back again: the last day, then the upper bounds, then the lower.
    expect(lineOf(page, 'band')).to.have.length(1 + 2 + 2)
  })

  it('puts a forecast that was made earlier on its own days', () => {
    const page = chart(series([10, 10, 10, 10, 10], [10, 10, 10], -1))
    expect(lineOf(page, 'next').map(([x]) => x)).to.deep.equal([600, 800, 1000])
    expect(lineOf(page, 'past').at(-1)?.[0]).to.equal(800)
  })

  it('begins with a forecast that is older than all figures', () => {
    const page = chart(series([10], [10, 10, 10], -1))
    expect(lineOf(page, 'next').map(([x]) => x)).to.deep.equal([0, 500, 1000])
    expect(lineOf(page, 'past')).to.deep.equal([[500, 33.33]])
  })

  it('tells its days where they are, and one day once', () => {
    expect(datesOf(chart(series([1, 2, 3, 4, 5, 6, 7], [7, 7, 7])))).to.deep.equal([
      '4 Oct',
      '10 Oct',
      '13 Oct',
    ])
    expect(datesOf(chart(series([1, 2, 3])))).to.deep.equal(['4 Oct', '6 Oct'])
    expect(datesOf(chart(series([1])))).to.deep.equal(['4 Oct'])
    expect(chart(series([]))).to.equal('')
  })

  it('says in words what it shows', () => {
    const label = (page: string): string => /aria-label="([^"]*)"/.exec(page)?.[1] ?? ''
    expect(label(chart(series([3, 1, 2], [4, 5])))).to.equal(
      'Spend: 6 in 3 days, between 1 and 3 a day, 2 on 6 Oct; 9 expected from 7 Oct to 8 Oct.',
    )
    expect(label(chart(series([3])))).to.equal('Spend: 3 in 1 day, between 3 and 3 a day, 3 on 4 Oct.')
  })
})
