/** A scheduler: keeps the timetable in the database current, then looks every few seconds what is due. */
import { schedule } from 'node-cron'
import type { Logger as CronLogger } from 'node-cron'
import { messageOf } from '../shared/core/errors.ts'
import type { Logger } from '../shared/platform/logger.ts'
import type { Queues } from '../shared/queue/queues.ts'
import { createReconciler } from '../shared/runs/reconciler.ts'
import type { RunsRepository } from '../shared/runs/run.ts'
import { tick } from './tick.ts'
import type { TickParts } from './tick.ts'

const EVERY_5_SECONDS = '*/5 * * * * *'

export interface SchedulerOptions extends TickParts {
  readonly queues: Queues
  readonly runs: RunsRepository
}

export interface Scheduler {
  close(): Promise<void>
}

export const startScheduler = async (options: SchedulerOptions): Promise<Scheduler> => {
  const { schedules, entries, logger } = options
  await schedules.sync(entries.map(({ id, job, cron, timezone }) => ({ id, job: job.name, cron, timezone })))
  const reconciler = createReconciler(options)
  const lookOnce = async (): Promise<void> => {
    try {
      await tick(options)
    } catch (error) {
      logger.warn('the timetable was not read, trying again', { error: messageOf(error) })
    }
  }
  let looking: Promise<void> = Promise.resolve()
  const look = (): Promise<void> => (looking = lookOnce())
  // node-cron only beats time; which instants are due is computed from the table.
  const beat = schedule(EVERY_5_SECONDS, look, { noOverlap: true, logger: asCronLogger(logger) })
  await look()
  reconciler.start()
  return {
    close: async () => {
      await beat.destroy()
      await Promise.all([looking, reconciler.close()])
    },
  }
}

/** What node-cron has to say (a beat that came late) is of no consequence here. */
const asCronLogger = (logger: Logger): CronLogger => ({
  info: (message) => logger.debug(message),
  warn: (message) => logger.debug(message),
  error: (message) => logger.warn(messageOf(message)),
  debug: (message) => logger.debug(messageOf(message)),
})
