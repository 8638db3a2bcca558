/**
 * Three exponential averages, and half of the slope between the fastest and the slowest. Knows no weekday:
 * for series too young for anything else.
 */

const SHORT = 3
const MIDDLE = 7
const LONG = 14

/** alpha = 2 / (span + 1), started at the first value. */
const average = (values: Float64Array, span: number): number => {
  const alpha = 2 / (span + 1)
  let level = values[0] as number
  for (let i = 1; i < values.length; i++) level += alpha * ((values[i] as number) - level)
  return level
}

/**
 * Step i (from 1): max(floor, .5 s + .3 m + .2 l + .5 i (s - l) / 14) of the averages over 3, 7 and 14.
 *
 * @param values no NaN, at least one
 */
export const emaForecast = (values: Float64Array, horizon: number, floor: number): Float64Array => {
  const s = average(values, SHORT)
  const m = average(values, MIDDLE)
  const l = average(values, LONG)
  const level = 0.5 * s + 0.3 * m + 0.2 * l
  return Float64Array.from({ length: horizon }, (_, i) =>
    Math.max(floor, level + (0.5 * (i + 1) * (s - l)) / LONG),
  )
}
