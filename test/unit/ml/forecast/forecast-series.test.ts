import { expect } from 'chai'
import * as fc from 'fast-check'
import { forecastSeries } from '../../../../ml/forecast/forecast-series.ts'
import { historyOf } from '../../../../ml/forecast/history.ts'
import { type ForecastPackages, openForecastPackages } from '../../../../ml/forecast/packages.ts'
import { rollingOrigins } from '../../../../ml/forecast/rolling-origins.ts'
import { seasonalNaive } from '../../../../ml/forecast/seasonal-naive.ts'
import type { ForecastInput } from '../../../../ml/forecast/series.ts'
import { Mt19937 } from '../../../../ml/rng/mt19937.ts'
import { openAugurs, wasmBytes } from './augurs.ts'

const DAY_S = 86_400
const HOUR_S = 3600
const WEEK = [100, 110, 120, 115, 130, 60, 40]

const daily = (values: ArrayLike<number>, more: Partial<ForecastInput> = {}): ForecastInput => ({
  values: Float64Array.from(values),
  startS: 1_600_041_600,
  stepS: DAY_S,
  periods: [7],
  horizon: 7,
  floor: 0,
  ...more,
})

/** A week that repeats, with noise of about `share` of it. */
const weeks = (n: number, share: number, seed = 1): number[] => {
  const random = new Mt19937(seed)
  const uniform = (): number => random.u32() / 2 ** 32
  return Array.from({ length: n }, (_, i) => {
    const noise = uniform() + uniform() + uniform() + uniform() - 2
    return (WEEK[i % 7] as number) * (1 + share * noise)
  })
}

const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0)

