import { expect } from 'chai'
import { Levels, REMEMBERED_DAYS } from '../../../../ml/shifts/level.ts'

const WANDER = 0.01

/** One level, of who has no children. */
const levelOfOne = (): Levels => new Levels(1, [{ noise: 0.1, sign: 1 }], () => false)

/** A level that has been `mean` since day 0, and is another one from `from` on: that has lasted for four days. */
const leaving = (from: number, mean = 2, next = 5): Levels => {
  const levels = levelOfOne()
  levels.noise[0] = 0.01
  levels.startAt(0, 0, mean, 0.04)
  for (let day = from; day < from + 4; day++) {
    levels.mark(0, day)
    levels.see(0, day, next, 1)
  }
  levels.settle(0, from, from + 3, 'gaussian', 0, new Set(), 0)
  return levels
}

type Column = 'mean' | 'factor' | 'formerMean' | 'formerUntil' | 'since' | 'floor' | 'settledBy'

const expectLevel = (levels: Levels, expected: Readonly<Partial<Record<Column, number>>>): void => {
  for (const [column, value] of Object.entries(expected))
    expect(levels[column as Column][0], column).to.equal(value)
}

describe('a level', () => {
  it('that was left is remembered for four weeks, if it was known for seven days', () => {
    expectLevel(leaving(7), {
      mean: 5,
      factor: Math.exp(5),
      formerMean: 2,
      formerUntil: 10 + REMEMBERED_DAYS,
      since: 7,
      settledBy: 0,
    })
    expectLevel(leaving(6), { mean: 5, formerUntil: -1, since: 6 })
  })

  it('that is back is what it was, as long known, and as unsure as the days since have made it', () => {
    const levels = leaving(20)
    levels.recall(0, 30, WANDER)
    expectLevel(levels, { mean: 2, factor: Math.exp(2), since: 0, floor: 31, formerUntil: -1 })
    expect(levels.variance[0]).to.be.closeTo(0.04 + 10 * WANDER, 1e-12)
    expect(levels.meanBefore(0, 30)).to.equal(2)
    // What it is back from is not remembered.
    levels.mean[0] = 9
    levels.recall(0, 31, WANDER)
    expectLevel(levels, { mean: 9 })
  })

  it('is not back once it is forgotten', () => {
    for (const [day, mean] of [
      [23 + REMEMBERED_DAYS, 2],
      [24 + REMEMBERED_DAYS, 5],
    ] as const) {
      const levels = leaving(20)
      levels.recall(0, day, WANDER)
      expectLevel(levels, { mean })
    }
  })

  it('knows its noise as it was before each day, and again when days are taken back', () => {
    const levels = levelOfOne()
    const POOLED = 0.01
    levels.noise[0] = POOLED
    levels.startAt(0, 0, 2, 0.04)
    const learn = (day: number, seen: number): void => {
      levels.mark(0, day)
      levels.days[0] = day + 1
      levels.learnGaussian(0, {
        seen,
        among: 1,
        variance: 0,
        concentration: 1,
        weekdayVariance: 0,
        dispersion: 0,
      })
      levels.shareNoise(0, POOLED)
    }
    for (let day = 1; day < 10; day++) learn(day, 2 + (day % 2 ? 0.05 : -0.05))
    const calm = levels.noise[0]
    for (let day = 10; day < 13; day++) learn(day, 3)
    expect(levels.noise[0]).to.be.above(2 * calm)
    expect(levels.noiseBefore(0, 10, POOLED)).to.equal(calm)
    expect(levels.noiseBefore(0, 11, POOLED)).to.be.above(calm)
    expect(levels.freedomBefore(0, 11)).to.be.above(levels.freedomBefore(0, 10))
    levels.rollBack(0, 10, 12, WANDER)
    levels.shareNoise(0, POOLED)
    expect(levels.noise[0]).to.equal(calm)
    expect(levels.noiseBefore(0, 12, POOLED)).to.equal(calm)
  })

  it('of no usable day stays what it was', () => {
    const levels = levelOfOne()
    levels.startAt(0, 0, 2, 0.04)
    levels.mark(0, 10)
    levels.settle(0, 10, 10, 'count', 0.01, new Set(), 0)
    expectLevel(levels, { mean: 2, since: 0, formerUntil: -1, settledBy: -1 })
  })

  it('is a factor that parts are divided by only where a sum is', () => {
    const figures = [
      { noise: 0.1, sign: 1 },
      { noise: 0.1, sign: -1 },
    ] as const
    const levels = new Levels(2, figures, (i) => i === 0)
    for (const [entity, figure, sign] of [
      [0, 0, 1],
      [0, 1, -1],
      [1, 0, 1],
      [1, 1, 1],
    ] as const) {
      const k = levels.of(entity, figure)
      levels.startAt(k, 0, 2, 0.04)
      expect(levels.factor[k]).to.equal(Math.exp(sign * 2))
    }
  })
})
