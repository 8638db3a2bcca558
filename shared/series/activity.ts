/** What is counted of predictions, per hour: for statistics, warm-up and drift. */

/** Upper ends of the bins of `zHist`; one more bin is open. z is against the baseline of the version. */
export const Z_BINS = [0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10] as const

export interface HourOfSeries {
  readonly seriesId: string
  /** Start of the hour, UTC. */
  readonly hour: Date
  /** Points or windows judged, whatever the number of members. */
  readonly predictions: number
  readonly anomalies: number
  readonly errors: number
  readonly fallbacks: number
  /** Z_BINS.length + 1 counts. */
  readonly zHist: readonly number[]
}

/** Values seen per bin of a version's `driftBins`. */
export interface HourOfColumn {
  readonly seriesId: string
  readonly version: number
  readonly column: string
  readonly hour: Date
  readonly counts: readonly number[]
}

export interface SeriesActivity {
  /** Adds to what is there; one statement for each kind. */
  add(hours: readonly HourOfSeries[], columns: readonly HourOfColumn[]): Promise<void>
  /** Ascending by hour, [from, to). */
  hours(seriesId: string, from: Date, to: Date): Promise<readonly HourOfSeries[]>
}
