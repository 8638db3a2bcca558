/** The machinery of jobs over a real database and a real queue, in this process or in one of its own. */
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import type { Knex } from 'knex'
import { runs as runsRepository } from '../../db/repositories/runs.ts'
import { systemClock } from '../../shared/core/clock.ts'
import { createEnqueuer } from '../../shared/jobs/enqueuer.ts'
import type { Enqueuer } from '../../shared/jobs/enqueuer.ts'
import { silentLogger } from '../../shared/platform/logger.ts'
import type { Logger } from '../../shared/platform/logger.ts'
import { migrateQueues, openQueues } from '../../shared/queue/open-queues.ts'
import type { Queues } from '../../shared/queue/queues.ts'
import { createCarrier } from '../../shared/runs/carrier.ts'
import type { Carrier } from '../../shared/runs/carrier.ts'
import { createReconciler } from '../../shared/runs/reconciler.ts'
import type { Reconciler } from '../../shared/runs/reconciler.ts'
import type { RunsRepository } from '../../shared/runs/run.ts'
import { createRunsService } from '../../shared/runs/runs-service.ts'
import type { RunsService } from '../../shared/runs/runs-service.ts'
import { startWorkers } from '../../workers/start.ts'
import type { Workers } from '../../workers/start.ts'
import { testJobs, testServices } from './test-jobs.ts'

export interface JobSystemOptions {
  readonly knex: Knex
  readonly databaseUrl: string
  readonly redisUrl: string | undefined
  readonly prefix: string
  readonly logger?: Logger
}

export interface JobSystem extends Enqueuer {
  readonly queues: Queues
  readonly runs: RunsRepository
  readonly service: RunsService
  readonly carrier: Carrier
  readonly reconciler: Reconciler
  work(options?: { readonly graceMs?: number; readonly concurrency?: number }): Workers
  close(): Promise<void>
}

export const openJobSystem = async (options: JobSystemOptions): Promise<JobSystem> => {
  const { knex, databaseUrl, redisUrl, prefix } = options
  const logger = options.logger ?? silentLogger
  await migrateQueues({ redisUrl, databaseUrl })
  const queues = await openQueues({ redisUrl, databaseUrl, prefix, logger })
  const runs = runsRepository(knex)
  const carrier = createCarrier({ runs, queues, jobs: testJobs, logger })
  const enqueuer = createEnqueuer({ runs, carrier, clock: systemClock })
  const workers: Workers[] = []
  return {
    ...enqueuer,
    queues,
    runs,
    carrier,
    service: createRunsService({ runs, carrier, logger }),
    reconciler: createReconciler({ runs, carrier, queues, logger }),
    work: ({ graceMs = 12_000, concurrency = 4 } = {}) => {
      const started = startWorkers({
        queues,
        runs,
        carrier,
        spawn: enqueuer.spawn,
        services: testServices(knex),
        jobs: testJobs,
        logger,
        concurrency,
        graceMs,
      })
      workers.push(started)
      return started
    },
    close: async () => {
      await Promise.all(workers.map((started) => started.close()))
      await queues.close()
    },
  }
}

/** A worker process of its own; resolves when it takes work. */
export const forkWorker = async (
  options: Omit<JobSystemOptions, 'knex' | 'logger'>,
): Promise<ChildProcess> => {
  const child = fork(new URL('./worker-process.js', import.meta.url), [JSON.stringify(options)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  await new Promise<void>((resolve, reject) => {
    child.once('message', () => resolve())
    child.once('exit', (code, signal) => reject(new Error(`the worker ended with ${code ?? signal}`)))
  })
  return child
}

/** Resolves with the exit code, or the signal that killed it. */
export const ended = (child: ChildProcess): Promise<number | string | null> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve(child.exitCode ?? child.signalCode)
    else child.once('exit', (code, signal) => resolve(code ?? signal))
  })
