/**
 * One series, forecast: every model on rolling origins, the choice among them, the forecast of the chosen,
 * and its interval from the errors it made on the origins.
 */
import { chooseWeights } from './choice.ts'
import { conformalQuantile } from './conformal.ts'
import { historyOf, scaleOf } from './history.ts'
import { forecastModels, type ForecastModel } from './models.ts'
import type { ForecastPackages } from './packages.ts'
import type { ForecastInput, ForecastMetrics, SeriesForecast } from './series.ts'

const MAX_ORIGINS = 4
const Z95 = 1.96

const NO_METRICS: ForecastMetrics = {
  wape: null,
  mase: null,
  pinballLower: null,
  pinballUpper: null,
  coverage: null,
}

/** How origins are laid for one kind of step. */
interface Layout {
  readonly steps: number
  readonly stride: number
  readonly minTraining: number
}

const layoutOf = ({ values, periods, horizon }: ForecastInput): Layout => {
  const n = values.length
  const shortest = periods.find((period) => n >= 4 * period) ?? 7
  const steps = Math.max(shortest, Math.min(horizon, Math.floor(n / 12)))
  return { steps, stride: shortest, minTraining: 4 * shortest }
}

/** Steps before which a forecast is tried, in time order. */
const originsOf = (n: number, { steps, stride, minTraining }: Layout): number[] => {
  const origins: number[] = []
  for (let k = 0; k < MAX_ORIGINS; k++) {
    const origin = n - steps - k * stride
    if (origin >= minTraining) origins.unshift(origin)
  }
  return origins
}

const naiveScale = (values: Float64Array, periods: readonly number[]): number => {
  for (const lag of [periods[0] ?? 1, 1]) {
    let sum = 0
    let count = 0
    for (let i = lag; i < values.length; i++) {
      const change = Math.abs((values[i] as number) - (values[i - lag] as number))
      if (Number.isNaN(change)) continue
      sum += change
      count++
    }
    if (count > 0 && sum > 0) return sum / count
  }
  return Number.NaN
}

const weighted = (
  forecasts: readonly Float64Array[],
  weights: readonly number[],
  horizon: number,
): Float64Array => {
  const result = new Float64Array(horizon)
  forecasts.forEach((forecast, k) => {
    for (let i = 0; i < horizon; i++)
      result[i] = (result[i] as number) + (weights[k] as number) * (forecast[i] as number)
  })
  return result
}

const clipped = (forecast: Float64Array, floor: number): Float64Array =>
  forecast.map((value) => Math.max(floor, value))

