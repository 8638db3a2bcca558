/**
 * CPU work that must not run on the event loop. Services hand it to a pool of threads or processes by name and do not
 * know how those are started; `shared/compute` implements it, tests may run tasks in place.
 */
import type { TodayFinding } from '../ml/detectors/intraday.ts'
import type { DetectResult, DetectTask } from './detection/detect-batch.ts'
import type { JudgeTodayTask } from './detection/judge-today.ts'
import type { JudgedAccount, JudgeTask } from './detection/judge-account.ts'
import type { ForecastResult, ForecastTask } from './forecasting/forecast-batch.ts'
import type { SeriesResult, SeriesTask } from './forecasting/series-batch.ts'
import type { FitClassifierResult, FitClassifierTask } from './classification/fit-classifier.ts'
import type { ForestDays, ForestTask } from './replay/forests.ts'
import type { Replayed, ReplayTask } from './replay/replay.ts'
import type { ReadResult, ReadTask } from './series/point-reader.ts'
import type { ScoreResult, ScoreTask } from './series/score-task.ts'
import type { FitSeriesResult, FitSeriesTask } from './series/fit-task.ts'
import type { FitTask, FitResult } from './training/fit-batch.ts'
import type { FitPoolsResult, FitPoolsTask } from './training/fit-pools.ts'

/** Every kind of task: what goes to the thread and what comes back. */
export interface ComputeTasks {
  /** Builds, fingerprints and fits the forests of a batch of entities. */
  readonly fit: { readonly input: FitTask; readonly output: FitResult }
  /** Fits pooled models. */
  readonly fitPools: { readonly input: FitPoolsTask; readonly output: FitPoolsResult }
  /** Trains a classifier of tiers; the first of a thread loads TensorFlow. */
  readonly fitClassifier: { readonly input: FitClassifierTask; readonly output: FitClassifierResult }
  /** Judges the wanted days of a batch of entities. */
  readonly detect: { readonly input: DetectTask; readonly output: DetectResult }
  /** Trains on the past of an account again and again, and judges the days after each training. */
  readonly judgeByForests: { readonly input: ForestTask; readonly output: ForestDays }
  /** Judges the days of an account, or of some campaigns of it. */
  readonly judge: { readonly input: JudgeTask; readonly output: JudgedAccount }
  /** Detection over the past of an account. */
  readonly replay: { readonly input: ReplayTask; readonly output: Replayed }
  /** Judges a level by the hours of today so far. */
  readonly judgeToday: { readonly input: JudgeTodayTask; readonly output: readonly TodayFinding[] }
  /** Forecasts a batch of entities; the first of a thread loads the forecasting packages. */
  readonly forecast: { readonly input: ForecastTask; readonly output: ForecastResult }
  /** Fits the members of a series model. */
  readonly fitSeries: { readonly input: FitSeriesTask; readonly output: FitSeriesResult }
  /** Judges many rows by the members of a series model. */
  readonly scoreSeries: { readonly input: ScoreTask; readonly output: ScoreResult }
  /** Reads a large body with points. */
  readonly readPoints: { readonly input: ReadTask; readonly output: ReadResult }
  /** Forecasts series that belong to no entity. */
  readonly forecastSeries: { readonly input: SeriesTask; readonly output: SeriesResult }
}
export type ComputeTask = keyof ComputeTasks

export interface ComputeOptions {
  /** Buffers that may be moved instead of copied; the caller may not touch them afterwards. */
  readonly transfer?: readonly ArrayBuffer[]
  /** Takes the task from the queue, or ends its thread or process, when it aborts. The promise rejects. */
  readonly signal?: AbortSignal
}

export interface ComputePool {
  /** Tasks that run at once: how many batches are worth having in flight. */
  readonly threads: number
  run<K extends ComputeTask>(
    task: K,
    input: ComputeTasks[K]['input'],
    options?: ComputeOptions,
  ): Promise<ComputeTasks[K]['output']>
  close(): Promise<void>
}
