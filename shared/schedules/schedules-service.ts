/** What people may do with schedules. */
import { AppError } from '../core/errors.ts'
import type { Clock } from '../core/clock.ts'
import { cronProblem } from './cron.ts'
import { nextInstant } from './due.ts'
import type { Schedule, ScheduleView, SchedulesRepository } from './schedule.ts'

export interface SchedulesService {
  list(): Promise<readonly ScheduleView[]>
  /**
   * Pauses, resumes, or sets another cron (null: back to the timetable's). Nothing that was due before a
   * resumption or a new cron is caught up.
   * @throws AppError NOT_FOUND; INVALID_REQUEST when the cron is not one
   */
  change(id: string, change: { paused?: boolean; cron?: string | null }): Promise<ScheduleView>
}

export const createSchedulesService = (parts: {
  readonly schedules: SchedulesRepository
  readonly clock: Clock
}): SchedulesService => {
  const { schedules, clock } = parts
  const list = async (): Promise<readonly ScheduleView[]> => {
    const now = clock.now()
    const nextOf = (schedule: Schedule): Date | null =>
      schedule.paused ? null : nextInstant(schedule.cronInForce, schedule.timezone, now)
    return (await schedules.list()).map((schedule) => ({ ...schedule, nextRunAt: nextOf(schedule) }))
  }
  return {
    list,
    change: async (id, { paused, cron }) => {
      const problem = typeof cron === 'string' ? cronProblem(cron) : null
      if (problem !== null) {
        throw new AppError('INVALID_REQUEST', `cron: ${problem}`, {
          errors: [{ field: 'body.cron', message: problem }],
        })
      }
      const changed = await schedules.change(id, {
        ...(paused === undefined ? {} : { paused }),
        ...(cron === undefined ? {} : { cronOverride: cron }),
      })
      const view = changed && (await list()).find((schedule) => schedule.id === id)
      if (!view)
        throw new AppError(
          'NOT_FOUND',
          `there is no schedule ${id.slice(0, 100)}; list them with GET /api/v1/schedules`,
        )
      return view
    },
  }
}