describe('forecastSeries', () => {
  let packages: ForecastPackages
  const none = openForecastPackages(() => null, null)

  before(async () => {
    packages = await openAugurs()
  })

  const expectSound = (input: ForecastInput, opened: ForecastPackages): void => {
    const forecast = forecastSeries(input, opened)
    const { predicted, lower, upper, halfWidth, weights, metrics, backtestErrors } = forecast
    for (const points of [predicted, lower, upper, halfWidth]) expect(points).to.have.length(input.horizon)
    for (let i = 0; i < input.horizon; i++) {
      const [low, middle, high] = [lower[i] as number, predicted[i] as number, upper[i] as number]
      expect([low, middle, high, halfWidth[i]].every(Number.isFinite), `${low} ${middle} ${high}`).to.equal(
        true,
      )
      expect(low).to.be.at.most(middle)
      expect(middle).to.be.at.most(high)
      if (input.floor !== null) expect(low).to.be.at.least(input.floor)
    }
    expect(sum(Object.values(weights))).to.be.closeTo(1, 1e-9)
    for (const value of Object.values(metrics))
      if (value !== null) expect(Number.isFinite(value)).to.equal(true)
    const { origins, steps } = rollingOrigins(input)
    expect(backtestErrors).to.have.length(origins.length * steps)
    expect(forecastSeries(input, opened)).to.deep.equal(forecast)
  }

  describe('whatever the values', () => {
    const value = fc.oneof(
      fc.constant(0),
      fc.constant(Number.NaN),
      fc.integer({ min: 0, max: 50 }),
      fc.double({ min: -1e12, max: 1e12, noNaN: true }),
    )
    const series = fc.record({
      values: fc.array(value, { maxLength: 120 }),
      horizon: fc.integer({ min: 1, max: 30 }),
      steps: fc.constantFrom(
        { stepS: DAY_S, periods: [7] },
        { stepS: 7 * DAY_S, periods: [52] },
        { stepS: HOUR_S, periods: [24, 168] },
      ),
      clip: fc.boolean(),
    })

    it('is finite, ordered, above its floor, of the horizon, and the same again', () => {
      fc.assert(
        fc.property(series, ({ values, horizon, steps, clip }) => {
          const positive = clip ? values.map(Math.abs) : values
          expectSound(daily(positive, { ...steps, horizon, floor: clip ? 0 : null }), none)
        }),
        { numRuns: 150 },
      )
    })

    it('is so with all packages', () => {
      fc.assert(
        fc.property(series, ({ values, horizon, steps }) => {
          expectSound(daily(values, { ...steps, horizon, floor: null }), packages)
        }),
        { numRuns: 15 },
      )
    })

    const n = 90
    const strange: Readonly<Record<string, ArrayLike<number>>> = {
      'nothing at all': [],
      'one value': [3],
      'unknown throughout': new Float64Array(n).fill(Number.NaN),
      'zero throughout': new Float64Array(n),
      constant: new Float64Array(n).fill(5),
      'one outlier': Array.from({ length: n }, (_, i) => (i === 60 ? 1e12 : 1)),
      'a rare event': Array.from({ length: n }, (_, i) => (i % 30 === 0 ? 1 : 0)),
      'zero, then alive': Array.from({ length: n }, (_, i) => (i < 80 ? 0 : i)),
      'alive, then zero': Array.from({ length: n }, (_, i) => (i < 60 ? 100 + (i % 7) : 0)),
      'a straight line': Array.from({ length: n }, (_, i) => i),
      'below zero': Array.from({ length: n }, (_, i) => -100 + 10 * Math.sin(i)),
      billions: weeks(n, 0.1).map((value) => value * 1e9),
      'the largest numbers': weeks(n, 0.1).map((value) => value * 1e305),
      'the smallest numbers': weeks(n, 0.1).map((value) => value * 1e-310),
      'every other day unknown': weeks(n, 0.1).map((value, i) => (i % 2 === 0 ? value : Number.NaN)),
      'a gap of three weeks': weeks(n, 0.1).map((value, i) => (i >= 40 && i < 61 ? Number.NaN : value)),
      'unknown at the end': weeks(n, 0.1).map((value, i) => (i >= 80 ? Number.NaN : value)),
      'a week that is exact': weeks(n, 0),
    }
    for (const [name, values] of Object.entries(strange)) {
      it(`is sound: ${name}`, () => {
        expectSound(daily(values, { floor: null }), packages)
      })
    }
  })

  describe('before an origin can be held out', () => {
    it('is the last week repeated from 14 days, the average from 7', () => {
      const values = weeks(34, 0.1)
      for (const n of [14, 34]) {
        const { model, metrics, predicted } = forecastSeries(daily(values.slice(0, n)), packages)
        expect(model).to.equal('seasonal_naive')
        expect([...predicted]).to.deep.equal(values.slice(n - 7, n))
        expect(metrics).to.deep.equal({
          wape: null,
          mase: null,
          pinballLower: null,
          pinballUpper: null,
          coverage: null,
        })
      }
      for (const n of [7, 13])
        expect(forecastSeries(daily(values.slice(0, n)), packages).model).to.equal('ema')
    })

    it('has an interval of 1.96 sd of the changes over a week, times the root of the step', () => {
      const values = Array.from(
        { length: 28 },
        (_, i) => 100 + (i % 7) + (Math.floor(i / 7) % 2 === 0 ? 3 : 0),
      )
      const { halfWidth } = forecastSeries(daily(values), packages)
      expect(halfWidth[0]).to.be.closeTo(1.96 * 3, 1e-9)
      expect(halfWidth[3]).to.be.closeTo(1.96 * 3 * 2, 1e-9)
    })

    it('chooses from 35 days on', () => {
      const values = weeks(35, 0.1)
      expect(forecastSeries(daily(values.slice(0, 34)), packages).metrics.wape).to.equal(null)
      expect(forecastSeries(daily(values), packages).metrics.wape).to.be.a('number')
    })
  })

  it('repeats the last week to the last bit', () => {
    const values = Float64Array.from(weeks(20, 0.3), (value) => value / 3)
    expect([...seasonalNaive(values, 7, 9)]).to.deep.equal([...values.slice(13), ...values.slice(13, 15)])
    expect([...forecastSeries(daily(values), packages).predicted]).to.deep.equal(Array.from(values.slice(13)))
  })

  it('is better than the last week repeated on weeks with noise, and says so', () => {
    let own = 0
    let naive = 0
    for (let seed = 1; seed <= 20; seed++) {
      const values = weeks(97, 0.3, seed)
      const history = values.slice(0, 90)
      const { predicted, metrics } = forecastSeries(daily(history), packages)
      expect(metrics.mase).to.be.below(1.1)
      for (let i = 0; i < 7; i++) {
        own += Math.abs((values[90 + i] as number) - (predicted[i] as number))
        naive += Math.abs((values[90 + i] as number) - (history[83 + i] as number))
      }
    }
    expect(own).to.be.below(0.85 * naive)
  })

  it('takes the last week repeated when nothing beats it', () => {
    const { model, weights, predicted } = forecastSeries(daily(weeks(90, 0)), packages)
    expect(model).to.equal('seasonal_naive')
    expect(weights).to.deep.equal({ seasonal_naive: 1 })
    expect([...predicted]).to.deep.equal(Array.from({ length: 7 }, (_, i) => WEEK[(90 + i) % 7]))
  })

  it('names the model that was chosen, or the combination', () => {
    const { model, weights } = forecastSeries(daily(weeks(90, 0.3)), packages)
    const names = Object.keys(weights)
    expect(model).to.equal(names.length === 1 ? names[0] : 'combination')
  })

  it('is cut at its floor, the half-width is not', () => {
    const { lower, predicted, halfWidth } = forecastSeries(daily(weeks(90, 0.9)), packages)
    expect(Math.min(...lower)).to.equal(0)
    const uncut = predicted.map((value, i) => value - (halfWidth[i] as number))
    expect(Math.min(...uncut)).to.be.below(0)
  })

  it('expects nothing on the weekday on which nothing ever happens, and no less on the others', () => {
    const open = weeks(90, 0.3)
    const closed = open.map((value, i) => (i % 7 === 2 ? 0 : value))
    const { predicted } = forecastSeries(daily(closed), packages)
    // Day 90 is phase 6; phase 2 is 3 days later.
    expect(predicted[3]).to.equal(0)
    const others = [0, 1, 2, 4, 5, 6]
    const whole = forecastSeries(daily(open), packages).predicted
    for (const h of others)
      expect(predicted[h]).to.be.within(0.75 * (whole[h] as number), 1.25 * (whole[h] as number))
  })

  it('calls no weekday closed that was open once in eight weeks', () => {
    const values = weeks(90, 0.3).map((value, i) => (i % 7 === 2 && i !== 86 ? 0 : value))
    expect(forecastSeries(daily(values), packages).predicted[3]).to.be.above(0)
  })

  it('takes two days at zero for an outage, also the last one, but not the last two', () => {
    const running = weeks(90, 0.2).map((value) => value + 300)
    const expected = forecastSeries(daily(running), packages).predicted
    const total = (zeros: readonly number[]): number =>
      sum(
        forecastSeries(daily(running.map((value, i) => (zeros.includes(i) ? 0 : value))), packages).predicted,
      )
    for (const zeros of [[85, 86], [89]]) expect(total(zeros) / sum(expected)).to.be.within(0.97, 1.03)
    expect(total([88, 89]) / sum(expected)).to.be.below(0.97)
  })

  it('keeps the zeros of counts that may well be 0', () => {
    const counts = Array.from({ length: 90 }, (_, i) => (i % 30 === 11 ? 0 : 1 + (i % 5)))
    const history = historyOf(daily(counts), 1, 90)
    expect([...history.values]).to.deep.equal(counts)
  })

  it('widens with the steps of a random walk', () => {
    const random = new Mt19937(5)
    let level = 1000
    const values = Array.from({ length: 300 }, () => (level += random.u32() / 2 ** 32 - 0.5))
    const { halfWidth } = forecastSeries(daily(values, { horizon: 28 }), packages)
    expect(halfWidth[27]).to.be.above(3 * (halfWidth[0] as number))
  })

  describe('without a package', () => {
    const input = daily(weeks(90, 0.3))
    const modelsOf = (opened: ForecastPackages): ReadonlySet<string> => {
      const called = new Set<string>()
      const spied: ForecastPackages = {
        autoEts: (...args) => {
          const made = opened.autoEts(...args)
          if (made) called.add('ets')
          return made
        },
        mstlEts: (...args) => {
          const made = opened.mstlEts(...args)
          if (made) called.add('mstl_ets')
          return made
        },
        prophet: (...args) => {
          const made = opened.prophet(...args)
          if (made) called.add('prophet')
          return made
        },
      }
      expectSound(input, spied)
      return called
    }

    it('has all models when all packages are there', () => {
      expect([...modelsOf(packages)].sort()).to.deep.equal(['ets', 'mstl_ets', 'prophet'])
    })

    it('forecasts with its own models when all are missing', () => {
      expect([...modelsOf(none)]).to.deep.equal([])
    })

    it('drops only the model of the one that does not start', () => {
      const broken = openForecastPackages(
        (subpath) => (subpath === 'prophet' ? Uint8Array.of(1, 2, 3) : wasmBytes(subpath)),
        { optimize: () => expect.fail('there is nothing to optimise') },
      )
      expect([...modelsOf(broken)].sort()).to.include.members(['ets', 'mstl_ets'])
    })

    it('drops only Prophet when its optimiser fails', () => {
      const failing = openForecastPackages(wasmBytes, {
        optimize: () => {
          throw new Error('no optimum')
        },
      })
      expect([...modelsOf(failing)].sort()).to.deep.equal(['ets', 'mstl_ets'])
    })
  })
})

