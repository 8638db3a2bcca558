import { expect } from 'chai'
import fc from 'fast-check'
import {
  madSorted,
  medianInPlace,
  medianSorted,
  quartilesSorted,
  sortFirst,
  selectRank,
} from '../../../../ml/stats/robust.ts'

describe('robust statistics', () => {
  it('find the k-th smallest of the first values where sorting them puts it', () => {
    const values = fc.array(fc.oneof(fc.double({ noNaN: true }), fc.integer({ min: 0, max: 3 })), {
      minLength: 1,
    })
    fc.assert(
      fc.property(values, fc.nat(), (drawn, any) => {
        const k = any % drawn.length
        // What lies behind is no part of it.
        const all = Float64Array.from([...drawn, -Infinity])
        selectRank(all, drawn.length, k)
        expect(all[k]).to.equal(Float64Array.from(drawn).sort()[k])
      }),
    )
  })

  it('takes the middle value, or the mean of the two middle ones', () => {
    expect(medianInPlace(Float64Array.of(5, 1, 3))).to.equal(3)
    expect(medianInPlace(Float64Array.of(5, 1, 3, 4))).to.equal(3.5)
    expect(medianInPlace(Float64Array.of(5, 1, 3, 99), 3)).to.equal(3)
    expect(medianInPlace(new Float64Array(0))).to.be.NaN
  })

  it('takes the same middle whatever the order, of many values and of equal ones', () => {
    const lists = fc.oneof(
      fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 300 }),
      fc.array(fc.double({ noNaN: true, min: -1e9, max: 1e9 }), { minLength: 1, maxLength: 300 }),
    )
    fc.assert(
      fc.property(lists, fc.nat(), (list, cut) => {
        const n = 1 + (cut % list.length)
        const sorted = list.slice(0, n).sort((a, b) => a - b)
        const values = Float64Array.from(list)
        expect(medianInPlace(values, n)).to.equal(medianSorted(Float64Array.from(sorted)))
        expect([...values.subarray(n)]).to.deep.equal(list.slice(n))
      }),
    )
  })

  it('measures deviation about the median', () => {
    expect(madSorted(Float64Array.of(1, 1, 2, 2, 4, 6, 9), 7, new Float64Array(7))).to.equal(1)
  })

  it('finds linear quartiles', () => {
    expect(quartilesSorted(Float64Array.of(1, 2, 3, 4, 6))).to.deep.equal({ q1: 2, q3: 4 })
    expect(quartilesSorted(Float64Array.of(1, 2, 3, 4))).to.deep.equal({ q1: 1.75, q3: 3.25 })
  })

  it('sorts the first n values and touches no other', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ noNaN: true }), { maxLength: 80 }),
        fc.nat({ max: 80 }),
        (values, cut) => {
          const n = Math.min(cut, values.length)
          const buffer = Float64Array.from(values)
          sortFirst(buffer, n)
          expect(Array.from(buffer.subarray(0, n), (v) => v + 0)).to.deep.equal(
            Array.from(Float64Array.from(values.slice(0, n)).sort(), (v) => v + 0),
          )
          expect(Array.from(buffer.subarray(n))).to.deep.equal(values.slice(n))
        },
      ),
    )
  })
})
