/** A series to forecast, and a forecast. Steps are equal: hours, days or weeks. */

export interface ForecastInput {
  /** In time order; NaN where a step is missing. */
  readonly values: Float64Array
  /** Unix seconds of the first value, as if the series' own calendar were UTC. */
  readonly startS: number
  readonly stepS: number
  /** Season lengths in steps, ascending: [7] for days, [52] for weeks, [24, 168] for hours. */
  readonly periods: readonly number[]
  /** Steps to forecast. */
  readonly horizon: number
  /** Nothing below it is forecast; null: no bound. */
  readonly floor: number | null
}

/** How well the chosen forecast did on the held-out steps of the rolling origins; null where none could be held out. */
export interface ForecastMetrics {
  /** sum |e| / sum |y|; null when every held-out value is 0. */
  readonly wape: number | null
  /** Against the error of the seasonal naive on the training steps (else of the naive). */
  readonly mase: number | null
  readonly pinballLower: number | null
  readonly pinballUpper: number | null
  /** Share of held-out values inside the interval. */
  readonly coverage: number | null
}

export interface SeriesForecast {
  /** The model, or `combination`. */
  readonly model: string
  /** Models that were averaged, by their weight; sums to 1. */
  readonly weights: Readonly<Record<string, number>>
  readonly metrics: ForecastMetrics
  /** `horizon` values each. 95% interval. */
  readonly predicted: Float64Array
  readonly lower: Float64Array
  readonly upper: Float64Array
  /** Half-widths of the interval before it was cut at `floor`; `horizon` values. */
  readonly halfWidth: Float64Array
  /** Errors (actual - predicted) of the chosen forecast, origins end to end in time order, NaN where unknown. */
  readonly backtestErrors: Float64Array
}
