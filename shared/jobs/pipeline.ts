/**
 * The flow of a day, for every active config: once its figures are in, features, then tiers and forecasts, then
 * advice, then detection, at each level. Every step is a run of its own, keyed by the data it is about; what the
 * timetable asks for later in the morning is up to date then, or starts the flow over on newer data.
 */
import { z } from 'zod'
import { Instant } from '../core/clock.ts'
import { LocalDate } from '../core/days.ts'
import { ConfigId, LEVELS } from '../core/entity.ts'
import type { Level } from '../core/entity.ts'
import { classifyLevel } from './classification.ts'
import { defineJob, instantKey } from './define-job.ts'
import { detectLevel } from './detection.ts'
import { featuresLevel } from './features.ts'
import { forecastLevel } from './forecasting.ts'
import { recommendLevel } from './recommendation.ts'
import { sweptStep } from './step.ts'
import { sweep } from './sweep.ts'

const PipelinePayload = z.object({
  configId: ConfigId,
  asOf: Instant,
  day: LocalDate,
  watermark: Instant,
})
type PipelinePayload = z.output<typeof PipelinePayload>

const RETRY = { attempts: 2, delayMs: 60_000 }
const TIMEOUT_MS = 60 * 60_000

const STEPS = ['features', 'classify', 'forecast', 'recommend', 'detect'] as const
type Step = (typeof STEPS)[number]

/** What each step builds on. */
const AFTER: Readonly<Record<Step, readonly Step[]>> = {
  features: [],
  classify: ['features'],
  forecast: ['features'],
  recommend: ['classify', 'forecast'],
  detect: ['recommend'],
}

/** Steps of a level that run: none whose row of the timetable is paused, nor what builds on one. */
const stepsOf = (level: Level, paused: ReadonlySet<string>): readonly Step[] => {
  const left = new Set<Step>()
  for (const step of STEPS) {
    if (!paused.has(`${step}.${level}`) && AFTER[step].every((before) => left.has(before))) left.add(step)
  }
  return [...left]
}

export const pipelineConfig = defineJob<PipelinePayload>({
  name: 'pipeline.config',
  queue: 'ml',
  payload: PipelinePayload,
  retry: RETRY,
  timeoutMs: TIMEOUT_MS,
  key: ({ configId, day, watermark }) => [configId, day, instantKey(watermark)],
  configId: ({ configId }) => configId,
  run: async (context, { freshness, schedules }) => {
    const { configId, asOf, day, watermark } = context.payload
    const skipped = { done: 0, skipped: 1, failed: 0 }
    if ((await freshness.freshness(configId, day)) === 'stale') {
      return { status: 'skipped', counts: skipped, reasons: { stale_data: 1 }, result: { day } }
    }
    const paused = new Set((await schedules.list()).filter((row) => row.paused).map(({ id }) => id))
    const whole = sweptStep({ configId, day, watermark }, asOf)
    for (const level of LEVELS) {
      const steps = stepsOf(level, paused)
      if (steps.includes('features')) await context.spawn(featuresLevel[level], [whole])
      if (steps.includes('classify')) await context.spawn(classifyLevel[level], [whole])
      if (steps.includes('forecast')) {
        await context.spawn(forecastLevel[level], [forecastLevel[level].payload.parse(whole)])
      }
      if (steps.includes('recommend')) await context.spawn(recommendLevel[level], [whole])
      if (steps.includes('detect')) {
        const detection = { configId, asOf, day, days: 1, entityIds: null, watermark }
        await context.spawn(detectLevel[level], [detection])
      }
    }
    return { status: 'succeeded', counts: { done: 0, skipped: 0, failed: 0 }, reasons: {}, result: { day } }
  },
  finish: ({ payload, children }) => {
    const { counts, reasons, failedRuns } = children
    return Promise.resolve({
      status: failedRuns > 0 ? 'partial' : 'succeeded',
      counts,
      reasons,
      result: { day: payload.day, watermark: payload.watermark, failed_runs: failedRuns },
    })
  },
})

export const pipelineDaily = sweep(
  pipelineConfig,
  { name: 'pipeline.daily', retry: RETRY, timeoutMs: TIMEOUT_MS },
  ({ configId, day, watermark }, asOf) => ({ configId, asOf, day, watermark }),
)
