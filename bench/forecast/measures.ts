/**
 * How good a forecast is, as the M4 competition measured it (Makridakis, Spiliotis & Assimakopoulos 2020,
 * "The M4 Competition: 100,000 time series and 61 forecasting methods"). NaN among the actual values is a
 * step nobody knows: it counts nowhere. NaN as a result: nothing could be measured.
 */

/** Mean over the known steps of `of(i)`. */
const meanOver = (actual: Float64Array, of: (i: number) => number): number => {
  let sum = 0
  let known = 0
  for (let i = 0; i < actual.length; i += 1) {
    if (Number.isNaN(actual[i])) continue
    sum += of(i)
    known += 1
  }
  return known === 0 ? Number.NaN : sum / known
}

/** Mean of |y - f|. */
export const mae = (actual: Float64Array, forecast: Float64Array): number =>
  meanOver(actual, (i) => Math.abs((actual[i] as number) - (forecast[i] as number)))

/** Mean of 2|y - f| / (|y| + |f|), 0 to 2; a step where both are 0 is no error. */
export const smape = (actual: Float64Array, forecast: Float64Array): number =>
  meanOver(actual, (i) => {
    const y = actual[i] as number
    const f = forecast[i] as number
    const size = Math.abs(y) + Math.abs(f)
    return size === 0 ? 0 : (2 * Math.abs(y - f)) / size
  })

/**
 * What the seasonal naive forecast errs by one season ahead, on average, on the training steps: the unit of
 * MASE (Hyndman & Koehler 2006). Where less than a season and a step is known, one step ahead.
 * @returns NaN for a flat or unknown history: there is nothing to scale by
 */
export const naiveScale = (history: Float64Array, period: number): number => {
  for (const lag of new Set([period, 1])) {
    let sum = 0
    let known = 0
    for (let i = lag; i < history.length; i += 1) {
      const step = Math.abs((history[i] as number) - (history[i - lag] as number))
      if (Number.isNaN(step)) continue
      sum += step
      known += 1
    }
    if (known > 0) return sum > 0 ? sum / known : Number.NaN
  }
  return Number.NaN
}

/** Share of the known steps that lie in the interval, bounds included. */
export const coverage = (actual: Float64Array, lower: Float64Array, upper: Float64Array): number =>
  meanOver(actual, (i) => {
    const y = actual[i] as number
    return y >= (lower[i] as number) && y <= (upper[i] as number) ? 1 : 0
  })

/**
 * Mean scaled interval score (Gneiting & Raftery 2007; scaled as in M4): the width, and 2/alpha for each unit
 * by which a step lies outside, in units of `scale`.
 * @param alpha 0.05 for a 95% interval
 */
export const scaledIntervalScore = (
  actual: Float64Array,
  lower: Float64Array,
  upper: Float64Array,
  scale: number,
  alpha: number,
): number =>
  meanOver(actual, (i) => {
    const y = actual[i] as number
    const low = lower[i] as number
    const high = upper[i] as number
    return high - low + (2 / alpha) * (Math.max(0, low - y) + Math.max(0, y - high))
  }) / scale
