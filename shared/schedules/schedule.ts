/** Schedules: when jobs of the timetable start by themselves, and what operators may change about it. */
import type { RunStatus } from '../jobs/enqueue.ts'
import type { RunDraft } from '../runs/run.ts'
import type { Carriage } from '../runs/run.ts'

/** A row of the timetable, as it should be. */
export interface TimetableRow {
  readonly id: string
  readonly job: string
  readonly cron: string
  readonly timezone: string
}

export interface Schedule extends TimetableRow {
  /** What runs: the operator's cron if set, else the timetable's. */
  readonly cronInForce: string
  readonly cronOverride: string | null
  readonly paused: boolean
  /** Nothing due before this instant is run: creation, last change of cron or zone, or resumption. */
  readonly since: Date
  /** Newest instant claimed or marked missed. */
  readonly lastClaimed: Date | null
}

/** The newest run a schedule started. */
export interface LastRun {
  readonly runId: string | null
  readonly scheduledAt: Date
  readonly status: RunStatus | null
}

export interface ScheduleView extends Schedule {
  readonly lastRun: LastRun | null
  /** Null while paused. */
  readonly nextRunAt: Date | null
}

/** What a tick does with one instant of one schedule. */
export interface Decision {
  readonly scheduleId: string
  readonly scheduledAt: Date
  /** Null: too old to be run, marked missed. */
  readonly draft: RunDraft | null
}

export interface Claimed {
  readonly scheduleId: string
  readonly scheduledAt: Date
  readonly runId: string
  readonly carriage: Carriage | null
}

export interface ScheduleChange {
  readonly paused?: boolean
  /** Null: back to the timetable's. */
  readonly cronOverride?: string | null
}

export interface SchedulesRepository {
  /** Makes the table hold exactly these rows; keeps pauses and overrides of those it knows. */
  sync(rows: readonly TimetableRow[]): Promise<void>
  list(): Promise<readonly (Schedule & { readonly lastRun: LastRun | null })[]>
  /** Null when there is no such schedule. A change that changes nothing leaves `since` alone. */
  change(id: string, change: ScheduleChange): Promise<Schedule | null>
  /**
   * One transaction by the database clock: `decide` says what is due, each instant is claimed by primary key,
   * and runs of those won are recorded with it. Rivals get what is left.
   */
  claim(decide: (schedules: readonly Schedule[], now: Date) => readonly Decision[]): Promise<{
    readonly claimed: readonly Claimed[]
    readonly missed: readonly Pick<Decision, 'scheduleId' | 'scheduledAt'>[]
  }>
}
