/**
 * Opens the queues, on Redis when there is a URL of one, else in PostgreSQL: here and nowhere else is that
 * decided. The queues only carry ids of runs; whatever they lose is added again from PostgreSQL.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { DelayedError, SchemaMigrationRequiredError, UnrecoverableError, WaitingError } from 'bullmq'
import type { Job, JobType, JobsOptions, Queue, QueueOptions, Telemetry, Worker, WorkerOptions } from 'bullmq'
import { AppError, messageOf } from '../core/errors.ts'
import { QUEUES } from '../jobs/define-job.ts'
import type { QueueName } from '../jobs/define-job.ts'
import type { Logger } from '../platform/logger.ts'
import type { Backend, WithoutConnection } from './backend.ts'
import { migratePostgres, postgresBackend } from './postgres-backend.ts'
import type { Processor, QueueDepth, QueueJob, QueueWorker, Queues } from './queues.ts'
import { redisBackend } from './redis-backend.ts'
import { within } from '../core/within.ts'

const ADD_MS = 3000
const READ_MS = 10_000
const BULK = 1000
const CHECK_MS = 3000
const CLOSE_MS = 4000
const RESTART_MS = 1000
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

const ENDED = new Set(['completed', 'failed'])

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
  readonly telemetry?: Telemetry | undefined
  /** Keeps the queues of several systems in one Redis apart. */
  readonly prefix?: string
  /** The same in one PostgreSQL. */
  readonly schema?: string
  /** How long to wait for a server that does not answer yet. Default 30 s */
  readonly patienceMs?: number
}

const PREFIX = 'vigia'
const SCHEMA = 'bullmq'
const PATIENCE_MS = 30_000

/** BullMQ's schema in PostgreSQL to the newest version; nothing to do on Redis. */
export const migrateQueues = async (
  options: Pick<QueuesOptions, 'redisUrl' | 'databaseUrl' | 'schema'>,
): Promise<void> => {
  if (options.redisUrl !== undefined) return
  await migratePostgres({ url: options.databaseUrl, schema: options.schema ?? SCHEMA })
}

/**
 * Redis is connected to in the background, for ever: runs are recorded without it. PostgreSQL is waited for.
 * @throws AppError STORAGE_UNAVAILABLE when PostgreSQL does not answer in time or BullMQ's schema is missing
 */
export const openQueues = async (options: QueuesOptions): Promise<Queues> => {
  const logger = quietly(options.logger)
  const complain = (error: Error): void => logger.warn('queue trouble', { error: messageOf(error) })
  const { redisUrl, databaseUrl, prefix = PREFIX, schema = SCHEMA, patienceMs = PATIENCE_MS } = options
  const connect = (): Backend =>
    redisUrl === undefined
      ? postgresBackend({ url: databaseUrl, schema, onError: complain })
      : redisBackend({ url: redisUrl, prefix, logger })
  const traced = options.telemetry ? { telemetry: options.telemetry } : {}
  const { backend, queues } = await openAll(
    connect,
    { defaultJobOptions: KEPT, ...traced },
    complain,
    patienceMs,
  )

  const queueOf = (name: QueueName): Queue => {
    const queue = queues.get(name)
    if (!queue) throw new Error(`there is no queue ${name}`)
    return queue
  }
  const limited = <T>(limitMs: number, work: () => Promise<T>): Promise<T> => {
    if (!backend.reachable()) return Promise.reject(new Error(`no connection to ${backend.server}`))
    return within(limitMs, backend.server, work)
  }

  const startWorker = (name: QueueName, concurrency: number, process: Processor): QueueWorker => {
    let ending = false
    let worker: Worker
    let restart: NodeJS.Timeout | undefined
    let looked = (): void => {}
    const ready = new Promise<void>((resolve) => {
      looked = resolve
    })
    const start = (): void => {
      const starting = backend.worker(
        name,
        (job, token) => settle(job as Job<JobData>, token, process, name),
        { ...WORKER, concurrency, ...traced },
      )
      starting.on('error', complain)
      starting.on('stalled', (id) =>
        logger.warn('work of a lost worker was taken back', { queue: name, job_id: id }),
      )
      // It says one or the other of its first look.
      starting.once('drained', looked)
      starting.once('active', looked)
      worker = starting
      if (!backend.startsOnlyWithServer) return
      starting.waitUntilReady().catch(async () => {
        await closeQuietly(starting)
        if (!ending) restart = setTimeout(start, RESTART_MS)
      })
    }
    const closeQuietly = (closing: Worker): Promise<void> =>
      within(CLOSE_MS, `worker of ${name}`, () => closing.close(!backend.reachable())).catch(
        (error: unknown) => logger.warn('a worker was left behind', { queue: name, error: messageOf(error) }),
      )
    start()
    return {
      ready,
      pause: async () => {
        ending = true
        clearTimeout(restart)
        await worker.pause(true)
      },
      close: async () => {
        ending = true
        clearTimeout(restart)
        await closeQuietly(worker)
      },
    }
  }

  return {
    backend: backend.kind,
    board: [...queues.values()],
    startWorker,

    check: () => check(backend, queueOf('control')),

    ready: async () => {
      const deadline = performance.now() + patienceMs
      for (;;) {
        try {
          await check(backend, queueOf('control'))
          return
        } catch (error) {
          const unfit = error instanceof AppError && !(error.cause instanceof Error)
          if (unfit || performance.now() > deadline) throw error
          logger.warn(`${messageOf(error)}; trying again`)
          await delay(RESTART_MS)
        }
      }
    },

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
        if (state !== undefined && state !== 'unknown') known.set(id, ENDED.has(state) ? 'ended' : 'live')
      }
      return known
    },

    depths: () =>
      limited(READ_MS, () => Promise.all([...queues].map(([name, queue]) => depthOf(name, queue)))),

    workersAlive: (name) => limited(READ_MS, () => queueOf(name).getWorkersCount()),

    close: async () => {
      await closeAll([...queues.values()])
      await backend.close()
    },
  }
}

