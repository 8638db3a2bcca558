/** Telling people of incidents. */
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { Clock } from '../core/clock.ts'
import { defineJob, instantKey } from './define-job.ts'
import { SchedulePayload } from './sweep.ts'

const NotifyPayload = SchedulePayload.extend({
  /**
   * Tells runs of the same instant apart: what one of them finds to send may not be there yet when another, of an
   * earlier transaction, has already looked.
   */
  cause: z.uuid().optional(),
})
type NotifyPayload = z.output<typeof NotifyPayload>

/**
 * Sends what is due. Started with what there is to tell, for each instant at which a message is to be tried again,
 * and by the timetable in case one of those failed.
 */
export const notifyDeliver = defineJob<NotifyPayload>({
  name: 'notify.deliver',
  queue: 'control',
  payload: NotifyPayload,
  retry: { attempts: 5, delayMs: 10_000 },
  timeoutMs: 30 * 60_000,
  key: ({ asOf, cause }) => (cause === undefined ? [instantKey(asOf)] : [instantKey(asOf), cause]),
  run: (context, { webhooks }) => webhooks.deliver(new Date(context.payload.asOf), context),
})

/** The payload of a run for what was just written. */
export const sendingNow = (clock: Clock): NotifyPayload => ({
  asOf: clock.now().toISOString(),
  cause: randomUUID(),
})
