/** Telling people of incidents. */
import type { Instant } from '../core/clock.ts'
import { defineJob, instantKey } from './define-job.ts'
import { SchedulePayload } from './sweep.ts'

/**
 * Sends what is due. Started with what there is to tell, for each instant at which a message is to be tried again,
 * and by the timetable in case one of those failed.
 */
export const notifyDeliver = defineJob<SchedulePayload>({
  name: 'notify.deliver',
  queue: 'control',
  payload: SchedulePayload,
  retry: { attempts: 5, delayMs: 10_000 },
  timeoutMs: 30 * 60_000,
  key: ({ asOf }: { readonly asOf: Instant }) => [instantKey(asOf)],
  run: (context, { webhooks }) => webhooks.deliver(new Date(context.payload.asOf), context),
})
