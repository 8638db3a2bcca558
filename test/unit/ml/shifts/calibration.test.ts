import { expect } from 'chai'
import { normal, randomOf } from '../../../../bench/random.ts'
import { Calibration, Tail } from '../../../../ml/shifts/calibration.ts'
import { Windows } from '../../../../ml/shifts/windows.ts'
import type { Held } from '../../../../ml/shifts/windows.ts'

const DAYS = 120
const ENTITIES = 20

/** What one figure is held as. */
type Draw = { readonly statistic: number } | { readonly seen: number }

const gaussian = (statistic: number): Draw => ({ statistic })
/** Of 100 expected, with a variance of 200. */
const count = (seen: number): Draw => ({ seen })

/** What `calibration` makes of it. */
const apply = (
  calibration: Calibration,
  window: number,
  isSum: boolean,
  draw: Draw,
  learns: boolean,
): Held => {
  const windows = new Windows(1)
  const at = windows.at(0, window)
  windows.says[at] = 1
  if ('seen' in draw) {
    windows.isCount[at] = 1
    windows.seen[at] = draw.seen
    windows.expected[at] = 100
    windows.spreads[at] = 200
    calibration.applyToCounts(0, isSum, windows, learns)
  } else {
    windows.statistics[at] = draw.statistic
    windows.freedoms[at] = 30
    calibration.applyToLogs(0, isSum, windows, learns)
  }
  return windows.heldAt(at)
}

/** What becomes of `held` after days of `draw`. */
const after = (draw: () => Draw, held: Draw, window = 0, learns = true): Held => {
  const calibration = new Calibration(1)
  for (let t = 0; t < DAYS; t++) {
    for (let i = 0; i < ENTITIES; i++) apply(calibration, window, false, draw(), learns)
    calibration.learn()
  }
  return apply(calibration, window, false, held, false)
}

describe('calibration', () => {
  let random = randomOf(1, 2, 3)
  beforeEach(() => (random = randomOf(1, 2, 3)))

  it('leaves alone what is as it claims', () => {
    expect(after(() => gaussian(normal(random)), gaussian(4)).statistic).to.be.closeTo(4, 0.15)
    const held = after(() => count(100 + Math.sqrt(200) * normal(random)), count(150))
    expect(held.spread).to.be.closeTo(200, 10)
  })

  it('widens what is further out than it claims, by as much', () => {
    expect(after(() => gaussian(1.5 * normal(random)), gaussian(6)).statistic).to.be.closeTo(4, 0.3)
  })

  it('widens of a count only what is beyond chance', () => {
    // Chance of 100, and three times as much beside it as was thought.
    const held = after(() => count(100 + Math.sqrt(400) * normal(random)), count(150))
    expect(held.spread).to.be.closeTo(400, 40)
  })

  it('never narrows', () => {
    expect(after(() => gaussian(0.5 * normal(random)), gaussian(4)).statistic).to.equal(4)
  })

  it('is not excused by faults, few and far out', () => {
    let n = 0
    const held = after(() => gaussian(n++ % 50 === 0 ? 12 : normal(random)), gaussian(4))
    expect(held.statistic).to.be.closeTo(4, 0.25)
  })

  it('learns nothing of days that are odd already, and of a day only when it is over', () => {
    expect(after(() => gaussian(3 * normal(random)), gaussian(4), 0, false).statistic).to.equal(4)
    const calibration = new Calibration(1)
    for (let i = 0; i < 1000; i++) apply(calibration, 0, false, gaussian(3), true)
    expect(apply(calibration, 0, false, gaussian(4), true).statistic).to.equal(4)
  })

  it('tells windows, and sums from parts', () => {
    const calibration = new Calibration(1)
    for (let t = 0; t < DAYS; t++) {
      for (let i = 0; i < ENTITIES; i++) apply(calibration, 1, true, gaussian(2 * normal(random)), true)
      calibration.learn()
    }
    for (const [window, isSum] of [
      [0, true],
      [1, false],
    ] as const)
      expect(apply(calibration, window, isSum, gaussian(4), false).statistic).to.equal(4)
  })
})

describe('how often days are far out', () => {
  const USUAL = 0.5

  /** `days` days of so many entities, of which `far` are at `deviate` and all others at 0. */
  const pass = (tail: Tail, days: number, entities: number, far: number, deviate = 3): void => {
    for (let t = 0; t < days; t++) {
      for (let i = 0; i < entities; i++) tail.note(i < far ? deviate : 0)
      tail.learn()
    }
  }

  it('is half as often as of a normal deviate before anything is known, and stays so without days', () => {
    const tail = new Tail()
    expect(tail.weight).to.equal(USUAL)
    pass(tail, 400, 0, 0)
    expect(tail.weight).to.be.closeTo(USUAL, 1e-9)
  })

  it('is once where days are as far out as normal deviates are, and twice where twice as many are', () => {
    for (const weight of [1, 2]) {
      const tail = new Tail()
      // A normal deviate is between 2.5 and 4, either way, in 1.236 % of draws.
      for (let t = 0; t < 60; t++) pass(tail, 1, 5000, Math.round(5000 * 0.01236 * weight))
      expect(tail.weight).to.be.closeTo(weight, 0.02)
    }
  })

  it('counts what is beyond 2.5 and below 4, either way: what is further has a cause', () => {
    const weightOf = (deviate: number): number => {
      const tail = new Tail()
      pass(tail, 1, 20, 20, deviate)
      return tail.weight
    }
    for (const sign of [1, -1]) {
      for (const deviate of [2.5, 4, 12]) expect(weightOf(sign * deviate)).to.equal(weightOf(0))
      for (const deviate of [2.51, 3.99]) expect(weightOf(sign * deviate)).to.be.above(2)
    }
    expect(weightOf(0)).to.be.below(USUAL)
  })

  it('is not known from few days', () => {
    const tail = new Tail()
    pass(tail, 10, 8, 0)
    expect(tail.weight).to.be.above(0.9 * USUAL)
    // Chance brings one of them in a day.
    pass(tail, 1, 8, 1)
    expect(tail.weight).to.be.below(0.7)
  })

  it('counts a day when it is over, and forgets half of it in 69 days', () => {
    const tail = new Tail()
    for (let i = 0; i < 1000; i++) tail.note(3)
    expect(tail.weight).to.equal(USUAL)
    pass(tail, 600, 1000, 50)
    const heavy = tail.weight
    expect(heavy).to.be.above(3.9)
    pass(tail, 69, 1000, 0)
    expect(tail.weight / heavy).to.be.closeTo(0.5, 0.01)
  })
})
