/** The forecasts that others are measured against: naive, seasonal naive and M4's Naive2. */

/** Steps that are not known, filled on the straight line between their neighbours; the ends repeat. */
export const interpolate = (values: Float64Array): Float64Array => {
  const filled = values.slice()
  let last = -1
  for (let i = 0; i <= filled.length; i += 1) {
    if (i < filled.length && Number.isNaN(filled[i])) continue
    const left = last >= 0 ? filled[last] : filled[i]
    const right = i < filled.length ? filled[i] : left
    for (let gap = last + 1; gap < i; gap += 1) {
      const share = last >= 0 && i < filled.length ? (gap - last) / (i - last) : 0
      filled[gap] = (left as number) + share * ((right as number) - (left as number))
    }
    last = i
  }
  return filled
}

/** The newest value, repeated. @param history without NaN */
export const naive = (history: Float64Array, horizon: number): Float64Array =>
  new Float64Array(horizon).fill(history.at(-1) ?? Number.NaN)

/** The newest season, repeated; naive when there is none. @param history without NaN */
export const seasonalNaive = (history: Float64Array, period: number, horizon: number): Float64Array => {
  if (history.length < period) return naive(history, horizon)
  const from = history.length - period
  return Float64Array.from({ length: horizon }, (_, i) => history[from + (i % period)] as number)
}

const TCRIT_90 = 1.645

/**
 * M4's test: the autocorrelation at the season against Bartlett's bound at 90%. Fewer than three seasons do
 * not pass.
 */
export const isSeasonal = (history: Float64Array, period: number): boolean => {
  const n = history.length
  if (period < 2 || n < 3 * period) return false
  const mean = history.reduce((sum, value) => sum + value, 0) / n
  let variance = 0
  for (const value of history) variance += (value - mean) ** 2
  if (variance === 0) return false
  const correlation = (lag: number): number => {
    let sum = 0
    for (let i = lag; i < n; i += 1)
      sum += ((history[i] as number) - mean) * ((history[i - lag] as number) - mean)
    return sum / variance
  }
  let squares = 0
  for (let lag = 1; lag < period; lag += 1) squares += correlation(lag) ** 2
  return Math.abs(correlation(period)) > (TCRIT_90 / Math.sqrt(n)) * Math.sqrt(1 + 2 * squares)
}

/** Below it an index says nothing and its inverse everything; the bound of R's `thetaf`. */
const LEAST_INDEX = 0.01

export type Decomposition = 'multiplicative' | 'additive'

/**
 * Seasonal indices of the classical decomposition (R's `decompose`): ratios to (or differences from) a centred
 * moving average over a season, averaged per place in the season, with the mean 1 (or 0).
 * @returns `period` of them, the first for `history[0]`
 */
export const seasonalIndices = (history: Float64Array, period: number, type: Decomposition): Float64Array => {
  const half = period >> 1
  const sums = new Float64Array(period)
  const counts = new Float64Array(period)
  for (let i = half; i + half < history.length; i += 1) {
    let trend = 0
    for (let j = i - half; j <= i + half; j += 1) {
      // An even season has half a step at both ends.
      const weight = period % 2 === 0 && Math.abs(j - i) === half ? 0.5 : 1
      trend += weight * (history[j] as number)
    }
    const y = history[i] as number
    const part = type === 'additive' ? y - trend / period : y / (trend / period)
    if (!Number.isFinite(part)) continue
    const place = i % period
    sums[place] = (sums[place] as number) + part
    counts[place] = (counts[place] as number) + 1
  }
  const indices = sums.map((sum, place) => sum / (counts[place] as number))
  const mean = indices.reduce((sum, index) => sum + index, 0) / period
  return indices.map((index) => (type === 'additive' ? index - mean : index / mean))
}

/**
 * Naive2: naive on the series without its season, where the test finds one; naive otherwise. M4's series are
 * all positive and so its season is always a factor. Where a value is negative, or a factor too small to divide
 * by, the season is added here.
 * @param history without NaN
 */
export const naive2 = (history: Float64Array, period: number, horizon: number): Float64Array => {
  if (!isSeasonal(history, period)) return naive(history, horizon)
  const n = history.length
  const newest = history[n - 1] as number
  const at = (indices: Float64Array, i: number): number => indices[i % period] as number
  const factors = seasonalIndices(history, period, 'multiplicative')
  if (factors.every((factor) => factor >= LEAST_INDEX) && history.every((value) => value >= 0))
    return Float64Array.from(
      { length: horizon },
      (_, i) => (newest * at(factors, n + i)) / at(factors, n - 1),
    )
  const terms = seasonalIndices(history, period, 'additive')
  return Float64Array.from({ length: horizon }, (_, i) => newest + at(terms, n + i) - at(terms, n - 1))
}
