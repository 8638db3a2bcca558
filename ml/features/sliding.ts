/**
 * What a forest sees of a channel besides its value: the difference to the row before, the distance from the
 * median of the `window` rows before, and the population standard deviation of the last `window` rows. Windows
 * count rows, not time, and a figure depends on the rows of its window alone, wherever a request begins.
 */
export const SLIDING_FEATURES = ['value', 'diff', 'dev', 'local_std'] as const
export const SLIDING_COUNT = SLIDING_FEATURES.length

/** Two passes over column[from, to); infinite where squares leave float64, never NaN. */
const stdOf = (column: Float64Array, from: number, to: number): number => {
  const n = to - from
  let sum = 0
  for (let i = from; i < to; i++) sum += column[i] as number
  const mean = sum / n
  let squares = 0
  for (let i = from; i < to; i++) {
    const gap = (column[i] as number) - mean
    squares += gap * gap
  }
  return Number.isNaN(squares) ? Infinity : Math.sqrt(squares / n)
}

/** In a sorted window `gone`, which is one of its values, makes way for `come`. */
const replaceSorted = (sorted: Float64Array, gone: number, come: number): void => {
  let low = 0
  let high = sorted.length - 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle] as number) < gone) low = middle + 1
    else high = middle
  }
  let at = low
  for (; at + 1 < sorted.length && (sorted[at + 1] as number) < come; at++)
    sorted[at] = sorted[at + 1] as number
  for (; at > 0 && (sorted[at - 1] as number) > come; at--) sorted[at] = sorted[at - 1] as number
  sorted[at] = come
}

/**
 * Writes the four features of the rows [from, to) of `column`; NaN where rows of history are missing, which is
 * never so from row `window` on.
 * @param window at least 1
 * @param out takes the features of row `from` from `at` on, those of the next row `stride` further
 */
export const writeSliding = (
  column: Float64Array,
  from: number,
  to: number,
  window: number,
  out: Float32Array,
  at: number,
  stride: number,
): void => {
  const half = window >>> 1
  const isOdd = window % 2 === 1
  const first = Math.max(from, window)
  // The rows before the one looked at, in order of their values.
  const sorted = first < to ? column.slice(first - window, first).sort() : null
  for (let row = from, place = at; row < to; row++, place += stride) {
    const value = column[row] as number
    out[place] = value
    out[place + 1] = row >= 1 ? value - (column[row - 1] as number) : Number.NaN
    if (sorted && row >= window) {
      const upper = sorted[half] as number
      out[place + 2] = value - (isOdd ? upper : ((sorted[half - 1] as number) + upper) / 2)
      replaceSorted(sorted, column[row - window] as number, value)
    } else out[place + 2] = Number.NaN
    out[place + 3] = row + 1 >= window ? stdOf(column, row + 1 - window, row + 1) : Number.NaN
  }
}
