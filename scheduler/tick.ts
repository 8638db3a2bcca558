/**
 * One look at the timetable: what is due by the database clock is claimed and recorded in one transaction,
 * then handed to the queue. Any number of schedulers may look at once.
 */
import { draftRun } from '../shared/jobs/enqueuer.ts'
import type { Logger } from '../shared/platform/logger.ts'
import type { Metrics } from '../shared/platform/metrics.ts'
import type { Carrier } from '../shared/runs/carrier.ts'
import { dueInstants } from '../shared/schedules/due.ts'
import type { Decision, Schedule, SchedulesRepository } from '../shared/schedules/schedule.ts'
import type { TimetableEntry } from '../shared/schedules/timetable.ts'

export interface TickParts {
  readonly schedules: SchedulesRepository
  readonly carrier: Carrier
  readonly entries: readonly TimetableEntry[]
  readonly logger: Logger
  readonly metrics?: Pick<Metrics, 'instantMet'> | undefined
}

/** What of one schedule is due now, with the runs to start. */
const decide = (schedule: Schedule, entry: TimetableEntry, now: Date): readonly Decision[] => {
  const { run, missed } = dueInstants(schedule, schedule.lastClaimed, now)
  const scheduleId = schedule.id
  return [
    ...missed.map((scheduledAt) => ({ scheduleId, scheduledAt, draft: null })),
    ...run.map((scheduledAt) => ({
      scheduleId,
      scheduledAt,
      draft: draftRun(entry.job, { asOf: scheduledAt.toISOString() }, { actor: 'scheduler' }, now),
    })),
  ]
}

/** @returns how many runs were started and how many instants were too old */
export const tick = async (parts: TickParts): Promise<{ started: number; missed: number }> => {
  const entries = new Map(parts.entries.map((entry) => [entry.id, entry]))
  const { claimed, missed } = await parts.schedules.claim((schedules, now) =>
    schedules.flatMap((schedule) => {
      const entry = entries.get(schedule.id)
      return entry ? decide(schedule, entry, now) : []
    }),
  )
  for (const { scheduleId, scheduledAt, runId } of claimed) {
    parts.logger.info('schedule due', { schedule: scheduleId, scheduled_at: scheduledAt, run_id: runId })
    parts.metrics?.instantMet(scheduleId, 'claimed')
  }
  for (const { scheduleId, scheduledAt } of missed) {
    parts.logger.warn('schedule missed', { schedule: scheduleId, scheduled_at: scheduledAt })
    parts.metrics?.instantMet(scheduleId, 'missed')
  }
  await parts.carrier.deliver(claimed.flatMap(({ carriage }) => carriage ?? []))
  return { started: claimed.length, missed: missed.length }
}
