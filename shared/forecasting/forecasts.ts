/** Forecasts as they are remembered and read: one per entity, metric, horizon and day, with its points. */
import type { LocalDate } from '../core/days.ts'
import type { Level } from '../core/entity.ts'
import type { Page, PageRequest } from '../core/page.ts'
import type { Fence } from '../core/work.ts'
import type { ForecastResult } from './forecast-batch.ts'

export const FORECAST_METRICS = ['spend', 'leads', 'cpl'] as const
export type ForecastMetric = (typeof FORECAST_METRICS)[number]

export const HORIZON_DAYS_MAX = 30
export const HORIZON_DAYS_USUAL = 7

/** A day of a forecast as it goes over the wire. What it really was is null until the day was validated. */
export interface ForecastPointRow {
  /** 1 is the day after `forecast_date`. */
  readonly step: number
  readonly date: LocalDate
  /** Null: a cost per lead where no lead is expected. */
  readonly predicted: number | null
  readonly lower: number | null
  readonly upper: number | null
  readonly actual: number | null
  readonly abs_error: number | null
  /** Percent of the actual; null when that is 0. */
  readonly pct_error: number | null
  readonly in_interval: boolean | null
}

/** A row as it goes over the wire. */
export interface ForecastRow {
  readonly id: number
  readonly config_id: number
  readonly entity_type: Level
  readonly entity_id: string
  readonly entity_name: string | null
  readonly parent_id: string | null
  readonly metric: ForecastMetric
  readonly horizon_days: number
  /** D: the points are the days after it. */
  readonly forecast_date: LocalDate
  readonly watermark: string
  readonly model: string
  readonly weights: Readonly<Record<string, number>>
  readonly metrics: {
    readonly wape: number | null
    readonly mase: number | null
    readonly pinball_025: number | null
    readonly pinball_975: number | null
    readonly coverage: number | null
  }
  /** Fewer than 7 days of history: there are no points. */
  readonly insufficient_data: boolean
  readonly created_at: string
  readonly run_id: string | null
  readonly points: readonly ForecastPointRow[]
}

export interface ForecastFilter {
  readonly configId: number
  readonly level: Level
  readonly entityId?: string
  readonly metric?: ForecastMetric
  /** Days the forecasts were made from, both inclusive. */
  readonly dateFrom?: LocalDate
  readonly dateTo?: LocalDate
}

/** What the threads made of a batch of entities. */
export interface ForecastBatch {
  readonly ids: readonly string[]
  readonly parents: readonly (string | null)[]
  readonly result: ForecastResult
}

export interface ForecastTarget {
  readonly configId: number
  readonly level: Level
  readonly day: LocalDate
  readonly watermark: Date
  readonly horizonDays: number
}

export interface ValidationCounts {
  /** Points of the days that were looked at. */
  readonly points: number
  /** Points whose actual was filled in or changed. */
  readonly changed: number
  /** Points with an interval and an actual, and how many of those it held. */
  readonly judged: number
  readonly inInterval: number
}

export interface ForecastStore {
  /** Entities whose forecasts the run has written: one that starts again goes on with the others. */
  writtenBy(runId: string, target: ForecastTarget): Promise<ReadonlySet<string>>
  /**
   * One transaction under the fence: a forecast of the same entity, metric, horizon and day is replaced with
   * its points, unless it was made from newer data.
   * @returns how many forecasts were written
   * @throws FenceLost
   */
  write(fence: Fence, target: ForecastTarget, batch: ForecastBatch): Promise<number>
  /**
   * Days up to `upTo` that points are waiting for, and all that have points from `again` on: their figures may
   * have been restated. Ascending.
   */
  daysToValidate(configId: number, upTo: LocalDate, again: LocalDate): Promise<readonly LocalDate[]>
  /**
   * Compares all points of the days, of all levels, with what was; an entity without rows on them had spend and
   * leads 0. One transaction under the fence; repeating it changes nothing.
   * @throws FenceLost
   */
  validate(fence: Fence, configId: number, days: readonly LocalDate[]): Promise<ValidationCounts>
  /** Newest first, then by falling id. */
  list(filter: ForecastFilter, page: PageRequest): Promise<Page<ForecastRow>>
}
