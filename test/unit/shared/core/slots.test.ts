import { expect } from 'chai'
import fc from 'fast-check'
import { SLOT_MS, SLOTS, addUp, createRecent } from '../../../../shared/core/slots.ts'

describe('the last five minutes', () => {
  const start = 1_800_000_000_000
  it('without anything in them have no latency, which is not a latency of nought', () => {
    const recent = createRecent(() => start)
    expect(addUp(recent.slots())).to.deep.equal({ averageMs: null, p95Ms: null, hits: 0, misses: 0 })
  })

  it('know the mean exactly and the 95th percentile to within a fifth', () => {
    const seconds = fc.double({ min: 0.0001, max: 10, noNaN: true })
    fc.assert(
      fc.property(fc.array(seconds, { minLength: 1, maxLength: 200 }), (all) => {
        const recent = createRecent(() => start)
        for (const one of all) recent.inference(one)
        const { averageMs, p95Ms } = addUp(recent.slots())
        const mean = (all.reduce((sum, one) => sum + one, 0) / all.length) * 1000
        expect(averageMs).to.be.closeTo(mean, 0.001)
        const p95 = all.toSorted((a, b) => a - b)[Math.ceil(0.95 * all.length) - 1]! * 1000
        // The upper end of its bin, to the rounding of what is shown.
        expect(p95Ms).to.be.within(p95 - 0.001, p95 * 1.2 + 0.001)
      }),
    )
  })

  it('end after five minutes, slot by slot', () => {
    let now = start
    const recent = createRecent(() => now)
    recent.cache('hit')
    now += SLOT_MS
    recent.cache('miss')
    now = start + SLOTS * SLOT_MS - 1
    expect(addUp(recent.slots())).to.include({ hits: 1, misses: 1 })
    now += 1
    expect(addUp(recent.slots())).to.include({ hits: 0, misses: 1 })
    now += SLOT_MS
    expect(recent.slots()).to.deep.equal([])
    // A slot of the ring that is met again begins empty.
    recent.cache('hit')
    expect(addUp(recent.slots())).to.include({ hits: 1, misses: 0 })
  })

  it('keep what is slower than the slowest bin and faster than the fastest', () => {
    const recent = createRecent(() => start)
    for (const seconds of [0, 1e-9, 1000]) recent.inference(seconds)
    expect(addUp(recent.slots()).p95Ms).to.be.within(10_000, 20_000)
  })
})
