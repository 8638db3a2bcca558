/**
 * Windows of raw samples, reduced to figures at the door (series-service section 2): per channel mean,
 * population standard deviation, root mean square, smallest, largest, crest (peak / rms), skewness and kurtosis
 * (population moments, not excess). 0 / 0 counts as 0.
 */
export const WAVEFORM_FIGURES = ['mean', 'std', 'rms', 'min', 'max', 'crest', 'skew', 'kurtosis'] as const

const ratio = (a: number, b: number): number => (b === 0 ? 0 : a / b)

/**
 * Writes the figures of samples [from, to) to row `row` of `out`, one column per figure in the order of
 * WAVEFORM_FIGURES.
 */
export const reduceWindow = (
  samples: ArrayLike<number>,
  from: number,
  to: number,
  out: readonly Float64Array[],
  row: number,
): void => {
  const n = to - from
  let sum = 0
  let squares = 0
  let min = Infinity
  let max = -Infinity
  for (let i = from; i < to; i++) {
    const x = samples[i] as number
    sum += x
    squares += x * x
    if (x < min) min = x
    if (x > max) max = x
  }
  const mean = sum / n
  let m2 = 0
  let m3 = 0
  let m4 = 0
  for (let i = from; i < to; i++) {
    const gap = (samples[i] as number) - mean
    const square = gap * gap
    m2 += square
    m3 += square * gap
    m4 += square * square
  }
  const variance = m2 / n
  const std = Math.sqrt(variance)
  const rms = Math.sqrt(squares / n)
  const figures = [
    mean,
    std,
    rms,
    min,
    max,
    ratio(Math.max(Math.abs(min), Math.abs(max)), rms),
    ratio(m3 / n, variance * std),
    ratio(m4 / n, variance * variance),
  ]
  figures.forEach((figure, k) => {
    ;(out[k] as Float64Array)[row] = figure
  })
}
