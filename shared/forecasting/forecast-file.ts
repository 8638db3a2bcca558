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
/** A warning names so many series. */
const IDS_NAMED = 3
/** A stamp of a wrong year must not cost all memory: 114 years of hours. */
const MOST_STEPS = 1_000_000

/** A series and the steps it lies on. */
export interface PlannedSeries {
  readonly series: FileSeries
  readonly step: Step
  /** How many steps it has, those without a row included. */
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

/**
 * The step of each series, told from its stamps.
 * @param warnings takes what was assumed
 * @throws AppError INVALID_CSV naming the series that has no step, or no value
 */
export const planSeries = ({ name, series }: SeriesFile, warnings: string[]): readonly PlannedSeries[] => {
  const empty = series.find(({ values }) => values.every(Number.isNaN))
  if (empty)
    throw invalidCsv(
      `${name}, series ${shown(empty.id)}: no row has a value; fill them in or remove its rows`,
    )
  const gaps = series.map(({ stamps }) => medianGap(stamps))
  const own = gaps.map((gap) => stepOfGap(gap))
  const unsupported = gaps.findIndex((gap) => !Number.isNaN(gap))
  if (unsupported >= 0 && own.every((step) => step === null))
    throw invalidCsv(
      `${name}, series ${shown((series[unsupported] as FileSeries).id)}: from one stamp to the next it is ${describeGap(gaps[unsupported] as number)}; ${SUPPORTED}; add up or thin out the rows to one of them`,
    )
  const usual = usualStep(own, series[0]?.newestCell ?? '', warnings)
  return series.map((one, i): PlannedSeries => {
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

/** What the models see of it. */
export const inputOf = (
  { series, step, span }: PlannedSeries,
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

/** `series "a"`, or how many there are and the first of them. */
const named = (ids: readonly string[]): string => {
  const [only = ''] = ids
  if (ids.length === 1) return `series ${shown(only)}`
  const first = ids.slice(0, IDS_NAMED).map(shown).join(', ')
  const rest = ids.length - IDS_NAMED
  return `${ids.length} series (${first}${rest > 0 ? ` and ${rest} more` : ''})`
}

/** One per kind, however many series it concerns. */
const warningsOf = (
  planned: readonly PlannedSeries[],
  outputs: readonly SeriesOutput[],
): readonly string[] => {
  const idsWhere = (holds: (one: PlannedSeries, output: SeriesOutput) => boolean): readonly string[] =>
    planned.filter((one, i) => holds(one, outputs[i] as SeriesOutput)).map(({ series }) => series.id)
  const repeated = idsWhere(({ series, step }) => repeatedSteps(series.stamps, step) > 0)
  const failed = idsWhere((_, { failure }) => failure !== null)
  const untested = idsWhere((_, { failure, tested }) => failure === null && !tested)
  const reason = outputs.find(({ failure }) => failure !== null)?.failure
  return [
    ...(repeated.length > 0
      ? [`${named(repeated)}: some stamps come more than once; the last row of each counts`]
      : []),
    ...(failed.length > 0
      ? [`${named(failed)}: no model could forecast it (${reason}); the newest value is repeated`]
      : []),
    ...(untested.length > 0
      ? [`${named(untested)}: too few values to try models on; the interval is a guess`]
      : []),
  ]
}

/** Forecasts in the order of `planned`, some tasks ahead on every thread. */
const forecastAll = async (
  planned: readonly PlannedSeries[],
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
  const warnings: string[] = []
  const planned = planSeries(file, warnings)
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