describe('rollingOrigins', () => {
  const of = (n: number, more: Partial<ForecastInput> = {}) =>
    rollingOrigins(daily(new Float64Array(n), more))

  it('holds out 7 days at up to four origins 7 days apart, after 28 days at least', () => {
    expect(of(34)).to.deep.equal({ origins: [], steps: 7 })
    expect(of(35)).to.deep.equal({ origins: [28], steps: 7 })
    expect(of(55).origins).to.have.length(3)
    expect(of(56)).to.deep.equal({ origins: [28, 35, 42, 49], steps: 7 })
    expect(of(90)).to.deep.equal({ origins: [62, 69, 76, 83], steps: 7 })
  })

  it('holds out 7 days of 90 whatever is asked for', () => {
    for (const horizon of [1, 7, 30]) expect(of(90, { horizon }).steps).to.equal(7)
  })

  it('holds out as much as is asked for of a long series', () => {
    expect(of(735, { horizon: 56 }).steps).to.equal(56)
    expect(of(735, { horizon: 62 }).steps).to.equal(61)
  })

  it('goes by the season of hours', () => {
    const hours = { stepS: HOUR_S, periods: [24, 168], horizon: 48 }
    expect(of(700, hours)).to.deep.equal({ origins: [580, 604, 628, 652], steps: 48 })
  })
})
