/**
 * Forecasts of the series of a file, without a database: the step of each series, its values laid out on it,
 * and the forecasts on a pool of threads, some series at a time. Stages: read (`readSeries`), plan (every error
 * is told before the first forecast is made), forecast.
 */
import { invalidCsv } from '../entities/csv/invalid-csv.ts'
import type { ComputePool } from '../compute.ts'
import type { ForecastInput } from '../../ml/forecast/series.ts'
import type { FileSeries, SeriesFile } from './file/read-series.ts'
import { continueStamps, zoneOffsetOf } from './file/stamps.ts'
import { STEPS, layOut, medianGap, repeatedSteps, spanOf, stepOfGap } from './file/steps.ts'
import type { Step } from './file/steps.ts'
import type { SeriesOutput } from './series-batch.ts'

export const HORIZON_MIN = 1
export const HORIZON_MAX = 366

/** The wire form: what `vigia forecast --json` prints. */
export interface FileForecast {
  readonly id: string
  readonly model: string
  /** As many as the horizon, in order; the interval is that of 95%. */
  readonly points: readonly ForecastPoint[]
}

export interface ForecastPoint {
  readonly date: string
  readonly predicted: number
  readonly lower: number
  readonly upper: number
}

export interface FileForecasts {
  /** In the order of the file; each is made when it is asked for. */
  readonly series: Iterable<FileForecast>
  /** What a user should know of the result, for people. */
  readonly warnings: readonly string[]
}

export interface FileForecastParts {
  readonly compute: Pick<ComputePool, 'run' | 'threads'>
  readonly onProgress: (done: number, total: number) => void
}

/** Series per task: few enough that threads end together, many enough that messages cost nothing. */
const SERIES_PER_TASK = 4
/** Tasks under way per thread: one at work, one waiting. */
const TASKS_PER_THREAD = 2
/** A stamp of a wrong year must not cost all memory: 114 years of hours. */
const MOST_STEPS = 1_000_000

interface Planned {
  readonly series: FileSeries
  readonly step: Step
  readonly span: number
}

const shown = (id: string): string => JSON.stringify(id.length > 60 ? `${id.slice(0, 60)}…` : id)

const describeGap = (gapS: number): string => {
  const units = [
    [86_400, 'days'],
    [3600, 'hours'],
    [60, 'minutes'],
    [1, 'seconds'],
  ] as const
  const [size, unit] = units.find(([seconds]) => gapS >= 2 * seconds) ?? [1, 'seconds']
  return `${Number((gapS / size).toFixed(1))} ${unit}`
}

const SUPPORTED = 'supported are hourly, daily and weekly steps'

/** What most of the series have; of a file without any two stamps what the first one looks like. */
const usualStep = (steps: readonly (Step | null)[], firstCell: string, warnings: string[]): Step => {
  const counts = STEPS.map((step) => steps.filter((one) => one === step).length)
  const most = Math.max(...counts)
  if (most > 0) return STEPS[counts.indexOf(most)] as Step
  const guess = /^\d{4}-\d{2}-\d{2}$/.test(firstCell) ? 'daily' : 'hourly'
  warnings.push(`no series has two stamps to tell the step from; ${guess} is assumed`)
  return STEPS.find(({ name }) => name === guess) as Step
}

const planOf = ({ name, series }: SeriesFile, warnings: string[]): readonly Planned[] => {
  const gaps = series.map(({ stamps }) => medianGap(stamps))
  const own = gaps.map((gap) => stepOfGap(gap))
  const unsupported = gaps.findIndex((gap) => !Number.isNaN(gap))
  if (unsupported >= 0 && own.every((step) => step === null))
    throw invalidCsv(
      `${name}, series ${shown((series[unsupported] as FileSeries).id)}: from one stamp to the next it is ${describeGap(gaps[unsupported] as number)}; ${SUPPORTED}; add up or thin out the rows to one of them`,
    )
  const usual = usualStep(own, series[0]?.newestCell ?? '', warnings)
  return series.map((one, i): Planned => {
    // A sparse series among dense ones has theirs.
    for (const step of new Set([own[i] ?? usual, usual])) {
      const span = spanOf(one.stamps, step)
      if (Number.isNaN(span)) continue
      if (span > MOST_STEPS)
        throw invalidCsv(
          `${name}, series ${shown(one.id)}: its ${one.stamps.length} rows lie ${span} steps apart (${step.name}); correct the dates`,
        )
      return { series: one, step, span }
    }
    const gap = gaps[i] as number
    throw invalidCsv(
      `${name}, series ${shown(one.id)}: its stamps (mostly ${describeGap(gap)} apart) lie on no ${usual.name} steps; ${SUPPORTED}, early or late by a quarter of a step at most; move the stamps or give the series a file of its own`,
    )
  })
}

