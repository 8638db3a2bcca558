/**
 * What was opened is closed in reverse order, once, and a failing close does not keep the rest open.
 */
import { messageOf } from '../core/errors.ts'
import type { Logger } from './logger.ts'

export interface Lifecycle {
  /** Registers `close` for something that was just opened. */
  onClose(name: string, close: () => Promise<void> | void): void
  /** Closes everything in reverse; a second call waits for the first. */
  close(): Promise<void>
}

export const createLifecycle = (logger: Logger): Lifecycle => {
  const stack: { name: string; close: () => Promise<void> | void }[] = []
  let closing: Promise<void> | undefined
  const closeAll = async (): Promise<void> => {
    for (let entry = stack.pop(); entry; entry = stack.pop()) {
      try {
        await entry.close()
      } catch (error) {
        logger.error('closing failed', { part: entry.name, error: messageOf(error) })
      }
    }
  }
  return {
    onClose: (name, close) => void stack.push({ name, close }),
    close: () => (closing ??= closeAll()),
  }
}
