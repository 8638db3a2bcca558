/**
 * Executes runs: claims a run under a lease, runs its job with a signal that aborts on cancel, timeout, lost
 * fence and shutdown, and writes how it ended. The queue hears a verdict; PostgreSQL is told first.
 *
 * Stages of `process`: claim, meet the job's needs, call `run` or `finish`, end. Beside it `pulse` renews the leases of everything
 * under way and looks for cancel requests, twice a second while there is something.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { AppError, ERRORS, messageOf } from '../shared/core/errors.ts'
import { FenceLost } from '../shared/core/work.ts'
import type { Fence, RunCounts, WorkOutcome } from '../shared/core/work.ts'
import type { JobRegistry } from '../shared/jobs/all.ts'
import type { AnyJob, JobContext, Need, Retry } from '../shared/jobs/define-job.ts'
import type { EnqueueOptions, RunStatus } from '../shared/jobs/enqueue.ts'
import type { Enqueuer } from '../shared/jobs/enqueuer.ts'
import type { Logger } from '../shared/platform/logger.ts'
import type { Metrics } from '../shared/platform/metrics.ts'
import type { Delivery, Verdict } from '../shared/queue/queues.ts'
import type { Carrier } from '../shared/runs/carrier.ts'
import type { ClaimedRun, Conclusion, Run, RunsRepository } from '../shared/runs/run.ts'
import type { Services } from '../shared/services.ts'

const LEASE_MS = 8000
const PULSE_MS = 500
const PROGRESS_MS = 250
/** How long work may take to notice that it is aborted; then it goes on without effect. */
const ABANDON_MS = 3000
const RETRY_MS_MAX = 600_000
/** Workers that may die of one run before it counts as failed; as many stalls as the queue forgives. */
const DEATHS_MAX = 3
const UNKNOWN_JOB_MS = 10_000
const STORE_DOWN_MS = 3000
const ERROR_LENGTH = 2000
const DONE: Verdict = { kind: 'done' }
const HAND_BACK: Verdict = { kind: 'hand back' }

type AbortKind = 'cancelled' | 'timed out' | 'shutting down' | 'fence lost'

/** Why a run's signal aborted. */
export class RunAborted extends Error {
  readonly kind: AbortKind
  constructor(kind: AbortKind, message: string) {
    super(message)
    this.name = 'RunAborted'
    this.kind = kind
  }
}

export interface Executor {
  process(delivery: Delivery): Promise<Verdict>
  /** Runs under way in this process. */
  readonly active: () => number
  /**
   * Waits until everything under way has ended, at most `graceMs`; what has not is aborted and handed back
   * within a few seconds. Deliveries from now on are handed back.
   */
  drain(graceMs: number): Promise<void>
  /** After `drain`: ends the pulse. */
  close(): void
}

export interface ExecutorParts {
  readonly runs: RunsRepository
  readonly carrier: Carrier
  readonly spawn: Enqueuer['spawn']
  readonly jobs: JobRegistry
  readonly services: Services
  readonly logger: Logger
  /** Counts how executions end: as a status of the run, or `retried`, `handed back`, `lost`, `waiting for others`. */
  readonly metrics?: Pick<Metrics, 'jobEnded'> | undefined
}

/** One entity that failed does not stop what builds on the others. */
const MEETS_NEEDS: ReadonlySet<RunStatus> = new Set(['succeeded', 'partial'])

/** What runs started on behalf of a run take over from it. */
const inheritedFrom = ({ actor, traceId, asOf }: Run, parentId: string | null): EnqueueOptions => ({
  actor,
  ...(parentId ? { parentId } : {}),
  ...(traceId ? { traceId } : {}),
  ...(asOf ? { asOf } : {}),
})

interface Execution {
  readonly fence: Fence
  readonly abort: AbortController
  readonly ended: Promise<void>
}

/** Doubles with every failed try, +/- 20% so that what failed together does not return together. */
export const backoffMs = ({ delayMs }: Retry, failedTries: number, random: number): number =>
  Math.round(Math.min(delayMs * 2 ** (failedTries - 1) * (0.8 + 0.4 * random), RETRY_MS_MAX))

