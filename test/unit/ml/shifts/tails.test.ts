import { expect } from 'chai'
import fc from 'fast-check'
import {
  countDeviate,
  countDeviateBound,
  jointBound,
  jointDeviate,
  roughCountBound,
  studentDeviate,
} from '../../../../ml/shifts/tails.ts'

describe('tails as deviates', () => {
  it('read Student with many degrees of freedom as the normal distribution', () => {
    expect(studentDeviate(1.96, 1e7)).to.be.closeTo(1.96, 1e-4)
    expect(studentDeviate(-3, 1e7)).to.be.closeTo(-3, 1e-4)
    expect(studentDeviate(0, 30)).to.be.closeTo(0, 1e-12)
  })

  it('find a value rarer in the normal distribution than in Student of few degrees', () => {
    expect(studentDeviate(4, 10)).to.be.within(2.9, 3.1)
  })

  it('read counts with the variance of their mean as Poisson', () => {
    // P(X <= 0) = exp(-9.21) = 1e-4: a deviate of 3.719.
    expect(countDeviate(0, 9.2103404, 9.2103404)).to.be.closeTo(-3.719, 1e-3)
  })

  it('find the same count less rare the more its variance exceeds its mean', () => {
    expect(countDeviate(30, 10, 10)).to.be.above(countDeviate(30, 10, 20))
    expect(countDeviate(30, 10, 20)).to.be.above(countDeviate(30, 10, 60))
  })

  it('are signed by the side the count lies on, and grow with its distance', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.5, max: 500, noNaN: true }),
        fc.double({ min: 1.01, max: 4, noNaN: true }),
        (mean, ratio) => {
          const at = (x: number): number => countDeviate(x, mean, mean * ratio)
          const far = Math.ceil(mean + 6 * Math.sqrt(mean * ratio))
          expect(at(far)).to.be.above(2)
          expect(at(far + 5)).to.be.at.least(at(far))
          expect(at(0)).to.be.below(at(far))
        },
      ),
    )
  })

  it('stay finite where probabilities vanish', () => {
    expect(countDeviate(1e6, 1, 1.5)).to.be.within(7, 8)
    expect(countDeviate(0, 1e6, 2e6)).to.be.within(-8, -7)
    expect(jointDeviate(1e6, 5)).to.be.within(7, 8)
  })

  it('read one squared deviate jointly as the two-sided deviate of one tail', () => {
    // P(|z| > 3) = 0.0027: one tail of 2.782.
    expect(jointDeviate(9, 1)).to.be.closeTo(2.782, 1e-3)
  })

  it('call a count nothing odd that is more likely than not', () => {
    expect(countDeviate(0, 0.01, 0.01)).to.be.closeTo(0, 1e-12)
    expect(countDeviate(1, 0.01, 0.01)).to.be.above(2)
  })

  it('are never larger than the cheap bound of a count, nor that than the rough one', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.001, max: 2000, noNaN: true }),
        fc.double({ min: 0.3, max: 1e6, noNaN: true }),
        fc.double({ min: 0, max: 20, noNaN: true }),
        fc.integer({ min: 0, max: 6 }),
        (mean, size, ratio, more) => {
          const x = Math.round(mean * ratio) + more
          const variance = mean + (mean * mean) / size
          // Cancellation in upper tails costs the last digits.
          const bound = countDeviateBound(x, mean, variance) + 1e-6
          expect(Math.abs(countDeviate(x, mean, variance))).to.be.at.most(bound)
          const rough = Math.sqrt(roughCountBound(x, mean, variance))
          expect(countDeviateBound(x, mean, variance)).to.be.at.most(rough * (1 + 1e-6))
        },
      ),
      { numRuns: 2000 },
    )
  })

  it('exceed a joint deviate just above the sum of squares that is named for it', () => {
    for (const n of [3, 4, 5]) {
      const sum = jointBound(3.6, n)
      expect(jointDeviate(sum, n)).to.be.at.most(3.6)
      expect(jointDeviate(sum * (1 + 1e-6), n)).to.be.above(3.6)
    }
  })
})
