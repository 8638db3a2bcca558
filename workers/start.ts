/** Workers of every queue that has a job, sharing one executor and one reconciler. */
import type { JobRegistry } from '../shared/jobs/all.ts'
import type { Enqueuer } from '../shared/jobs/enqueuer.ts'
import type { Logger } from '../shared/platform/logger.ts'
import type { Metrics } from '../shared/platform/metrics.ts'
import type { Queues } from '../shared/queue/queues.ts'
import { watchQueues } from '../shared/queue/watch-queues.ts'
import type { Carrier } from '../shared/runs/carrier.ts'
import { createReconciler } from '../shared/runs/reconciler.ts'
import type { RunsRepository } from '../shared/runs/run.ts'
import type { Services } from '../shared/services.ts'
import { createExecutor } from './execute.ts'

/** With what follows (3 s to notice, 4 s to leave the queue) well within the 25 s a worker has to end. */
const GRACE_MS = 12_000

export interface WorkersOptions {
  readonly queues: Queues
  readonly runs: RunsRepository
  readonly carrier: Carrier
  readonly spawn: Enqueuer['spawn']
  readonly services: Services
  readonly jobs: JobRegistry
  readonly logger: Logger
  readonly metrics?: Pick<Metrics, 'jobEnded' | 'queueSeen'> | undefined
  /** Runs at once per queue. */
  readonly concurrency: number
  /** How long runs may go on after `close`. Default 12 s. */
  readonly graceMs?: number
}

export interface Workers {
  /** Resolves when each has looked for work once. */
  readonly ready: Promise<void>
  /** Takes nothing new, lets what runs end or hands it back, and leaves the queues. */
  close(): Promise<void>
}

export const startWorkers = (options: WorkersOptions): Workers => {
  const { queues, runs, carrier, jobs, logger } = options
  const executor = createExecutor(options)
  const reconciler = createReconciler({ runs, carrier, queues, logger })
  const names = [...new Set([...jobs.values()].map((job) => job.queue))]
  const workers = names.map((queue) =>
    queues.startWorker(queue, options.concurrency, (delivery) => executor.process(delivery)),
  )
  reconciler.start()
  const watch = options.metrics && watchQueues({ queues, metrics: options.metrics, logger })
  return {
    ready: Promise.all(workers.map((worker) => worker.ready)).then(() => undefined),
    close: async () => {
      watch?.close()
      await Promise.all(workers.map((worker) => worker.pause()))
      await executor.drain(options.graceMs ?? GRACE_MS)
      await Promise.all([...workers.map((worker) => worker.close()), reconciler.close()])
      executor.close()
    },
  }
}
