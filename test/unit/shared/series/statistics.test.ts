import { expect } from 'chai'
import { AppError } from '../../../../shared/core/errors.ts'
import { Z_BINS } from '../../../../shared/series/activity.ts'
import type { HourOfSeries } from '../../../../shared/series/activity.ts'
import { createSeriesStatistics } from '../../../../shared/series/statistics.ts'
import type { StatisticsAsked } from '../../../../shared/series/statistics.ts'

const HOUR = 3_600_000
const at = (text: string): Date => new Date(`${text}Z`)

const hour = (start: string, predictions: number): HourOfSeries => ({
  seriesId: 'pump',
  hour: at(start),
  predictions,
  anomalies: 1,
  errors: 2,
  fallbacks: 3,
  zHist: [predictions, ...Array.from({ length: Z_BINS.length }, () => 1)],
})

describe('statistics of a series', () => {
  const kept = [hour('2026-03-10T01:00', 10), hour('2026-03-10T23:00', 5), hour('2026-03-12T00:00', 7)]
  let asked: readonly [from: string, to: string] | null = null
  const statistics = createSeriesStatistics({
    record: {
      byId: (id) => Promise.resolve(id === 'pump' ? ({ id } as never) : null),
    },
    activity: {
      hours: (_id, from, to) => {
        asked = [from.toISOString(), to.toISOString()]
        return Promise.resolve(kept.filter((one) => one.hour >= from && one.hour < to))
      },
    },
  })
  const of = (more: Partial<StatisticsAsked>, id = 'pump') =>
    statistics.of(id, { bucket: 'day', from: at('2026-03-10T00:00'), to: at('2026-03-13T00:00'), ...more })
  const refusal = async (work: Promise<unknown>): Promise<string> => {
    try {
      await work
    } catch (error) {
      if (error instanceof AppError) return `${error.code} ${error.message}`
    }
    throw new Error('nothing was refused')
  }

  it('sum hours to days, and fill what nobody asked with zeros', async () => {
    const days = await of({})
    expect(days.map(({ start, predictions }) => [start.toISOString(), predictions])).to.deep.equal([
      ['2026-03-10T00:00:00.000Z', 15],
      ['2026-03-11T00:00:00.000Z', 0],
      ['2026-03-12T00:00:00.000Z', 7],
    ])
    expect(days[0]).to.deep.include({ anomalies: 2, errors: 4, fallbacks: 6 })
    expect(days[0]?.zHist).to.deep.equal([15, ...Z_BINS.map(() => 2)])
    expect(days[1]?.zHist).to.deep.equal([0, ...Z_BINS.map(() => 0)])
  })

  it('take in whole buckets on both sides', async () => {
    const hours = await of({ bucket: 'hour', from: at('2026-03-10T00:59'), to: at('2026-03-10T01:01') })
    expect(hours.map(({ predictions }) => predictions)).to.deep.equal([0, 10])
    expect(asked).to.deep.equal(['2026-03-10T00:00:00.000Z', '2026-03-10T02:00:00.000Z'])
    const one = await of({ bucket: 'hour', from: at('2026-03-10T01:00'), to: at('2026-03-10T02:00') })
    expect(one.map(({ predictions }) => predictions)).to.deep.equal([10])
  })

  it('have ninety days of hours at most', async () => {
    const to = at('2026-06-08T00:00')
    const from = (hours: number): Date => new Date(to.getTime() - hours * HOUR)
    expect(await of({ bucket: 'hour', from: from(2160), to })).to.have.length(2160)
    expect(await refusal(of({ bucket: 'hour', from: from(2161), to }))).to.match(
      /^INVALID_REQUEST from: that is 2161 buckets, at most 2160 are shown/,
    )
    expect(await of({ from: from(2161), to })).to.have.length(91)
  })

  it('are refused for a time that ends before it begins, and for a series nobody knows', async () => {
    expect(await refusal(of({ to: at('2026-03-09T00:00') }))).to.contain('is not before to')
    expect(await refusal(of({ to: at('2026-03-10T00:00') }))).to.contain('is not before to')
    expect(await refusal(of({}, 'nobody'))).to.match(/^MODEL_NOT_FOUND/)
  })
})
