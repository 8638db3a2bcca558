/** The Theta method (Assimakopoulos & Nikolopoulos 2000) as Hyndman & Billah (2003) put it: simple smoothing with half of the slope. */
import { minimise } from './simplex.ts'

const EVALUATIONS = 40

/** The mean absolute one-step error, and the level after the last value. */
const smooth = (values: Float64Array, alpha: number): { loss: number; level: number } => {
  let level = 0
  const head = Math.min(5, values.length)
  for (let i = 0; i < head; i++) level += (values[i] as number) / head
  let loss = 0
  for (const value of values) {
    const error = value - level
    loss += Math.abs(error)
    level += alpha * error
  }
  return { loss, level }
}

const slopeOf = (values: Float64Array): number => {
  const n = values.length
  const middle = (n - 1) / 2
  let cross = 0
  let size = 0
  for (let i = 0; i < n; i++) {
    cross += (i - middle) * (values[i] as number)
    size += (i - middle) ** 2
  }
  return size > 0 ? cross / size : 0
}

/** @param values no NaN, without season */
export const theta = (values: Float64Array, horizon: number): Float64Array => {
  const [point = 0.5] = minimise(([at = 0.5]) => smooth(values, 0.01 + 0.98 * at).loss, [0.3], EVALUATIONS)
  const alpha = 0.01 + 0.98 * point
  const { level } = smooth(values, alpha)
  const half = slopeOf(values) / 2
  const n = values.length
  const lag = (1 - (1 - alpha) ** n) / alpha
  return Float64Array.from({ length: horizon }, (_, h) => level + half * (h + lag))
}
