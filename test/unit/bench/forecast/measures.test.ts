import { expect } from 'chai'
import { coverage, mae, naiveScale, scaledIntervalScore, smape } from '../../../../bench/forecast/measures.ts'

const of = (...values: number[]): Float64Array => Float64Array.from(values)

describe('measures of a forecast', () => {
  it('mean absolute error leaves out the steps nobody knows', () => {
    expect(mae(of(1, Number.NaN, 5), of(3, 100, 4))).to.equal(1.5)
    expect(mae(of(Number.NaN), of(3))).to.be.NaN
  })

  it('sMAPE goes from 0 to 2, and two zeros are no error', () => {
    // 2*2/4, 0/0 and 0.
    expect(smape(of(1, 0, 4), of(3, 0, 4))).to.be.closeTo(1 / 3, 1e-15)
    expect(smape(of(5), of(0))).to.equal(2)
    expect(smape(of(-5), of(5))).to.equal(2)
  })

  it('the unit of MASE is the mean error of the seasonal naive on the history', () => {
    // |3 - 1| and |5 - 2|.
    expect(naiveScale(of(1, 2, 3, 5), 2)).to.equal(2.5)
    expect(naiveScale(of(1, Number.NaN, 3, 5), 2)).to.equal(2)
  })

  it('the unit of MASE is the step where the history ends before a second season', () => {
    expect(naiveScale(of(1, 4), 2)).to.equal(3)
    expect(naiveScale(of(1, 4, 7), 2)).to.equal(6)
  })

  it('a flat history has no unit', () => {
    expect(naiveScale(of(4, 4, 4), 1)).to.be.NaN
    expect(naiveScale(of(4), 1)).to.be.NaN
  })

  it('the bounds belong to the interval', () => {
    expect(coverage(of(2, 10, 10.1, 1.9), of(2, 2, 2, 2), of(10, 10, 10, 10))).to.equal(0.5)
  })

  it('the interval score is the width and forty times what lies outside', () => {
    // Widths 8; 12 and 0 lie 2 outside: (8 + 88 + 88) / 3, in units of 2.
    const score = scaledIntervalScore(of(5, 12, 0), of(2, 2, 2), of(10, 10, 10), 2, 0.05)
    expect(score).to.be.closeTo(184 / 6, 1e-12)
  })
})
