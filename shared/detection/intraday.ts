/**
 * Today, by the hour: what the rows of the hours so far say while the day still runs. Stages: how far today's rows
 * reach, which days before reach as far, their sums up to that hour, judgement on a thread, findings marked as
 * partial. The final verdict of the day, a detection like any other, replaces them.
 */
import { FEWEST_HOURS } from '../../ml/detectors/intraday.ts'
import type { HourlyFrame, Tolerances } from '../../ml/detectors/intraday.ts'
import type { Metric } from '../../ml/detectors/signal.ts'
import type { DayNumber } from '../../ml/frame.ts'
import type { ComputePool } from '../compute.ts'
import type { Clock } from '../core/clock.ts'
import {
  hoursIntoDay,
  lastCompleteDay,
  localDayOf,
  localHourOf,
  toDayNumber,
  toLocalDate,
} from '../core/days.ts'
import type { LocalDate } from '../core/days.ts'
import type { Level } from '../core/entity.ts'
import type { WorkContext } from '../core/work.ts'
import { zoneOf } from '../entities/configs.ts'
import type { Configs } from '../entities/configs.ts'
import type { DetectionStore, ScoredAnomaly } from './detection-store.ts'
import type { JudgementParams } from './params.ts'
import { readTolerances } from './tolerance.ts'
import type { Tolerance } from './tolerance.ts'

/** Clock hours of a day as bits: 1 << hour. */
export type HourSet = number

/** What the hourly rows of a day cover. */
export interface HourlyReach {
  readonly day: DayNumber
  /** Hours with a row; never none. */
  readonly hours: HourSet
  /** When a row of the newest of them was last written. */
  readonly writtenAt: Date
}

export interface HourlyRequest {
  readonly configId: number
  readonly level: Level
  readonly today: DayNumber
  /** Those that are summed up. */
  readonly hours: HourSet
  /** Days before today, ascending. */
  readonly days: readonly DayNumber[]
}

export interface HourlyFrames {
  /** Days in [from, to] that have hourly rows, ascending. */
  reach(configId: number, from: DayNumber, to: DayNumber): Promise<readonly HourlyReach[]>
  /** All entities of the level with a row on one of the days, in one query for the figures of all of them. */
  load(request: HourlyRequest): Promise<HourlyFrame>
}

export interface TodayRequest {
  readonly configId: number
  /** ISO 8601. */
  readonly asOf: string
  /** null: all entities of the level. */
  readonly entityIds: readonly string[] | null
}

export interface DetectTodayRequest extends TodayRequest {
  /** The day the run was asked for; who asks for one before yesterday does not ask for today. */
  readonly day: LocalDate | null
}

export interface TodayVerdict {
  readonly day: DayNumber
  /** How many clock hours were compared; 0: too few, nothing was judged. */
  readonly hours: number
  /** Clock hours before the newest that today's rows leave out and other days have. */
  readonly missingHours: readonly number[]
  readonly findings: readonly ScoredAnomaly[]
  /** Entities that were looked at. */
  readonly entityIds: readonly string[]
}

export interface TodayOutcome {
  readonly day: LocalDate
  readonly hours: number
  readonly missing_hours: readonly number[]
  readonly findings: number
  readonly created: number
  readonly restated: number
}

export interface IntradayService {
  /**
   * Nothing is stored.
   * @throws AppError CONFIG_NOT_FOUND
   */
  judgeToday(level: Level, request: TodayRequest, signal: AbortSignal): Promise<TodayVerdict>
  /**
   * Judges and writes, under the fence of the run. Asked with the same rows again it changes nothing; a day
   * whose final verdict is there is left alone.
   */
  detectToday(level: Level, request: DetectTodayRequest, context: WorkContext): Promise<TodayOutcome>
}

export interface IntradayParts {
  readonly clock: Clock
  readonly configs: Configs
  readonly frames: HourlyFrames
  readonly store: DetectionStore
  readonly compute: ComputePool
  readonly params: Pick<JudgementParams, 'detection' | 'openGate'>
}

const HOURS_OF_DAY = 24
/** A day may lack an hour by chance; one of so many days may, or one of few. */
const DAYS_PER_LACK = 10

const before = (hour: number): HourSet => (1 << hour) - 1

/** Ascending. */
const hoursIn = (set: HourSet): number[] =>
  Array.from({ length: HOURS_OF_DAY }, (_, hour) => hour).filter((hour) => (set >> hour) & 1)

/** Clock hours [0, n) of the day that were over when its rows were written, by `asOf` at the latest. */
export const completeHours = (
  { day, hours, writtenAt }: HourlyReach,
  asOf: Date,
  timeZone: string,
): number => {
  const seenAt = writtenAt < asOf ? writtenAt : asOf
  // Written after the day was over: hours without rows delivered nothing.
  if (localDayOf(seenAt, timeZone) > day) return HOURS_OF_DAY
  const newest = 31 - Math.clz32(hours)
  return Math.min(newest + 1, localHourOf(seenAt, timeZone))
}

export interface Comparison {
  readonly hours: HourSet
  readonly missing: HourSet
  /** The days before that have these hours. */
  readonly days: readonly DayNumber[]
}

/**
 * Which hours of today to hold against which days, or null when fewer than six are complete. An hour that
 * practically every day has rows of and today has none of was lost on the way, or never was (clocks that went
 * forward): it is compared on no day. So is a day that lost one of the hours that are compared.
 *
 * @param reached today's reach last, days before it ascending
 */
