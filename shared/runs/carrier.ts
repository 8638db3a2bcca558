/**
 * Hands recorded runs to the queue. PostgreSQL has them already, so a queue that fails only delays them: the
 * outbox mark stays and the reconciler tries again.
 */
import { messageOf } from '../core/errors.ts'
import type { JobRegistry } from '../jobs/all.ts'
import type { Logger } from '../platform/logger.ts'
import type { QueueJob, Queues } from '../queue/queues.ts'
import type { Carriage, RunsRepository } from './run.ts'

export interface Carrier {
  /** Adds the runs to their queues and takes back their outbox marks. Never rejects; answers whether all got there. */
  deliver(carriages: readonly Carriage[]): Promise<boolean>
  /** Removes queue jobs nobody needs any more, as far as that works. */
  withdraw(carriages: readonly Carriage[]): Promise<void>
  /** The queue job of a run; null when this version does not know its job. */
  queueJobOf(carriage: Carriage): QueueJob | null
}

/**
 * The id of a run's queue job. The generation belongs to it because a queue keeps ended jobs for a while and
 * ignores another job of the same id: a run started again would never reach a worker.
 */
export const queueJobId = (carriage: Pick<Carriage, 'job' | 'key' | 'generation'>): string =>
  `${carriage.job}|${carriage.key}|${carriage.generation}`

export const createCarrier = (parts: {
  readonly runs: Pick<RunsRepository, 'clearOutbox'>
  readonly queues: Pick<Queues, 'add' | 'remove'>
  readonly jobs: JobRegistry
  readonly logger: Logger
}): Carrier => {
  const { runs, queues, jobs, logger } = parts
  const queueJobOf = (carriage: Carriage): QueueJob | null => {
    const job = jobs.get(carriage.job)
    if (!job) return null
    return {
      id: queueJobId(carriage),
      queue: carriage.queue,
      name: carriage.job,
      runId: carriage.runId,
      attempts: Math.max(1, job.retry.attempts - carriage.tries),
      delayMs: carriage.delayMs,
    }
  }
  return {
    queueJobOf,
    deliver: async (carriages) => {
      const known = carriages.flatMap((carriage) => queueJobOf(carriage) ?? [])
      if (known.length === 0) return carriages.length === 0
      try {
        await queues.add(known)
        await runs.clearOutbox(known.map((job) => job.runId))
        return known.length === carriages.length
      } catch (error) {
        logger.warn('the queue did not take runs; they are recorded and will be added again', {
          runs: known.length,
          error: messageOf(error),
        })
        return false
      }
    },
    withdraw: async (carriages) => {
      try {
        await queues.remove(carriages.flatMap((carriage) => queueJobOf(carriage) ?? []))
      } catch (error) {
        logger.debug('queue jobs of cancelled runs stay until they are met', { error: messageOf(error) })
      }
    },
  }
}
