/**
 * The models that compete. Each forecasts from a history, or says null when the history is too short for it
 * or its package fails. Days are the measure of "too short" for days; other steps scale with their season.
 */
import { deseasonalise } from './deseasonalise.ts'
import { emaForecast } from './ema.ts'
import type { History } from './history.ts'
import type { ForecastPackages } from './packages.ts'
import { seasonalNaive } from './seasonal-naive.ts'

export interface ForecastModel {
  readonly name: string
  forecast(history: History, horizon: number): Float64Array | null
}

const HOUR_S = 3600
const DAY_S = 86_400
const YEAR_DAYS = 365

/** Models that a long history makes slow see only its end. */
const PROPHET_STEPS = 400
const MSTL_STEPS = 1200
const ETS_STEPS = 500

const isFlat = (values: Float64Array): boolean => values.every((value) => value === values[0])

const recent = (history: History, steps: number): History => {
  const { values, startS, stepS } = history
  if (values.length <= steps) return history
  const from = values.length - steps
  return { ...history, values: values.slice(from), startS: startS + from * stepS }
}

/** The model shown as seasonal naive: the last value where there is no season. */
const seasonalNaiveModel: ForecastModel = {
  name: 'seasonal_naive',
  forecast: ({ values, periods }, horizon) => {
    const period = periods.at(-1) ?? 1
    return values.length < 2 * period ? null : seasonalNaive(values, period, horizon)
  },
}

const emaModel: ForecastModel = {
  name: 'ema',
  forecast: ({ values, floor }, horizon) => (values.length < 7 ? null : emaForecast(values, horizon, floor)),
}

const ets = (packages: ForecastPackages): ForecastModel => ({
  name: 'ets',
  forecast: (history, horizon) => {
    const { values, periods } = recent(history, ETS_STEPS)
    if (values.length < 10 || isFlat(values)) return null
    const period = periods[0]
    if (period === undefined || values.length < 2 * period) return packages.autoEts(values, horizon)
    const { rest, pattern } = deseasonalise(values, period)
    if (isFlat(rest)) return null
    const forecast = packages.autoEts(rest, horizon)
    return forecast?.map((value, i) => value + (pattern[(values.length + i) % period] as number)) ?? null
  },
})

const mstlEts = (packages: ForecastPackages): ForecastModel => ({
  name: 'mstl_ets',
  forecast: (history, horizon) => {
    const { values, periods } = recent(history, MSTL_STEPS)
    const seasons = periods.filter((period) => values.length >= 3 * period)
    if (seasons.length === 0 || isFlat(values)) return null
    return packages.mstlEts(values, seasons, horizon)
  },
})

const prophet = (packages: ForecastPackages): ForecastModel => ({
  name: 'prophet',
  forecast: (history, horizon) => {
    const { values, startS, stepS, periods } = recent(history, PROPHET_STEPS)
    if (values.length < 28 || isFlat(values)) return null
    const spanS = values.length * stepS
    const weekly = stepS <= DAY_S && spanS >= 4 * 7 * DAY_S
    const yearly = spanS >= YEAR_DAYS * DAY_S
    if (periods.length > 0 && !weekly && !yearly) return null
    const daily = stepS <= HOUR_S && periods.length > 0
    return packages.prophet({ values, startS, stepS, daily, weekly, yearly }, horizon)
  },
})

/** In the order in which ties are broken. */
export const forecastModels = (packages: ForecastPackages): readonly ForecastModel[] => [
  seasonalNaiveModel,
  ets(packages),
  mstlEts(packages),
  prophet(packages),
  emaModel,
]
