/**
 * A fast and a slow exponential level; the forecast starts at the fast one and falls back to the slow one by
 * the share `memory` each step. Random walks, noise about a mean and all between are corners of it. Its three
 * rates are those with the least absolute error over the steps up to the horizon, not over one step only:
 * noise that lasts for hours must not set the level of the day after tomorrow.
 */
import { minimise } from './simplex.ts'

export interface LevelRates {
  readonly fast: number
  readonly slow: number
  readonly memory: number
}

const EVALUATIONS = 120
const START = [0.3, 0.3, 0.8]

/** Steps at which the error counts: 1, and on in growing strides to the horizon. */
const stepsUpTo = (horizon: number): number[] => {
  const steps: number[] = []
  for (let step = 1; step < horizon; step = Math.ceil(step * 1.8)) steps.push(step)
  steps.push(horizon)
  return steps
}

const ratesAt = (point: Float64Array): LevelRates => {
  const [a = 0, b = 0, c = 0] = point
  const fast = 0.02 + 0.98 * a
  return { fast, slow: fast * b * b, memory: Math.sqrt(Math.sqrt(c)) }
}

const startOf = (values: Float64Array): number => {
  const head = Math.min(5, values.length)
  let start = 0
  for (let i = 0; i < head; i++) start += (values[i] as number) / head
  return start
}

/** Calls `at` with the levels after each value. */
const walk = (
  values: Float64Array,
  { fast, slow }: LevelRates,
  at: (i: number, f: number, s: number) => void,
): void => {
  let f = startOf(values)
  let s = f
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number
    f += fast * (value - f)
    s += slow * (value - s)
    at(i, f, s)
  }
}

/** @param values no NaN, without season */
export const fitLevels = (values: Float64Array, horizon: number): LevelRates => {
  const n = values.length
  const warm = Math.min(10, n >> 2)
  const steps = stepsUpTo(Math.min(horizon, Math.max(1, n >> 2)))
  const loss = (point: Float64Array): number => {
    const rates = ratesAt(point)
    const shares = steps.map((step) => rates.memory ** step)
    let total = 0
    let count = 0
    walk(values, rates, (i, f, s) => {
      if (i < warm) return
      for (let k = 0; k < steps.length; k++) {
        const target = i + (steps[k] as number)
        if (target >= n) break
        total += Math.abs((values[target] as number) - s - (shares[k] as number) * (f - s))
        count++
      }
    })
    return total / count
  }
  return ratesAt(minimise(loss, START, EVALUATIONS))
}

export const levelsForecast = (values: Float64Array, rates: LevelRates, horizon: number): Float64Array => {
  let fast = 0
  let slow = 0
  walk(values, rates, (_, f, s) => {
    fast = f
    slow = s
  })
  return Float64Array.from({ length: horizon }, (_, h) => slow + rates.memory ** (h + 1) * (fast - slow))
}

/** Errors (actual - predicted) `step` steps ahead from every point of the series that has that many after it. */
export const levelErrors = (values: Float64Array, rates: LevelRates, step: number): Float64Array => {
  const n = values.length
  const warm = Math.min(10, n >> 2)
  const errors = new Float64Array(Math.max(0, n - step - warm))
  const share = rates.memory ** step
  walk(values, rates, (i, f, s) => {
    if (i >= warm && i + step < n) errors[i - warm] = (values[i + step] as number) - s - share * (f - s)
  })
  return errors
}
