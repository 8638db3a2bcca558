/**
 * What a thread of the pool can do: one export per task, by its name. Loads no database, queue or HTTP code,
 * so that a thread starts fast and stays small; what only forecasts need is loaded by the first of them.
 */
import { move, transferableSymbol, valueSymbol } from 'piscina'
import type { ComputeTasks } from '../compute.ts'
import { detectBatch } from '../detection/detect-batch.ts'
import { judgeToday as judgeTodayTask } from '../detection/judge-today.ts'
import { judgeAccount, judgedBuffers } from '../detection/judge-account.ts'
import { buffersOf, fitBatch } from '../training/fit-batch.ts'
import { fitPools as fitPooled, poolBuffersOf } from '../training/fit-pools.ts'

type Handler<K extends keyof ComputeTasks> = (
  input: ComputeTasks[K]['input'],
) => ComputeTasks[K]['output'] | Promise<ComputeTasks[K]['output']>

/** Hands `buffers` over to the main thread with `result` instead of copying them. */
const handOver = <T extends object>(result: T, buffers: readonly ArrayBuffer[]): T =>
  move({ [transferableSymbol]: buffers, [valueSymbol]: result }) as T

export const fit: Handler<'fit'> = (task) => {
  const result = fitBatch(task)
  return handOver(result, buffersOf(result))
}

export const fitPools: Handler<'fitPools'> = (task) => {
  const result = fitPooled(task)
  return handOver([...result], poolBuffersOf(result))
}

export const fitClassifier: Handler<'fitClassifier'> = async (task) =>
  (await import('../classification/fit-classifier.ts')).fitClassifier(task)

export const detect: Handler<'detect'> = detectBatch

export const judgeToday: Handler<'judgeToday'> = judgeTodayTask
export const judge: Handler<'judge'> = (task) => {
  const judged = judgeAccount(task)
  return handOver(judged, judgedBuffers(judged))
}

export const judgeByForests: Handler<'judgeByForests'> = async (task) =>
  (await import('../replay/forests.ts')).judgeByForests(task)

export const replay: Handler<'replay'> = async (task) =>
  (await import('../replay/replay.ts')).replayAccount(task)

export const forecast: Handler<'forecast'> = async (task) => {
  const { forecastBatch, forecastBuffers } = await import('../forecasting/forecast-batch.ts')
  const result = await forecastBatch(task)
  return handOver(result, forecastBuffers(result))
}

export const fitSeries: Handler<'fitSeries'> = async (task) => {
  const { fitSeries: run } = await import('../series/fit-series.ts')
  const result = await run(task)
  const buffers = [result.artifact, result.tail].flatMap((bytes) =>
    bytes ? [bytes.buffer as ArrayBuffer] : [],
  )
  return handOver(result, buffers)
}

export const readPoints: Handler<'readPoints'> = async (task) => {
  const { readPoints: read } = await import('../series/point-reader.ts')
  const result = read(task)
  const frame = 'ok' in result && 'frame' in result.ok ? result.ok.frame : null
  const buffers = frame ? [frame.timesMs, ...frame.columns].map(({ buffer }) => buffer as ArrayBuffer) : []
  return handOver(result, [...new Set(buffers)])
}

export const scoreSeries: Handler<'scoreSeries'> = async (task) =>
  (await import('../series/score-task.ts')).scoreSeries(task)

export const forecastSeries: Handler<'forecastSeries'> = async (task) => {
  const { forecastSeriesBatch, seriesBuffers } = await import('../forecasting/series-batch.ts')
  const result = await forecastSeriesBatch(task)
  return handOver([...result], seriesBuffers(result))
}
