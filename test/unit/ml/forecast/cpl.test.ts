import { expect } from 'chai'
import fc from 'fast-check'
import { cplOfForecasts, errorCorrelation, forecastCpl } from '../../../../ml/forecast/cpl.ts'
import type { SeriesForecast } from '../../../../ml/forecast/series.ts'

const Z = 1.96

/** A forecast of one model with these values and half-widths. */
const forecastOf = (
  predicted: readonly number[],
  halfWidth: readonly number[],
  errors: readonly number[] = [],
): SeriesForecast => ({
  model: 'ets',
  weights: { ets: 1 },
  metrics: { wape: null, mase: null, pinballLower: null, pinballUpper: null, coverage: null },
  predicted: Float64Array.from(predicted),
  lower: Float64Array.from(predicted, (value, i) => Math.max(0, value - (halfWidth[i] ?? 0))),
  upper: Float64Array.from(predicted, (value, i) => value + (halfWidth[i] ?? 0)),
  halfWidth: Float64Array.from(halfWidth),
  backtestErrors: Float64Array.from(errors),
})

describe('forecast of the cost per lead', () => {
  it('is spend 100 (sigma 10) by leads 5 (sigma 1), rho 0: 20, from 12.903 to 31.000 (ads-domain, example 15)', () => {
    const cpl = cplOfForecasts({ value: 100, halfWidth: Z * 10 }, { value: 5, halfWidth: Z }, 0)
    expect(cpl?.predicted).to.equal(20)
    expect(cpl?.lower).to.be.closeTo(12.903, 5e-4)
    expect(cpl?.upper).to.be.closeTo(31.0, 5e-4)
  })

  it('has a narrower interval when both were wrong together, a wider one when against each other', () => {
    const width = (rho: number): number => {
      const cpl = cplOfForecasts({ value: 100, halfWidth: 20 }, { value: 5, halfWidth: 1 }, rho)
      return (cpl?.upper ?? 0) - (cpl?.lower ?? 0)
    }
    expect(width(1)).to.equal(0)
    expect(width(0.5)).to.be.below(width(0))
    expect(width(-0.5)).to.be.above(width(0))
  })

  it('is not defined without leads', () => {
    expect(cplOfForecasts({ value: 100, halfWidth: 10 }, { value: 0, halfWidth: 1 }, 0)).to.equal(null)
  })

  it('is 0 without spend, up to what the spend may still be', () => {
    expect(cplOfForecasts({ value: 0, halfWidth: 10 }, { value: 5, halfWidth: 1 }, 0)).to.deep.equal({
      predicted: 0,
      lower: 0,
      upper: 2,
    })
  })

  it('gives each step its own value, NaN where no lead is expected', () => {
    const cpl = forecastCpl(forecastOf([100, 60], [0, 0]), forecastOf([5, 0], [0, 0]))
    expect([...cpl.predicted]).to.deep.equal([20, Number.NaN])
    expect([...cpl.lower]).to.deep.equal([20, Number.NaN])
    expect([...cpl.upper]).to.deep.equal([20, Number.NaN])
  })

  it('takes rho from errors made on the same days', () => {
    const spend = forecastOf([100], [20], [1, 2, 3, 4])
    const alike = forecastCpl(spend, forecastOf([5], [1], [10, 20, 30, 40]))
    const opposite = forecastCpl(spend, forecastOf([5], [1], [40, 30, 20, 10]))
    expect(alike.upper[0]).to.be.closeTo(20, 1e-9)
    expect(opposite.upper[0]).to.be.closeTo(20 * Math.exp(0.4), 1e-9)
  })

  it('holds its value, whatever the forecasts', () => {
    const margin = fc.record({
      value: fc.oneof(fc.constant(0), fc.double({ min: 1e-9, max: 1e6, noNaN: true })),
      halfWidth: fc.double({ min: 0, max: 1e6, noNaN: true }),
    })
    fc.assert(
      fc.property(margin, margin, fc.double({ min: -1, max: 1, noNaN: true }), (spend, leads, rho) => {
        const cpl = cplOfForecasts(spend, leads, rho)
        if (cpl === null) return leads.value === 0
        return 0 <= cpl.lower && cpl.lower <= cpl.predicted && cpl.predicted <= cpl.upper
      }),
    )
  })
})

describe('correlation of errors', () => {
  const of = (a: readonly number[], b: readonly number[]): number =>
    errorCorrelation(Float64Array.from(a), Float64Array.from(b))

  it('is that of Pearson', () => {
    expect(of([1, 2, 3, 4], [1, 3, 2, 4])).to.be.closeTo(0.8, 1e-12)
  })

  it('leaves out pairs of which one error is unknown', () => {
    expect(of([1, Number.NaN, 2, 3, 4, 9], [1, 100, 3, 2, 4, Number.NaN])).to.be.closeTo(0.8, 1e-12)
  })

  it('is 0 when it cannot be told', () => {
    expect(of([1, 2], [1, 2])).to.equal(0)
    expect(of([1, 1, 1], [1, 2, 3])).to.equal(0)
    expect(of([1, 2, 3], [1, 2, 3, 4])).to.equal(0)
    expect(of([], [])).to.equal(0)
  })
})
