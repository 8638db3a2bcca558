/**
 * A compute pool without threads, for processes that only ever judge a handful of entities (the API's dry
 * runs, at most 50): a few milliseconds there, where a pool would cost memory for its whole life.
 */
import type { ComputePool, ComputeTask, ComputeTasks } from './compute.ts'
import { detectBatch } from './detection/detect-batch.ts'
import { judgeToday } from './detection/judge-today.ts'
import { judgeAccount } from './detection/judge-account.ts'
import { fitBatch } from './training/fit-batch.ts'
import { fitPools } from './training/fit-pools.ts'

type Handlers = {
  readonly [K in ComputeTask]: (
    input: ComputeTasks[K]['input'],
  ) => ComputeTasks[K]['output'] | Promise<ComputeTasks[K]['output']>
}

const HANDLERS: Handlers = {
  fit: fitBatch,
  fitPools,
  detect: detectBatch,
  judgeToday,
  judgeByForests: async (task) => (await import('./replay/forests.ts')).judgeByForests(task),
  judge: judgeAccount,
  replay: async (task) => (await import('./replay/replay.ts')).replayAccount(task),
  fitClassifier: async (task) => (await import('./classification/fit-classifier.ts')).fitClassifier(task),
  fitSeries: async (task) => (await import('./series/fit-series.ts')).fitSeries(task),
  readPoints: async (task) => (await import('./series/point-reader.ts')).readPoints(task),
  scoreSeries: async (task) => (await import('./series/score-task.ts')).scoreSeries(task),
  // Its packages are heavy, and most processes never forecast.
  forecast: async (task) => (await import('./forecasting/forecast-batch.ts')).forecastBatch(task),
  forecastSeries: async (task) => (await import('./forecasting/series-batch.ts')).forecastSeriesBatch(task),
}

export const computeInPlace: ComputePool = {
  threads: 1,
  run: async (task, input) => HANDLERS[task](input),
  close: () => Promise.resolve(),
}
