/**
 * How a store is that one can do without for a while. That belongs to all who ask it: after a failure one call in a
 * while tries it, the others do not wait.
 */
const RETRY_MS = 5000

export interface StoreWatch {
  /** Whether to ask the store; of several at once after a failure, one. */
  tries(): boolean
  answered(): void
  failed(error: unknown): void
}

export interface StoreWatchOptions {
  readonly now: () => number
  /** Called when it changes. */
  readonly onChange: (isUp: boolean, error?: unknown) => void
}

export const createStoreWatch = ({ now, onChange }: StoreWatchOptions): StoreWatch => {
  let retryAt: number | null = null
  return {
    tries: () => {
      if (retryAt === null) return true
      if (now() < retryAt) return false
      retryAt = now() + RETRY_MS
      return true
    },
    answered: () => {
      if (retryAt !== null) onChange(true)
      retryAt = null
    },
    failed: (error) => {
      if (retryAt === null) onChange(false, error)
      retryAt = now() + RETRY_MS
    },
  }
}
