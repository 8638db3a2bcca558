import { expect } from 'chai'
import fc from 'fast-check'
import { selectFrom } from '../../../../ml/shifts/scatter.ts'

describe('the k-th smallest of values', () => {
  it('is what sorting them finds there', () => {
    const values = fc.array(fc.oneof(fc.double({ noNaN: true }), fc.integer({ min: 0, max: 3 })), {
      minLength: 1,
    })
    fc.assert(
      fc.property(values, fc.nat(), (drawn, any) => {
        const k = any % drawn.length
        // What lies behind is no part of it.
        const all = Float64Array.from([...drawn, -Infinity])
        expect(selectFrom(all, drawn.length, k)).to.equal(Float64Array.from(drawn).sort()[k])
      }),
    )
  })
})
