import { expect } from 'chai'
import { conformalQuantile } from '../../../../ml/forecast/conformal.ts'
import { conformalHalfWidth } from '../../../../ml/forecast/interval.ts'

/** 1, -2, 3, -4, ... */
const errorsUpTo = (n: number): Float64Array =>
  Float64Array.from({ length: n }, (_, i) => (i % 2 === 0 ? i + 1 : -i - 1))

describe('conformalQuantile', () => {
  it('needs 20 errors', () => {
    expect(conformalQuantile(errorsUpTo(19))).to.equal(null)
    expect(conformalQuantile(errorsUpTo(20))).to.equal(20)
  })

  it('counts only what is known', () => {
    expect(conformalQuantile(Float64Array.of(...errorsUpTo(19), Number.NaN))).to.equal(null)
    expect(conformalQuantile(Float64Array.of(Number.NaN, ...errorsUpTo(20)))).to.equal(20)
  })

  it('is the ceil((n + 1) * .95)-th smallest absolute error', () => {
    // .95 * 40 is 38 exactly, and 41 * .95 = 38.95.
    expect(conformalQuantile(errorsUpTo(39))).to.equal(38)
    expect(conformalQuantile(errorsUpTo(40))).to.equal(39)
    expect(conformalQuantile(errorsUpTo(28))).to.equal(28)
    expect(conformalQuantile(errorsUpTo(100))).to.equal(96)
  })
})

describe('conformalHalfWidth', () => {
  const flat = new Float64Array(28).fill(1)

  it('is not known with 19 errors', () => {
    expect(conformalHalfWidth(flat.subarray(0, 19), 7, 19, new Float64Array(7).fill(1))).to.equal(null)
    expect(conformalHalfWidth(flat.subarray(0, 20), 7, 20, new Float64Array(7).fill(1))).not.to.equal(null)
  })

  it('grows as the steps get harder, beyond those held out too', () => {
    const growth = Float64Array.from({ length: 14 }, (_, i) => i + 1)
    const width = conformalHalfWidth(flat, 7, 28, growth) as Float64Array
    expect(width).to.have.length(14)
    for (let i = 0; i < 14; i++) expect(width[i]).to.be.closeTo((width[0] as number) * (i + 1), 1e-9)
  })

  it('is wider when the same errors come from windows that overlap', () => {
    const growth = new Float64Array(14).fill(1)
    const apart = conformalHalfWidth(flat, 14, 28, growth) as Float64Array
    const overlapping = conformalHalfWidth(flat, 14, 21, growth) as Float64Array
    expect(overlapping[0]).to.be.above(apart[0] as number)
  })

  it('is the plain quantile of the errors where no step is known to be harder', () => {
    expect([...(conformalHalfWidth(errorsUpTo(28), 7, 28, new Float64Array(3)) ?? [])]).to.deep.equal([
      28, 28, 28,
    ])
  })
})
