/** How far forecasts were from what came. All arrays run over the same held-out steps; NaN: not known. */
import type { ForecastMetrics } from './series.ts'

export interface Accuracy {
  /** sum |e| / sum |y|: 0 when both are 0, Infinity when only the values are. */
  readonly wape: number
  /** NaN without a scale. */
  readonly mase: number
}

/** The mean absolute change over one season, else over one step, of the training steps; NaN when nothing changes. */
export const naiveScale = (values: Float64Array, period: number): number => {
  for (const lag of [period, 1]) {
    let sum = 0
    let count = 0
    for (let i = lag; i < values.length; i++) {
      sum += Math.abs((values[i] as number) - (values[i - lag] as number))
      count++
    }
    if (sum > 0) return sum / count
  }
  return Number.NaN
}

export const accuracyOf = (actual: Float64Array, predicted: Float64Array, scale: number): Accuracy => {
  let error = 0
  let size = 0
  let count = 0
  for (let i = 0; i < actual.length; i++) {
    const value = actual[i] as number
    if (Number.isNaN(value)) continue
    error += Math.abs(value - (predicted[i] as number))
    size += Math.abs(value)
    count++
  }
  const wape = size > 0 ? error / size : error > 0 ? Number.POSITIVE_INFINITY : 0
  return { wape, mase: count > 0 ? error / count / scale : Number.NaN }
}

/** Loss of a quantile forecast (Koenker & Bassett 1978). */
const pinball = (actual: number, quantile: number, level: number): number =>
  actual >= quantile ? level * (actual - quantile) : (1 - level) * (quantile - actual)

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null)

/** @param width half-widths of the intervals; null: none is known */
export const metricsOf = (
  actual: Float64Array,
  predicted: Float64Array,
  width: Float64Array | null,
  floor: number,
  scale: number,
): ForecastMetrics => {
  const { wape, mase } = accuracyOf(actual, predicted, scale)
  let count = 0
  let size = 0
  let inside = 0
  let low = 0
  let high = 0
  for (let i = 0; i < actual.length; i++) {
    const value = actual[i] as number
    if (Number.isNaN(value)) continue
    const half = width?.[i] ?? Number.NaN
    const lower = Math.max(floor, (predicted[i] as number) - half)
    const upper = (predicted[i] as number) + half
    count++
    size += Math.abs(value)
    if (value >= lower && value <= upper) inside++
    low += pinball(value, lower, 0.025)
    high += pinball(value, upper, 0.975)
  }
  const per = (sum: number): number | null => (width === null || count === 0 ? null : finite(sum / count))
  return {
    wape: size > 0 ? finite(wape) : null,
    mase: finite(mase),
    pinballLower: per(low),
    pinballUpper: per(high),
    coverage: per(inside),
  }
}
