/** Starts work: checks the payload, records the run, hands it to the queue. */
import { AppError } from '../core/errors.ts'
import type { Clock } from '../core/clock.ts'
import type { Fence } from '../core/work.ts'
import type { Carrier } from '../runs/carrier.ts'
import type { RecordedRun, RunDraft, RunsRepository } from '../runs/run.ts'
import { newRunId } from '../runs/run-id.ts'
import { joinKey } from './define-job.ts'
import type { Job } from './define-job.ts'
import type { Enqueue, EnqueueMany, EnqueueOptions, RunTicket } from './enqueue.ts'

/** 500 entity ids of 100 characters fit. The queue itself only carries the run's id. */
const PAYLOAD_BYTES_MAX = 128 * 1024
/** Neither can be stored by PostgreSQL: NUL, and halves of surrogate pairs. */
const UNSTORABLE = /[\0\p{Surrogate}]/u

const hasUnstorableText = (value: unknown): boolean => {
  if (typeof value === 'string') return UNSTORABLE.test(value)
  if (Array.isArray(value)) return value.some(hasUnstorableText)
  if (value === null || typeof value !== 'object') return false
  return Object.entries(value).some(([key, inner]) => UNSTORABLE.test(key) || hasUnstorableText(inner))
}

/**
 * Checks a payload and makes the run to be recorded of it.
 * @throws ZodError when the payload does not fit the job; AppError INVALID_REQUEST, PAYLOAD_TOO_LARGE
 */
export const draftRun = <P>(job: Job<P>, input: P, options: EnqueueOptions, now: Date): RunDraft => {
  const payload = job.payload.parse(input)
  if (hasUnstorableText(payload)) {
    throw new AppError(
      'INVALID_REQUEST',
      `${job.name}: texts may not contain NUL or halves of surrogate pairs`,
    )
  }
  const bytes = Buffer.byteLength(JSON.stringify(payload))
  if (bytes > PAYLOAD_BYTES_MAX) {
    throw new AppError(
      'PAYLOAD_TOO_LARGE',
      `${job.name}: the payload has ${bytes} bytes, at most ${PAYLOAD_BYTES_MAX} are taken; pass references`,
    )
  }
  return {
    id: newRunId(now),
    job: job.name,
    key: joinKey(job.key(payload)),
    queue: job.queue,
    configId: job.configId?.(payload) ?? null,
    parentId: options.parentId ?? null,
    asOf: options.asOf ?? asOfOf(payload),
    payload,
    actor: options.actor ?? 'system',
    traceId: options.traceId ?? null,
    delayMs: options.delayMs ?? 0,
  }
}

const asOfOf = (payload: unknown): Date | null => {
  const asOf = payload && typeof payload === 'object' ? (payload as { asOf?: unknown }).asOf : undefined
  return typeof asOf === 'string' ? new Date(asOf) : null
}

const ticketOf = ({ id, status, created }: RecordedRun): RunTicket => ({ id, status, created })

export interface Enqueuer {
  readonly enqueue: Enqueue
  readonly enqueueMany: EnqueueMany
  /** As `enqueueMany`, for a run that starts others: refused once it was handed to another execution. */
  readonly spawn: <P>(
    job: Job<P>,
    payloads: readonly P[],
    options: EnqueueOptions,
    fence: Fence,
  ) => Promise<readonly RunTicket[]>
}

export const createEnqueuer = (parts: {
  readonly runs: Pick<RunsRepository, 'record'>
  readonly carrier: Carrier
  readonly clock: Clock
}): Enqueuer => {
  const { runs, carrier, clock } = parts
  const start = async <P>(
    job: Job<P>,
    payloads: readonly P[],
    options: EnqueueOptions,
    fence?: Fence,
  ): Promise<readonly RunTicket[]> => {
    if (payloads.length === 0) return []
    const now = clock.now()
    const drafts = payloads.map((payload) => draftRun(job, payload, options, now))
    const distinct = [...new Map(drafts.map((draft) => [draft.key, draft])).values()]
    const recorded = await runs.record(distinct, fence)
    await carrier.deliver(recorded.flatMap(({ carriage }) => carriage ?? []))
    const byKey = new Map(distinct.map((draft, index) => [draft.key, recorded[index]]))
    return drafts.map(({ key }) => {
      const run = byKey.get(key)
      if (!run) throw new Error(`no run was recorded for ${job.name} ${key}`)
      return ticketOf(run)
    })
  }
  return {
    enqueue: async (job, payload, options = {}) => {
      const [ticket] = await start(job, [payload], options)
      if (!ticket) throw new Error(`no run was recorded for ${job.name}`)
      return ticket
    },
    enqueueMany: (job, payloads, options = {}) => start(job, payloads, options),
    spawn: start,
  }
}
