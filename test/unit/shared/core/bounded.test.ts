import { expect } from 'chai'
import { mapBounded } from '../../../../shared/core/bounded.ts'
import { startEarly } from '../../../../shared/core/start-early.ts'
import { rejectionOf } from '../../../support/entities.ts'

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('mapBounded', () => {
  for (const [items, limit, most] of [
    [0, 3, 0],
    [2, 3, 2],
    [10, 3, 3],
    [10, 1, 1],
  ] as const) {
    it(`has at most ${most} of ${items} under way with a limit of ${limit}`, async () => {
      let underWay = 0
      let peak = 0
      const results = await mapBounded(
        Array.from({ length: items }, (_, i) => i),
        limit,
        async (item, index) => {
          underWay++
          peak = Math.max(peak, underWay)
          for (let i = 0; i <= item % 3; i++) await tick()
          underWay--
          return item * 10 + (index - item)
        },
      )
      expect(results).to.deep.equal(Array.from({ length: items }, (_, i) => i * 10))
      expect(peak).to.equal(most)
    })
  }

  it('rejects with the first failure after what is under way ended, and starts nothing more', async () => {
    const ended: number[] = []
    const error = await rejectionOf(
      mapBounded([0, 1, 2, 3, 4], 2, async (item) => {
        await tick()
        if (item === 1) throw new Error('no')
        await tick()
        ended.push(item)
      }),
    )
    expect(error.message).to.equal('no')
    expect(ended).to.deep.equal([0])
  })
})

describe('startEarly', () => {
  it('reads the first item before anybody asks, and the rest when they do', async () => {
    const read: number[] = []
    const early = startEarly(
      (async function* () {
        for (let i = 0; i < 3; i++) {
          read.push(i)
          yield i
          await tick()
        }
      })(),
    )
    await tick()
    expect(read).to.deep.equal([0])
    const items: number[] = []
    for await (const item of early) items.push(item)
    expect(items).to.deep.equal([0, 1, 2])
  })

  it('gives its failure to whoever iterates, and ends the source when they stop', async () => {
    const failing = startEarly(
      (async function* (): AsyncGenerator<number> {
        await tick()
        yield await Promise.reject(new Error('no'))
      })(),
    )
    await tick()
    const iterate = async (): Promise<void> => {
      for await (const item of failing) void item
    }
    expect((await rejectionOf(iterate())).message).to.equal('no')

    let ended = false
    const source = startEarly(
      (async function* () {
        try {
          yield 1
          yield await Promise.resolve(2)
        } finally {
          ended = true
        }
      })(),
    )
    for await (const item of source) if (item === 1) break
    expect(ended).to.equal(true)
  })
})
