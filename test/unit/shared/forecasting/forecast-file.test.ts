import { expect } from 'chai'
import type { ForecastInput } from '../../../../ml/forecast/series.ts'
import type { ComputePool } from '../../../../shared/compute.ts'
import { computeInPlace } from '../../../../shared/compute-in-place.ts'
import { forecastFile } from '../../../../shared/forecasting/forecast-file.ts'
import type { FileForecast } from '../../../../shared/forecasting/forecast-file.ts'
import { readSeries } from '../../../../shared/forecasting/file/read-series.ts'
import type { SeriesTask } from '../../../../shared/forecasting/series-batch.ts'
import { rejectionOf } from '../../../support/entities.ts'

const HOUR_S = 3600
const DAY_S = 86_400

interface Done {
  readonly series: readonly FileForecast[]
  readonly warnings: readonly string[]
  /** What the models were asked, in the order of the tasks. */
  readonly inputs: readonly ForecastInput[]
  readonly progress: readonly number[]
}

const forecast = async (
  text: string,
  horizon = 3,
  compute: Pick<ComputePool, 'run' | 'threads'> = computeInPlace,
): Promise<Done> => {
  const bytes = async function* (): AsyncGenerator<Uint8Array> {
    yield new TextEncoder().encode(text)
  }
  const inputs: ForecastInput[] = []
  const progress: number[] = []
  const watched: Pick<ComputePool, 'run' | 'threads'> = {
    threads: compute.threads,
    run: (task, input, options) => {
      inputs.push(...(input as SeriesTask).inputs)
      return compute.run(task, input, options)
    },
  }
  const file = await readSeries(bytes(), 'sales.csv', { date: null, value: null, series: null })
  const { series, warnings } = await forecastFile(file, horizon, {
    compute: watched,
    onProgress: (done) => progress.push(done),
  })
  return { series: [...series], warnings, inputs, progress }
}

const stampsOf = (startS: number, stepS: number, count: number): string[] =>
  Array.from({ length: count }, (_, i) => new Date((startS + i * stepS) * 1000).toISOString().slice(0, 19))
const START_S = Date.UTC(2026, 0, 5) / 1000
const csv = (
  stamps: readonly string[],
  value: (i: number) => number | string = (i) => 10 + (i % 7),
): string => `ds,y\n${stamps.map((stamp, i) => `${stamp},${value(i)}\n`).join('')}`
const days = (count: number): string[] => stampsOf(START_S, DAY_S, count).map((stamp) => stamp.slice(0, 10))

const refusal = async (text: string): Promise<string> => (await rejectionOf(forecast(text))).message

