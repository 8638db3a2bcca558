/** What a series was asked, hour by hour or day by day (UTC): gaps are zeros. */
import { AppError } from '../core/errors.ts'
import { Z_BINS } from './activity.ts'
import type { HourOfSeries, SeriesActivity } from './activity.ts'
import { unknownSeries } from './catalogue.ts'
import type { SeriesRecord } from './series.ts'

export const BUCKETS = ['hour', 'day'] as const
export type Bucket = (typeof BUCKETS)[number]

const LENGTH_MS: Readonly<Record<Bucket, number>> = { hour: 3_600_000, day: 86_400_000 }
/** Ninety days of hours. */
const MOST_BUCKETS = 2160

export type BucketOfSeries = Omit<HourOfSeries, 'seriesId' | 'hour'> & { readonly start: Date }

export interface StatisticsAsked {
  readonly bucket: Bucket
  /** Cut down to the start of its bucket. */
  readonly from: Date
  /** Exclusive. */
  readonly to: Date
}

export interface SeriesStatistics {
  /** Ascending. @throws MODEL_NOT_FOUND, INVALID_REQUEST */
  of(seriesId: string, asked: StatisticsAsked): Promise<readonly BucketOfSeries[]>
}

export const createSeriesStatistics = (parts: {
  readonly record: Pick<SeriesRecord, 'byId'>
  readonly activity: Pick<SeriesActivity, 'hours'>
}): SeriesStatistics => ({
  of: async (seriesId, { bucket, from, to }) => {
    const length = LENGTH_MS[bucket]
    const first = Math.floor(from.getTime() / length)
    const end = Math.ceil(to.getTime() / length)
    if (end <= first) throw new AppError('INVALID_REQUEST', 'from: is not before to')
    if (end - first > MOST_BUCKETS) {
      throw new AppError(
        'INVALID_REQUEST',
        `from: that is ${end - first} buckets, at most ${MOST_BUCKETS} are shown; ask for days or for a shorter time`,
      )
    }
    if (!(await parts.record.byId(seriesId))) throw unknownSeries(seriesId)
    const buckets = Array.from({ length: end - first }, (_, i) => ({
      start: new Date((first + i) * length),
      predictions: 0,
      anomalies: 0,
      errors: 0,
      fallbacks: 0,
      zHist: Array.from({ length: Z_BINS.length + 1 }, () => 0),
    }))
    const hours = await parts.activity.hours(seriesId, new Date(first * length), new Date(end * length))
    for (const hour of hours) {
      const sums = buckets[Math.floor(hour.hour.getTime() / length) - first]
      if (!sums) continue
      sums.predictions += hour.predictions
      sums.anomalies += hour.anomalies
      sums.errors += hour.errors
      sums.fallbacks += hour.fallbacks
      hour.zHist.forEach((count, bin) => {
        if (bin < sums.zHist.length) sums.zHist[bin] = (sums.zHist[bin] ?? 0) + count
      })
    }
    return buckets
  },
})
