import { expect } from 'chai'
import fc from 'fast-check'
import { judgeClassic, rejected } from '../../../../bench/quality/classic.ts'
import { compare, judgeAccount, noFindings } from '../../../../bench/quality/measure.ts'
import { simulateAccount } from '../../../../bench/quality/simulate.ts'

describe('control of the false discovery rate', () => {
  it('example 11: of .001, .004, .03, .2 and .6 the first three pass', () => {
    expect(rejected([0.001, 0.004, 0.03, 0.2, 0.6], 0.1)).to.deep.equal([true, true, true, false, false])
  })

  it('lets a p-value of exactly its bound pass, and none above it', () => {
    // The third of five may be .06, the fourth .08.
    expect(rejected([0.001, 0.004, 0.06, 0.2, 0.6], 0.1)).to.deep.equal([true, true, true, false, false])
    expect(rejected([0.001, 0.004, 0.0601, 0.2, 0.6], 0.1)).to.deep.equal([true, true, false, false, false])
    expect(rejected([0.001, 0.004, 0.07, 0.08, 0.6], 0.1)).to.deep.equal([true, true, true, true, false])
  })

  it('counts hypotheses of which nothing was raised, and passes nothing of nothing', () => {
    expect(rejected([0.001, 0.004, 0.03], 0.1, 10)).to.deep.equal([true, true, true])
    expect(rejected([0.001, 0.004, 0.03], 0.1, 11)).to.deep.equal([true, true, false])
    expect(rejected([], 0.1, 5)).to.deep.equal([])
  })

  it('passes the same in any order', () => {
    const pValues = [0.001, 0.004, 0.03, 0.2, 0.6]
    fc.assert(
      fc.property(fc.shuffledSubarray(pValues, { minLength: 5 }), (mixed) => {
        expect(rejected(mixed, 0.1)).to.deep.equal(mixed.map((p) => p <= 0.03))
      }),
      { numRuns: 20 },
    )
  })

  it('over the rules of single entities wakes people for nothing, where the judge of accounts does not', () => {
    const account = simulateAccount({
      seed: 103,
      index: 1,
      days: 60,
      weekdayAmplitude: 0.25,
      leadsPerAd: 4,
      campaigns: 1,
      faults: 0,
      partialEnd: false,
    })
    const [classic, judged] = [judgeClassic, judgeAccount].map((judge) => {
      const findings = noFindings()
      compare(account, judge(account), findings)
      return findings.falseEpisodes
    }) as [number, number]
    expect(classic).to.be.above(5)
    expect(judged).to.be.below(classic / 5)
  })
})
