import { expect } from 'chai'
import * as fc from 'fast-check'
import { quantileSorted } from '../../../../ml/stats/quantile.ts'

describe('quantileSorted', () => {
  const sorted = Float64Array.of(1, 2, 4, 8)

  it('interpolates linearly between neighbours', () => {
    expect(quantileSorted(sorted, 0)).to.equal(1)
    expect(quantileSorted(sorted, 0.25)).to.equal(1.75)
    expect(quantileSorted(sorted, 0.5)).to.equal(3)
    expect(quantileSorted(sorted, 0.75)).to.equal(5)
    expect(quantileSorted(sorted, 1)).to.equal(8)
  })

  it('reads only the first n values', () => {
    expect(quantileSorted(sorted, 1, 2)).to.equal(2)
    expect(quantileSorted(sorted, 0.5, 1)).to.equal(1)
  })

  it('has no answer for no values', () => {
    expect(quantileSorted(sorted, 0.5, 0)).to.be.NaN
  })

  it('stays within the range and rises with q', () => {
    const finite = fc.double({ noNaN: true, min: -1e9, max: 1e9 })
    const share = fc.double({ noNaN: true, min: 0, max: 1 })
    fc.assert(
      fc.property(fc.array(finite, { minLength: 1, maxLength: 40 }), share, share, (values, a, b) => {
        const ordered = Float64Array.from(values).sort()
        const low = quantileSorted(ordered, Math.min(a, b))
        const high = quantileSorted(ordered, Math.max(a, b))
        const slack = 1e-6
        expect(low).to.be.at.least((ordered[0] as number) - slack)
        expect(high).to.be.at.most((ordered.at(-1) as number) + slack)
        expect(low).to.be.at.most(high + slack)
      }),
    )
  })
})