export const comparisonOf = (
  reached: readonly HourlyReach[],
  asOf: Date,
  timeZone: string,
): Comparison | null => {
  const today = reached.at(-1)
  if (today === undefined) return null
  const until = completeHours(today, asOf, timeZone)
  if (until < FEWEST_HOURS) return null
  const others = reached.slice(0, -1).filter((one) => completeHours(one, asOf, timeZone) >= until)
  const lacks = Math.max(1, Math.floor(others.length / DAYS_PER_LACK))
  const sure = hoursIn(before(until))
    .filter((hour) => others.filter(({ hours }) => !((hours >> hour) & 1)).length <= lacks)
    .reduce((set, hour) => set | (1 << hour), 0)
  const missing = others.length > lacks ? sure & ~today.hours : 0
  const hours = before(until) & ~missing
  // Where clocks went forward that morning six on the clock are but five.
  const passed = hoursIntoDay(asOf, timeZone) - (localHourOf(asOf, timeZone) - until)
  if (Math.min(hoursIn(hours).length, passed) < FEWEST_HOURS) return null
  const needed = sure & hours
  const days = others.filter((one) => (needed & ~one.hours) === 0).map(({ day }) => day)
  return { hours, missing, days }
}

const hourlyBuffers = ({ days, spend, leads }: HourlyFrame): ArrayBuffer[] =>
  [days, spend, leads].flatMap(({ buffer }) => (buffer instanceof ArrayBuffer ? [buffer] : []))

/** The days before on which something else than usual happened, as people said, are no example. */
const leaveOut = (
  { days, heads, spend, leads }: HourlyFrame,
  labelled: ReadonlyMap<string, readonly DayNumber[]>,
): void => {
  if (labelled.size === 0) return
  heads.forEach(({ id }, entity) => {
    for (const day of labelled.get(id) ?? []) {
      const i = days.indexOf(day)
      if (i < 0) continue
      const cell = entity * (days.length + 1) + i
      spend[cell] = Number.NaN
      leads[cell] = Number.NaN
    }
  })
}

const tolerancesOf = (level: Level, all: readonly Tolerance[]): Tolerances => {
  const of = (wanted: Metric): ReadonlyMap<string, number> =>
    new Map(
      all
        .filter(({ entityType, metric }) => entityType === level && metric === wanted)
        .map(({ entityId, deviates }) => [entityId, deviates]),
    )
  return { spend: of('spend'), leads: of('leads') }
}

export const createIntraday = ({
  clock,
  configs,
  frames,
  store,
  compute,
  params: { detection: params, openGate },
}: IntradayParts): IntradayService => {
  const judgeToday = async (
    level: Level,
    { configId, asOf, entityIds }: TodayRequest,
    signal: AbortSignal,
  ): Promise<TodayVerdict> => {
    const instant = new Date(asOf)
    const zone = zoneOf(await configs.get(configId))
    const today = localDayOf(instant, zone)
    const nothing = { day: today, hours: 0, missingHours: [], findings: [], entityIds: [] }
    // Before dawn there is nothing to ask for.
    if (hoursIntoDay(instant, zone) < FEWEST_HOURS) return nothing
    const reachedToday = await frames.reach(configId, today, today)
    if (reachedToday.length === 0) return nothing
    const earlier = await frames.reach(configId, today - params.baselineDays, today - 1)
    const comparison = comparisonOf([...earlier, ...reachedToday], instant, zone)
    if (comparison === null) return nothing
    const { hours, missing, days } = comparison
    const [frame, labelled, tolerances] = await Promise.all([
      frames.load({ configId, level, today, hours, days }),
      store.labelledDays(configId, level, today - params.baselineDays),
      readTolerances(store, configId, today),
    ])
    leaveOut(frame, labelled)
    signal.throwIfAborted()
    const { heads } = frame
    const found = await compute.run(
      'judgeToday',
      { frame, params, tolerances: tolerancesOf(level, tolerances), openGate },
      { signal, transfer: hourlyBuffers(frame) },
    )
    const wanted = entityIds === null ? null : new Set(entityIds)
    const isWanted = (id: string): boolean => wanted === null || wanted.has(id)
    return {
      day: today,
      hours: frame.hours,
      missingHours: hoursIn(missing),
      findings: found.flatMap(({ entity, anomaly }): ScoredAnomaly[] => {
        const head = heads[entity]
        return head && isWanted(head.id)
          ? [
              {
                entityId: head.id,
                parentId: head.parentId,
                day: today,
                anomaly,
                baselineReason: null,
              },
            ]
          : []
      }),
      entityIds: heads.map(({ id }) => id).filter(isWanted),
    }
  }

  return {
    judgeToday,
    detectToday: async (level, request, context) => {
      // Before the rows are read: a look that began later knows better.
      const seenAt = clock.now()
      const zone = zoneOf(await configs.get(request.configId))
      const instant = new Date(request.asOf)
      if (request.day !== null && toDayNumber(request.day) !== lastCompleteDay(instant, zone))
        return {
          day: toLocalDate(localDayOf(instant, zone)),
          hours: 0,
          missing_hours: [],
          findings: 0,
          created: 0,
          restated: 0,
        }
      const { day, hours, missingHours, findings, entityIds } = await judgeToday(
        level,
        request,
        context.signal,
      )
      const { created, restated } =
        hours === 0
          ? { created: 0, restated: 0 }
          : await store.writePartial(context.fence, {
              configId: request.configId,
              level,
              entityIds,
              days: [day],
              anomalies: findings,
              seenAt,
            })
      return {
        day: toLocalDate(day),
        hours,
        missing_hours: missingHours,
        findings: findings.length,
        created,
        restated,
      }
    },
  }
}
