/**
 * Counts in a store, and in memory while the store does not answer. How the store is belongs to all counters
 * on it: after a failure one call in a while tries it, the others do not wait.
 */
import type { Counter, MakeCounter } from '../../shared/series/limit-counter.ts'
import { memoryCounter } from './memory-counter.ts'

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

const within = async <T>(work: Promise<T>, patienceMs: number): Promise<T> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${patienceMs} ms`)), patienceMs)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

export const insuredCounter =
  (store: MakeCounter, watch: StoreWatch, patienceMs: number): MakeCounter =>
  (name, rule) => {
    const counter = store(name, rule)
    const memory = memoryCounter(name, rule)
    const ask = async <T>(work: (counter: Counter) => Promise<T>): Promise<T> => {
      if (!watch.tries()) return work(memory)
      try {
        const answer = await within(work(counter), patienceMs)
        watch.answered()
        return answer
      } catch (error) {
        watch.failed(error)
        return work(memory)
      }
    }
    const insured: Counter = {
      rule,
      spend: async (key, cost) => {
        const spent = await ask((one) => one.spend(key, cost))
        return spent.counter === memory ? spent : { ...spent, counter: insured }
      },
      refund: (key, cost) => ask((one) => one.refund(key, cost)),
    }
    return insured
  }
