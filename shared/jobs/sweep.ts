/** Jobs made of jobs: one for every active config, one per level. */
import { z } from 'zod'
import { Instant } from '../core/clock.ts'
import type { LocalDate } from '../core/days.ts'
import { LEVELS } from '../core/entity.ts'
import type { Level } from '../core/entity.ts'
import { defineJob, instantKey } from './define-job.ts'
import type { Job, QueueName, Retry } from './define-job.ts'

/** A config as a sweep meets it. */
export interface SweptConfig {
  readonly configId: number
  /** D: its last complete day at `asOf`. */
  readonly day: LocalDate
  /** ISO 8601: newest `updated_at` among its rows dated <= D; the epoch when it has none. */
  readonly watermark: Instant
  /** How many verdicts people gave on its findings of days up to D. */
  readonly verdicts: number
}

/** Finds the active configs; one query for all of them. */
export interface ConfigSweep {
  activeConfigs(asOf: Date): Promise<readonly SweptConfig[]>
}

/** What every job of the timetable is started with: the instant it answers for. */
export const SchedulePayload = z.object({ asOf: Instant })
export type SchedulePayload = z.infer<typeof SchedulePayload>

export interface SweepSpec {
  readonly name: string
  readonly queue?: QueueName
  readonly retry: Retry
  readonly timeoutMs: number
}

/**
 * A job that enqueues `job` for every active config. Its result is {dispatched, run_ids}; configs whose run
 * of the same key is already there count as skipped: up_to_date.
 */
export const sweep = <Payload>(
  job: Job<Payload>,
  spec: SweepSpec,
  payloadOf: (config: SweptConfig, asOf: Instant) => Payload,
): Job<SchedulePayload> =>
  defineJob({
    name: spec.name,
    queue: spec.queue ?? job.queue,
    payload: SchedulePayload,
    retry: spec.retry,
    timeoutMs: spec.timeoutMs,
    key: ({ asOf }) => [instantKey(asOf)],
    run: async (context, { sweeps }) => {
      const { asOf } = context.payload
      const configs = await sweeps.activeConfigs(new Date(asOf))
      const tickets = await context.spawn(
        job,
        configs.map((config) => payloadOf(config, asOf)),
      )
      const started = tickets.filter((ticket) => ticket.created)
      const known = tickets.length - started.length
      return {
        status: 'succeeded',
        counts: { done: started.length, skipped: known, failed: 0 },
        reasons: known > 0 ? { up_to_date: known } : {},
        result: { dispatched: started.length, run_ids: started.map((ticket) => ticket.id) },
      }
    },
  })

/** One job type per level, by level. */
export const perLevel = <J>(make: (level: Level) => J): Readonly<Record<Level, J>> => {
  const [campaign, adset, ad] = LEVELS
  return { [campaign]: make(campaign), [adset]: make(adset), [ad]: make(ad) } as const
}
