/** Tiers per level: every active config in the morning, one config on demand. */
import { defineJob, need } from './define-job.ts'
import { featuresLevel } from './features.ts'
import { StepPayload, stepKey, sweptStep, wholeLevel } from './step.ts'
import { perLevel, sweep } from './sweep.ts'

const MINUTE_MS = 60_000
const RETRY = { attempts: 3, delayMs: 30_000 }

/** `classify.campaign`, `classify.adset` and `classify.ad`, by level. */
export const classifyLevel = perLevel((level) =>
  defineJob<StepPayload>({
    name: `classify.${level}`,
    queue: 'ml',
    payload: StepPayload,
    retry: RETRY,
    timeoutMs: 15 * MINUTE_MS,
    key: (payload) => stepKey(payload),
    configId: ({ configId }) => configId,
    needs: (payload) => [need(featuresLevel[level], wholeLevel(payload))],
    run: (context, { classification }) => classification.classifyLevel(level, context.payload, context),
  }),
)

/** `classify.all.campaign`, `classify.all.adset` and `classify.all.ad`, by level. */
export const classifyAll = perLevel((level) =>
  sweep(
    classifyLevel[level],
    { name: `classify.all.${level}`, retry: RETRY, timeoutMs: 15 * MINUTE_MS },
    sweptStep,
  ),
)
