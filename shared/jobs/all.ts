/** The registry of jobs. */
import type { AnyJob } from './define-job.ts'
import { classifyAll, classifyLevel } from './classification.ts'
import { pipelineConfig, pipelineDaily } from './pipeline.ts'
import { recommendAll, recommendLevel } from './recommendation.ts'
import { detectAll, detectLevel } from './detection.ts'
import { featuresLevel } from './features.ts'
import { forecastAll, forecastLevel, forecastValidate, forecastValidateAll } from './forecasting.ts'
import { retentionNightly } from './maintenance.ts'
import { driftOfSeries, seriesRetention, trainSeries, uploadsSweep } from './series.ts'
import { notifyDeliver } from './notify.ts'
import { replay } from './replay.ts'
import { syncHook, syncSource } from './sync.ts'
import {
  trainAll,
  trainChunk,
  trainClassifier,
  trainClassifiers,
  trainConfig,
  trainRetrain,
} from './training.ts'

/** Jobs by name. */
export type JobRegistry = ReadonlyMap<string, AnyJob>

export const allJobs: readonly AnyJob[] = [
  trainAll,
  trainRetrain,
  trainConfig,
  trainChunk,
  trainClassifiers,
  trainClassifier,
  ...Object.values(detectAll),
  ...Object.values(detectLevel),
  replay,
  ...Object.values(featuresLevel),
  pipelineDaily,
  pipelineConfig,
  ...Object.values(classifyAll),
  ...Object.values(classifyLevel),
  ...Object.values(recommendAll),
  ...Object.values(recommendLevel),
  syncHook,
  syncSource,
  ...Object.values(forecastAll),
  ...Object.values(forecastLevel),
  forecastValidateAll,
  forecastValidate,
  trainSeries,
  driftOfSeries,
  seriesRetention,
  uploadsSweep,
  notifyDeliver,
  retentionNightly,
]

/** @throws Error when two jobs share a name */
export const jobRegistry = (jobs: readonly AnyJob[]): JobRegistry => {
  const registry = new Map(jobs.map((job) => [job.name, job]))
  if (registry.size !== jobs.length) throw new Error('two jobs share a name')
  return registry
}

const registry = jobRegistry(allJobs)

export const jobByName = (name: string): AnyJob | undefined => registry.get(name)