export const forecastSeries = (input: ForecastInput, packages: ForecastPackages): SeriesForecast => {
  const { values, horizon } = input
  const n = values.length
  const scale = scaleOf(values)
  const layout = layoutOf(input)
  const models = forecastModels(packages)
  const origins = originsOf(n, layout)

  const actual = new Float64Array(origins.length * layout.steps)
  origins.forEach((origin, k) => {
    for (let i = 0; i < layout.steps; i++)
      actual[k * layout.steps + i] = (values[origin + i] as number) / scale
  })
  const histories = origins.map((origin) => historyOf(input, scale, origin))
  const floor = input.floor === null ? Number.NEGATIVE_INFINITY : input.floor / scale

  /** Held-out forecasts of one model, origins end to end; null when it misses one. */
  const backtest = (model: ForecastModel): Float64Array | null => {
    const all = new Float64Array(actual.length)
    for (const [k, history] of histories.entries()) {
      const forecast = model.forecast(history, layout.steps)
      if (forecast === null) return null
      all.set(clipped(forecast, floor), k * layout.steps)
    }
    return all
  }
  const maseScale = naiveScale(historyOf(input, scale, origins.at(-1) ?? n).values, input.periods)
  const score = (forecast: Float64Array) => {
    let error = 0
    let size = 0
    let count = 0
    for (let i = 0; i < actual.length; i++) {
      const value = actual[i] as number
      if (Number.isNaN(value)) continue
      error += Math.abs(value - (forecast[i] as number))
      size += Math.abs(value)
      count++
    }
    const wape = size > 0 ? error / size : error > 0 ? Number.POSITIVE_INFINITY : 0
    return { wape, mase: count > 0 && maseScale > 0 ? error / count / maseScale : Number.NaN }
  }

  const heldOut = new Map<string, Float64Array>()
  if (origins.length > 0) {
    for (const model of models) {
      const forecast = backtest(model)
      if (forecast !== null) heldOut.set(model.name, forecast)
    }
  }
  const weights = chooseWeights([...heldOut].map(([name, forecast]) => ({ name, ...score(forecast) })))

  const whole = historyOf(input, scale, n)
  const finals: { name: string; weight: number; forecast: Float64Array }[] = []
  // Without an origin: the season repeated where two of it are there, else the average.
  const seasonal = input.periods.length === 0 || whole.periods.length > 0
  const fallback = seasonal || n < 7 ? 'seasonal_naive' : 'ema'
  const order = models.filter(({ name }) => (weights.size > 0 ? weights.has(name) : name === fallback))
  for (const model of order) {
    const forecast = model.forecast(whole, horizon)
    if (forecast !== null)
      finals.push({
        name: model.name,
        weight: weights.get(model.name) ?? 1,
        forecast: clipped(forecast, floor),
      })
  }
  if (finals.length === 0) {
    const last = whole.values.at(-1) ?? 0
    finals.push({
      name: 'seasonal_naive',
      weight: 1,
      forecast: new Float64Array(horizon).fill(Math.max(floor, last)),
    })
  }
  const total = finals.reduce((sum, { weight }) => sum + weight, 0)
  const shares = finals.map(({ weight }) => weight / total)
  const predicted = weighted(
    finals.map(({ forecast }) => forecast),
    shares,
    horizon,
  )

  const names = finals.map(({ name }) => name)
  const past = names.map((name) => heldOut.get(name)).filter((forecast) => forecast !== undefined)
  const errors = new Float64Array(actual.length).fill(Number.NaN)
  if (past.length === names.length) {
    const chosen = weighted(past, shares, actual.length)
    for (let i = 0; i < actual.length; i++) errors[i] = (actual[i] as number) - (chosen[i] as number)
  }
  const q = conformalQuantile(errors)
  const sd = oneStepSd(whole.values, whole.periods)
  const halfWidth = Float64Array.from(
    { length: horizon },
    (_, i) => (q ?? Z95 * sd * Math.sqrt(i + 1)) * scale,
  )

  const lower = predicted.map((value, i) => Math.max(floor * scale, value * scale - (halfWidth[i] as number)))
  const upper = predicted.map((value, i) => value * scale + (halfWidth[i] as number))
  const metrics =
    origins.length === 0 || past.length < names.length ? NO_METRICS : metricsOf(actual, errors, q, maseScale)
  return {
    model: names.length === 1 ? (names[0] as string) : 'combination',
    weights: Object.fromEntries(names.map((name, i) => [name, shares[i] as number])),
    metrics: {
      ...metrics,
      pinballLower: metrics.pinballLower === null ? null : metrics.pinballLower * scale,
      pinballUpper: metrics.pinballUpper === null ? null : metrics.pinballUpper * scale,
    },
    predicted: predicted.map((value) => value * scale),
    lower,
    upper,
    halfWidth,
    backtestErrors: errors.map((error) => error * scale),
  }
}

const oneStepSd = (values: Float64Array, periods: readonly number[]): number => {
  const lag = periods[0] ?? 1
  let sum = 0
  let count = 0
  for (let i = lag; i < values.length; i++) {
    sum += ((values[i] as number) - (values[i - lag] as number)) ** 2
    count++
  }
  return count > 0 ? Math.sqrt(sum / count) : 0
}

const metricsOf = (
  actual: Float64Array,
  errors: Float64Array,
  q: number | null,
  maseScale: number,
): ForecastMetrics => {
  let error = 0
  let size = 0
  let count = 0
  let inside = 0
  let low = 0
  let high = 0
  for (let i = 0; i < errors.length; i++) {
    const e = errors[i] as number
    if (Number.isNaN(e)) continue
    error += Math.abs(e)
    size += Math.abs(actual[i] as number)
    count++
    if (q === null) continue
    if (Math.abs(e) <= q) inside++
    low += Math.max(0.025 * (e + q), -0.975 * (e + q))
    high += Math.max(0.975 * (e - q), -0.025 * (e - q))
  }
  if (count === 0) return NO_METRICS
  return {
    wape: size > 0 ? error / size : null,
    mase: maseScale > 0 ? error / count / maseScale : null,
    pinballLower: q === null ? null : low / count,
    pinballUpper: q === null ? null : high / count,
    coverage: q === null ? null : inside / count,
  }
}
