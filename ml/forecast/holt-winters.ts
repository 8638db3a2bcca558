/**
 * Exponential smoothing with a damped trend, one additive pattern per season, and an autoregressive error
 * (Holt 1957, Winters 1960; several seasons and the error's memory: Taylor 2003). Its rates are those with
 * the least mean absolute one-step error, which one wild day moves less than squares would.
 */
import { minimise } from './simplex.ts'
import { seasonsOf } from './season.ts'

interface Rates {
  level: number
  trend: number
  damping: number
  error: number
  readonly seasons: Float64Array
}

interface State {
  level: number
  trend: number
  lastError: number
  /** Per period, by phase. */
  readonly patterns: readonly Float64Array[]
}

const EVALUATIONS = 60
const MORE_PER_RATE = 30

/** Runs over the series; the mean absolute one-step error after the first season. */
const run = (values: Float64Array, periods: readonly number[], rates: Rates, state: State): number => {
  const n = values.length
  const warm = Math.min(n >> 1, periods.at(-1) ?? 3)
  const [firstPeriod = 1, secondPeriod = 1] = periods
  const [firstPattern, secondPattern] = state.patterns
  const firstRate = rates.seasons[0] ?? 0
  const secondRate = rates.seasons[1] ?? 0
  let { level, trend, lastError } = state
  let total = 0
  let p1 = 0
  let p2 = 0
  for (let i = 0; i < n; i++) {
    const s1 = firstPattern === undefined ? 0 : (firstPattern[p1] as number)
    const s2 = secondPattern === undefined ? 0 : (secondPattern[p2] as number)
    const drift = rates.damping * trend
    const without = (values[i] as number) - (level + drift + s1 + s2)
    const error = without - rates.error * lastError
    level += drift + rates.level * error
    trend = drift + rates.trend * error
    if (firstPattern !== undefined) firstPattern[p1] = s1 + firstRate * error
    if (secondPattern !== undefined) secondPattern[p2] = s2 + secondRate * error
    lastError = without
    if (++p1 === firstPeriod) p1 = 0
    if (++p2 === secondPeriod) p2 = 0
    if (i >= warm) total += Math.abs(error)
  }
  state.level = level
  state.trend = trend
  state.lastError = lastError
  return total / (n - warm)
}

/** The rates that a point of the unit cube stands for. */
const ratesAt = (point: Float64Array, seasons: number, trended: boolean): Rates => {
  const level = 0.001 + 0.998 * (point[0] as number)
  const error = 0.95 * (point[1] as number)
  const rates = new Float64Array(seasons)
  for (let k = 0; k < seasons; k++) rates[k] = 0.5 * (point[2 + k] as number) ** 2
  const trend = trended ? level * 0.5 * (point[2 + seasons] as number) ** 2 : 0
  const damping = trended ? 0.8 + 0.19 * (point[3 + seasons] as number) : 1
  return { level, error, seasons: rates, trend, damping }
}

/**
 * @param values no NaN, two of the longest period at least
 * @param periods at most two, ascending
 */
export const holtWinters = (
  values: Float64Array,
  periods: readonly number[],
  horizon: number,
): Float64Array => {
  const n = values.length
  const { rest } = seasonsOf(values, periods, false)
  const start = periods.map((period) => new Float64Array(period))
  // The patterns start as those of the whole series: they are what was taken off.
  let left = values
  periods.forEach((period, k) => {
    const { rest: after } = seasonsOf(left, [period], false)
    for (let p = 0; p < period; p++) start[k]![p] = (left[p] as number) - (after[p] as number)
    left = after
  })
  const head = Math.min(n, Math.max(5, periods[0] ?? 5))
  let level = 0
  for (let i = 0; i < head; i++) level += (rest[i] as number) / head
  const fresh = (): State => ({
    level,
    trend: 0,
    lastError: 0,
    patterns: start.map((p) => Float64Array.from(p)),
  })

  const fit = (trended: boolean) => {
    const first = [0.3, 0.1, ...periods.map(() => 0.3), ...(trended ? [0.3, 0.5] : [])]
    const point = minimise(
      (at) => run(values, periods, ratesAt(at, periods.length, trended), fresh()),
      first,
      EVALUATIONS + MORE_PER_RATE * first.length,
    )
    const rates = ratesAt(point, periods.length, trended)
    const state = fresh()
    const loss = run(values, periods, rates, state)
    // Akaike's criterion for errors with Laplace's density.
    return { rates, state, criterion: 2 * n * Math.log(loss + 1e-12) + 2 * first.length }
  }
  const plain = fit(false)
  const trended = fit(true)
  const { rates, state } = trended.criterion < plain.criterion ? trended : plain

  const result = new Float64Array(horizon)
  let drift = 0
  let memory = state.lastError
  let slope = state.trend
  for (let h = 0; h < horizon; h++) {
    slope *= rates.damping
    drift += slope
    memory *= rates.error
    let value = state.level + drift + memory
    periods.forEach((period, k) => {
      value += state.patterns[k]?.[(n + h) % period] as number
    })
    result[h] = value
  }
  return result
}
