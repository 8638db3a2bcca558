/**
 * Windows of raw samples, reduced to the figures that are read off vibration: from there a waveform is an
 * ordinary series of columns `radial.rms`.
 */
export const WAVEFORM_FIGURES = ['mean', 'std', 'rms', 'min', 'max', 'crest', 'skew', 'kurtosis'] as const

/** Fourth powers of what lies outside of this leave float64. */
const LARGE = 2 ** 200
const SMALL = 2 ** -200
/** 2^1024 is not a number any more. */
const LARGEST_EXPONENT = 1023

const ratio = (over: number, under: number): number => (under === 0 ? 0 : over / under)

/**
 * Writes the population figures of samples [from, to), at least one, to row `row` of `out`, one column per figure
 * in the order of WAVEFORM_FIGURES: crest is peak abs / rms, skew m3 / m2^1.5, kurtosis m4 / m2^2 (3 of a normal
 * distribution); 0/0 is 0. Equal samples have no shape, whatever rounding makes of their sum.
 */
export const reduceWindow = (
  samples: ArrayLike<number>,
  from: number,
  to: number,
  out: readonly Float64Array[],
  row: number,
): void => {
  const n = to - from
  let min = Infinity
  let max = -Infinity
  for (let i = from; i < to; i++) {
    const sample = samples[i] as number
    if (sample < min) min = sample
    if (sample > max) max = sample
  }
  const peak = Math.max(Math.abs(min), Math.abs(max))
  // A power of two changes no digit in the middle of the range, and brings the rest into it.
  const extreme = peak > LARGE || (peak > 0 && peak < SMALL)
  const scale = extreme ? 2 ** Math.min(LARGEST_EXPONENT, -Math.floor(Math.log2(peak))) : 1
  let mean = min * scale
  let rms = Math.abs(mean)
  let m2 = 0
  let m3 = 0
  let m4 = 0
  if (min !== max) {
    let sum = 0
    let squares = 0
    for (let i = from; i < to; i++) {
      const sample = (samples[i] as number) * scale
      sum += sample
      squares += sample * sample
    }
    mean = sum / n
    rms = Math.sqrt(squares / n)
    for (let i = from; i < to; i++) {
      const gap = (samples[i] as number) * scale - mean
      const square = gap * gap
      m2 += square
      m3 += square * gap
      m4 += square * square
    }
    m2 /= n
    m3 /= n
    m4 /= n
  }
  const std = Math.sqrt(m2)
  const figures = [
    mean / scale,
    std / scale,
    rms / scale,
    min,
    max,
    ratio(peak * scale, rms),
    ratio(m3, m2 * std),
    ratio(m4, m2 * m2),
  ]
  // -0 is 0.
  for (let k = 0; k < figures.length; k++) (out[k] as Float64Array)[row] = (figures[k] as number) + 0
}
