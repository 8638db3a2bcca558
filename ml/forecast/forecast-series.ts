/**
 * One series, forecast, in four stages: every model on rolling origins; the choice among them; the forecast
 * of the chosen; its interval, from the errors it made on the origins.
 */
import { chooseWeights, type Contender } from './choice.ts'
import { errorGrowth } from './error-growth.ts'
import { type History, historyOf, scaleOf, settled } from './history.ts'
import { conformalHalfWidth } from './interval.ts'
import { accuracyOf, metricsOf, naiveScale } from './measure.ts'
import { type ForecastModel, forecastModels } from './models.ts'
import type { ForecastPackages } from './packages.ts'
import { rollingOrigins } from './rolling-origins.ts'
import type { ForecastInput, ForecastMetrics, SeriesForecast } from './series.ts'

const Z95 = 1.96
/** A slow model this much worse than the best on the newest origin is not tried on the others. */
const HOPELESS = 1.5
/** Seven steps are too few to know a season by; before them the average is no better than the last value. */
const EMA_MIN_STEPS = 7

const NO_METRICS: ForecastMetrics = {
  wape: null,
  mase: null,
  pinballLower: null,
  pinballUpper: null,
  coverage: null,
}

/** The held-out steps of all origins, end to end. */
interface HeldOut {
  readonly actual: Float64Array
  /** By model, for those that forecast at every origin. */
  readonly predicted: ReadonlyMap<string, Float64Array>
  readonly contenders: readonly Contender[]
}

const holdOut = (
  input: ForecastInput,
  scale: number,
  maseScale: number,
  models: readonly ForecastModel[],
): HeldOut => {
  const { origins, steps } = rollingOrigins(input)
  const actual = new Float64Array(origins.length * steps)
  origins.forEach((origin, k) => {
    for (let i = 0; i < steps; i++) actual[k * steps + i] = (input.values[origin + i] as number) / scale
  })
  const predicted = new Map<string, Float64Array>()
  const contenders: Contender[] = []
  const histories = origins.map((origin) => historyOf(input, scale, origin))
  const newest = actual.length - steps
  let bestOfNewest = Number.POSITIVE_INFINITY

  const attempt = ({ slow, forecast }: ForecastModel): Float64Array | null => {
    const all = new Float64Array(actual.length)
    for (let k = histories.length - 1; k >= 0; k--) {
      const history = histories[k] as History
      const made = forecast(history, steps)
      if (made === null) return null
      all.set(settled(made, history), k * steps)
      if (k < histories.length - 1) continue
      const { wape } = accuracyOf(actual.subarray(newest), all.subarray(newest), maseScale)
      if (slow && wape > HOPELESS * bestOfNewest) return null
      bestOfNewest = Math.min(bestOfNewest, wape)
    }
    return all
  }
  if (origins.length > 0) {
    for (const model of models) {
      const made = attempt(model)
      if (made === null) continue
      predicted.set(model.name, made)
      contenders.push({ name: model.name, trust: model.trust, ...accuracyOf(actual, made, maseScale) })
    }
  }
  return { actual, predicted, contenders }
}

const averaged = (forecasts: readonly Float64Array[], weights: readonly number[]): Float64Array =>
  (forecasts[0] ?? new Float64Array(0)).map((_, i) =>
    forecasts.reduce((sum, forecast, k) => sum + (weights[k] as number) * (forecast[i] as number), 0),
  )

interface Chosen {
  readonly weights: Readonly<Record<string, number>>
  readonly predicted: Float64Array
}

/** The models of `wanted` that can forecast the whole history, weighed anew when one cannot. */
const forecastBy = (
  wanted: ReadonlyMap<string, number>,
  models: readonly ForecastModel[],
  history: History,
  horizon: number,
): Chosen | null => {
  const able = models.flatMap((model) => {
    const weight = wanted.get(model.name)
    const forecast = weight === undefined ? null : model.forecast(history, horizon)
    return weight === undefined || forecast === null
      ? []
      : [{ name: model.name, weight, forecast: settled(forecast, history) }]
  })
  if (able.length === 0) return null
  const total = able.reduce((sum, { weight }) => sum + weight, 0)
  const weights = able.map(({ weight }) => weight / total)
  return {
    weights: Object.fromEntries(able.map(({ name }, i) => [name, weights[i] as number])),
    predicted: averaged(
      able.map(({ forecast }) => forecast),
      weights,
    ),
  }
}

