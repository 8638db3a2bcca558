import { expect } from 'chai'
import * as fc from 'fast-check'
import { densify, isActiveOn, lowerBound, rangesWithout, rowOf, totalsOf } from '../../../ml/frame.ts'
import { conversionRateOf, cpcOf, cplOf, cpmOf, ctrOf, frequencyOf } from '../../../ml/ratios.ts'
import { buildFrame } from './build-frame.ts'

describe('ratios from sums', () => {
  it('adds the ads of a campaign day before dividing', () => {
    const ads = buildFrame(0, [
      { spend: 30, impressions: 1000, clicks: 20, leads: 3 },
      { spend: 10, impressions: 3000, clicks: 20, leads: 1 },
    ])
    const { spend, impressions, clicks, leads } = totalsOf(ads)
    expect(spend).to.equal(40)
    expect(ctrOf(clicks, impressions)).to.equal(1)
    expect(cpcOf(spend, clicks)).to.equal(1)
    expect(cplOf(spend, leads)).to.equal(10)
    expect(cpmOf(spend, impressions)).to.equal(10)
    expect(conversionRateOf(leads, clicks)).to.equal(10)
  })

  it('leaves every ratio of a day with nothing but spend undefined', () => {
    expect(ctrOf(0, 0)).to.be.NaN
    expect(cpmOf(12, 0)).to.be.NaN
    expect(cpcOf(12, 0)).to.be.NaN
    expect(conversionRateOf(0, 0)).to.be.NaN
    expect(cplOf(12, 0)).to.be.NaN
    expect(frequencyOf(0, 0)).to.be.NaN
    expect(frequencyOf(100, Number.NaN)).to.be.NaN
  })

  it('sums only the rows asked for', () => {
    const frame = buildFrame(0, [{ spend: 1 }, { spend: 2 }, { spend: 4 }, { spend: 8 }])
    expect(totalsOf(frame, 1, 3).spend).to.equal(6)
    expect(totalsOf(frame, 2, 2).spend).to.equal(0)
  })
})

describe('finding days', () => {
  const days = Int32Array.of(3, 5, 6)

  it('finds the first row on or after a day', () => {
    expect([2, 3, 4, 5, 6, 7].map((day) => lowerBound(days, day))).to.deep.equal([0, 0, 1, 1, 2, 3])
  })

  it('finds the row of a day, or none', () => {
    expect([2, 3, 4, 5, 6, 7].map((day) => rowOf(days, day))).to.deep.equal([-1, 0, -1, 1, 2, -1])
  })

  it('counts both ends of a range as active', () => {
    const ranges = [
      [2, 3],
      [6, 6],
    ] as const
    expect([1, 2, 3, 4, 5, 6, 7].filter((day) => isActiveOn(ranges, day))).to.deep.equal([2, 3, 6])
  })
})

describe('ranges of days', () => {
  it('are parted where days are taken out, and gone where all are', () => {
    const ranges = [
      [1, 5],
      [8, 9],
    ] as const
    expect(rangesWithout(ranges, [])).to.deep.equal(ranges)
    expect(rangesWithout(ranges, [3])).to.deep.equal([
      [1, 2],
      [4, 5],
      [8, 9],
    ])
    expect(rangesWithout(ranges, [0, 1, 5, 6, 7, 8, 9, 10])).to.deep.equal([[2, 4]])
  })
})

describe('densify', () => {
  const frame = buildFrame(10, [
    { spend: 1, reach: 5, reach7: 9 },
    null,
    null,
    { spend: 4, reach: 6 },
    null,
    { spend: 6 },
  ])

  it('fills missing active days with zero delivery and leaves inactive ones absent', () => {
    const dense = densify(
      frame,
      [
        [11, 11],
        [14, 20],
      ],
      9,
      16,
    )
    expect(Array.from(dense.days)).to.deep.equal([10, 11, 13, 14, 15, 16])
    expect(Array.from(dense.spend)).to.deep.equal([1, 0, 4, 0, 6, 0])
    expect(Array.from(dense.reach)).to.deep.equal([5, 0, 6, 0, Number.NaN, 0])
    expect(Array.from(dense.reach7).slice(0, 2)).to.deep.equal([9, Number.NaN])
  })

  it('keeps a delivered day even when the entity was not active', () => {
    expect(Array.from(densify(frame, [], 10, 15).days)).to.deep.equal([10, 13, 15])
  })

  it('cuts what lies outside, both ends included', () => {
    expect(Array.from(densify(frame, [[0, 99]], 12, 14).days)).to.deep.equal([12, 13, 14])
    expect(Array.from(densify(frame, [[0, 99]], 16, 15).days)).to.deep.equal([])
  })

  it('copies nothing when no day is missing', () => {
    const dense = densify(frame, [[13, 13]], 13, 13)
    expect(dense.spend.buffer).to.equal(frame.spend.buffer)
  })

  it('gives each delivered or active day once, in order, with its own numbers', () => {
    const day = fc.integer({ min: 0, max: 30 })
    const range = fc.tuple(day, day).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const)
    fc.assert(
      fc.property(
        fc.uniqueArray(day),
        fc.array(range, { maxLength: 4 }).map((ranges) => ranges.toSorted((a, b) => a[0] - b[0])),
        range,
        (delivered, ranges, [from, to]) => {
          const rows = Array.from({ length: 31 }, (_, i) => (delivered.includes(i) ? { spend: i + 1 } : null))
          const dense = densify(buildFrame(0, rows), ranges, from, to)
          const wanted = Array.from({ length: to - from + 1 }, (_, i) => from + i).filter(
            (at) => delivered.includes(at) || isActiveOn(ranges, at),
          )
          expect(Array.from(dense.days)).to.deep.equal(wanted)
          expect(Array.from(dense.spend)).to.deep.equal(wanted.map((at) => rows[at]?.spend ?? 0))
        },
      ),
    )
  })
})
