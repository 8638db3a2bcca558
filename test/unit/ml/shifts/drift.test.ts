import { expect } from 'chai'
import { Drift } from '../../../../ml/shifts/drift.ts'

const ENTITIES = 40
const USUAL = 0.02

/** Gaps of so many days, by entity and day. @returns the variance at the end, as a part of the usual one */
const after = (days: number, gapOf: (entity: number, day: number) => number): number => {
  const drift = new Drift(ENTITIES, [USUAL])
  for (let day = 0; day < days; day++) {
    for (let entity = 0; entity < ENTITIES; entity++) drift.note(entity, 0, gapOf(entity, day))
    drift.learn()
  }
  return drift.variance(0) / USUAL ** 2
}

describe('how much levels wander', () => {
  it('is the usual before anything is known, and of gaps that have nothing in common', () => {
    expect(after(0, () => 0)).to.be.closeTo(1, 1e-12)
    const noise = (entity: number, day: number): number => {
      const x = Math.sin(entity * 127.1 + day * 311.7) * 43_758.5453
      return 4 * (x - Math.floor(x)) - 2
    }
    expect(after(100, noise)).to.be.within(0.75, 1.3)
  })

  it('is less where gaps take turns, and more where they stay on one side, within bounds', () => {
    const turns = after(20, (entity, day) => ((entity + day) % 2 === 0 ? 1 : -1))
    expect(turns).to.be.within(0.05, 0.5)
    const stays = after(3, (entity) => (entity % 2 === 0 ? 1 : -1))
    expect(stays).to.be.within(1.01, 2)
    expect(after(400, (_, day) => (day % 2 === 0 ? 1 : -1))).to.equal(1 / 16)
    expect(after(400, () => 1)).to.equal(2)
  })

  it('learns little from few', () => {
    const one = after(20, (entity, day) => (entity > 0 ? Number.NaN : day % 2 === 0 ? 1 : -1))
    expect(one).to.be.within(0.7, 1)
  })

  it('takes no two days for neighbours with one between that says nothing', () => {
    const gaps = [1, Number.NaN, -1, Number.NaN]
    expect(after(40, (_, day) => gaps[day % 4] as number)).to.equal(1)
  })

  it('is told of each figure by itself', () => {
    const drift = new Drift(1, [0.02, 0.04])
    for (let day = 0; day < 50; day++) {
      drift.note(0, 1, day % 2 === 0 ? 1 : -1)
      drift.learn()
    }
    expect(drift.variance(0)).to.be.closeTo(0.0004, 1e-12)
    expect(drift.variance(1)).to.be.below(0.0016)
  })
})
