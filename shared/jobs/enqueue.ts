/** How everything outside the workers starts work. */
import type { Job } from './define-job.ts'

export type RunStatus = 'queued' | 'running' | 'succeeded' | 'partial' | 'failed' | 'skipped' | 'cancelled'

export interface RunTicket {
  readonly id: string
  readonly status: RunStatus
  /** False when the key was known and its run answers. */
  readonly created: boolean
}

export interface EnqueueOptions {
  readonly actor?: string
  readonly traceId?: string
  readonly parentId?: string
  readonly asOf?: Date
  /** Milliseconds to wait before the first try. */
  readonly delayMs?: number
}

/**
 * Records the run and its outbox mark in one transaction, then hands it to the queue. Returns when
 * Postgres has it: a queue that is down delays the work, it does not lose it.
 */
export type Enqueue = <P>(job: Job<P>, payload: P, options?: EnqueueOptions) => Promise<RunTicket>

/** One transaction and one addBulk for all. */
export type EnqueueMany = <P>(
  job: Job<P>,
  payloads: readonly P[],
  options?: EnqueueOptions,
) => Promise<readonly RunTicket[]>
