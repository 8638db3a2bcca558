/** Advice per level: every active config in the morning, one config on demand. */
import { classifyLevel } from './classification.ts'
import { defineJob, need } from './define-job.ts'
import { forecastLevel } from './forecasting.ts'
import { StepPayload, stepKey, sweptStep, wholeLevel } from './step.ts'
import { perLevel, sweep } from './sweep.ts'

const MINUTE_MS = 60_000
const RETRY = { attempts: 3, delayMs: 30_000 }

/** `recommend.campaign`, `recommend.adset` and `recommend.ad`, by level. */
export const recommendLevel = perLevel((level) =>
  defineJob<StepPayload>({
    name: `recommend.${level}`,
    queue: 'ml',
    payload: StepPayload,
    retry: RETRY,
    timeoutMs: 15 * MINUTE_MS,
    key: (payload) => stepKey(payload),
    configId: ({ configId }) => configId,
    needs: (payload) => [
      need(classifyLevel[level], wholeLevel(payload)),
      need(forecastLevel[level], forecastLevel[level].payload.parse(wholeLevel(payload))),
    ],
    run: (context, { recommendation }) => recommendation.recommendLevel(level, context.payload, context),
  }),
)

/** `recommend.all.campaign`, `recommend.all.adset` and `recommend.all.ad`, by level. */
export const recommendAll = perLevel((level) =>
  sweep(
    recommendLevel[level],
    { name: `recommend.all.${level}`, retry: RETRY, timeoutMs: 15 * MINUTE_MS },
    sweptStep,
  ),
)
