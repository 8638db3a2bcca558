import { expect } from 'chai'
import { emaForecast } from '../../../../ml/forecast/ema.ts'

describe('emaForecast', () => {
  const none = Number.NEGATIVE_INFINITY

  it('averages over 3, 7 and 14 steps from the first value and adds half of the slope', () => {
    // alpha 1/2, 1/4, 2/15: after 10, 20 the averages are 15, 12.5 and 34/3.
    const s = 15
    const m = 12.5
    const l = 10 + 10 * (2 / 15)
    const level = 0.5 * s + 0.3 * m + 0.2 * l
    const forecast = emaForecast(Float64Array.of(10, 20), 3, none)
    expect(forecast[0]).to.be.closeTo(level + (0.5 * 1 * (s - l)) / 14, 1e-12)
    expect(forecast[1]).to.be.closeTo(level + (0.5 * 2 * (s - l)) / 14, 1e-12)
    expect(forecast[2]).to.be.closeTo(level + (0.5 * 3 * (s - l)) / 14, 1e-12)
  })

  it('stays at a constant', () => {
    expect([...emaForecast(new Float64Array(30).fill(5), 3, none)]).to.deep.equal([5, 5, 5])
  })

  it('goes no lower than the floor', () => {
    const falling = Float64Array.from({ length: 20 }, (_, i) => 100 * 0.5 ** i)
    expect(Math.min(...emaForecast(falling, 30, none))).to.be.below(0)
    expect(Math.min(...emaForecast(falling, 30, 0))).to.equal(0)
  })
})
