/**
 * Today, by the hour: what the rows of the hours so far say while the day still runs. Stages: how far today's rows
 * reach, which days before reach as far, their sums up to that hour, judgement on a thread, findings marked as
 * partial. The final verdict of the day, a detection like any other, replaces them.
 */
import { FEWEST_HOURS } from '../../ml/detectors/intraday.ts'
import type { HourlyFrame, Tolerances } from '../../ml/detectors/intraday.ts'
import type { Metric } from '../../ml/detectors/signal.ts'
import type { DayNumber } from '../../ml/frame.ts'
import type { BaselineParams } from '../../ml/detectors/weekday-baseline.ts'
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
import { readTolerances } from './tolerance.ts'
import type { Tolerance } from './tolerance.ts'

/** Up to where the hourly rows of a day go. */
export interface HourlyReach {
  readonly day: DayNumber
  /** Newest hour with a row, 0..23. */
  readonly lastHour: number
  /** When a row of that hour was last written. */
  readonly writtenAt: Date
}

export interface HourlyRequest {
  readonly configId: number
  readonly level: Level
  readonly today: DayNumber
  /** Clock hours [0, hours) are summed up. */
  readonly hours: number
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
  /** Clock hours that were compared; 0: too few, nothing was judged. */
  readonly hours: number
  readonly findings: readonly ScoredAnomaly[]
  /** Entities that were looked at. */
  readonly entityIds: readonly string[]
}

export interface TodayOutcome {
  readonly day: LocalDate
  readonly hours: number
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
  readonly params: BaselineParams
}

const HOURS_OF_DAY = 24

/** Clock hours of the day whose rows were complete when they were written, by `asOf` at the latest. */
export const completeHours = (
  { day, lastHour, writtenAt }: HourlyReach,
  asOf: Date,
  timeZone: string,
): number => {
  const seenAt = writtenAt < asOf ? writtenAt : asOf
  // Written after the day was over: hours without rows delivered nothing.
  if (localDayOf(seenAt, timeZone) > day) return HOURS_OF_DAY
  return Math.min(lastHour + 1, localHourOf(seenAt, timeZone))
}

/**
 * Clock hours of today to compare; 0 when fewer than six hours lie before them. Where clocks went forward that
 * morning six on the clock are but five.
 */
export const hoursToCompare = (reach: HourlyReach, asOf: Date, timeZone: string): number => {
  const hours = completeHours(reach, asOf, timeZone)
  const passed = hoursIntoDay(asOf, timeZone) - (localHourOf(asOf, timeZone) - hours)
  return Math.min(hours, passed) < FEWEST_HOURS ? 0 : hours
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
  params,
}: IntradayParts): IntradayService => {
  const judgeToday = async (
    level: Level,
    { configId, asOf, entityIds }: TodayRequest,
    signal: AbortSignal,
  ): Promise<TodayVerdict> => {
    const instant = new Date(asOf)
    const zone = zoneOf(await configs.get(configId))
    const today = localDayOf(instant, zone)
    const nothing = { day: today, hours: 0, findings: [], entityIds: [] }
    // Before dawn there is nothing to ask for.
    if (hoursIntoDay(instant, zone) < FEWEST_HOURS) return nothing
    const reached = await frames.reach(configId, today - params.baselineDays, today)
    const newest = reached.at(-1)
    if (newest?.day !== today) return nothing
    const hours = hoursToCompare(newest, instant, zone)
    if (hours === 0) return nothing
    const days = reached
      .filter((one) => one.day < today && completeHours(one, instant, zone) >= hours)
      .map(({ day }) => day)
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
      { frame, params, tolerances: tolerancesOf(level, tolerances) },
      { signal, transfer: hourlyBuffers(frame) },
    )
    const wanted = entityIds === null ? null : new Set(entityIds)
    const isWanted = (id: string): boolean => wanted === null || wanted.has(id)
    return {
      day: today,
      hours,
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
        return { day: toLocalDate(localDayOf(instant, zone)), hours: 0, findings: 0, created: 0, restated: 0 }
      const { day, hours, findings, entityIds } = await judgeToday(level, request, context.signal)
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
      return { day: toLocalDate(day), hours, findings: findings.length, created, restated }
    },
  }
}
