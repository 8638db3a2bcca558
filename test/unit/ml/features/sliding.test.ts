import { expect } from 'chai'
import * as fc from 'fast-check'
import { SLIDING_COUNT, writeSliding } from '../../../../ml/features/sliding.ts'

const slide = (column: Float64Array, from: number, to: number, window: number): number[][] => {
  const out = new Float32Array((to - from) * SLIDING_COUNT)
  writeSliding(column, from, to, window, out, 0, SLIDING_COUNT)
  return Array.from({ length: to - from }, (_, r) => [
    ...out.subarray(r * SLIDING_COUNT, (r + 1) * SLIDING_COUNT),
  ])
}

/** By the words of the specification, row for row. */
const described = (column: Float64Array, row: number, window: number): number[] => {
  const at = (i: number): number => column[i]!
  const before = column.slice(Math.max(0, row - window), row).sort()
  const half = Math.floor(window / 2)
  const median = window % 2 === 1 ? before[half]! : (before[half - 1]! + before[half]!) / 2
  const last = column.slice(Math.max(0, row + 1 - window), row + 1)
  const mean = last.reduce((sum, value) => sum + value, 0) / window
  const variance = last.reduce((sum, value) => sum + (value - mean) ** 2, 0) / window
  return [
    at(row),
    row >= 1 ? at(row) - at(row - 1) : Number.NaN,
    row >= window ? at(row) - median : Number.NaN,
    row + 1 >= window ? Math.sqrt(variance) : Number.NaN,
  ].map(Math.fround)
}

describe('ml/features/sliding', () => {
  it('tells value, difference, distance from the median before, and local deviation', () => {
    const column = Float64Array.of(1, 2, 4, 8, 7)
    const std = (...last: number[]): number => {
      const mean = last.reduce((a, b) => a + b) / last.length
      return Math.fround(Math.sqrt(last.reduce((sum, value) => sum + (value - mean) ** 2, 0) / last.length))
    }
    expect(slide(column, 0, 5, 3)).to.deep.equal([
      [1, Number.NaN, Number.NaN, Number.NaN],
      [2, 1, Number.NaN, Number.NaN],
      [4, 2, Number.NaN, std(1, 2, 4)],
      [8, 4, 6, std(2, 4, 8)],
      [7, -1, 3, std(4, 8, 7)],
    ])
  })

  it('takes the middle of the two in an even window', () => {
    expect(slide(Float64Array.of(1, 4, 10), 2, 3, 2)[0]?.[2]).to.equal(7.5)
  })

  it('has no local deviation in a window of one row', () => {
    expect(slide(Float64Array.of(5, 9), 0, 2, 1)).to.deep.equal([
      [5, Number.NaN, Number.NaN, 0],
      [9, 4, 4, 0],
    ])
  })

  it('never mistakes values beyond float32 or float64 for missing history', () => {
    const column = Float64Array.of(1.7e308, -1.7e308, 1.7e308, -1.7e308)
    for (const row of slide(column, 2, 4, 2)) {
      expect(row.some(Number.isNaN)).to.equal(false)
      expect(row[3]).to.equal(Infinity)
    }
  })

  it('is what it is described to be, from whatever row it begins', () => {
    const value = fc.oneof(
      fc.integer({ min: -3, max: 3 }),
      fc.double({ noNaN: true, min: -1e6, max: 1e6 }).map((x) => x + 0),
    )
    fc.assert(
      fc.property(
        fc.array(value, { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 12 }),
        fc.nat(39),
        (list, window, start) => {
          const column = Float64Array.from(list)
          const from = start % list.length
          const rows = slide(column, from, list.length, window)
          expect(rows).to.deep.equal(rows.map((_, r) => described(column, from + r, window)))
        },
      ),
    )
  })

  it('writes where it is told and nowhere else', () => {
    const out = new Float32Array(12).fill(-1)
    writeSliding(Float64Array.of(1, 2, 3), 1, 3, 1, out, 1, 6)
    expect([...out]).to.deep.equal([-1, 2, 1, 1, 0, -1, -1, 3, 1, 1, 0, -1])
  })
})
