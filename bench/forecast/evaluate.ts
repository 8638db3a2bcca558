/** Rolling origins over one series, and what many series come to. */
import type { ForecastInput, SeriesForecast } from '../../ml/forecast/series.ts'
import { coverage, mae, naiveScale, scaledIntervalScore, smape } from './measures.ts'
import { interpolate, isSeasonal, naive2, seasonalNaive } from './reference.ts'
import { PERIODS, STEP_S } from './simulate.ts'
import type { BenchSeries } from './simulate.ts'

export interface Forecast extends Pick<SeriesForecast, 'predicted'> {
  /** 95%; null from methods that have none. */
  readonly interval: Pick<SeriesForecast, 'lower' | 'upper'> | null
}
export type Forecaster = (input: ForecastInput) => Forecast

export interface Plan {
  readonly horizon: number
  /** Held-out stretches of `horizon` steps, end to end, the last at the end of the series. */
  readonly origins: number
}

/** Means over the origins of one series. */
export interface SeriesScore {
  readonly family: string
  /** By M4's test, at the shortest season. */
  readonly isSeasonal: boolean
  readonly smape: number
  readonly mase: number
  readonly naive2Smape: number
  readonly naive2Mase: number
  /** Per season length, ascending: whether the mean absolute error is below that of repeating the newest season. */
  readonly beats: readonly boolean[]
  readonly coverage: number
  readonly intervalScore: number
  /** Milliseconds per forecast. */
  readonly ms: number
}

const ALPHA = 0.05

const mean = (values: readonly number[]): number => {
  const known = values.filter((value) => !Number.isNaN(value))
  return known.length === 0 ? Number.NaN : known.reduce((sum, value) => sum + value, 0) / known.length
}

/**
 * MASE and Naive2 go by the shortest season.
 * @param now milliseconds
 * @returns null when the series is too short to hold anything out, or too flat to be scaled
 */
export const scoreSeries = (
  { family, kind, values, startS, floor }: BenchSeries,
  { horizon, origins }: Plan,
  forecaster: Forecaster,
  now: () => number,
): SeriesScore | null => {
  const periods = PERIODS[kind]
  const [period = 1] = periods
  const rows: Record<
    'smape' | 'mase' | 'naive2Smape' | 'naive2Mase' | 'coverage' | 'score' | 'ms',
    number
  >[] = []
  let error = 0
  const naiveErrors = periods.map(() => 0)
  for (let k = origins; k >= 1; k -= 1) {
    const at = values.length - k * horizon
    if (at < 2 * horizon) continue
    const history = values.slice(0, at)
    const actual = values.slice(at, at + horizon)
    const known = interpolate(history)
    const scale = naiveScale(history, period)
    if (Number.isNaN(scale) || actual.every(Number.isNaN)) continue
    const start = now()
    const forecast = forecaster({ values: history, startS, stepS: STEP_S[kind], periods, horizon, floor })
    const ms = now() - start
    const { predicted, interval } = forecast
    const two = naive2(known, period, horizon)
    error += mae(actual, predicted)
    for (const [i, season] of periods.entries())
      naiveErrors[i] = (naiveErrors[i] as number) + mae(actual, seasonalNaive(known, season, horizon))
    rows.push({
      smape: smape(actual, predicted),
      mase: mae(actual, predicted) / scale,
      naive2Smape: smape(actual, two),
      naive2Mase: mae(actual, two) / scale,
      coverage: interval ? coverage(actual, interval.lower, interval.upper) : Number.NaN,
      score: interval
        ? scaledIntervalScore(actual, interval.lower, interval.upper, scale, ALPHA)
        : Number.NaN,
      ms,
    })
  }
  if (rows.length === 0) return null
  return {
    family,
    isSeasonal: isSeasonal(interpolate(values), period),
    smape: mean(rows.map((row) => row.smape)),
    mase: mean(rows.map((row) => row.mase)),
    naive2Smape: mean(rows.map((row) => row.naive2Smape)),
    naive2Mase: mean(rows.map((row) => row.naive2Mase)),
    beats: naiveErrors.map((naiveError) => error < naiveError),
    coverage: mean(rows.map((row) => row.coverage)),
    intervalScore: mean(rows.map((row) => row.score)),
    ms: mean(rows.map((row) => row.ms)),
  }
}

export interface Summary {
  readonly series: number
  readonly smape: number
  readonly mase: number
  /** M4's overall weighted average: half the sMAPE and half the MASE, each as a share of Naive2's. */
  readonly owa: number
  /** Shares of the series, one per season length. */
  readonly beats: readonly number[]
  readonly coverage: number
  readonly intervalScore: number
  readonly ms: number
}

export const summarise = (scores: readonly SeriesScore[]): Summary => {
  const of = (pick: (score: SeriesScore) => number): number => mean(scores.map(pick))
  const [smapeMean, maseMean] = [of((score) => score.smape), of((score) => score.mase)]
  return {
    series: scores.length,
    smape: smapeMean,
    mase: maseMean,
    owa: (smapeMean / of((score) => score.naive2Smape) + maseMean / of((score) => score.naive2Mase)) / 2,
    beats: (scores[0]?.beats ?? []).map((_, i) => of((score) => (score.beats[i] ? 1 : 0))),
    coverage: of((score) => score.coverage),
    intervalScore: of((score) => score.intervalScore),
    ms: of((score) => score.ms),
  }
}
