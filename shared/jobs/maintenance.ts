/** Nightly tidying. */
import type { WorkContext, WorkOutcome } from '../core/work.ts'
import { defineJob, instantKey } from './define-job.ts'
import { SchedulePayload } from './sweep.ts'

/** What `retention.nightly` calls. */
export interface RetentionWork {
  /**
   * Archives model versions beyond the newest 10, unpublishes files of entities inactive for 30 days, drops
   * audit rows older than the setting and expired idempotency keys.
   */
  nightly(asOf: Date, context: WorkContext): Promise<WorkOutcome>
}

export const retentionNightly = defineJob<SchedulePayload>({
  name: 'retention.nightly',
  queue: 'maintenance',
  payload: SchedulePayload,
  retry: { attempts: 2, delayMs: 60_000 },
  timeoutMs: 30 * 60_000,
  key: ({ asOf }) => [instantKey(asOf)],
  run: (context, { retention }) => retention.nightly(new Date(context.payload.asOf), context),
})
