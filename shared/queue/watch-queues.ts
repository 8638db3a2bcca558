/** Tells the metrics, now and then, how much work waits. */
import { messageOf } from '../core/errors.ts'
import type { Logger } from '../platform/logger.ts'
import type { Metrics } from '../platform/metrics.ts'
import type { Queues } from './queues.ts'

const EVERY_MS = 30_000

export const watchQueues = (parts: {
  readonly queues: Pick<Queues, 'depths'>
  readonly metrics: Pick<Metrics, 'queueSeen'>
  readonly logger: Logger
}): { close: () => void } => {
  const { queues, metrics, logger } = parts
  const look = async (): Promise<void> => {
    try {
      for (const { queue, waiting, delayed, oldestWaitingS } of await queues.depths()) {
        metrics.queueSeen(queue, { depth: waiting + delayed, oldestSeconds: oldestWaitingS })
      }
    } catch (error) {
      logger.debug('the queues were not measured', { error: messageOf(error) })
    }
  }
  void look()
  const timer = setInterval(() => void look(), EVERY_MS)
  timer.unref()
  return { close: () => clearInterval(timer) }
}