/** Whether another try of the same work can end better. */
export const isWorthRetrying = (error: unknown): boolean => {
  if (error instanceof AppError) return ERRORS[error.code].retry
  return !(error instanceof z.core.$ZodError)
}

/** The text of an error as runs keep it. */
const errorText = (error: unknown): string => {
  const code = error instanceof AppError ? `${error.code}: ` : ''
  return `${code}${messageOf(error)}`.replaceAll('\0', '').slice(0, ERROR_LENGTH)
}

export const createExecutor = (parts: ExecutorParts): Executor => {
  const { runs, carrier, jobs, services } = parts
  const executions = new Set<Execution>()
  let draining = false

  const pulse = async (): Promise<void> => {
    const underWay = [...executions]
    if (underWay.length === 0) return
    const pulses = await runs.pulse(
      underWay.map(({ fence }) => fence),
      LEASE_MS,
    )
    const byRun = new Map(pulses.map((found) => [`${found.runId}|${found.attempt}`, found]))
    for (const { fence, abort } of underWay) {
      const found = byRun.get(`${fence.runId}|${fence.attempt}`)
      if (found && !found.ours) abort.abort(new RunAborted('fence lost', new FenceLost(fence).message))
      else if (found?.cancelRequested) abort.abort(new RunAborted('cancelled', 'the run was cancelled'))
    }
  }
  let pulsing = false
  const heart = setInterval(() => {
    if (pulsing) return
    pulsing = true
    pulse()
      .catch((error: unknown) => parts.logger.warn('leases were not renewed', { error: messageOf(error) }))
      .finally(() => {
        pulsing = false
      })
  }, PULSE_MS)
  heart.unref()

  /** Ends the run in PostgreSQL; false when the fence was lost. */
  const conclude = async (fence: Fence, conclusion: Conclusion): Promise<boolean> => {
    const { written, woken } = await patiently(() => runs.conclude(fence, conclusion))
    await carrier.deliver(woken)
    return written
  }

  /**
   * Starts what the run builds on where that is not done yet. Null when all of it succeeded.
   * What failed is started again once per start of the run that needs it: here, before it waits.
   */
  const meetNeeds = async (
    { run, fence }: ClaimedRun,
    needs: readonly Need[],
  ): Promise<WorkOutcome | 'waiting for others' | null> => {
    const known = await runs.needsOf(run.id)
    const ids = known.map(({ id }) => id)
    // They belong to whoever started this run: cancelling one of those that need them leaves them be.
    const options = inheritedFrom(run, run.parentId)
    for (const { job, payload } of ids.length > 0 ? [] : needs) {
      ids.push(...(await parts.spawn(job, [payload], options, fence)).map((ticket) => ticket.id))
    }
    const state = await runs.awaitNeeds(fence, ids)
    if (state === 'lost') throw new FenceLost(fence)
    if (state === 'waiting') return 'waiting for others'
    const unmet = (await runs.needsOf(run.id)).filter(({ status }) => !MEETS_NEEDS.has(status))
    if (unmet.length === 0) return null
    const reason = unmet.some(({ reasons }) => reasons['stale_data']) ? 'stale_data' : 'needs_failed'
    return {
      status: 'skipped',
      counts: { done: 0, skipped: 1, failed: 0 },
      reasons: { [reason]: 1 },
      result: { unmet: unmet.map(({ job, id, status }) => ({ job, run_id: id, status })) },
    }
  }

  const call = async (
    job: AnyJob,
    claimed: ClaimedRun,
    abort: AbortController,
    logger: Logger,
  ): Promise<WorkOutcome | 'waiting for others'> => {
    const { run, fence } = claimed
    const payload = job.payload.parse(run.payload)
    const needs = run.phase === 'run' ? (job.needs?.(payload) ?? []) : []
    if (needs.length > 0) {
      const unmet = await meetNeeds(claimed, needs)
      if (unmet) return unmet
    }
    const reporter = createReporter(runs, fence, logger)
    let spawned = false
    const context: JobContext<unknown> = {
      payload,
      signal: abort.signal,
      fence,
      logger,
      progress: reporter.report,
      spawn: async (child, payloads) => {
        abort.signal.throwIfAborted()
        spawned ||= payloads.length > 0
        return parts.spawn(child, payloads, inheritedFrom(run, run.id), fence)
      },
    }
    try {
      if (run.phase !== 'finish') {
        const outcome = await job.run(context, services)
        if (!job.finish || !spawned) return outcome
        const children = await runs.awaitChildren(fence, outcome)
        if (children === 'lost') throw new FenceLost(fence)
        if (children === 'waiting') return 'waiting for others'
      }
      if (!job.finish) throw new Error(`${job.name} has no finish step`)
      return await job.finish({ ...context, children: await runs.childrenOf(run.id) }, services)
    } finally {
      reporter.close()
    }
  }

  /** Runs the job; settles soon after the signal aborts even if the job does not notice. */
  const callUnderLimits = async (
    job: AnyJob,
    claimed: ClaimedRun,
    abort: AbortController,
    logger: Logger,
  ): Promise<WorkOutcome | 'waiting for others'> => {
    const limit = setTimeout(() => {
      abort.abort(new RunAborted('timed out', `${job.name} took longer than ${job.timeoutMs / 1000} s`))
    }, job.timeoutMs)
    const work = call(job, claimed, abort, logger)
    // Nobody may be waiting for it any more when it fails.
    work.catch(() => {})
    const abandoned = new Promise<never>((_, reject) => {
      abort.signal.addEventListener('abort', () => {
        setTimeout(() => reject(abort.signal.reason as Error), ABANDON_MS).unref()
      })
    })
    abandoned.catch(() => {})
    try {
      return await Promise.race([work, abandoned])
    } finally {
      clearTimeout(limit)
    }
  }

  const fail = async (
    job: AnyJob,
    { fence, tries }: ClaimedRun,
    error: unknown,
    logger: Logger,
  ): Promise<[verdict: Verdict, outcome: string]> => {
    const text = errorText(error)
    const failedTries = tries + 1
    if (failedTries < job.retry.attempts && isWorthRetrying(error)) {
      const delayMs = backoffMs(job.retry, failedTries, Math.random())
      logger.warn('a try failed, trying again', { error: text, tries: failedTries, delay_ms: delayMs })
      const written = await patiently(() => runs.retryLater(fence, text, delayMs))
      return written ? [{ kind: 'retry', delayMs, error: text }, 'retried'] : [DONE, 'lost']
    }
    logger.error('the run failed', {
      error: text,
      tries: failedTries,
      stack: error instanceof Error && !(error instanceof AppError) ? error.stack : undefined,
    })
    const written = await conclude(fence, { status: 'failed', outcome: null, error: text })
    return written ? [{ kind: 'failed', error: text }, 'failed'] : [DONE, 'lost']
  }

  const execute = async (
    job: AnyJob,
    claimed: ClaimedRun,
    abort: AbortController,
    logger: Logger,
  ): Promise<[verdict: Verdict, outcome: string]> => {
    const { run, fence, deaths } = claimed
    const cancelled = async (): Promise<[Verdict, string]> => {
      const written = await conclude(fence, { status: 'cancelled', outcome: null, error: null })
      return [DONE, written ? 'cancelled' : 'lost']
    }
    if (run.cancelRequested) return cancelled()
    if (deaths > DEATHS_MAX) {
      const error = `${deaths} workers in a row died while they ran this`
      logger.error('the run failed', { error })
      const written = await conclude(fence, { status: 'failed', outcome: null, error })
      return written ? [{ kind: 'failed', error }, 'failed'] : [DONE, 'lost']
    }
    try {
      const outcome = await callUnderLimits(job, claimed, abort, logger)
      if (outcome === 'waiting for others') return [DONE, outcome]
      const { status } = outcome
      const error = status === 'failed' ? (outcome.error ?? 'nothing succeeded') : null
      if (!(await conclude(fence, { status, outcome, error }))) return [DONE, 'lost']
      logger.info('run ended', { status, counts: outcome.counts, reasons: outcome.reasons })
      return [error === null ? DONE : { kind: 'failed', error }, status]
    } catch (error) {
      const reason: unknown = abort.signal.reason
      const kind = reason instanceof RunAborted ? reason.kind : null
      if (error instanceof FenceLost || kind === 'fence lost') {
        logger.warn('the run is another execution’s; nothing was written')
        return [DONE, 'lost']
      }
      if (kind === 'cancelled') return cancelled()
      if (kind === 'shutting down') {
        const written = await patiently(() => runs.handBack(fence))
        return [written ? HAND_BACK : DONE, written ? 'handed back' : 'lost']
      }
      return fail(job, claimed, kind === 'timed out' ? reason : error, logger)
    }
  }

  const process = async (delivery: Delivery): Promise<Verdict> => {
    if (draining) return HAND_BACK
    const job = jobs.get(delivery.name)
    if (!job) {
      parts.logger.warn('no such job in this version; left for another', { job: delivery.name })
      return { kind: 'later', delayMs: UNKNOWN_JOB_MS }
    }
    const claim = await runs.claim(delivery.runId, LEASE_MS)
    if (claim.kind === 'nothing') return DONE
    if (claim.kind === 'leased') return { kind: 'later', delayMs: Math.ceil(claim.untilMs) + 100 }
    const { run, fence } = claim.claimed
    const logger = parts.logger.child({
      run_id: run.id,
      job: run.job,
      config_id: run.configId ?? undefined,
      trace_id: run.traceId ?? undefined,
      attempt: fence.attempt,
    })
    const abort = new AbortController()
    const started = performance.now()
    const work = execute(job, claim.claimed, abort, logger)
    const execution = { fence, abort, ended: work.then(ignore, ignore) }
    executions.add(execution)
    try {
      const [verdict, outcome] = await work
      parts.metrics?.jobEnded(run.queue, run.job, outcome, (performance.now() - started) / 1000)
      return verdict
    } finally {
      executions.delete(execution)
    }
  }

  return {
    process: async (delivery) => {
      try {
        return await process(delivery)
      } catch (error) {
        // PostgreSQL did not take the claim or the end. The run stays open and is met again.
        parts.logger.error('a run could not be recorded', {
          run_id: delivery.runId,
          error: messageOf(error),
        })
        return { kind: 'later', delayMs: STORE_DOWN_MS }
      }
    },
    active: () => executions.size,
    drain: async (graceMs) => {
      draining = true
      const allEnded = (): Promise<unknown> => Promise.all([...executions].map(({ ended }) => ended))
      const grace = new AbortController()
      await Promise.race([allEnded(), delay(graceMs, undefined, { signal: grace.signal }).catch(ignore)])
      grace.abort()
      for (const { abort } of executions) {
        abort.abort(new RunAborted('shutting down', 'the worker is shutting down'))
      }
      await allEnded()
    },
    close: () => clearInterval(heart),
  }
}

