/**
 * What a forest sees of a series (series-service section 3): per channel the value, its difference to the row
 * before, its distance from the median of the `window` rows before, and the population standard deviation of the
 * last `window` rows. Windows count rows, not time.
 */
export const SLIDING_FEATURES = ['value', 'diff', 'dev', 'local_std'] as const
export const SLIDING_COUNT = SLIDING_FEATURES.length

/** Median of column[from, to), sorted in `scratch`. */
const medianOf = (column: Float64Array, from: number, to: number, scratch: Float64Array): number => {
  const n = to - from
  for (let i = 0; i < n; i++) {
    const value = column[from + i] as number
    let at = i
    while (at > 0 && (scratch[at - 1] as number) > value) {
      scratch[at] = scratch[at - 1] as number
      at--
    }
    scratch[at] = value
  }
  const half = n >> 1
  return n % 2 === 1
    ? (scratch[half] as number)
    : ((scratch[half - 1] as number) + (scratch[half] as number)) / 2
}

const stdOf = (column: Float64Array, from: number, to: number): number => {
  const n = to - from
  let sum = 0
  for (let i = from; i < to; i++) sum += column[i] as number
  const mean = sum / n
  let squares = 0
  for (let i = from; i < to; i++) squares += ((column[i] as number) - mean) ** 2
  return Math.sqrt(squares / n)
}

/**
 * Writes the four features of row `row` to `out` from `at` on; NaN where rows of history are missing.
 * @param scratch at least `window` long
 */
export const slidingFeatures = (
  column: Float64Array,
  row: number,
  window: number,
  out: Float32Array | Float64Array,
  at: number,
  scratch: Float64Array,
): void => {
  const value = column[row] as number
  out[at] = value
  out[at + 1] = row >= 1 ? value - (column[row - 1] as number) : Number.NaN
  out[at + 2] = row >= window ? value - medianOf(column, row - window, row, scratch) : Number.NaN
  out[at + 3] = row + 1 >= window ? stdOf(column, row + 1 - window, row + 1) : Number.NaN
}