describe('forecasts of a file', () => {
  it('go on where the history ends, with an interval around them', async () => {
    const { series, warnings } = await forecast(
      csv(days(70), (i) => 100 + 10 * (i % 7) + ((i * 37) % 11)),
      9,
    )
    expect(warnings).to.deep.equal([])
    const [one] = series
    expect(one?.id).to.equal('y')
    expect(Object.keys(one ?? {})).to.deep.equal(['id', 'model', 'points'])
    expect(one?.points.map(({ date }) => date)).to.deep.equal(
      stampsOf(START_S + 70 * DAY_S, DAY_S, 9).map((stamp) => stamp.slice(0, 10)),
    )
    for (const point of one?.points ?? []) {
      expect(Object.keys(point)).to.deep.equal(['date', 'predicted', 'lower', 'upper'])
      expect(point.lower).to.be.at.most(point.predicted)
      expect(point.upper).to.be.at.least(point.predicted)
      expect(point.predicted).to.be.within(90, 190)
    }
  })

  it('have as many points as are asked for', async () => {
    for (const horizon of [1, 366])
      expect((await forecast(csv(days(30)), horizon)).series[0]?.points).to.have.length(horizon)
  })

  it('have the seasons of the step', async () => {
    const periodsOf = async (stepS: number): Promise<readonly [number, ...number[]]> => {
      const { inputs } = await forecast(csv(stampsOf(START_S, stepS, 9)))
      return [inputs[0]?.stepS ?? 0, ...(inputs[0]?.periods ?? [])]
    }
    expect(await periodsOf(HOUR_S)).to.deep.equal([HOUR_S, 24, 168])
    expect(await periodsOf(DAY_S)).to.deep.equal([DAY_S, 7])
    expect(await periodsOf(7 * DAY_S)).to.deep.equal([7 * DAY_S, 52])
  })

  it('see the whole history, missing steps and empty cells as such, also the newest', async () => {
    const { inputs, series } = await forecast(
      'ds,y\n2026-03-01,\n2026-03-02,1\n2026-03-03,\n2026-03-06,4\n2026-03-07,5\n2026-03-08,\n',
    )
    const gap = Number.NaN
    expect([...(inputs[0]?.values ?? [])]).to.deep.equal([gap, 1, gap, gap, gap, 4, 5, gap])
    expect(inputs[0]?.startS).to.equal(Date.UTC(2026, 2, 1) / 1000)
    expect(series[0]?.points[0]?.date).to.equal('2026-03-09')
  })

  it('are cut at 0 only where the history has nothing below', async () => {
    const floorOf = async (least: number) =>
      (await forecast(csv(days(9), (i) => (i === 4 ? least : 5)))).inputs[0]?.floor
    expect(await floorOf(0)).to.equal(0)
    expect(await floorOf(-0.01)).to.equal(null)
  })

  it('of hours that are some minutes early or late go on from the newest', async () => {
    const { series, warnings } = await forecast(
      'timestamp,value\n2026-03-01 22:15:01,1\n2026-03-01 23:20:00,2\n2026-03-02 00:17:00,3\n2026-03-02 01:16:00,4\n',
    )
    expect(series[0]?.points.map(({ date }) => date)).to.deep.equal([
      '2026-03-02 02:16:00',
      '2026-03-02 03:16:00',
      '2026-03-02 04:16:00',
    ])
    expect(warnings).to.have.length(1)
  })

  it('know the missing hour of spring and the double one of autumn by the clock', async () => {
    const spring = await forecast('ds,y\n2026-03-29T00:00,1\n2026-03-29T01:00,2\n2026-03-29T03:00,4\n')
    expect([...(spring.inputs[0]?.values ?? [])]).to.deep.equal([1, 2, Number.NaN, 4])
    const autumn = await forecast(
      'ds,y\n2026-10-25T01:00,1\n2026-10-25T02:00,2\n2026-10-25T02:00,3\n2026-10-25T03:00,4\n',
    )
    expect([...(autumn.inputs[0]?.values ?? [])]).to.deep.equal([1, 3, 4])
    expect(autumn.warnings[0]).to.equal(
      'series "y": some stamps come more than once; the last row of each counts',
    )
  })

  it('lose and double no hour where the stamps have zones', async () => {
    const spring = await forecast(
      'ds,y\n2026-03-29T00:00+01:00,1\n2026-03-29T01:00+01:00,2\n2026-03-29T03:00+02:00,3\n',
      1,
    )
    expect([...(spring.inputs[0]?.values ?? [])]).to.deep.equal([1, 2, 3])
    expect(spring.series[0]?.points[0]?.date).to.equal('2026-03-29T04:00+02:00')
    // The calendar the models see is that of the newest stamp.
    expect(spring.inputs[0]?.startS).to.equal(Date.UTC(2026, 2, 29, 1) / 1000)
    const autumn = await forecast(
      'ds,y\n2026-10-25T02:00+02:00,1\n2026-10-25T02:00+01:00,2\n2026-10-25T03:00+01:00,3\n',
      1,
    )
    expect([...(autumn.inputs[0]?.values ?? [])]).to.deep.equal([1, 2, 3])
    expect(autumn.warnings.join()).not.to.contain('more than once')
  })

  it('take midnights of days that are an hour shorter or longer', async () => {
    const { inputs, series } = await forecast(
      'ds,y\n2026-03-27T23:00:00Z,1\n2026-03-28T23:00:00Z,2\n2026-03-29T22:00:00Z,3\n2026-03-30T22:00:00Z,4\n',
      1,
    )
    expect([...(inputs[0]?.values ?? [])]).to.deep.equal([1, 2, 3, 4])
    expect(series[0]?.points[0]?.date).to.equal('2026-03-31')
  })

  it('of many series come in the order of the file, each with its own dates', async () => {
    const names = Array.from({ length: 11 }, (_, i) => `s${(i * 7) % 11}`)
    const rows = names.flatMap((name, k) => days(9 + k).map((day, i) => `${name},${day},${k + (i % 2)}\n`))
    const heads = names.map((name) => `${name},2026-01-04,0\n`)
    const { series, progress, warnings } = await forecast(
      `series,ds,y\n${heads.join('')}${rows.toReversed().join('')}`,
      1,
      {
        ...computeInPlace,
        threads: 3,
      },
    )
    expect(series.map(({ id }) => id)).to.deep.equal(names)
    expect(series.map(({ points }) => points[0]?.date)).to.deep.equal(names.map((_, k) => days(30)[9 + k]))
    expect(progress.at(-1)).to.equal(11)
    expect(warnings).to.deep.equal([
      '11 series ("s0", "s7", "s3" and 8 more): too few values to try models on; the interval is a guess',
    ])
  })

  it('of a sparse series are made on the steps of the others', async () => {
    const rows = days(20).map((day) => `dense,${day},1\n`)
    const { inputs } = await forecast(
      `series,ds,y\n${rows.join('')}sparse,2026-01-05,1\nsparse,2026-01-08,1\nsparse,2026-01-11,1\nalone,2026-01-09,3\n`,
    )
    expect(inputs.map(({ stepS, values }) => [stepS, values.length])).to.deep.equal([
      [DAY_S, 20],
      [DAY_S, 7],
      [DAY_S, 1],
    ])
  })

  it('of one value repeat it, with a warning', async () => {
    const { series, warnings } = await forecast('ds,y\n2026-03-10,4\n')
    expect(series[0]?.points.map(({ date, predicted }) => [date, predicted])).to.deep.equal([
      ['2026-03-11', 4],
      ['2026-03-12', 4],
      ['2026-03-13', 4],
    ])
    expect(warnings).to.have.length(2)
    expect(warnings[0]).to.contain('daily is assumed')
    expect(warnings[1]).to.contain('series "y": too few values to try models on')
    const hour = await forecast('ds,y\n2026-03-10 04:00,4\n', 1)
    expect(hour.series[0]?.points[0]?.date).to.equal('2026-03-10 05:00')
  })

  it('of a series that no model takes repeat its newest value, and the others go on', async () => {
    const broken: Pick<ComputePool, 'run' | 'threads'> = {
      threads: 1,
      run: (task, input, options) => {
        const { inputs } = input as SeriesTask
        Object.defineProperty(inputs[0], 'periods', { value: null })
        return computeInPlace.run(task, input, options)
      },
    }
    const { series, warnings } = await forecast(
      `series,ds,y\na,2026-03-10,1\na,2026-03-11,7\na,2026-03-12,\nb,2026-03-10,2\nb,2026-03-11,2\n`,
      2,
      broken,
    )
    expect(series.map(({ id, points }) => [id, ...points.map(({ predicted }) => predicted)])).to.deep.equal([
      ['a', 7, 7],
      ['b', 2, 2],
    ])
    expect(warnings[0]).to.contain('series "a": no model could forecast it')
  })

  it('are numbers, however large or small the values are', async () => {
    for (const size of [1e308, 1e-300, 1e150]) {
      const { series } = await forecast(
        csv(days(60), (i) => size * (1 + (i % 7) / 10)),
        3,
      )
      for (const point of series[0]?.points ?? [])
        for (const value of [point.predicted, point.lower, point.upper])
          expect(Number.isFinite(value), `${size}: ${value}`).to.equal(true)
    }
  })
})

