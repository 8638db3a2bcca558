import { expect } from 'chai'
import { scoreSeries, summarise } from '../../../../bench/forecast/evaluate.ts'
import type { Forecaster, SeriesScore } from '../../../../bench/forecast/evaluate.ts'
import { openForecaster } from '../../../../bench/forecast/forecasters.ts'
import { KINDS, familiesOf, seriesOf, simulate } from '../../../../bench/forecast/simulate.ts'
import type { BenchSeries } from '../../../../bench/forecast/simulate.ts'

const series = (values: readonly number[]): BenchSeries => ({
  family: 'made_up',
  kind: 'daily',
  values: Float64Array.from(values),
  startS: 0,
  floor: 0,
})
const clock = (): (() => number) => {
  let now = 0
  return () => (now += 5)
}
const score = (change: Partial<SeriesScore>): SeriesScore => ({
  family: 'made_up',
  isSeasonal: true,
  smape: 0.1,
  mase: 1,
  naive2Smape: 0.2,
  naive2Mase: 1,
  beats: [true],
  coverage: 1,
  intervalScore: 4,
  ms: 5,
  ...change,
})

describe('rolling origins', () => {
  it('hold out whole stretches at the end, and show a forecaster what came before only', () => {
    const seen: [number, number][] = []
    const forecaster: Forecaster = ({ values, horizon }) => {
      seen.push([values.length, values.at(-1) as number])
      return { predicted: new Float64Array(horizon).fill(0), interval: null }
    }
    const days = Array.from({ length: 30 }, (_, i) => i)
    const result = scoreSeries(series(days), { horizon: 7, origins: 2 }, forecaster, clock())
    expect(seen).to.deep.equal([
      [16, 15],
      [23, 22],
    ])
    // A day adds 1 and the season is 7 days: the unit is 7; the errors are 16..22 and 23..29.
    expect(result?.mase).to.be.closeTo((19 / 7 + 26 / 7) / 2, 1e-12)
    expect(result?.smape).to.equal(2)
    expect(result?.coverage).to.be.NaN
    expect(result?.ms).to.equal(5)
    expect(result?.beats).to.deep.equal([false])
  })

  it('leave out a series that is flat or shorter than three stretches', async () => {
    const naive = await openForecaster('naive')
    const plan = { horizon: 7, origins: 1 }
    const days = Array.from({ length: 21 }, (_, i) => i % 5)
    expect(scoreSeries(series(days.slice(1)), plan, naive, clock())).to.equal(null)
    expect(scoreSeries(series(days), plan, naive, clock())).not.to.equal(null)
    expect(scoreSeries(series(days.map(() => 3)), plan, naive, clock())).to.equal(null)
  })

  it('the OWA is the mean of two quotients of means, and beats are counted in series', () => {
    const total = summarise([score({}), score({ smape: 0.2, mase: 2, naive2Mase: 3, beats: [false] })])
    // (0.3 / 0.4 + 3 / 4) / 2
    expect(total.owa).to.be.closeTo(0.75, 1e-12)
    expect(total.beats).to.deep.equal([0.5])
    expect(total.series).to.equal(2)
  })

  it('Naive2 has the OWA 1, and the seasonal naive does not beat itself', async () => {
    const plan = { horizon: 7, origins: 2 }
    const measured = async (name: string) => {
      const forecaster = await openForecaster(name)
      const scores = [...seriesOf('tune', 'daily', 18)].map((one) =>
        scoreSeries(one, plan, forecaster, clock()),
      )
      return summarise(scores.filter((one) => one !== null))
    }
    expect((await measured('naive2')).owa).to.be.closeTo(1, 1e-12)
    expect((await measured('seasonal_naive')).beats).to.deep.equal([0])
  })
})

describe('made-up series', () => {
  it('are the same again, and others in the other set and at another index', () => {
    const first = simulate('tune', 'daily', 'retail', 3)
    expect(simulate('tune', 'daily', 'retail', 3).values).to.deep.equal(first.values)
    expect(simulate('report', 'daily', 'retail', 3).values).not.to.deep.equal(first.values)
    expect(simulate('tune', 'daily', 'retail', 4).values).not.to.deep.equal(first.values)
  })

  it('have values that are numbers or missing, and a floor only where nothing lies below', () => {
    for (const kind of KINDS) {
      for (const { family, values, floor } of seriesOf('tune', kind, 6 * familiesOf(kind).length)) {
        expect(values.length, family).to.be.within(30, 2500)
        expect(values.some((value) => Math.abs(value) === Infinity)).to.equal(false)
        expect(values.filter((value) => !Number.isNaN(value)).length).to.be.above(values.length * 0.9)
        expect(floor === 0).to.equal(values.every((value) => !(value < 0)))
      }
    }
  })

  it('refuse a family nobody knows', () => {
    expect(() => simulate('tune', 'hourly', 'cash', 0)).to.throw('cash is none of electricity')
  })
})