const ignore = (): void => {}

/** Repeats what PostgreSQL did not answer, for about as long as a failover takes. */
const patiently = async <T>(write: () => Promise<T>): Promise<T> => {
  for (const waitMs of [200, 400, 800, 1600, 3200]) {
    try {
      return await write()
    } catch {
      await delay(waitMs)
    }
  }
  return write()
}

interface Reporter {
  readonly report: (fraction: number, counts?: Partial<RunCounts>) => void
  /** After it nothing new is written; a write under way meets a run that has ended. */
  readonly close: () => void
}

/** Writes progress at most every PROGRESS_MS, always the newest. */
const createReporter = (runs: RunsRepository, fence: Fence, logger: Logger): Reporter => {
  let counts: RunCounts | null = null
  let latest: number | null = null
  let pause: NodeJS.Timeout | null = null
  let closed = false
  const write = (): void => {
    if (latest === null || closed) {
      pause = null
      return
    }
    const fraction = latest
    latest = null
    pause = setTimeout(write, PROGRESS_MS).unref()
    runs.progress(fence, fraction, counts).catch((error: unknown) => {
      logger.debug('progress was not written', { error: messageOf(error) })
    })
  }
  return {
    report: (fraction, partial) => {
      if (Number.isNaN(fraction)) return
      latest = Math.min(1, Math.max(0, fraction))
      if (partial) counts = { ...(counts ?? { done: 0, skipped: 0, failed: 0 }), ...partial }
      if (!pause) write()
    },
    close: () => {
      closed = true
      if (pause) clearTimeout(pause)
    },
  }
}
