/** Detection over the past of a config, on demand. */
import { z } from 'zod'
import { Instant } from '../core/clock.ts'
import { LocalDate } from '../core/days.ts'
import { ConfigId, EntityId, Level } from '../core/entity.ts'
import { ReplayOverrides } from '../replay/overrides.ts'
import { replayResult } from '../replay/result.ts'
import { askedFor } from './asked-for.ts'
import { defineJob, instantKey } from './define-job.ts'

export const LONGEST_CADENCE_DAYS = 365

export const ReplayPayload = z.object({
  configId: ConfigId,
  asOf: Instant,
  /** First and last day that are reported. */
  from: LocalDate,
  to: LocalDate,
  /** Days between trainings. */
  trainEveryDays: z.int().min(1).max(LONGEST_CADENCE_DAYS).default(1),
  /** Null: all levels. */
  entityType: Level.nullable().default(null),
  /** Null: all entities of the level. */
  entityIds: z.array(EntityId).min(1).max(500).nullable().default(null),
  overrides: ReplayOverrides.default({}),
})
export type ReplayPayload = z.output<typeof ReplayPayload>

/** A report, in the run's result; nothing else is written. */
export const replay = defineJob<ReplayPayload>({
  name: 'replay',
  queue: 'ml',
  payload: ReplayPayload,
  retry: { attempts: 2, delayMs: 15_000 },
  timeoutMs: 30 * 60_000,
  key: ({ configId, asOf, from, to, trainEveryDays, entityType, entityIds, overrides }) => [
    configId,
    instantKey(asOf),
    from,
    to,
    trainEveryDays,
    askedFor(entityType, entityIds),
    overrides.z_threshold ?? '',
    overrides.iqr_multiplier ?? '',
    overrides.contamination ?? '',
    overrides.fdr_q ?? '',
  ],
  configId: ({ configId }) => configId,
  run: async (context, { replays }) => {
    const { payload } = context
    const replayed = await replays.replay(
      { ...payload, asOf: new Date(payload.asOf), level: payload.entityType },
      { signal: context.signal, progress: (fraction) => context.progress(fraction) },
    )
    return {
      status: 'succeeded',
      counts: { done: replayed.replayed.entities, skipped: 0, failed: 0 },
      reasons: {},
      result: replayResult(payload, replayed),
    }
  },
})
