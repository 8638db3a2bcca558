/** What can be measured, by name. */
import { forecastSeries } from '../../ml/forecast/forecast-series.ts'
import type { ForecastInput } from '../../ml/forecast/series.ts'
import { openPackages } from '../../shared/forecasting/open-packages.ts'
import type { Forecaster } from './evaluate.ts'
import { interpolate, naive, naive2, seasonalNaive } from './reference.ts'

const withoutInterval =
  (forecast: (known: Float64Array, input: ForecastInput) => Float64Array): Forecaster =>
  (input) => ({ predicted: forecast(interpolate(input.values), input), interval: null })

const shortest = ({ periods }: ForecastInput): number => periods[0] ?? 1

/** What vigia forecasts with. */
const openVigia = async (): Promise<Forecaster> => {
  const packages = await openPackages()
  return (input) => {
    const forecast = forecastSeries(input, packages)
    return { predicted: forecast.predicted, interval: forecast }
  }
}

const FORECASTERS: Readonly<Record<string, () => Promise<Forecaster>>> = {
  vigia: openVigia,
  naive: async () => withoutInterval((known, { horizon }) => naive(known, horizon)),
  seasonal_naive: async () =>
    withoutInterval((known, input) => seasonalNaive(known, shortest(input), input.horizon)),
  naive2: async () => withoutInterval((known, input) => naive2(known, shortest(input), input.horizon)),
}

export const FORECASTER_NAMES: readonly string[] = Object.keys(FORECASTERS)

/** @throws Error for a name that is none */
export const openForecaster = (name: string): Promise<Forecaster> => {
  const open = FORECASTERS[name]
  if (!open) throw new Error(`--method: ${name} is none of ${FORECASTER_NAMES.join(', ')}`)
  return open()
}
