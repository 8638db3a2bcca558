/**
 * Brings together what PostgreSQL knows and what the queue holds. Every pass:
 * 1. runs that wait although nothing they wait for is open get their next step;
 * 2. runs whose outbox mark stayed are added to the queue;
 * 3. open runs nobody attends to are looked up in the queue, and added again if it lost them.
 * One process at a time does it; that every worker and scheduler may makes it survive any of them.
 */
import { messageOf } from '../core/errors.ts'
import type { QueueName } from '../jobs/define-job.ts'
import type { Logger } from '../platform/logger.ts'
import type { Queues } from '../queue/queues.ts'
import { queueJobId } from './carrier.ts'
import type { Carrier } from './carrier.ts'
import type { Carriage, RunsRepository } from './run.ts'

const EVERY_MS = 10_000
/** An enqueue that just committed is still handing its runs over itself. */
const OUTBOX_MIN_AGE_MS = 5000
/** Longer than a worker needs from queue job to lease. */
const UNATTENDED_MIN_AGE_MS = 5000
const PAGE = 1000

export interface Reconciler {
  /** One pass now; false when another process is at it. Rejects when PostgreSQL or the queue fails. */
  pass(): Promise<boolean>
  start(): void
  close(): Promise<void>
}

export const createReconciler = (parts: {
  readonly runs: RunsRepository
  readonly carrier: Carrier
  readonly queues: Pick<Queues, 'states'>
  readonly logger: Logger
}): Reconciler => {
  const { runs, carrier, queues, logger } = parts

  const deliver = async (carriages: readonly Carriage[], why: string): Promise<void> => {
    if (carriages.length === 0) return
    logger.info('adding runs to the queue again', { runs: carriages.length, why })
    if (!(await carrier.deliver(carriages))) throw new Error('the queue did not take runs')
  }

  const addLost = async (page: readonly Carriage[]): Promise<void> => {
    const lost: Carriage[] = []
    const ended: string[] = []
    for (const [queue, ofQueue] of groupByQueue(page)) {
      const known = ofQueue.filter((carriage) => carrier.queueJobOf(carriage) !== null)
      const states = await queues.states(queue, known.map(queueJobId))
      for (const carriage of known) {
        const state = states.get(queueJobId(carriage))
        if (state === undefined) lost.push(carriage)
        if (state === 'ended') ended.push(carriage.runId)
      }
    }
    await deliver(lost, 'the queue lost them')
    if (ended.length > 0) await deliver(await runs.renew(ended), 'their queue job ended without them')
  }

  const pass = (): Promise<boolean> =>
    runs.exclusively('reconcile', async () => {
      await deliver(await runs.wakeWaiting(), 'what they waited for has ended')
      for (;;) {
        const due = await runs.outboxDue(OUTBOX_MIN_AGE_MS, PAGE)
        const known = due.filter((carriage) => carrier.queueJobOf(carriage) !== null)
        await deliver(known, 'they never got there')
        if (due.length < PAGE || known.length === 0) break
      }
      let afterId: string | null = null
      for (;;) {
        const page = await runs.unattended(UNATTENDED_MIN_AGE_MS, afterId, PAGE)
        await addLost(page)
        afterId = page.at(-1)?.runId ?? null
        if (page.length < PAGE) break
      }
    })

  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> = Promise.resolve()
  let closed = false
  const beat = async (): Promise<void> => {
    try {
      await pass()
    } catch (error) {
      logger.warn('reconciling failed, trying again', { error: messageOf(error) })
    }
    if (!closed) next(EVERY_MS)
  }
  const next = (waitMs: number): void => {
    timer = setTimeout(() => {
      running = beat()
    }, waitMs)
  }
  return {
    pass,
    // Spread over the interval, so that processes started together take turns.
    start: () => next(Math.random() * EVERY_MS),
    close: async () => {
      closed = true
      clearTimeout(timer)
      await running
    },
  }
}

const groupByQueue = (carriages: readonly Carriage[]): ReadonlyMap<QueueName, Carriage[]> => {
  const groups = new Map<QueueName, Carriage[]>()
  for (const carriage of carriages) {
    const group = groups.get(carriage.queue)
    if (group) group.push(carriage)
    else groups.set(carriage.queue, [carriage])
  }
  return groups
}
