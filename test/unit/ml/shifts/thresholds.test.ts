import { expect } from 'chai'
import { accountOfAds, even, indexOf } from '../../../support/account-days.ts'
import type { MadeAd } from '../../../support/account-days.ts'
import type { FigureName } from '../../../../ml/shifts/figures.ts'
import { findShifts } from '../../../../ml/shifts/judge.ts'
import type { Shift } from '../../../../ml/shifts/shift.ts'

const DAYS = 50
const LAST = DAYS - 1
/** No deviate is beyond it. */
const NEVER = 99
/** How far a deviate may be beyond its threshold to be just beyond. */
const STEP = 0.02
const FIGURES = ['spend', 'cpm', 'ctr', 'conversion_rate', 'cpl', 'leads', 'frequency', 'joint'] as const

/** What is told of `figure` of an ad on its last day, of which nothing else may be told. */
const toldOf = (figure: FigureName, ad: MadeAd): Shift | undefined => {
  const silenced = FIGURES.filter((name) => name !== figure).map((name) => [name, NEVER])
  const account = accountOfAds(DAYS, [{ ...ad, tolerance: Object.fromEntries(silenced) }])
  const shifts = findShifts(account).filter(({ entity }) => entity === indexOf(account, 'ad 0'))
  expect(shifts.filter(({ day }) => day < LAST)).to.deep.equal([])
  return shifts[0]
}

/**
 * The smallest change, between one that is not told and one that is, that is told: by the default parameters.
 * @returns what is told of it; a little less is not told
 */
const leastTold = (
  figure: FigureName,
  ad: (change: number) => MadeAd,
  untold: number,
  told: number,
): Shift => {
  let [low, high] = [untold, told]
  let found = toldOf(figure, ad(high))
  expect(toldOf(figure, ad(low))).to.equal(undefined)
  for (let step = 0; step < 12; step++) {
    const middle = (low + high) / 2
    const shift = toldOf(figure, ad(middle))
    if (shift) {
      found = shift
      high = middle
    } else low = middle
  }
  if (!found) throw new Error(`nothing is told of ${figure}`)
  return found
}

const expectThreshold = (shift: Shift, threshold: number): void => {
  expect(Math.abs(shift.deviate)).to.be.within(threshold, threshold + STEP)
  expect(shift.bad).to.equal(true)
}

describe('the default threshold', () => {
  it('of a leap of money is 3.3, down and up', () => {
    const usual = even(100, 0.28, 3)
    for (const [untold, told] of [
      [0.6, 0.4],
      [1 / 0.6, 1 / 0.4],
    ] as const) {
      const leap = leastTold(
        'spend',
        (factor) => ({ spend: (t) => (t < LAST ? usual(t) : 100 * factor) }),
        untold,
        told,
      )
      expect(leap.window).to.equal(1)
      expectThreshold(leap, 3.3)
    }
  })

  it('of a price, which counts no leads, is 4.2', () => {
    const usual = even(10, 0.1, 4)
    const dearer = leastTold(
      'cpm',
      (factor) => ({ cpm: (t) => (t < LAST ? usual(t) : 10 * factor) }),
      1.1,
      1.6,
    )
    expectThreshold(dearer, 4.2)
  })

  it('of what a lead costs is 3.1 and a half where many are expected', () => {
    // As many leads as ever, for more money.
    const dearer = leastTold(
      'cpl',
      (factor) => {
        const spend = (t: number): number => (t < LAST ? 200 : 200 * factor)
        return { spend, conversion: (t) => 20 / (2 * spend(t)) }
      },
      1.2,
      3,
    )
    expect(dearer.window).to.equal(1)
    expectThreshold(dearer, 3.1 + 0.5)
  })

  it('of what a lead costs is 3.6 and a half where two a day are expected', () => {
    // No lead at all for eight days, which would have brought so many.
    const leadsOf = (t: number): number => (t % 4 === 3 ? 0 : 2)
    const none = leastTold(
      'cpl',
      (factor) => {
        const spend = (t: number): number => (t < DAYS - 8 ? 200 : 200 * factor)
        return { spend, conversion: (t) => (t < DAYS - 8 ? leadsOf(t) / 400 : 0) }
      },
      0.8,
      1.3,
    )
    expectThreshold(none, 3.6 + 0.5)
  })
})
