/**
 * The points of a series as columns, never as row objects. A column is a channel, or of a waveform one of
 * the figures its windows are reduced to (`radial.rms`).
 */
export interface SeriesFrame {
  /** Names of the columns, ascending by code unit. */
  readonly names: readonly string[]
  /** Milliseconds since 1970, whole numbers, strictly ascending. */
  readonly timesMs: Float64Array
  /** One per name, as long as `timesMs`; finite, -0 is 0. */
  readonly columns: readonly Float64Array[]
}

/** Rows [from, to) as views on the same memory. */
export const sliceSeries = (frame: SeriesFrame, from: number, to: number): SeriesFrame => ({
  names: frame.names,
  timesMs: frame.timesMs.subarray(from, to),
  columns: frame.columns.map((column) => column.subarray(from, to)),
})

/** The channel a column belongs to: `radial` of `radial.rms`. */
export const channelOf = (column: string): string => {
  const dot = column.indexOf('.')
  return dot < 0 ? column : column.slice(0, dot)
}
