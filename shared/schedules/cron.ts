/**
 * Cron lines: checked, and stepped through as wall-clock times that know no zone. Which instant a wall-clock
 * time is, `due.ts` decides: stepping through a zone's own days drops or doubles runs where its clocks change.
 */
import { Cron } from 'croner'
import { messageOf } from '../core/errors.ts'

const NICKNAMES: Readonly<Record<string, string>> = {
  '@hourly': '0 * * * *',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@weekly': '0 0 * * 0',
  '@monthly': '0 0 1 * *',
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
}
const LONGEST = 100

const fieldsOf = (cron: string): string => NICKNAMES[cron.trim().toLowerCase()] ?? cron.trim()

// An offset of 0 is UTC as well, and eight times as fast as the zone of that name.
const parse = (cron: string): Cron => new Cron(fieldsOf(cron), { mode: '5-part', utcOffset: 0, paused: true })

/** Why `cron` cannot be used, or null when it can. */
export const cronProblem = (cron: string): string | null => {
  if (cron.length > LONGEST) return `is longer than ${LONGEST} characters`
  const fields = fieldsOf(cron)
  if (fields.split(/\s+/).length !== 5) {
    return 'needs five fields (minute hour day month weekday), e.g. "0 4 * * *", or a name such as @daily'
  }
  try {
    return parse(cron).nextRun() === null ? 'never comes due' : null
  } catch (error) {
    return `is not a cron line: ${messageOf(error)}`
  }
}

/**
 * Whether the line means "every so many hours" (`*` or `*` with a step as the hour) rather than times of day.
 * Such rows count elapsed hours, whatever the clocks do.
 */
export const countsHours = (cron: string): boolean => fieldsOf(cron).split(/\s+/)[1]?.startsWith('*') ?? false

/** Wall-clock times after `wallMs`, ascending, without end unless the line has one; all in milliseconds as if UTC. */
export function* wallTimes(cron: string, wallMs: number): Generator<number> {
  const line = parse(cron)
  for (let next = line.nextRun(new Date(wallMs)); next; next = line.nextRun(next)) yield next.getTime()
}
