/** A linear model of the last steps, fitted with a ridge and iterated over the horizon. */
import { addRow, emptyGram, solvePositive } from './linear.ts'

/** Ridge, in units of the mean square of a lag: lags of a smooth series are nearly the same. */
const RIDGE = 0.01
const LAGS = 8

/**
 * @param values no NaN, without season
 * @returns null when the model explodes, or nothing varies
 */
export const autoregression = (values: Float64Array, horizon: number): Float64Array | null => {
  const n = values.length
  const d = Math.min(LAGS, n >> 2)
  if (d === 0) return null
  let mean = 0
  for (const value of values) mean += value / n
  const centred = values.map((value) => value - mean)

  // The intercept is the last column.
  const gram = emptyGram(d + 1)
  const target = new Float64Array(d + 1)
  const row = new Float64Array(d + 1)
  row[d] = 1
  let size = 0
  for (let i = d; i < n; i++) {
    for (let k = 0; k < d; k++) row[k] = centred[i - k - 1] as number
    const y = centred[i] as number
    addRow(gram, target, row, y)
    size += y * y
  }
  if (!(size > 0)) return null
  for (let k = 0; k < d; k++) {
    const g = gram[k] as Float64Array
    g[k] = (g[k] as number) + RIDGE * size
  }
  if (!solvePositive(gram, target)) return null

  const path = new Float64Array(n + horizon)
  path.set(centred)
  let wide = 0
  for (const value of centred) wide = Math.max(wide, Math.abs(value))
  for (let h = 0; h < horizon; h++) {
    let value = target[d] as number
    for (let k = 0; k < d; k++) value += (target[k] as number) * (path[n + h - k - 1] as number)
    // An explosive root shows within a horizon; such a model knows nothing.
    if (!(Math.abs(value) <= 3 * wide)) return null
    path[n + h] = value
  }
  return path.slice(n).map((value) => value + mean)
}
