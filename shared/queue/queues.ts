/** Transport of runs to workers: BullMQ on Redis or on PostgreSQL. */
import type { Queue } from 'bullmq'
import type { QueueName } from '../jobs/define-job.ts'

/** A run on its way to a worker. */
export interface QueueJob {
  readonly id: string
  readonly queue: QueueName
  /** The job's name. */
  readonly name: string
  readonly runId: string
  /** Tries left, this one included. */
  readonly attempts: number
  readonly delayMs: number
}

/** A run that reached a worker. */
export interface Delivery {
  readonly queueJobId: string
  readonly queue: QueueName
  readonly name: string
  readonly runId: string
}

/** What becomes of a delivery. */
export type Verdict =
  | { readonly kind: 'done' }
  /** One try used up; the next after `delayMs`. */
  | { readonly kind: 'retry'; readonly delayMs: number; readonly error: string }
  /** To the failed set. */
  | { readonly kind: 'failed'; readonly error: string }
  /** Delivered again after `delayMs`; uses up no try. */
  | { readonly kind: 'later'; readonly delayMs: number }
  /** Delivered again at once, to another worker; uses up no try. */
  | { readonly kind: 'hand back' }

/** Must not reject; what goes wrong is a verdict too. */
export type Processor = (delivery: Delivery) => Promise<Verdict>

export interface QueueWorker {
  /** Resolves when it has looked for work once: from then on it takes jobs as they come. */
  readonly ready: Promise<void>
  /** Takes nothing new; what runs goes on. */
  pause(): Promise<void>
  /** Waits for what runs, at most a few seconds: let it end before. */
  close(): Promise<void>
}

export interface QueueDepth {
  readonly queue: QueueName
  readonly waiting: number
  readonly delayed: number
  readonly active: number
  readonly failed: number
  /** Seconds the next waiting job has waited; 0 when none waits. */
  readonly oldestWaitingS: number
}

export interface Queues {
  readonly backend: 'redis' | 'postgres'
  /** For Bull Board. */
  readonly board: readonly Queue[]
  /** Adds all in bulk; ids the queue already has are left as they are. Rejects when it takes too long. */
  add(jobs: readonly QueueJob[]): Promise<void>
  remove(jobs: readonly Pick<QueueJob, 'id' | 'queue'>[]): Promise<void>
  /** Of `ids`, what the queue knows: on its way (`live`), ended and kept (`ended`); unknown ones are absent. */
  states(queue: QueueName, ids: readonly string[]): Promise<ReadonlyMap<string, 'live' | 'ended'>>
  startWorker(queue: QueueName, concurrency: number, process: Processor): QueueWorker
  depths(): Promise<readonly QueueDepth[]>
  workersAlive(queue: QueueName): Promise<number>
  /** @throws AppError STORAGE_UNAVAILABLE with what to do when the queues cannot be relied on */
  check(): Promise<void>
  /**
   * Waits for a server that does not answer yet, as long as `openQueues` was told to be patient.
   * @throws AppError STORAGE_UNAVAILABLE, at once when the server answers but must not be relied on
   */
  ready(): Promise<void>
  close(): Promise<void>
}
