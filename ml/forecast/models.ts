/**
 * The models that compete. Each forecasts from a history, or says null when the history is too short for it
 * or its package fails. Days are the measure of "too short" for days; other steps scale with their season.
 *
 * Beside the packages' models there are small ones of our own. They are cheap, they err differently, and
 * several see the logarithm too: its forecast is the median of what multiplies, which absolute errors ask for.
 */
import { autoregression } from './autoregression.ts'
import { emaForecast } from './ema.ts'
import type { History } from './history.ts'
import { holtWinters } from './holt-winters.ts'
import { fitLevels, levelsForecast } from './levels.ts'
import type { ForecastPackages } from './packages.ts'
import { seasonalNaive } from './seasonal-naive.ts'
import { theta } from './theta.ts'
import { yearlyWave } from './yearly.ts'

export interface ForecastModel {
  readonly name: string
  /** See `Contender`. */
  readonly trust: number
  /** Too slow to be tried on every origin when it is hopeless on the newest. */
  readonly slow: boolean
  readonly forecast: (history: History, horizon: number) => Float64Array | null
}

/** Grades by accuracy on simulated series of all steps, as `npm run bench:forecast` has them. */
const BEST = 1
const GOOD = 0.5
const FAIR = 0.25
const POOR = 0.05

const HOUR_S = 3600
const DAY_S = 86_400
const WEEK_S = 7 * DAY_S
const YEAR_DAYS = 365

const EMA_STEPS = 7
const SMALL_STEPS = 10
/** In seasons. */
const MSTL_SEASONS = 3
const PROPHET_STEPS = 28

/** Of a long history the slow models see only the end. */
const PROPHET_MAX_STEPS = 800
const MSTL_MAX_STEPS = 800
const ETS_MAX_STEPS = 500

const isFlat = (values: Float64Array): boolean => values.every((value) => value === values[0])

const last = (values: Float64Array, steps: number): Float64Array =>
  values.slice(Math.max(0, values.length - steps))

type Forecast = (values: Float64Array, horizon: number) => Float64Array | null

/** A model of the series without its seasons, and the same one on logarithms. */
const deseasonalised = (
  name: string,
  trust: number,
  minSteps: number,
  forecast: Forecast,
): readonly ForecastModel[] => [
  {
    name,
    trust,
    slow: false,
    forecast: ({ values, seasons }, horizon) => {
      const rest = values.length < minSteps ? null : forecast(seasons.rest, horizon)
      return rest && seasons.restore(rest)
    },
  },
  {
    name: `${name}_log`,
    trust,
    slow: false,
    forecast: ({ values, logs }, horizon) => {
      const rest = values.length < minSteps || !logs ? null : forecast(logs.seasons.rest, horizon)
      return rest && logs ? logs.seasons.restore(rest).map(Math.exp) : null
    },
  },
]

const levels: Forecast = (values, horizon) => levelsForecast(values, fitLevels(values, horizon), horizon)

const OWN: readonly ForecastModel[] = [
  ...deseasonalised('levels', BEST, SMALL_STEPS, levels),
  ...deseasonalised('theta', FAIR, SMALL_STEPS, theta),
  ...deseasonalised('autoregression', FAIR, 2 * SMALL_STEPS, autoregression),
  {
    name: 'holt_winters',
    trust: GOOD,
    slow: false,
    forecast: ({ values, periods }, horizon) =>
      values.length < SMALL_STEPS ? null : holtWinters(values, periods, horizon),
  },
  {
    name: 'holt_winters_log',
    trust: GOOD,
    slow: false,
    forecast: ({ logs, periods }, horizon) =>
      logs && logs.values.length >= SMALL_STEPS
        ? holtWinters(logs.values, periods, horizon).map(Math.exp)
        : null,
  },
  {
    name: 'yearly',
    trust: FAIR,
    slow: false,
    forecast: ({ values, seasons, stepS }, horizon) => {
      const { rest, restore } = seasons
      const wave = stepS === DAY_S ? yearlyWave(rest, horizon) : null
      if (wave === null) return null
      const without = rest.map((value, i) => value - (wave[i] as number))
      const forecast = levels(without, horizon)
      return forecast && restore(forecast.map((value, h) => value + (wave[values.length + h] as number)))
    },
  },
  {
    name: 'naive',
    trust: POOR,
    slow: false,
    forecast: ({ values }, horizon) => (values.length === 0 ? null : seasonalNaive(values, 1, horizon)),
  },
  {
    name: 'naive_adjusted',
    trust: POOR,
    slow: false,
    forecast: ({ values, seasons }, horizon) =>
      values.length === 0 ? null : seasons.restore(seasonalNaive(seasons.rest, 1, horizon)),
  },
]

/** By the longest season; the last value, repeated, where there is none. */
const seasonalNaiveModel: ForecastModel = {
  name: 'seasonal_naive',
  trust: POOR,
  slow: false,
  forecast: ({ raw, periods }, horizon) =>
    raw.length === 0 ? null : seasonalNaive(raw, periods.at(-1) ?? 1, horizon),
}

const ema: ForecastModel = {
  name: 'ema',
  trust: POOR,
  slow: false,
  forecast: ({ raw, floor }, horizon) => (raw.length < EMA_STEPS ? null : emaForecast(raw, horizon, floor)),
}

const ets = (packages: ForecastPackages): ForecastModel => ({
  name: 'ets',
  trust: FAIR,
  slow: true,
  forecast: ({ values, seasons }, horizon) => {
    const rest = last(seasons.rest, ETS_MAX_STEPS)
    if (values.length < SMALL_STEPS || isFlat(rest)) return null
    const forecast = packages.autoEts(rest, horizon)
    return forecast && seasons.restore(forecast)
  },
})

const mstlEts = (packages: ForecastPackages): ForecastModel => ({
  name: 'mstl_ets',
  trust: FAIR,
  slow: true,
  forecast: (history, horizon) => {
    const values = last(history.values, MSTL_MAX_STEPS)
    const seasons = history.periods.filter((period) => values.length >= MSTL_SEASONS * period)
    return seasons.length === 0 || isFlat(values) ? null : packages.mstlEts(values, seasons, horizon)
  },
})

/** Only what has a season: without one it draws straight lines through random walks. */
const prophet = (packages: ForecastPackages): ForecastModel => ({
  name: 'prophet',
  trust: POOR,
  slow: true,
  forecast: ({ values: all, startS: firstS, stepS, seasons }, horizon) => {
    const values = last(all, PROPHET_MAX_STEPS)
    const spanS = values.length * stepS
    if (values.length < PROPHET_STEPS || spanS < 2 * WEEK_S || !seasons.evident || isFlat(values)) return null
    const startS = firstS + (all.length - values.length) * stepS
    const weekly = stepS < WEEK_S
    const yearly = spanS >= YEAR_DAYS * DAY_S
    return packages.prophet({ values, startS, stepS, daily: stepS <= HOUR_S, weekly, yearly }, horizon)
  },
})

/** In the order in which ties are broken. */
export const forecastModels = (packages: ForecastPackages): readonly ForecastModel[] => [
  seasonalNaiveModel,
  ...OWN,
  ets(packages),
  mstlEts(packages),
  prophet(packages),
  ema,
]
