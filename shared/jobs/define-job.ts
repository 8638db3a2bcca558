/**
 * A job is declared once; API, scheduler, workers and CLI import the same value.
 * `run` is one call into a service. Services do not know queues exist.
 */
import type { z } from 'zod'
import type { WorkContext, WorkOutcome } from '../core/work.ts'
import type { Services } from '../services.ts'

export const QUEUES = ['training', 'ml', 'sync', 'maintenance', 'control'] as const
export type QueueName = (typeof QUEUES)[number]

export interface Retry {
  /** All tries, the first included. */
  readonly attempts: number
  /** First wait; doubles each time, with jitter, at most 600 s. */
  readonly delayMs: number
}

/** `run`'s context: what services get, plus the right to start runs of its own. */
export interface JobContext<Payload> extends WorkContext {
  readonly payload: Payload
  /** Starts runs whose parent is this run, in one bulk enqueue; answers their ids in order. */
  spawn<P>(job: Job<P>, payloads: readonly P[]): Promise<readonly string[]>
}

export interface JobSpec<Payload> {
  readonly name: string
  readonly queue: QueueName
  readonly payload: z.ZodType<Payload>
  readonly retry: Retry
  readonly timeoutMs: number
  /** Joined with `|` it is the queue's job id and, with the name, the unique key of the run. */
  readonly key: (payload: Payload) => readonly (string | number)[]
  /** The config the run belongs to, so that lists and access can be scoped. */
  readonly configId?: (payload: Payload) => number | null
  readonly run: (context: JobContext<Payload>, services: Services) => Promise<WorkOutcome>
  /**
   * For a job that spawns children and answers only when all have ended: called once, fenced, after the
   * last child; `children` holds their summed counts and how many failed. Until then the run is `running`.
   */
  readonly finish?: (
    context: JobContext<Payload> & { readonly children: ChildrenSummary },
    services: Services,
  ) => Promise<WorkOutcome>
}

export interface ChildrenSummary {
  readonly counts: { done: number; skipped: number; failed: number }
  readonly reasons: Readonly<Record<string, number>>
  readonly results: readonly Readonly<Record<string, unknown>>[]
  /** Children that ended failed or cancelled. */
  readonly failedRuns: number
}

export type Job<Payload> = JobSpec<Payload>

export const defineJob = <Payload>(spec: JobSpec<Payload>): Job<Payload> => spec

/** The id of a run in its queue: key parts joined by `|`. BullMQ refuses `:` and ids of digits only. */
export const joinKey = (parts: readonly (string | number)[]): string => parts.map(String).join('|')
