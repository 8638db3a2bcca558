/** Detection per level: every active config by the hour, one config on demand. */
import { z } from 'zod'
import { Instant } from '../core/clock.ts'
import { LocalDate } from '../core/days.ts'
import { ConfigId, EntityId } from '../core/entity.ts'
import { askedFor } from './asked-for.ts'
import { defineJob, instantKey, need } from './define-job.ts'
import { recommendLevel } from './recommendation.ts'
import { sweptStep } from './step.ts'
import { perLevel, sweep } from './sweep.ts'

export const DetectPayload = z.object({
  configId: ConfigId,
  asOf: Instant,
  /** The analysed day; null: the newest complete day that has rows. */
  day: LocalDate.nullable().default(null),
  /** How many days up to the analysed one. */
  days: z.int().min(1).max(7).default(1),
  /** Null: all entities of the level. */
  entityIds: z.array(EntityId).min(1).max(500).nullable().default(null),
  /** As the last step of the daily flow: of the data whose advice it comes after. Null: waits for nothing. */
  watermark: Instant.nullable().default(null),
})
export type DetectPayload = z.output<typeof DetectPayload>

const MINUTE_MS = 60_000
const RETRY = { attempts: 3, delayMs: 15_000 }

/** `detect.campaign`, `detect.adset` and `detect.ad`, by level. */
export const detectLevel = perLevel((level) =>
  defineJob<DetectPayload>({
    name: `detect.${level}`,
    queue: 'ml',
    payload: DetectPayload,
    retry: RETRY,
    timeoutMs: 15 * MINUTE_MS,
    // Today's rows change by the hour, so the instant belongs to the key.
    key: ({ configId, asOf, day, days, entityIds, watermark }) => [
      configId,
      instantKey(asOf),
      day ?? 'newest',
      days,
      askedFor(null, entityIds),
      ...(watermark === null ? [] : ['flow', instantKey(watermark)]),
    ],
    configId: ({ configId }) => configId,
    needs: ({ configId, asOf, day, watermark }) =>
      day === null || watermark === null
        ? []
        : [need(recommendLevel[level], sweptStep({ configId, day, watermark }, asOf))],
    run: async (context, { detection, intraday }) => {
      const { configId, asOf, day, entityIds } = context.payload
      const outcome = await detection.detectLevel(level, context.payload, context)
      const today = await intraday.detectToday(level, { configId, asOf, day, entityIds }, context)
      return { ...outcome, result: { ...outcome.result, partial: today } }
    },
  }),
)

/** `detect.all.campaign`, `detect.all.adset` and `detect.all.ad`, by level. */
export const detectAll = perLevel((level) =>
  sweep(
    detectLevel[level],
    { name: `detect.all.${level}`, retry: RETRY, timeoutMs: 15 * MINUTE_MS },
    ({ configId, day }, asOf) => ({ configId, asOf, day, days: 1, entityIds: null, watermark: null }),
  ),
)
