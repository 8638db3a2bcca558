import { expect } from 'chai'
import fc from 'fast-check'
import {
  boundsOf,
  decimate,
  envelope,
  exactTime,
  timeTicks,
  valueTicks,
} from '../../../../shared/series/plot-scale.ts'

const at = (text: string): number => Date.parse(`${text}Z`)
const HOUR = 3_600_000

describe('the rows a line needs', () => {
  it('are of each pixel the first, smallest, largest and last', () => {
    expect(decimate([0, 0.1, 0.2, 0.3, 0.9, 1], [5, 9, 1, 4, 6, 7])).to.deep.equal([0, 1, 2, 4, 5])
    expect(decimate([], [])).to.deep.equal([])
    expect(decimate([3], [1])).to.deep.equal([0])
  })

  it('keep every spike, never more than four to a pixel, in order', () => {
    const values = fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), {
      minLength: 1,
      maxLength: 300,
    })
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 40 }), (ys, pixels) => {
        const xs = ys.map((_, i) => (i / ys.length) * pixels)
        const rows = decimate(xs, ys)
        expect(rows).to.deep.equal([...new Set(rows)].sort((a, b) => a - b))
        for (let pixel = 0; pixel < pixels; pixel++) {
          const all = ys.filter((_, i) => Math.floor(xs[i] ?? 0) === pixel)
          const kept = rows.filter((row) => Math.floor(xs[row] ?? 0) === pixel).map((row) => ys[row] ?? 0)
          expect(kept.length).to.be.at.most(4)
          if (all.length === 0) continue
          expect([Math.min(...kept), Math.max(...kept)]).to.deep.equal([Math.min(...all), Math.max(...all)])
          expect([kept[0], kept.at(-1)]).to.deep.equal([all[0], all.at(-1)])
        }
      }),
    )
  })
})

describe('the outline of a band', () => {
  it('has the ends alone where it stays as it is', () => {
    const n = 5000
    const xs = Array.from({ length: n }, (_, i) => i / 5)
    const outline = envelope(xs, new Float64Array(n).fill(-3), new Float64Array(n).fill(3))
    expect(outline).to.deep.equal([
      [
        { x: 0, low: -3, high: 3 },
        { x: 999.8, low: -3, high: 3 },
      ],
    ])
  })

  it('takes of each pixel the lowest and the highest', () => {
    const [outline] = envelope([0, 0.5, 1], [1, -2, 1], [2, 3, 9])
    expect(outline).to.deep.equal([
      { x: 0, low: -2, high: 3 },
      { x: 0.5, low: -2, high: 3 },
      { x: 1, low: 1, high: 9 },
    ])
  })

  it('is parted where rows have none, and is none where no row has one', () => {
    const { NaN: no } = Number
    expect(envelope([0, 1, 2, 3], [no, 1, no, 1], [no, 2, no, 2]).map(([first]) => first?.x)).to.deep.equal([
      1, 3,
    ])
    expect(envelope([0, 1], [no, no], [no, no])).to.deep.equal([])
  })
})

describe('bounds of values', () => {
  it('hold values and band with some room', () => {
    expect(boundsOf([0, 10], [-5, -5], [12, 12])).to.deep.equal({ low: -5.85, high: 12.85 })
  })

  it('leave out what of a band is farther away than the values reach', () => {
    const { low, high } = boundsOf([0, 10], [-1e9, -1e9], [1e9, 1e9])
    expect(low).to.be.closeTo(-11.5, 1e-9)
    expect(high).to.be.closeTo(21.5, 1e-9)
  })

  it('are there for a single value, for zeros, for none, and whatever the band lacks', () => {
    expect(boundsOf([7], null, null)).to.deep.equal({ low: 6.65, high: 7.35 })
    expect(boundsOf([0, 0], null, null)).to.deep.equal({ low: -0.05, high: 0.05 })
    expect(boundsOf([], null, null)).to.deep.equal({ low: 0, high: 1 })
    const { NaN: no } = Number
    expect(boundsOf([1, 2], [no, 0.5], [no, 2])).to.deep.equal(boundsOf([1, 2], [0.5, 0.5], [2, 2]))
  })
})

