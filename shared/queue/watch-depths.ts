/** Looks at the queues now and then, for the metrics: how many jobs wait, and since when. */
import { messageOf } from '../core/errors.ts'
import type { Lifecycle } from '../platform/lifecycle.ts'
import type { Logger } from '../platform/logger.ts'
import type { Metrics } from '../platform/metrics.ts'
import type { Queues } from './queues.ts'

const EVERY_MS = 15_000

export const watchDepths = (
  queues: Pick<Queues, 'depths'>,
  metrics: Pick<Metrics, 'queueSeen'>,
  logger: Logger,
  lifecycle: Lifecycle,
): void => {
  let looking: Promise<void> = Promise.resolve()
  const look = async (): Promise<void> => {
    try {
      for (const { queue, waiting, delayed, oldestWaitingS } of await queues.depths()) {
        metrics.queueSeen(queue, { depth: waiting + delayed, oldestSeconds: oldestWaitingS })
      }
    } catch (error) {
      logger.debug('the queues could not be looked at', { error: messageOf(error) })
    }
  }
  const timer = setInterval(() => {
    looking = looking.then(look)
  }, EVERY_MS)
  timer.unref()
  looking = look()
  lifecycle.onClose('queue metrics', async () => {
    clearInterval(timer)
    await looking
  })
}