const inputOf = (
  { series, step, span }: Planned,
  form: SeriesFile['form'],
  horizon: number,
): ForecastInput => {
  const values = layOut(series.stamps, series.values, step, span)
  const newest = (series.stamps.at(-1) as number) + (form === 'zoned' ? zoneOffsetOf(series.newestCell) : 0)
  return {
    values,
    startS: newest - (span - 1) * step.seconds,
    stepS: step.seconds,
    periods: step.periods,
    horizon,
    floor: values.some((value) => value < 0) ? null : 0,
  }
}

const warningsOf = (planned: readonly Planned[], outputs: readonly SeriesOutput[]): readonly string[] => {
  const warnings: string[] = []
  for (const [i, { series, step }] of planned.entries()) {
    const repeated = repeatedSteps(series.stamps, step)
    if (repeated > 0)
      warnings.push(
        `series ${shown(series.id)}: ${repeated === 1 ? 'a stamp comes' : `${repeated} stamps come`} more than once; the last row of each counts`,
      )
    const { failure, tested, model } = outputs[i] as SeriesOutput
    if (failure !== null)
      warnings.push(
        `series ${shown(series.id)}: no model could forecast it (${failure}); the newest value is repeated`,
      )
    else if (!tested) {
      const known = series.values.filter((value) => !Number.isNaN(value)).length
      warnings.push(
        `series ${shown(series.id)}: ${known === 1 ? 'one value is' : `${known} values are`} too few to try models on; ${model} is used, and its interval is a guess`,
      )
    }
  }
  return warnings
}

/** Forecasts in the order of `planned`, some tasks ahead on every thread. */
const forecastAll = async (
  planned: readonly Planned[],
  form: SeriesFile['form'],
  horizon: number,
  { compute, onProgress }: FileForecastParts,
): Promise<readonly SeriesOutput[]> => {
  const outputs: SeriesOutput[] = []
  let next = 0
  let done = 0
  const lane = async (): Promise<void> => {
    while (next < planned.length) {
      const from = next
      next = Math.min(planned.length, from + SERIES_PER_TASK)
      const inputs = planned.slice(from, next).map((one) => inputOf(one, form, horizon))
      const transfer = inputs.map(({ values }) => values.buffer as ArrayBuffer)
      const results = await compute.run('forecastSeries', { inputs }, { transfer })
      for (const [i, result] of results.entries()) outputs[from + i] = result
      done += results.length
      onProgress(done, planned.length)
    }
  }
  await Promise.all(Array.from({ length: compute.threads * TASKS_PER_THREAD }, lane))
  return outputs
}

/**
 * Season lengths follow the step, the whole history counts, and nothing below zero is forecast where the
 * history has nothing below.
 * @param horizon steps, HORIZON_MIN to HORIZON_MAX
 * @throws AppError INVALID_CSV naming the series that cannot be forecast
 */
export const forecastFile = async (
  file: SeriesFile,
  horizon: number,
  parts: FileForecastParts,
): Promise<FileForecasts> => {
  const empty = file.series.find(({ values }) => values.every(Number.isNaN))
  if (empty)
    throw invalidCsv(
      `${file.name}, series ${shown(empty.id)}: no row has a value; fill them in or remove its rows`,
    )
  const warnings: string[] = []
  const planned = planOf(file, warnings)
  const outputs = await forecastAll(planned, file.form, horizon, parts)
  warnings.push(...warningsOf(planned, outputs))

  function* series(): Generator<FileForecast> {
    for (const [i, { series: one, step }] of planned.entries()) {
      const { model, predicted, lower, upper } = outputs[i] as SeriesOutput
      const dates = continueStamps(one.newestCell, file.form, step.seconds, horizon)
      const points = dates.map((date, k) => ({
        date,
        predicted: predicted[k] as number,
        lower: lower[k] as number,
        upper: upper[k] as number,
      }))
      yield { id: one.id, model, points }
    }
  }
  return { series: series(), warnings }
}