const check = async (backend: Backend, queue: Queue): Promise<void> => {
  try {
    await within(CHECK_MS, backend.server, async () => {
      await backend.inspect()
      await queue.getJobCounts('waiting')
    })
  } catch (error) {
    throw error instanceof AppError ? error : noAnswer(backend, error)
  }
}

const noAnswer = ({ kind, server }: Backend, error: unknown): AppError => {
  const what =
    kind === 'redis'
      ? `Redis at ${server} does not answer (${messageOf(error)}); check REDIS_URL and that the server runs`
      : `the queues in PostgreSQL at ${server} cannot be used (${messageOf(error)}); check DATABASE_URL and run "vigia migrate"`
  return new AppError('STORAGE_UNAVAILABLE', what, {}, { cause: error })
}

const closeAll = async (queues: readonly Queue[]): Promise<void> => {
  // A connection that is gone cannot be left politely.
  await Promise.all(queues.map((queue) => within(CLOSE_MS, queue.name, () => queue.close()).catch(() => {})))
}

/** Opens all queues; again and again while their server may still come. */
const openAll = async (
  connect: () => Backend,
  options: WithoutConnection<QueueOptions>,
  complain: (error: Error) => void,
  patienceMs: number,
): Promise<{ backend: Backend; queues: ReadonlyMap<QueueName, Queue> }> => {
  const deadline = performance.now() + patienceMs
  for (;;) {
    const backend = connect()
    const queues = new Map(QUEUES.map((name) => [name, backend.queue(name, options)]))
    const all = [...queues.values()]
    for (const queue of all) queue.on('error', complain)
    if (!backend.startsOnlyWithServer) return { backend, queues }
    try {
      await Promise.all(all.map((queue) => queue.waitUntilReady()))
      return { backend, queues }
    } catch (error) {
      await closeAll(all)
      await backend.close()
      const hopeless = error instanceof SchemaMigrationRequiredError
      if (hopeless || performance.now() > deadline) throw noAnswer(backend, error)
      await delay(RESTART_MS)
    }
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

/** A paused queue's jobs count as `paused` on PostgreSQL, a state BullMQ's types do not know. */
const STATES = ['waiting', 'paused', 'prioritized', 'delayed', 'active', 'failed'] as JobType[]

const depthOf = async (name: QueueName, queue: Queue): Promise<QueueDepth> => {
  const [counts, [next]] = await Promise.all([
    queue.getJobCounts(...STATES),
    queue.getJobs(['waiting'], 0, 0, true),
  ])
  const count = (state: string): number => counts[state] ?? 0
  return {
    queue: name,
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
