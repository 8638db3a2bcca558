import { expect } from 'chai'
import {
  interpolate,
  isSeasonal,
  naive,
  naive2,
  seasonalIndices,
  seasonalNaive,
} from '../../../../bench/forecast/reference.ts'

const of = (...values: number[]): Float64Array => Float64Array.from(values)
const cycles = (n: number, ...season: number[]): Float64Array =>
  Float64Array.from({ length: n }, (_, i) => season[i % season.length] as number)

describe('reference forecasts', () => {
  it('missing steps lie on the line between their neighbours, and repeat them at the ends', () => {
    const gap = Number.NaN
    expect([...interpolate(of(gap, 2, gap, gap, 8, gap))]).to.deep.equal([2, 2, 4, 6, 8, 8])
    expect(interpolate(of(gap, gap)).every(Number.isNaN)).to.equal(true)
  })

  it('naive repeats the newest value, seasonal naive the newest season', () => {
    expect([...naive(of(1, 2, 3), 2)]).to.deep.equal([3, 3])
    expect([...seasonalNaive(of(1, 2, 3), 2, 3)]).to.deep.equal([2, 3, 2])
    expect([...seasonalNaive(of(1, 2), 3, 2)]).to.deep.equal([2, 2])
  })

  it('the seasonality test compares the autocorrelation with Bartlett: 0.667 < 0.720, 0.75 > 0.634', () => {
    expect(isSeasonal(cycles(9, 5, 10, 15), 3)).to.equal(false)
    expect(isSeasonal(cycles(12, 5, 10, 15), 3)).to.equal(true)
  })

  it('fewer than three seasons, no season and no variation are not seasonal', () => {
    const alternating = cycles(60, 1, 9)
    expect(isSeasonal(alternating.slice(0, 5), 2)).to.equal(false)
    expect(isSeasonal(alternating, 1)).to.equal(false)
    expect(isSeasonal(cycles(60, 4), 7)).to.equal(false)
  })

  it('indices of an odd and an even season are those the series was made of', () => {
    expect([...seasonalIndices(cycles(12, 5, 10, 15), 3, 'multiplicative')]).to.deep.equal([0.5, 1, 1.5])
    expect([...seasonalIndices(cycles(12, 5, 15), 2, 'multiplicative')]).to.deep.equal([0.5, 1.5])
    expect([...seasonalIndices(cycles(12, 5, 15), 2, 'additive')]).to.deep.equal([-5, 5])
  })

  it('Naive2 carries the season on, in its place', () => {
    expect([...naive2(cycles(13, 5, 10, 15), 3, 4)]).to.deep.equal([10, 15, 5, 10])
  })

  it('Naive2 is naive where the test finds no season', () => {
    expect([...naive2(cycles(9, 5, 10, 15), 3, 2)]).to.deep.equal([15, 15])
  })

  it('Naive2 adds the season where factors mean nothing', () => {
    expect([...naive2(cycles(12, -5, 0, 5), 3, 3)]).to.deep.equal([-5, 0, 5])
    expect([...naive2(cycles(12, 0, 10, 20), 3, 3)]).to.deep.equal([0, 10, 20])
  })
})
