/** Features per level: what tiers, advice and the report of a day are made from. */
import { defineJob } from './define-job.ts'
import { StepPayload, stepKey } from './step.ts'
import { perLevel } from './sweep.ts'

const MINUTE_MS = 60_000

/** `features.campaign`, `features.adset` and `features.ad`, by level. */
export const featuresLevel = perLevel((level) =>
  defineJob<StepPayload>({
    name: `features.${level}`,
    queue: 'ml',
    payload: StepPayload,
    retry: { attempts: 3, delayMs: 30_000 },
    timeoutMs: 15 * MINUTE_MS,
    key: (payload) => stepKey(payload),
    configId: ({ configId }) => configId,
    run: (context, { features }) => features.computeLevel(level, context.payload, context),
  }),
)