describe('marks of time', () => {
  const words = (from: string, to: string, most = 8): string[] =>
    timeTicks(at(from), at(to), most).map(({ label, under }) =>
      under === null ? label : `${label}/${under}`,
    )

  it('stand on whole hours and say each new day once', () => {
    expect(words('2026-03-10T21:10', '2026-03-11T04:00')).to.deep.equal([
      '22:00/10 Mar',
      '23:00',
      '00:00/11 Mar',
      '01:00',
      '02:00',
      '03:00',
      '04:00',
    ])
  })

  it('stand on days, Mondays, months and years', () => {
    expect(words('2026-02-25T00:00', '2026-03-03T00:00', 7)).to.deep.equal([
      '25 Feb/2026',
      '26 Feb',
      '27 Feb',
      '28 Feb',
      '1 Mar',
      '2 Mar',
      '3 Mar',
    ])
    for (const { ms } of timeTicks(at('2026-01-01T00:00'), at('2026-02-10T00:00'), 6))
      expect(new Date(ms).getUTCDay()).to.equal(1)
    expect(words('2025-10-20T00:00', '2026-03-20T00:00', 6)).to.deep.equal([
      'Nov/2025',
      'Dec',
      'Jan/2026',
      'Feb',
      'Mar',
    ])
    expect(words('2020-05-01T00:00', '2026-05-01T00:00', 8)).to.deep.equal([
      '2021',
      '2022',
      '2023',
      '2024',
      '2025',
      '2026',
    ])
  })

  it('go down to milliseconds and up to the year 9999', () => {
    expect(words('2026-03-10T00:00:00.000', '2026-03-10T00:00:00.010', 6)[1]).to.equal('00:00:00.002')
    expect(timeTicks(1, at('9999-12-31T00:00'), 8).length).to.be.within(3, 9)
  })

  it('are one for a single point', () => {
    expect(words('2026-03-10T08:00', '2026-03-10T08:00')).to.deep.equal(['08:00/10 Mar'])
  })

  it('are never many, within the two times, ascending, and each other than the one before', () => {
    const instant = fc.integer({ min: 1, max: 253_402_300_799_999 })
    fc.assert(
      fc.property(instant, instant, fc.integer({ min: 3, max: 12 }), (a, b, most) => {
        const [from, to] = [Math.min(a, b), Math.max(a, b)]
        const marks = timeTicks(from, to, most)
        expect(marks.length).to.be.at.most(most + 2)
        marks.forEach(({ ms, label }, i) => {
          expect(ms).to.be.within(from, to)
          const before = marks[i - 1]
          if (before) expect(ms).to.be.greaterThan(before.ms)
          expect(label).to.not.contain('undefined')
        })
      }),
    )
  })
})

describe('marks of values', () => {
  const labels = (low: number, high: number, most = 5): string[] =>
    valueTicks(low, high, most).map(({ label }) => label)

  it('are 1, 2 or 5 times a power of ten, with as many decimals as it takes', () => {
    expect(labels(-0.1, 9.8)).to.deep.equal(['0', '2', '4', '6', '8'])
    expect(labels(4.1, 7.1)).to.deep.equal(['5', '6', '7'])
    expect(labels(-0.03, 0.041)).to.deep.equal(['-0.02', '0', '0.02', '0.04'])
  })

  it('are written with an exponent where they would be long', () => {
    expect(labels(0, 4e12)).to.deep.equal(['0', '1e+12', '2e+12', '3e+12', '4e+12'])
    expect(labels(1e-9, 4.1e-9)).to.deep.equal(['1e-9', '2e-9', '3e-9', '4e-9'])
  })

  it('all differ, even far from zero', () => {
    const value = fc.double({ min: -1e12, max: 1e12, noNaN: true })
    fc.assert(
      fc.property(value, fc.double({ min: 1e-3, max: 1e6, noNaN: true }), (low, span) => {
        const marks = labels(low, low + span)
        expect(new Set(marks).size).to.equal(marks.length)
        expect(marks.length).to.be.at.most(7)
      }),
    )
  })

  it('are one where there is nothing between', () => {
    expect(labels(3, 3)).to.deep.equal(['3'])
  })
})

describe('a time told exactly', () => {
  it('has seconds and milliseconds where there are any', () => {
    const noon = at('2026-03-10T12:00')
    expect(exactTime(noon)).to.equal('2026-03-10 12:00')
    expect(exactTime(noon + 5000)).to.equal('2026-03-10 12:00:05')
    expect(exactTime(noon + HOUR + 7)).to.equal('2026-03-10 13:00:00.007')
  })
})
