/**
 * Which instants of a schedule are due. Times of day are local: one that a clock change skips comes due after
 * the gap, as much later as it lies inside it; one that happens twice comes due the first time. Rows that
 * count hours run every elapsed hour: they keep the zone's standard time all year.
 */
import { countsHours, wallTimes } from './cron.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** How long after its instant a run still makes sense. */
const CATCH_UP_MS = { daily: 6 * HOUR_MS, hourly: HOUR_MS }
/** Instants older than this are not even counted as missed. */
const LOOK_BACK_MS = 31 * DAY_MS

const clocks = new Map<string, Intl.DateTimeFormat>()

const clockOf = (timeZone: string): Intl.DateTimeFormat => {
  let clock = clocks.get(timeZone)
  if (!clock) {
    clock = new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
    clocks.set(timeZone, clock)
  }
  return clock
}

/** What the clocks of `timeZone` show at `instantMs`, minus UTC, in ms. */
const offsetAt = (timeZone: string, instantMs: number): number => {
  const shown = new Map(
    clockOf(timeZone)
      .formatToParts(instantMs)
      .map(({ type, value }) => [type, Number(value)]),
  )
  const part = (name: Intl.DateTimeFormatPartTypes): number => shown.get(name) ?? 0
  const wallMs = Date.UTC(
    part('year'),
    part('month') - 1,
    part('day'),
    part('hour'),
    part('minute'),
    part('second'),
  )
  return wallMs - Math.floor(instantMs / 1000) * 1000
}

/** The instant at which the clocks of `timeZone` first show `wallMs`; if they skip it, as long after the gap. */
const instantOf = (timeZone: string, wallMs: number): number => {
  const before = offsetAt(timeZone, wallMs - DAY_MS)
  const after = offsetAt(timeZone, wallMs + DAY_MS)
  // With the larger offset the clocks show it earlier.
  const candidates = [wallMs - Math.max(before, after), wallMs - Math.min(before, after)]
  return candidates.find((ms) => ms + offsetAt(timeZone, ms) === wallMs) ?? wallMs - before
}

/** The smaller of the offsets in January and July: daylight saving time adds to it. */
const standardOffset = (timeZone: string, instantMs: number): number => {
  const year = new Date(instantMs).getUTCFullYear()
  return Math.min(offsetAt(timeZone, Date.UTC(year, 0, 1)), offsetAt(timeZone, Date.UTC(year, 6, 1)))
}

/** Instants of `cron` after `afterMs`, ascending. */
function* instants(cron: string, timeZone: string, afterMs: number): Generator<number> {
  if (countsHours(cron)) {
    const offset = standardOffset(timeZone, afterMs)
    for (const wallMs of wallTimes(cron, afterMs + offset)) yield wallMs - offset
    return
  }
  // A day earlier, so that no clock change lies between: what is due then depends on nothing but the cron.
  let lastMs = afterMs
  for (const wallMs of wallTimes(cron, afterMs - DAY_MS + offsetAt(timeZone, afterMs - DAY_MS))) {
    const ms = instantOf(timeZone, wallMs)
    // Times inside a gap can land on, or behind, those after it.
    if (ms <= lastMs) continue
    lastMs = ms
    yield ms
  }
}

/** The first instant after `now`; null when none comes. */
export const nextInstant = (cron: string, timeZone: string, now: Date): Date | null => {
  for (const ms of instants(cron, timeZone, now.getTime())) return new Date(ms)
  return null
}

/** What of a schedule counts for what is due. */
export interface DueInput {
  readonly cronInForce: string
  readonly timezone: string
  readonly paused: boolean
  readonly since: Date
}

export interface Due {
  /** To be run now, ascending: times of day of the last 6 hours, of rows that count hours the newest of the last hour. */
  readonly run: readonly Date[]
  /** Too late; ascending. */
  readonly missed: readonly Date[]
}

/** @param lastClaimed newest instant claimed or marked missed before */
export const dueInstants = (schedule: DueInput, lastClaimed: Date | null, now: Date): Due => {
  if (schedule.paused) return { run: [], missed: [] }
  const nowMs = now.getTime()
  const hourly = countsHours(schedule.cronInForce)
  const fromMs = Math.max(schedule.since.getTime(), lastClaimed?.getTime() ?? 0, nowMs - LOOK_BACK_MS)
  const run: Date[] = []
  const missed: Date[] = []
  for (const ms of instants(schedule.cronInForce, schedule.timezone, fromMs)) {
    if (ms > nowMs) break
    const late = nowMs - ms > (hourly ? CATCH_UP_MS.hourly : CATCH_UP_MS.daily)
    ;(late ? missed : run).push(new Date(ms))
  }
  // Of hours, only the newest still matters.
  if (hourly) missed.push(...run.splice(0, run.length - 1))
  return { run, missed }
}
