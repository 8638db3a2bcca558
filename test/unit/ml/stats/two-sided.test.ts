import { expect } from 'chai'
import * as fc from 'fast-check'
import { binomialP, poissonP, studentP } from '../../../../ml/stats/two-sided.ts'

// Reference values: scipy 1.17.1, scipy.stats.{t,poisson,binom}.
describe('two-sided p-values', () => {
  it('agree with scipy for Student t', () => {
    expect(studentP(2.6, 27)).to.be.closeTo(0.014933597071308, 1e-12)
    expect(studentP(-2.6, 27)).to.equal(studentP(2.6, 27))
    expect(studentP(0, 6)).to.equal(1)
    expect(studentP(1e200, 6)).to.equal(0)
  })

  it('agree with scipy for Poisson counts', () => {
    expect(poissonP(1, 3)).to.be.closeTo(0.3982965469, 1e-9)
    expect(poissonP(2, 10)).to.be.closeTo(0.0055387914, 1e-9)
    expect(poissonP(0, 0.5)).to.equal(1)
    expect(poissonP(2, 0.5)).to.be.closeTo(0.1804080209, 1e-9)
    expect(poissonP(3, Infinity)).to.equal(0)
  })

  it('agree with scipy for binomial counts, also of millions of trials', () => {
    expect(binomialP(400, 50_000, 0.01)).to.be.closeTo(3.743303e-6, 1e-11)
    expect(binomialP(600, 50_000, 0.01)).to.be.closeTo(1.402411038e-5, 1e-11)
    expect(binomialP(60_000, 5_000_000, 0.012)).to.be.closeTo(1, 1e-6)
    expect(binomialP(0, 60, 0.05)).to.be.closeTo(0.09213959797, 1e-9)
  })

  it('take late corrections: more successes than trials, chances beyond 1, fractions', () => {
    expect(binomialP(70, 60, 0.5)).to.be.closeTo(0, 1e-12)
    expect(binomialP(60, 60, 1.2)).to.equal(1)
    expect(binomialP(10, 60, -0.1)).to.equal(0)
    expect(binomialP(3.5, 99.6, 0.03)).to.be.within(0, 1)
  })

  it('are always probabilities, and 1 at the middle of a count', () => {
    const count = fc.double({ min: 0, max: 1e6, noNaN: true })
    fc.assert(
      fc.property(count, count, fc.double({ min: -0.1, max: 1.1, noNaN: true }), (k, n, p) => {
        expect(binomialP(k, n, p)).to.be.within(0, 1)
        expect(poissonP(k, n)).to.be.within(0, 1)
      }),
    )
    expect(poissonP(10, 10)).to.equal(1)
    expect(binomialP(50, 100, 0.5)).to.equal(1)
  })
})
