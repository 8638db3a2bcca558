import { expect } from 'chai'
import type { Counter, MakeCounter } from '../../../../shared/series/limit-counter.ts'
import { insuredCounter } from '../../../../db/limits/insured-counter.ts'
import { createStoreWatch } from '../../../../shared/core/store-watch.ts'
import { memoryCounter } from '../../../../db/limits/memory-counter.ts'

const RULE = { points: 10, seconds: 60 }
/** Long enough for a store of the test, which answers at once or never. */
const PATIENCE_MS = 50

type Mood = 'up' | 'down' | 'silent'

describe('a counter with memory behind its store', () => {
  let mood: Mood
  let now: number
  let asked: number
  let changes: boolean[]
  let counter: Counter
  beforeEach(() => {
    mood = 'up'
    now = 0
    asked = 0
    changes = []
    const store: MakeCounter = (name, rule) => {
      const real = memoryCounter(name, rule)
      const answer = <T>(work: () => Promise<T>): Promise<T> => {
        asked += 1
        if (mood === 'silent') return new Promise(() => undefined)
        return mood === 'up' ? work() : Promise.reject(new Error('no connection'))
      }
      return {
        rule,
        spend: (key, cost) => answer(() => real.spend(key, cost)),
        refund: (key, cost) => answer(() => real.refund(key, cost)),
      }
    }
    const watch = createStoreWatch({ now: () => now, onChange: (isUp) => changes.push(isUp) })
    counter = insuredCounter(store, watch, PATIENCE_MS)('predict_per_series', RULE)
  })

  it('counts in the store while it answers', async () => {
    expect(await counter.spend('a', 10)).to.include({ granted: true, remaining: 0 })
    expect((await counter.spend('a', 1)).granted).to.equal(false)
    await counter.refund('a', 4)
    expect(await counter.spend('a', 1)).to.include({ granted: true, remaining: 3 })
    expect(changes).to.deep.equal([])
  })

  for (const gone of ['down', 'silent'] as const) {
    it(`counts in memory while the store is ${gone}, within the same limit`, async () => {
      await counter.spend('a', 10)
      mood = gone
      expect(await counter.spend('a', 10)).to.include({ granted: true, remaining: 0 })
      expect((await counter.spend('a', 1)).granted).to.equal(false)
      expect(changes).to.deep.equal([false])
      // The one that found out is the only one that waited.
      expect(asked).to.equal(2)
    })
  }

  it('asks the store again after five seconds, one of many at a time, and stays when it answers', async () => {
    mood = 'down'
    await counter.spend('a', 1)
    now = 4999
    await counter.spend('a', 1)
    expect(asked).to.equal(1)
    now = 5000
    await Promise.all([counter.spend('a', 1), counter.spend('a', 1), counter.spend('a', 1)])
    expect(asked).to.equal(2)
    mood = 'up'
    now = 10_000
    await counter.spend('a', 1)
    await counter.spend('a', 1)
    expect(asked).to.equal(4)
    expect(changes).to.deep.equal([false, true])
  })

  it('gives back where it was spent', async () => {
    const inStore = await counter.spend('a', 6)
    await inStore.counter.refund('a', 6)
    expect(await counter.spend('a', 10)).to.include({ granted: true })
    mood = 'down'
    const inMemory = await counter.spend('a', 6)
    mood = 'up'
    now = 5000
    await inMemory.counter.refund('a', 6)
    expect(await counter.spend('a', 1)).to.include({ granted: false, remaining: 0 })
  })
})