/** What forecasts when nothing could be held out. */
const withoutOrigins = ({ periods }: ForecastInput, history: History): string => {
  const seasonal = periods.length === 0 || history.periods.length > 0
  return seasonal || history.values.length < EMA_MIN_STEPS ? 'seasonal_naive' : 'ema'
}

/** Of the changes over one season (over one step without one). */
const changeSd = ({ raw: values, periods }: History): number => {
  const lag = periods[0] ?? 1
  let sum = 0
  for (let i = lag; i < values.length; i++) sum += ((values[i] as number) - (values[i - lag] as number)) ** 2
  return values.length > lag ? Math.sqrt(sum / (values.length - lag)) : 0
}

/**
 * Never throws on finite or missing values, whatever they are; the same input gives the same bytes.
 *
 * @returns `horizon` values in the units of the input
 */
export const forecastSeries = (input: ForecastInput, packages: ForecastPackages): SeriesForecast => {
  const { values, horizon } = input
  const scale = scaleOf(values)
  const whole = historyOf(input, scale, values.length)
  const { floor } = whole
  const models = forecastModels(packages)
  const maseScale = naiveScale(whole.raw, whole.periods[0] ?? 1)

  const { actual, predicted: heldOut, contenders } = holdOut(input, scale, maseScale, models)
  // On a random walk the last season wins four windows by luck, and loses the next.
  const base = whole.seasons.evident ? 'seasonal_naive' : null
  const weights = chooseWeights(contenders, base)
  const fallback = new Map([[withoutOrigins(input, whole), 1]])
  const chosen = forecastBy(weights, models, whole, horizon) ??
    forecastBy(fallback, models, whole, horizon) ?? {
      weights: { seasonal_naive: 1 },
      predicted: new Float64Array(horizon).fill(Math.max(floor, 0)),
    }

  const names = Object.keys(chosen.weights)
  const past = names.flatMap((name) => heldOut.get(name) ?? [])
  const known = past.length === names.length && actual.length > 0
  const pastMean = known ? averaged(past, Object.values(chosen.weights)) : actual.map(() => Number.NaN)
  const errors = actual.map((value, i) => value - (pastMean[i] as number))

  const { origins, steps } = rollingOrigins(input)
  const distinct = (origins.at(-1) ?? 0) - (origins[0] ?? 0) + steps
  const growth = errorGrowth(whole, Math.max(horizon, steps))
  const width = conformalHalfWidth(errors, steps, distinct, growth)
  const sd = changeSd(whole)
  const half = Float64Array.from({ length: horizon }, (_, i) => width?.[i] ?? Z95 * sd * Math.sqrt(i + 1))
  const pastHalf = width && actual.map((_, i) => width[i % steps] as number)
  const metrics = known ? metricsOf(actual, pastMean, pastHalf, floor, maseScale) : NO_METRICS
  const scaled = (value: number | null): number | null => (value === null ? null : value * scale)
  return {
    model: names.length === 1 ? (names[0] as string) : 'combination',
    weights: chosen.weights,
    metrics: {
      ...metrics,
      pinballLower: scaled(metrics.pinballLower),
      pinballUpper: scaled(metrics.pinballUpper),
    },
    predicted: chosen.predicted.map((value) => value * scale),
    lower: chosen.predicted.map((value, i) => Math.max(floor, value - (half[i] as number)) * scale),
    upper: chosen.predicted.map((value, i) => (value + (half[i] as number)) * scale),
    halfWidth: half.map((value) => value * scale),
    backtestErrors: errors.map((error) => error * scale),
  }
}
