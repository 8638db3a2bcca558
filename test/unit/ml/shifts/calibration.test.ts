import { expect } from 'chai'
import { normal, randomOf } from '../../../../bench/random.ts'
import { Calibration } from '../../../../ml/shifts/calibration.ts'
import { noHeld } from '../../../../ml/shifts/windows.ts'
import type { Held } from '../../../../ml/shifts/windows.ts'

const DAYS = 120
const ENTITIES = 20

const gaussian = (statistic: number): Held => ({ ...noHeld(), statistic, freedom: 30 })
const count = (seen: number): Held => ({ ...noHeld(), isCount: true, seen, expected: 100, spread: 200 })

/** What becomes of `held` after days of `draw`. */
const after = (draw: () => Held, held: Held, window = 0, learns = true): Held => {
  const calibration = new Calibration(1)
  for (let t = 0; t < DAYS; t++) {
    for (let i = 0; i < ENTITIES; i++) calibration.apply(0, window, false, draw(), learns)
    calibration.learn()
  }
  calibration.apply(0, window, false, held, false)
  return held
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
    for (let i = 0; i < 1000; i++) calibration.apply(0, 0, false, gaussian(3), true)
    const held = gaussian(4)
    calibration.apply(0, 0, false, held, true)
    expect(held.statistic).to.equal(4)
  })

  it('tells windows, and sums from parts', () => {
    const calibration = new Calibration(1)
    for (let t = 0; t < DAYS; t++) {
      for (let i = 0; i < ENTITIES; i++) calibration.apply(0, 1, true, gaussian(2 * normal(random)), true)
      calibration.learn()
    }
    for (const [window, isSum] of [
      [0, true],
      [1, false],
    ] as const) {
      const held = gaussian(4)
      calibration.apply(0, window, isSum, held, false)
      expect(held.statistic).to.equal(4)
    }
  })
})
