/**
 * Counts predictions as they are made and hands the sums to the record every few seconds. What a dying process had
 * not handed over yet is lost: counts are statistics, and a reply must not wait for them.
 */
import { driftBinOf } from '../../ml/series/stats.ts'
import type { SeriesFrame } from '../../ml/series/frame.ts'
import type { Clock } from '../core/clock.ts'
import { messageOf } from '../core/errors.ts'
import type { Logger } from '../platform/logger.ts'
import { Z_BINS } from './activity.ts'
import type { HourOfColumn, HourOfSeries, SeriesActivity } from './activity.ts'
import type { ServedVersion } from './series.ts'

const FLUSH_MS = 5000
const HOUR_MS = 3_600_000
/** While the record is away no more than so many series and columns are counted. */
const MOST_KEPT = 200_000
/** Rows counted at a time, so that a batch of many does not hold up who comes next. */
const SLICE_ROWS = 5000
const LEAST_STD = 1e-6

export interface Counted {
  readonly version: ServedVersion
  readonly frame: SeriesFrame
  /** First row that was judged. */
  readonly from: number
  readonly anomalies: number
  /** Whether the baseline answered. */
  readonly fallback: boolean
}

export interface ActivityCounter {
  add(counted: Counted): void
  /** A prediction that ended in an error of ours. */
  failed(seriesId: string): void
  flush(): Promise<void>
  close(): Promise<void>
}

interface SeriesSum {
  predictions: number
  anomalies: number
  errors: number
  fallbacks: number
  readonly zHist: Float64Array
}

const newSum = (): SeriesSum => ({
  predictions: 0,
  anomalies: 0,
  errors: 0,
  fallbacks: 0,
  zHist: new Float64Array(Z_BINS.length + 1),
})

interface ColumnSum {
  readonly seriesId: string
  readonly version: number
  readonly column: string
  readonly hourMs: number
  readonly counts: Float64Array
}

export interface ActivityCounterParts {
  readonly activity: Pick<SeriesActivity, 'add'>
  readonly clock: Clock
  readonly logger: Logger
  readonly onZscores: (counts: Float64Array, sum: number) => void
}

