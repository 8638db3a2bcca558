/**
 * What a service gets from the run it works for, without knowing that queues exist.
 */
import type { Logger } from '../platform/logger.ts'

/**
 * Names the one execution that may write effects. A run that was handed to another worker has a newer
 * attempt; repositories check the fence inside the transaction that writes (`assertFence` in db).
 */
export interface Fence {
  readonly runId: string
  readonly attempt: number
}

export interface RunCounts {
  done: number
  skipped: number
  failed: number
}

export interface WorkContext {
  /** Aborts on cancel, timeout and shutdown. Services check it between batches: `signal.throwIfAborted()`. */
  readonly signal: AbortSignal
  readonly fence: Fence
  readonly logger: Logger
  /** Records how far the run is, 0..1. Cheap to call often: writes are throttled. */
  progress(fraction: number, counts?: Partial<RunCounts>): void
}

/** How a run ended when it did not throw. */
export interface WorkOutcome {
  readonly status: 'succeeded' | 'partial' | 'failed' | 'skipped'
  readonly counts: RunCounts
  /** Number of entities (or other units) per reason, e.g. `{ insufficient_data: 3 }`. */
  readonly reasons: Readonly<Record<string, number>>
  /** Small facts for the reader of the run; wire form. */
  readonly result?: Readonly<Record<string, unknown>>
  readonly error?: string
}

/** Thrown inside a transaction whose run was handed to another execution: the effects roll back. */
export class FenceLost extends Error {
  constructor(fence: Fence) {
    super(`run ${fence.runId} is no longer at attempt ${fence.attempt}`)
    this.name = 'FenceLost'
  }
}
