/** Time is passed in: no service reads the system clock itself, so tests can stand anywhere in a year. */
export interface Clock {
  now(): Date
}

export const systemClock: Clock = { now: () => new Date() }
