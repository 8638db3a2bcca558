/**
 * The pattern of each season by classical decomposition, made cautious: phases are averaged without their
 * extremes, and the pattern shrinks towards none as far as chance alone would have drawn one (James & Stein
 * 1961), so that no test has to decide whether there is a season.
 */
import { sortFirst } from '../stats/robust.ts'

export interface Seasons {
  readonly multiplicative: boolean
  /** The series without its seasons. */
  readonly rest: Float64Array
  /** Puts the seasons back on values that follow the series. */
  readonly restore: (forecast: Float64Array) => Float64Array
  /** What one unit of the rest is worth `step` steps after the series (from 0); 1 where seasons add. */
  readonly gain: (step: number) => number
  /**
   * Errors of forecasts are this much larger than those of the series the patterns were taken from: a mean of c
   * cycles leaves 1 - 1/c of the noise's variance there, and brings 1 + 1/c of it to the next cycle.
   */
  readonly inflation: number
  /** Whether some pattern is more than chance: over three times what chance alone would draw. */
  readonly evident: boolean
}

/** Share of a phase's values left out at each end of their order. */
const TRIM = 0.15

/** Kept share of a pattern from which on it is believed. */
const EVIDENT = 0.7

/** Cycles that still count for today's pattern. */
const MAX_CYCLES = 60

/** Centred mean over one period (ends at half weight when it is even); NaN at both ends of the series. */
export const centredMean = (values: Float64Array, period: number): Float64Array => {
  const n = values.length
  const half = period >> 1
  const result = new Float64Array(n).fill(Number.NaN)
  if (n < 2 * half + 1) return result
  let sum = 0
  for (let j = 0; j <= 2 * half; j++) sum += values[j] as number
  for (let i = half; i < n - half; i++) {
    const ends = period % 2 === 0 ? ((values[i - half] as number) + (values[i + half] as number)) / 2 : 0
    result[i] = (sum - ends) / period
    sum += (values[i + half + 1] ?? 0) - (values[i - half] as number)
  }
  return result
}

interface Pattern {
  /** Shrunken trimmed means by phase (index modulo period); sums to 0. */
  readonly shares: Float64Array
  /** Of the pattern as measured. */
  readonly kept: number
  readonly inflation: number
}

/**
 * Of the mean of `count` ascending values without `cut` at each end, by the winsorised variance (Tukey &
 * McLaughlin 1963); 0 for one value, of which nothing can be told.
 */
const trimmedMeanVariance = (sorted: Float64Array, count: number, cut: number): number => {
  if (count < 2) return 0
  const low = sorted[cut] as number
  const high = sorted[count - 1 - cut] as number
  let sum = 0
  for (let i = 0; i < count; i++) sum += Math.min(high, Math.max(low, sorted[i] as number))
  const mean = sum / count
  let squares = 0
  for (let i = 0; i < count; i++) squares += (Math.min(high, Math.max(low, sorted[i] as number)) - mean) ** 2
  const share = 1 - (2 * cut) / count
  return squares / (count - 1) / (share * share * count)
}

/** @param deviations NaN ones are left out */
const patternOf = (deviations: Float64Array, period: number): Pattern => {
  const n = deviations.length
  const pattern = new Float64Array(period)
  const from = Math.max(0, n - MAX_CYCLES * period)
  const phase = new Float64Array(Math.ceil((n - from) / period) + 1)
  let noise = 0
  let cycles = 0
  for (let p = 0; p < period; p++) {
    let count = 0
    for (let i = from + ((p - (from % period) + period) % period); i < n; i += period) {
      const value = deviations[i] as number
      if (!Number.isNaN(value)) phase[count++] = value
    }
    if (count === 0) continue
    sortFirst(phase, count)
    const cut = Math.floor(count * TRIM)
    let sum = 0
    for (let i = cut; i < count - cut; i++) sum += phase[i] as number
    const mean = sum / (count - 2 * cut)
    pattern[p] = mean
    noise += trimmedMeanVariance(phase, count, cut)
    cycles += count
  }
  let mean = 0
  for (const value of pattern) mean += value / period
  let size = 0
  for (let p = 0; p < period; p++) {
    pattern[p] = (pattern[p] as number) - mean
    size += (pattern[p] as number) ** 2
  }
  // What a pattern of pure chance would measure.
  const chance = (noise * (period - 1)) / period
  const kept = size > 0 ? Math.max(0, 1 - chance / size) : 0
  for (let p = 0; p < period; p++) pattern[p] = (pattern[p] as number) * kept
  const perPhase = Math.max(1.5, cycles / period)
  return {
    shares: pattern,
    kept,
    inflation: 1 + kept * (Math.sqrt((1 + 1 / perPhase) / (1 - 1 / perPhase)) - 1),
  }
}

/**
 * @param periods ascending, each at most half of the series; a longer one is sought in what the shorter left
 * @param multiplicative patterns multiply the level: the level must be positive throughout, else they add
 */
export const seasonsOf = (
  values: Float64Array,
  periods: readonly number[],
  multiplicative: boolean,
): Seasons => {
  const n = values.length
  let product = multiplicative
  if (product) {
    for (const period of periods) {
      for (const level of centredMean(values, period)) if (level <= 0) product = false
    }
  }
  const rest = Float64Array.from(values)
  const patterns: Float64Array[] = []
  let inflation = 1
  let evident = false
  for (const period of periods) {
    const level = centredMean(rest, period)
    const deviations = rest.map((value, i) =>
      product ? value / (level[i] as number) - 1 : value - (level[i] as number),
    )
    const { shares: pattern, kept, inflation: here } = patternOf(deviations, period)
    // A phase that is always 0 says nothing of the level: it is not divided by.
    if (product && pattern.some((share) => share < -0.9)) return seasonsOf(values, periods, false)
    patterns.push(pattern)
    inflation = Math.max(inflation, here)
    evident ||= kept > EVIDENT
    for (let i = 0; i < n; i++) {
      const share = pattern[i % period] as number
      rest[i] = product ? (rest[i] as number) / (1 + share) : (rest[i] as number) - share
    }
  }
  return {
    multiplicative: product,
    rest,
    inflation,
    evident,
    restore: (forecast) =>
      forecast.map((value, h) => {
        let result = value
        patterns.forEach((pattern, k) => {
          const share = pattern[(n + h) % (periods[k] as number)] as number
          result = product ? result * (1 + share) : result + share
        })
        return result
      }),
    gain: (step) =>
      product
        ? patterns.reduce(
            (gain, pattern, k) => gain * (1 + (pattern[(n + step) % (periods[k] as number)] as number)),
            1,
          )
        : 1,
  }
}
