/**
 * The thread's part of forecasting: spend, leads and their quotient for a batch of entities. Heavy: it brings
 * the WebAssembly packages with it, so it is imported where the first forecast is made and nowhere else.
 */
import { forecastCpl } from '../../ml/forecast/cpl.ts'
import { forecastSeries } from '../../ml/forecast/forecast-series.ts'
import type { ForecastPackages } from '../../ml/forecast/packages.ts'
import type { ForecastMetrics, SeriesForecast } from '../../ml/forecast/series.ts'
import { densify, frameAt, isActiveOn } from '../../ml/frame.ts'
import type { DailyFrame, DayNumber, EntityHead, FrameBatch } from '../../ml/frame.ts'
import { messageOf } from '../core/errors.ts'
import type { ForecastMetric } from './forecasts.ts'
import { openPackages } from './open-packages.ts'

const DAY_S = 86_400
/** The season of days is the week. */
const PERIODS = [7]
/** With fewer days there is no forecast. */
export const FORECAST_DAYS_MIN = 7
/** An entity that is not active is forecast while it delivered in so many days. */
export const DELIVERED_DAYS = 14

export interface ForecastTask {
  readonly batch: FrameBatch
  /** First day of history, and D, its last. */
  readonly from: DayNumber
  readonly day: DayNumber
  readonly horizonDays: number
  readonly metrics: readonly ForecastMetric[]
}

/** A forecast of the batch without its points; null in place of a model: too few days, no points. */
export interface ForecastDraft {
  /** Index of the entity in the batch. */
  readonly entity: number
  readonly metric: ForecastMetric
  readonly chosen: {
    readonly model: string
    readonly weights: Readonly<Record<string, number>>
    readonly metrics: ForecastMetrics
  } | null
}

export interface ForecastResult {
  readonly drafts: readonly ForecastDraft[]
  /** drafts x horizonDays values each; NaN where there is none. */
  readonly predicted: Float64Array
  readonly lower: Float64Array
  readonly upper: Float64Array
  /** Entities with too few days. */
  readonly insufficient: number
  /** Entities that neither are active nor were lately. */
  readonly inactive: number
  /** Entities that could not be forecast; the others could. */
  readonly failed: readonly { readonly entity: number; readonly message: string }[]
}

/** The buffers of a result, for handing it over. */
export const forecastBuffers = ({ predicted, lower, upper }: ForecastResult): ArrayBuffer[] =>
  [predicted, lower, upper].flatMap(({ buffer }) => (buffer instanceof ArrayBuffer ? [buffer] : []))

const isWanted = (head: EntityHead, frame: DailyFrame, day: DayNumber): boolean => {
  if (isActiveOn(head.activeRanges, day)) return true
  for (let row = frame.days.length - 1; row >= 0; row--) {
    if ((frame.days[row] as number) <= day - DELIVERED_DAYS) return false
    if ((frame.impressions[row] as number) > 0 || (frame.spend[row] as number) > 0) return true
  }
  return false
}

/** A column from the first known day to `day`; NaN on days it was neither active nor delivered. */
const valuesOf = ({ days }: DailyFrame, column: Float64Array, day: DayNumber): Float64Array => {
  const first = days[0] as number
  const values = new Float64Array(day - first + 1).fill(Number.NaN)
  for (let row = 0; row < days.length; row++) values[(days[row] as number) - first] = column[row] as number
  return values
}

/** A quotient has no history of its own: its days without leads have no value to be wrong about. */
const NO_METRICS: ForecastMetrics = {
  wape: null,
  mase: null,
  pinballLower: null,
  pinballUpper: null,
  coverage: null,
}

type Points = Pick<SeriesForecast, 'predicted' | 'lower' | 'upper'>
type Made = Points & NonNullable<ForecastDraft['chosen']>

const forecastEntity = (
  frame: DailyFrame,
  { day, horizonDays, metrics }: ForecastTask,
  packages: ForecastPackages,
): Made[] => {
  const of = (column: Float64Array): SeriesForecast =>
    forecastSeries(
      {
        values: valuesOf(frame, column, day),
        startS: (frame.days[0] as number) * DAY_S,
        stepS: DAY_S,
        periods: PERIODS,
        horizon: horizonDays,
        floor: 0,
      },
      packages,
    )
  const needs = (metric: ForecastMetric): boolean => metrics.includes(metric) || metrics.includes('cpl')
  const spend = needs('spend') ? of(frame.spend) : null
  const leads = needs('leads') ? of(frame.leads) : null
  return metrics.map((metric) => {
    if (metric === 'spend' && spend) return spend
    if (metric === 'leads' && leads) return leads
    if (!spend || !leads) throw new Error(`no forecast of ${metric}`)
    return { ...forecastCpl(spend, leads), model: 'spend/leads', weights: {}, metrics: NO_METRICS }
  })
}

/** Forecasts the batch with packages that are open. */
export const forecastEntities = (task: ForecastTask, packages: ForecastPackages): ForecastResult => {
  const { batch, from, day, horizonDays, metrics } = task
  const drafts: ForecastDraft[] = []
  const made: (Points | null)[] = []
  const failed: { entity: number; message: string }[] = []
  let insufficient = 0
  let inactive = 0
  for (const [entity, head] of batch.heads.entries()) {
    try {
      const delivered = frameAt(batch, entity)
      if (!isWanted(head, delivered, day)) {
        inactive += 1
        continue
      }
      const frame = densify(delivered, head.activeRanges, from, day)
      if (frame.days.length < FORECAST_DAYS_MIN) {
        insufficient += 1
        for (const metric of metrics) {
          drafts.push({ entity, metric, chosen: null })
          made.push(null)
        }
        continue
      }
      const forecasts = forecastEntity(frame, task, packages)
      for (const [i, forecast] of forecasts.entries()) {
        const chosen = { model: forecast.model, weights: forecast.weights, metrics: forecast.metrics }
        drafts.push({ entity, metric: metrics[i] as ForecastMetric, chosen })
        made.push(forecast)
      }
    } catch (error) {
      failed.push({ entity, message: messageOf(error) })
    }
  }
  const column = (name: keyof Points): Float64Array => {
    const values = new Float64Array(made.length * horizonDays).fill(Number.NaN)
    for (const [i, points] of made.entries()) if (points) values.set(points[name], i * horizonDays)
    return values
  }
  return {
    drafts,
    predicted: column('predicted'),
    lower: column('lower'),
    upper: column('upper'),
    insufficient,
    inactive,
    failed,
  }
}

/** Forecasts the batch. The packages are opened by the first call of a thread. */
export const forecastBatch = async (task: ForecastTask): Promise<ForecastResult> =>
  forecastEntities(task, await openPackages())
