/**
 * A job is declared once; API, scheduler, workers and CLI import the same value.
 * `run` is one call into a service. Services do not know queues exist.
 */
import type { z } from 'zod'
import type { WorkContext, WorkOutcome } from '../core/work.ts'
import type { Services } from '../services.ts'
import type { RunTicket } from './enqueue.ts'

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
  /** Starts runs whose parent is this run, in one bulk enqueue; answers their tickets in order. */
  spawn<P>(job: Job<P>, payloads: readonly P[]): Promise<readonly RunTicket[]>
}

export interface JobSpec<Payload> {
  readonly name: string
  readonly queue: QueueName
  readonly payload: z.ZodType<Payload>
  readonly retry: Retry
  readonly timeoutMs: number
  /** Joined with `|` it is, with the job's name, the unique key of the run; the queue's job id is made of both. */
  key(payload: Payload): readonly (string | number)[]
  /** The config the run belongs to, so that lists and access can be scoped. */
  configId?(payload: Payload): number | null
  run(context: JobContext<Payload>, services: Services): Promise<WorkOutcome>
  /**
   * Runs that must have succeeded before `run` is called; those not known yet, or that failed, are started.
   * When one of them ends otherwise this run ends `skipped` (stale_data if that was why, else needs_failed).
   */
  needs?(payload: Payload): readonly Need[]
  /**
   * For a job that spawns children and answers only when all have ended: called once, fenced, after the
   * last child; `children` holds their summed counts and how many failed. Until then the run is `running`.
   * When `run` spawned nothing, its own outcome counts and `finish` is not called.
   */
  finish?(
    context: JobContext<Payload> & { readonly children: ChildrenSummary },
    services: Services,
  ): Promise<WorkOutcome>
}

export interface ChildrenSummary {
  readonly counts: { done: number; skipped: number; failed: number }
  readonly reasons: Readonly<Record<string, number>>
  readonly results: readonly Readonly<Record<string, unknown>>[]
  /** Children that ended failed or cancelled. */
  readonly failedRuns: number
}

export type Job<Payload> = JobSpec<Payload>

/** A job whose payload type is not known here; whoever runs it lets its own schema check the payload first. */
export type AnyJob = Job<unknown>

/** A run another one needs, whatever its payload. */
export interface Need {
  readonly job: AnyJob
  readonly payload: unknown
}

/** Checks that job and payload belong together. */
export const need = <Payload>(job: Job<Payload>, payload: Payload): Need => ({ job, payload })

export const defineJob = <Payload>(spec: JobSpec<Payload>): Job<Payload> => spec

/** Parts are escaped so that different parts never make the same key, and BullMQ takes it (no `:` in ids). */
const ESCAPED: Readonly<Record<string, string>> = { '%': '%25', '|': '%7C', ':': '%3A' }

/** Key parts joined by `|`: the run's key. */
export const joinKey = (parts: readonly (string | number)[]): string =>
  parts.map((part) => String(part).replace(/[%|:]/g, (sign) => ESCAPED[sign] ?? sign)).join('|')

/** An instant as a key part: `2026-03-11T02:59:59.000Z` becomes `20260311T025959Z` (milliseconds only if any). */
export const instantKey = (iso: string): string => iso.replace(/[-:]/g, '').replace(/\.0+(?=Z$)/, '')
