import { expect } from 'chai'
import fc from 'fast-check'
import { entityAt } from '../../../support/account-days.ts'
import { Scan } from '../../../../ml/shifts/origins.ts'
import { treeOf } from '../../../../ml/shifts/tree.ts'

/** Campaign 0, ad sets 1 and 2, ads 3 and 4 of the first, 5 and 6 of the second. */
const tree = treeOf([
  entityAt('campaign', -1),
  entityAt('adset', 0),
  entityAt('adset', 0),
  entityAt('ad', 1),
  entityAt('ad', 1),
  entityAt('ad', 2),
  entityAt('ad', 2),
])
const [CAMPAIGN, FIRST, SECOND] = [0, 1, 2] as const

/** Gains by entity when the ads strayed by `gaps`, as logs with a standard deviation of 0.1. */
const gainsOf = (gaps: readonly (number | null)[], sign = 1): number[] => {
  const scan = new Scan(tree, 0)
  scan.begin(false)
  scan.leaves.forEach((leaf, k) => {
    const gap = gaps[k] ?? null
    if (gap !== null) scan.seeLog(leaf, gap, 0.01)
  })
  scan.addUp(sign)
  const { entities, gains } = scan.origins(1, true)
  const byEntity: number[] = []
  entities.forEach((one, k) => {
    byEntity[one] = gains[k] as number
  })
  return byEntity
}

/** Of a gaussian figure. */
const UNKNOWN = { statistic: Number.NaN, freedom: Number.NaN, size: Number.NaN }

const counted = (counts: readonly (readonly [seen: number, expected: number])[], sign: number): number[] => {
  const scan = new Scan(tree, 0)
  scan.begin(true)
  scan.leaves.forEach((leaf, k) => {
    const [seen, expected] = counts[k] ?? [0, 0]
    scan.see(leaf, { ...UNKNOWN, isCount: true, seen, expected, spread: expected })
  })
  scan.addUp(sign)
  return [...scan.origins(1, true).gains]
}

const bestOf = (gains: readonly number[]): number => gains.indexOf(Math.max(...gains))

describe('origins of a shift', () => {
  it('are half the squared deviate of who moved alone, and less of all above', () => {
    const gains = gainsOf([0.5, 0, 0, 0])
    expect(gains[3]).to.be.closeTo(12.5, 1e-9)
    expect(gains[FIRST]).to.be.closeTo(6.25, 1e-9)
    expect(gains[CAMPAIGN]).to.be.closeTo(3.125, 1e-9)
    expect(gains[SECOND]).to.equal(0)
  })

  it('are the parent of those that moved alike, though one of them moved more', () => {
    expect(bestOf(gainsOf([0.6, 0.4, 0, 0]))).to.equal(FIRST)
    expect(bestOf(gainsOf([0.6, 0.4, 0.5, 0.5]))).to.equal(CAMPAIGN)
  })

  it('are the one that moved as long as its sibling moved by less than 41% of it', () => {
    // (1 + x)^2 / 2 is 1 at x = sqrt(2) - 1.
    expect(bestOf(gainsOf([0.5, 0.2, 0, 0]))).to.equal(3)
    expect(bestOf(gainsOf([0.5, 0.22, 0, 0]))).to.equal(FIRST)
  })

  it('are not who moved the other way', () => {
    const gains = gainsOf([-0.9, 0, 0.3, 0])
    expect(gains[3]).to.equal(0)
    expect(bestOf(gains)).to.equal(5)
    expect(bestOf(gainsOf([-0.9, 0, 0.3, 0], -1))).to.equal(3)
  })

  it('say as much of a parent as of its only child that is known', () => {
    const gains = gainsOf([0.5, null, 0, 0])
    expect(gains[FIRST]).to.equal(gains[3])
  })

  it('take all who stopped for stopped alike, however far they fell', () => {
    expect(bestOf(gainsOf([-9, -4, 0, 0], -1))).to.equal(FIRST)
  })

  it('are told of counts as well: of leads that stopped in one ad, or in both of an ad set', () => {
    expect(
      bestOf(
        counted(
          [
            [0, 10],
            [10, 10],
            [9, 10],
            [11, 10],
          ],
          -1,
        ),
      ),
    ).to.equal(3)
    expect(
      bestOf(
        counted(
          [
            [0, 10],
            [1, 10],
            [9, 10],
            [11, 10],
          ],
          -1,
        ),
      ),
    ).to.equal(FIRST)
    expect(counted([[0, 10]], -1)[3]).to.be.closeTo(10, 1e-9)
  })

  it('add up over figures, which have no size in common', () => {
    const scan = new Scan(tree, 0)
    for (const gap of [0.5, -0.3]) {
      scan.begin(false)
      for (const leaf of scan.leaves.slice(0, 1)) scan.seeLog(leaf, gap, 0.01)
      scan.addUp(gap)
    }
    const { gains, sizes } = scan.origins(2, false)
    expect(gains[3]).to.be.closeTo(12.5 + 4.5, 1e-9)
    expect([...sizes].every(Number.isNaN)).to.equal(true)
  })

  it('never explain more together than their parts do each by its own factor', () => {
    const gap = fc.double({ min: -2, max: 2, noNaN: true })
    fc.assert(
      fc.property(fc.tuple(gap, gap, gap, gap), (gaps) => {
        const gains = gainsOf(gaps)
        const alone = gaps.reduce((sum, one) => sum + (one * one) / 0.02, 0)
        for (const gain of gains) expect(gain).to.be.within(0, alone + 1e-9)
      }),
      { numRuns: 100 },
    )
  })
})
