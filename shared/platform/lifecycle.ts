/**
 * What was opened is closed in reverse order, once; a close that fails or hangs does not keep the rest open.
 */
import { messageOf } from '../core/errors.ts'
import { within } from '../core/within.ts'
import type { Logger } from './logger.ts'

/** For all together; with a moment to exit, within the 25 s that a process has to end. */
const GRACE_MS = 22_000
/** What comes when that is used up still has so long. */
const LEAST_MS = 500

export interface Lifecycle {
  /** Registers `close` for something that was just opened; what is opened while all is closed is closed too. */
  onClose(name: string, close: () => Promise<void> | void): void
  /** Closes everything in reverse; a second call waits for the first. */
  close(): Promise<void>
}

export const createLifecycle = (logger: Logger, graceMs = GRACE_MS): Lifecycle => {
  const stack: { name: string; close: () => Promise<void> | void }[] = []
  let closing: Promise<void> | undefined
  let deadlineMs = Infinity
  const closeAll = async (): Promise<void> => {
    for (let entry = stack.pop(); entry; entry = stack.pop()) {
      try {
        const limitMs = Math.max(LEAST_MS, Math.ceil(deadlineMs - performance.now()))
        await within(limitMs, entry.name, async () => entry.close())
      } catch (error) {
        logger.error('closing failed', { part: entry.name, error: messageOf(error) })
      }
    }
  }
  return {
    onClose: (name, close) => {
      stack.push({ name, close })
      if (closing) closing = closing.then(closeAll)
    },
    close: () => {
      if (!closing) {
        deadlineMs = performance.now() + graceMs
        closing = closeAll()
      }
      return closing
    },
  }
}