describe('a file that cannot be forecast', () => {
  it('has a series without any value', async () => {
    expect(await refusal('series,ds,y\na,2026-03-10,1\nb,2026-03-10,\nb,2026-03-11,NA\n')).to.equal(
      'sales.csv, series "b": no row has a value; fill them in or remove its rows',
    )
  })

  it('has months, minutes or no steps at all, and hears what is supported', async () => {
    const months = 'ds,y\n2026-01-01,1\n2026-02-01,2\n2026-03-01,3\n2026-04-01,3\n'
    expect(await refusal(months)).to.equal(
      'sales.csv, series "y": from one stamp to the next it is 31 days; supported are hourly, daily and weekly steps; add up or thin out the rows to one of them',
    )
    expect(await refusal(csv(stampsOf(START_S, 900, 9)))).to.contain('it is 15 minutes')
    const scattered = 'ds,y\n2026-01-01T00:00,1\n2026-01-01T01:00,1\n2026-01-01T02:00,2\n2026-01-01T04:30,3\n'
    expect(await refusal(scattered))
      .to.contain('lie on no hourly steps')
      .and.to.contain('supported are hourly')
  })

  it('has a date of another century', async () => {
    expect(
      await refusal('ds,y\n1026-03-09T00:00,1\n2026-03-09T00:00,1\n2026-03-09T01:00,2\n2026-03-09T02:00,2\n'),
    ).to.contain('correct the dates')
  })
})
