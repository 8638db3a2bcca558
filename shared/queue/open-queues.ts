/**
 * Opens the queues, on Redis when there is a URL of one, else in PostgreSQL: here and nowhere else is that
 * decided. The queues only carry ids of runs; whatever they lose is added again from PostgreSQL.
 */
import { DelayedError, UnrecoverableError, WaitingError } from 'bullmq'
import type { Job, JobsOptions, Queue, Telemetry, WorkerOptions } from 'bullmq'
import { messageOf } from '../core/errors.ts'
import { QUEUES } from '../jobs/define-job.ts'
import type { QueueName } from '../jobs/define-job.ts'
import type { Logger } from '../platform/logger.ts'
import type { Backend, WithoutConnection } from './backend.ts'
import { postgresBackend } from './postgres-backend.ts'
import type { Processor, QueueDepth, QueueJob, QueueWorker, Queues } from './queues.ts'
import { redisBackend } from './redis-backend.ts'
import { within } from './within.ts'

const ADD_MS = 3000
const READ_MS = 10_000
const BULK = 1000
const CLOSE_MS = 4000
const JOB_DATA_BYTES_MAX = 16 * 1024
/** The same error again is logged once in this time; a server that is down repeats itself. */
const QUIET_MS = 10_000

const KEPT: JobsOptions = {
  removeOnComplete: { age: 24 * 3600, count: 1000 },
  removeOnFail: { age: 7 * 24 * 3600 },
  sizeLimit: JOB_DATA_BYTES_MAX,
  // The verdict says how long to wait.
  backoff: { type: 'verdict' },
}

const LIVE = new Set(['waiting', 'active', 'delayed', 'prioritized', 'waiting-children', 'paused'])

/** Work of a killed worker is taken up by another within 15 s: the lock runs out, the next check finds it. */
const WORKER: WithoutConnection<WorkerOptions> = {
  lockDuration: 10_000,
  stalledInterval: 5000,
  maxStalledCount: 3,
  // After a connection error; BullMQ's own 15 s would leave a recovered server waiting.
  runRetryDelay: 1000,
  settings: {
    backoffStrategy: (_tries, _type, error) => (error instanceof TryAgain ? error.delayMs : 0),
  },
}

class TryAgain extends Error {
  readonly delayMs: number
  constructor(message: string, delayMs: number) {
    super(message)
    this.name = 'TryAgain'
    this.delayMs = delayMs
  }
}

/** What a queue job carries. */
interface JobData {
  readonly run_id: string
}

export interface QueuesOptions {
  /** Set: the queues live in this Redis. */
  readonly redisUrl?: string | undefined
  readonly databaseUrl: string
  readonly logger: Logger
  readonly telemetry?: Telemetry
  /** Keeps the queues of several systems in one Redis apart. Default: vigia */
  readonly prefix?: string
  /** The same in one PostgreSQL. Default: bullmq */
  readonly schema?: string
}

