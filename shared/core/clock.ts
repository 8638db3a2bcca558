import { z } from 'zod'

/** Time is passed in: no service reads the system clock itself, so tests can stand anywhere in a year. */
export interface Clock {
  now(): Date
}

export const systemClock: Clock = { now: () => new Date() }

/** An instant as text: ISO 8601 in UTC, `2026-03-11T03:00:00.000Z`. */
export const Instant = z.iso
  .datetime()
  // The epoch is the watermark of a config without rows.
  .refine((text) => text >= '1970-01-01' && text < '2999-12-31', 'must be within 1970 and 2999')
export type Instant = z.infer<typeof Instant>
