/** Counts in a store, and in memory while the store does not answer. */
import type { StoreWatch } from '../../shared/core/store-watch.ts'
import { within } from '../../shared/core/within.ts'
import type { Counter, MakeCounter } from '../../shared/series/limit-counter.ts'
import { memoryCounter } from './memory-counter.ts'

export const insuredCounter =
  (store: MakeCounter, watch: StoreWatch, patienceMs: number): MakeCounter =>
  (name, rule) => {
    const counter = store(name, rule)
    const memory = memoryCounter(name, rule)
    const ask = async <T>(work: (counter: Counter) => Promise<T>): Promise<T> => {
      if (!watch.tries()) return work(memory)
      try {
        const answer = await within(patienceMs, 'the store of limits', () => work(counter))
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