export const createActivityCounter = (parts: ActivityCounterParts): ActivityCounter => {
  const { activity, clock, logger } = parts
  let series = new Map<string, SeriesSum>()
  let columns = new Map<string, ColumnSum>()
  const waiting: { readonly counted: Counted; row: number }[] = []
  let scheduled = false
  let flushing: Promise<void> = Promise.resolve()

  const hourOf = (): number => Math.floor(clock.now().getTime() / HOUR_MS) * HOUR_MS

  const sumOf = (seriesId: string, hourMs: number): SeriesSum | null => {
    const key = `${hourMs} ${seriesId}`
    let sum = series.get(key)
    if (!sum) {
      if (series.size >= MOST_KEPT) return null
      series.set(key, (sum = newSum()))
    }
    return sum
  }

  const columnOf = (
    version: ServedVersion,
    column: string,
    hourMs: number,
    bins: number,
  ): ColumnSum | null => {
    const key = `${hourMs} ${version.seriesId} ${version.version} ${column}`
    let sum = columns.get(key)
    if (!sum) {
      if (columns.size >= MOST_KEPT) return null
      const { seriesId } = version
      sum = { seriesId, version: version.version, column, hourMs, counts: new Float64Array(bins) }
      columns.set(key, sum)
    }
    return sum
  }

  const zHist = new Float64Array(Z_BINS.length + 1)

  const count = (counted: Counted, start: number, end: number): void => {
    const { version, frame } = counted
    const hourMs = hourOf()
    const sum = sumOf(version.seriesId, hourMs)
    zHist.fill(0)
    let zSum = 0
    const means = frame.names.map((name) => version.baseline[name]?.mean ?? 0)
    const stds = frame.names.map((name) => version.baseline[name]?.std ?? 0)
    for (let row = start; row < end; row++) {
      let z = 0
      for (let c = 0; c < frame.columns.length; c++) {
        const std = stds[c] as number
        if (std < LEAST_STD) continue
        const own = Math.abs(((frame.columns[c] as Float64Array)[row] as number) - (means[c] as number)) / std
        if (own > z) z = own
      }
      let bin = 0
      while (bin < Z_BINS.length && z > (Z_BINS[bin] as number)) bin++
      zHist[bin] = (zHist[bin] as number) + 1
      zSum += Number.isFinite(z) ? z : 0
    }
    parts.onZscores(zHist, zSum)
    if (sum) zHist.forEach((n, bin) => (sum.zHist[bin] = (sum.zHist[bin] as number) + n))
    frame.names.forEach((name, c) => {
      const bins = version.driftBins[name]
      const column = bins && columnOf(version, name, hourMs, bins.edges.length + 1)
      if (!column) return
      const values = frame.columns[c] as Float64Array
      for (let row = start; row < end; row++) {
        const bin = driftBinOf(bins.edges, values[row] as number)
        column.counts[bin] = (column.counts[bin] as number) + 1
      }
    })
  }

  const work = (): void => {
    scheduled = false
    let left = SLICE_ROWS
    for (let next = waiting[0]; next && left > 0; next = waiting[0]) {
      const end = Math.min(next.counted.frame.timesMs.length, next.row + left)
      count(next.counted, next.row, end)
      left -= end - next.row
      next.row = end
      if (end >= next.counted.frame.timesMs.length) waiting.shift()
    }
    if (waiting.length > 0) schedule()
  }
  const schedule = (): void => {
    if (scheduled) return
    scheduled = true
    setImmediate(work)
  }

  const drain = (): void => {
    while (waiting.length > 0) work()
  }

  const put = async (): Promise<void> => {
    drain()
    if (series.size === 0 && columns.size === 0) return
    const [hours, sketches] = [series, columns]
    series = new Map()
    columns = new Map()
    try {
      await activity.add(
        [...hours].map(([key, sum]): HourOfSeries => {
          const space = key.indexOf(' ')
          return {
            seriesId: key.slice(space + 1),
            hour: new Date(Number(key.slice(0, space))),
            ...sum,
            zHist: [...sum.zHist],
          }
        }),
        [...sketches.values()].map(({ hourMs, counts, ...rest }): HourOfColumn => ({
          ...rest,
          hour: new Date(hourMs),
          counts: [...counts],
        })),
      )
    } catch (error) {
      logger.warn('counts of predictions wait for the record', { error: messageOf(error) })
      // Back to what was counted meanwhile.
      for (const [key, sum] of hours) {
        const now = series.get(key)
        if (!now) {
          if (series.size < MOST_KEPT) series.set(key, sum)
          continue
        }
        now.predictions += sum.predictions
        now.anomalies += sum.anomalies
        now.errors += sum.errors
        now.fallbacks += sum.fallbacks
        sum.zHist.forEach((n, bin) => (now.zHist[bin] = (now.zHist[bin] as number) + n))
      }
      for (const [key, sum] of sketches) {
        const now = columns.get(key)
        if (now) sum.counts.forEach((n, bin) => (now.counts[bin] = (now.counts[bin] as number) + n))
        else if (columns.size < MOST_KEPT) columns.set(key, sum)
      }
    }
  }
  const flush = (): Promise<void> => {
    flushing = flushing.then(put)
    return flushing
  }
  const timer = setInterval(() => void flush(), FLUSH_MS)
  timer.unref()

  return {
    add: (counted) => {
      const sum = sumOf(counted.version.seriesId, hourOf())
      if (sum) {
        const rows = counted.frame.timesMs.length - counted.from
        sum.predictions += rows
        sum.anomalies += counted.anomalies
        if (counted.fallback) sum.fallbacks += rows
      }
      waiting.push({ counted, row: counted.from })
      schedule()
    },
    failed: (seriesId) => {
      const sum = sumOf(seriesId, hourOf())
      if (sum) sum.errors += 1
    },
    flush,
    close: async () => {
      clearInterval(timer)
      await flush()
    },
  }
}
