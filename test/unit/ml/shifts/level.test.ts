import { expect } from 'chai'
import { Level, Past, REMEMBERED_DAYS } from '../../../../ml/shifts/level.ts'

const WANDER = 0.01

/** A level that has been `mean` since day 0, and is another one from `from` on: that has lasted for four days. */
const leaving = (from: number, mean = 2, next = 5): Level => {
  const level = new Level(new Past(1, 1), 0, 0, 1, { noise: 0.1 })
  level.noise = 0.01
  level.startAt(0, mean, 0.04)
  for (let day = from; day < from + 4; day++) {
    level.mark(day)
    level.see(day, next, 1)
  }
  level.settle(from, from + 3, 'gaussian', 0, new Set(), 0)
  return level
}

describe('a level', () => {
  it('that was left is remembered for four weeks, if it was known for seven days', () => {
    const level = leaving(7)
    expect(level).to.include({
      mean: 5,
      formerMean: 2,
      formerUntil: 10 + REMEMBERED_DAYS,
      since: 7,
      settledBy: 0,
    })
    expect(leaving(6)).to.include({ mean: 5, formerUntil: -1, since: 6 })
  })

  it('that is back is what it was, as long known, and as unsure as the days since have made it', () => {
    const level = leaving(20)
    level.recall(30, WANDER)
    expect(level).to.include({ mean: 2, since: 0, floor: 31, formerUntil: -1 })
    expect(level.variance).to.be.closeTo(0.04 + 10 * WANDER, 1e-12)
    expect(level.meanBefore(30)).to.equal(2)
    // What it is back from is not remembered.
    level.mean = 9
    level.recall(31, WANDER)
    expect(level.mean).to.equal(9)
  })

  it('is not back once it is forgotten', () => {
    for (const [day, mean] of [
      [23 + REMEMBERED_DAYS, 2],
      [24 + REMEMBERED_DAYS, 5],
    ] as const) {
      const level = leaving(20)
      level.recall(day, WANDER)
      expect(level.mean).to.equal(mean)
    }
  })

  it('of no usable day stays what it was', () => {
    const level = new Level(new Past(1, 1), 0, 0, 1, { noise: 0.1 })
    level.startAt(0, 2, 0.04)
    level.mark(10)
    level.settle(10, 10, 'count', 0.01, new Set(), 0)
    expect(level).to.include({ mean: 2, since: 0, formerUntil: -1, settledBy: -1 })
  })
})
