/**
 * The thread's part of forecasting a file: some series, one after the other. Heavy, as `forecast-batch.ts`: it
 * is imported where the first forecast is made.
 */
import { forecastSeries } from '../../ml/forecast/forecast-series.ts'
import type { ForecastPackages } from '../../ml/forecast/packages.ts'
import type { ForecastInput } from '../../ml/forecast/series.ts'
import { messageOf } from '../core/errors.ts'
import { openPackages } from './open-packages.ts'

export interface SeriesTask {
  readonly inputs: readonly ForecastInput[]
}

export interface SeriesOutput {
  readonly model: string
  /** `horizon` values each. */
  readonly predicted: Float64Array
  readonly lower: Float64Array
  readonly upper: Float64Array
  /** Whether any model could be tried on held-out steps. */
  readonly tested: boolean
  /** Why the newest value is repeated instead of a forecast; null: it is none of that. */
  readonly failure: string | null
}

/** In the order of the task. */
export type SeriesResult = readonly SeriesOutput[]

export const seriesBuffers = (result: SeriesResult): ArrayBuffer[] => {
  const buffers = result.flatMap(({ predicted, lower, upper }) => [
    predicted.buffer,
    lower.buffer,
    upper.buffer,
  ])
  return [...new Set(buffers)].filter((buffer) => buffer instanceof ArrayBuffer)
}

const newestOf = (values: Float64Array): number => values.findLast((value) => !Number.isNaN(value)) ?? 0

const repeated = ({ values, horizon }: ForecastInput, failure: string): SeriesOutput => {
  const line = (): Float64Array => new Float64Array(horizon).fill(newestOf(values))
  return { model: 'naive', predicted: line(), lower: line(), upper: line(), tested: false, failure }
}

const areFinite = (...columns: readonly Float64Array[]): boolean =>
  columns.every((column) => column.every((value) => Number.isFinite(value)))

/** One series that fails costs the others nothing. */
export const forecastAll = ({ inputs }: SeriesTask, packages: ForecastPackages): SeriesResult =>
  inputs.map((input) => {
    try {
      const { model, predicted, lower, upper, backtestErrors } = forecastSeries(input, packages)
      if (!areFinite(predicted, lower, upper))
        return repeated(input, 'its numbers are too large to compute with')
      return { model, predicted, lower, upper, tested: backtestErrors.length > 0, failure: null }
    } catch (error) {
      return repeated(input, messageOf(error))
    }
  })

/** The packages are opened by the first call of a thread. */
export const forecastSeriesBatch = async (task: SeriesTask): Promise<SeriesResult> =>
  forecastAll(task, await openPackages())