/** Connects in the background and reconnects for ever; `check` says whether there is somebody at the other end. */
export const openQueues = (options: QueuesOptions): Queues => {
  const logger = quietly(options.logger)
  const complain = (error: Error): void => logger.warn('queue trouble', { error: messageOf(error) })
  const backend: Backend =
    options.redisUrl === undefined
      ? postgresBackend({ url: options.databaseUrl, schema: options.schema ?? 'bullmq', onError: complain })
      : redisBackend({ url: options.redisUrl, prefix: options.prefix ?? 'vigia', logger })
  const traced = options.telemetry ? { telemetry: options.telemetry } : {}
  const queues = new Map(
    QUEUES.map((name) => [name, backend.queue(name, { defaultJobOptions: KEPT, ...traced })]),
  )
  for (const queue of queues.values()) queue.on('error', complain)

  const queueOf = (name: QueueName): Queue => {
    const queue = queues.get(name)
    if (!queue) throw new Error(`there is no queue ${name}`)
    return queue
  }
  const limited = <T>(limitMs: number, work: () => Promise<T>): Promise<T> => {
    if (!backend.reachable()) return Promise.reject(new Error(`no connection to ${backend.kind}`))
    return within(limitMs, backend.kind, work)
  }

  const startWorker = (name: QueueName, concurrency: number, process: Processor): QueueWorker => {
    const worker = backend.worker(
      name,
      async (job, token) => {
        await settle(job as Job<JobData>, token, process, name)
      },
      { ...WORKER, concurrency, ...traced },
    )
    worker.on('error', complain)
    worker.on('stalled', (id) => logger.warn('work of a lost worker was taken back', { queue: name, job_id: id }))
    return {
      pause: () => worker.pause(true),
      close: () =>
        within(CLOSE_MS, `worker of ${name}`, () => worker.close()).catch((error: unknown) =>
          logger.warn('a worker was left behind', { queue: name, error: messageOf(error) }),
        ),
    }
  }

  return {
    backend: backend.kind,
    board: [...queues.values()],
    startWorker,
    migrateSchema: () => backend.migrateSchema(),
    check: () => backend.check(),

    add: async (jobs) => {
      for (const [name, ofQueue] of byQueue(jobs)) {
        for (let start = 0; start < ofQueue.length; start += BULK) {
          const batch = ofQueue.slice(start, start + BULK)
          await limited(ADD_MS, () => queueOf(name).addBulk(batch.map(toBullJob)))
        }
      }
    },

    remove: async (jobs) => {
      await limited(READ_MS, () => Promise.all(jobs.map(({ queue, id }) => queueOf(queue).remove(id))))
    },

    states: async (name, ids) => {
      const queue = queueOf(name)
      const states = await limited(READ_MS, () => Promise.all(ids.map((id) => queue.getJobState(id))))
      const known = new Map<string, 'live' | 'ended'>()
      for (const [index, id] of ids.entries()) {
        const state = states[index]
        if (state !== undefined && state !== 'unknown') known.set(id, LIVE.has(state) ? 'live' : 'ended')
      }
      return known
    },

    depths: () =>
      limited(READ_MS, () => Promise.all([...queues].map(([name, queue]) => depthOf(name, queue)))),

    workersAlive: (name) => limited(READ_MS, () => queueOf(name).getWorkersCount()),

    close: async () => {
      await Promise.all(
        [...queues.values()].map((queue) =>
          within(CLOSE_MS, 'queue', () => queue.close()).catch((error: unknown) =>
            logger.debug('a queue was left behind', { queue: queue.name, error: messageOf(error) }),
          ),
        ),
      )
      await backend.close()
    },
  }
}

/** Runs the processor and tells BullMQ its verdict. */
const settle = async (
  job: Job<JobData>,
  token: string | undefined,
  process: Processor,
  queue: QueueName,
): Promise<void> => {
  const verdict = await process({
    queueJobId: job.id ?? '',
    queue,
    name: job.name,
    runId: job.data.run_id,
  })
  switch (verdict.kind) {
    case 'done':
      return
    case 'retry':
      throw new TryAgain(verdict.error, verdict.delayMs)
    case 'failed':
      throw new UnrecoverableError(verdict.error)
    case 'later':
      await job.moveToDelayed(Date.now() + verdict.delayMs, token)
      throw new DelayedError()
    case 'hand back':
      await job.moveToWait(token)
      throw new WaitingError()
  }
}

const toBullJob = (job: QueueJob): { name: string; data: JobData; opts: JobsOptions } => ({
  name: job.name,
  data: { run_id: job.runId },
  opts: { ...KEPT, jobId: job.id, attempts: job.attempts, delay: job.delayMs },
})

const byQueue = (jobs: readonly QueueJob[]): ReadonlyMap<QueueName, QueueJob[]> => {
  const groups = new Map<QueueName, QueueJob[]>()
  for (const job of jobs) {
    const group = groups.get(job.queue)
    if (group) group.push(job)
    else groups.set(job.queue, [job])
  }
  return groups
}

const depthOf = async (name: QueueName, queue: Queue): Promise<QueueDepth> => {
  const [counts, [next]] = await Promise.all([
    queue.getJobCounts(),
    queue.getJobs(['waiting'], 0, 0, true),
  ])
  const count = (state: string): number => counts[state] ?? 0
  return {
    queue: name,
    // A paused queue's jobs count as waiting on Redis and as paused on PostgreSQL.
    waiting: count('waiting') + count('paused') + count('prioritized'),
    delayed: count('delayed'),
    active: count('active'),
    failed: count('failed'),
    oldestWaitingS: next ? Math.max(0, Date.now() - next.timestamp) / 1000 : 0,
  }
}

/** A logger that says the same warning once per QUIET_MS. */
const quietly = (logger: Logger): Logger => {
  const said = new Map<string, number>()
  return {
    ...logger,
    warn: (message, fields) => {
      const text = `${message} ${JSON.stringify(fields ?? {})}`
      const now = performance.now()
      if (now - (said.get(text) ?? -Infinity) < QUIET_MS) return
      if (said.size > 100) said.clear()
      said.set(text, now)
      logger.warn(message, fields)
    },
  }
}
