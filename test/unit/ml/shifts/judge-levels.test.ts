import { expect } from 'chai'
import { accountOfAds, during, indexOf, noisy, wandering } from '../../../support/account-days.ts'
import type { OfDay } from '../../../support/account-days.ts'
import type { AccountDays } from '../../../../ml/shifts/account.ts'
import type { FigureName } from '../../../../ml/shifts/figures.ts'
import { findShifts } from '../../../../ml/shifts/judge.ts'

const DAYS = 70
const FAULT = 40

/** Days on which something is told of a figure of an entity. */
const judged = (account: AccountDays): ((id: string, figure: FigureName) => number[]) => {
  const shifts = findShifts(account)
  return (id, figure) =>
    shifts.flatMap((shift) =>
      shift.entity === indexOf(account, id) && shift.figure === figure ? [shift.day] : [],
    )
}

describe('the way back from what has lasted', () => {
  const AGAIN = 55
  const RISE = 30
  const DIP = 50
  /** Half as many leads of a click for eight days, and a week later once more. */
  const twice = during(
    AGAIN,
    AGAIN + 8,
    0.5,
    during(FAULT, FAULT + 7, 0.5, () => 0.04),
  )

  it('is recognised though it is not loud: a second fault is found as quickly as the first', () => {
    const daysOf = judged(accountOfAds(DAYS, [{ spend: () => 200, conversion: twice }]))
    const days = daysOf('ad 0', 'conversion_rate')
    const delays = [FAULT, AGAIN].map((from) => (days.find((day) => day >= from) ?? Infinity) - from)
    expect(delays[0]).to.be.within(1, 3)
    expect(delays[1]).to.be.at.most(delays[0] as number)
    // Neither is the way back told of, nor is the second fault taken for something known.
    expect(days.filter((day) => day > FAULT + 3 && day < AGAIN)).to.deep.equal([])
  })

  it('is recognised of an ad set whose ads show too little each', () => {
    const ads = Array.from({ length: 5 }, () => ({ adset: 's', spend: () => 50, conversion: twice }))
    const daysOf = judged(accountOfAds(DAYS, ads))
    for (let k = 0; k < ads.length; k++) expect(daysOf(`ad ${k}`, 'conversion_rate')).to.deep.equal([])
    const days = daysOf('s', 'conversion_rate')
    const delays = [FAULT, AGAIN].map((from) => (days.find((day) => day >= from) ?? Infinity) - from)
    expect(delays[0]).to.be.within(1, 3)
    expect(delays[1]).to.be.at.most(delays[0] as number)
  })

  it('is not what goes far beyond the former level: that is told at once', () => {
    const steps = (beyond: number): number[] => {
      const spend: OfDay = during(AGAIN, DAYS, beyond, during(FAULT, AGAIN - 1, 0.3, noisy(100, 0.1, 1)))
      return judged(accountOfAds(DAYS, [{ spend }]))('ad 0', 'spend').filter((day) => day >= AGAIN)
    }
    expect(steps(1)).to.deep.equal([])
    expect(steps(4)[0]).to.equal(AGAIN)
  })

  it('leads to no level that was known for less than a week', () => {
    /** Three times the money, days later three times as much again, then back to the first of both. */
    const stepping = (knownDays: number): number[] => {
      const next = FAULT + knownDays
      const spend: OfDay = during(FAULT, DAYS, 3, during(next, AGAIN + 2, 3, noisy(100, 0.1, 1)))
      const days = judged(accountOfAds(DAYS, [{ spend }]))('ad 0', 'spend')
      expect(days).to.include.members([FAULT, next])
      return days.filter((day) => day > AGAIN + 2)
    }
    expect(stepping(6)).to.include(AGAIN + 3)
    expect(stepping(7)).to.deep.equal([])
  })

  it('leads to no level that a sibling left less than a week before', () => {
    /** What the sibling had is spent besides; days later three times as much; then as much as before. */
    const takingOver = (knownDays: number): number[] => {
      const since = FAULT - knownDays
      const spend: OfDay = during(since, DAYS, 5, during(FAULT, AGAIN + 2, 3, noisy(100, 0.1, 1)))
      const account = accountOfAds(DAYS, [
        { adset: 's', spend },
        { adset: 's', spend: noisy(400, 0.1, 2), end: since - 1 },
      ])
      const days = judged(account)('ad 0', 'spend')
      expect(days[0]).to.equal(FAULT)
      return days.filter((day) => day > AGAIN + 2)
    }
    expect(takingOver(6)).to.include(AGAIN + 3)
    expect(takingOver(7)).to.deep.equal([])
  })

  it('is not taken by a parent of children that left their levels by themselves', () => {
    // The campaign spends what it spent before: for another reason.
    const account = accountOfAds(DAYS, [
      { adset: 's0', spend: during(FAULT, DAYS, 3, noisy(100, 0.03, 1)) },
      { adset: 's1', spend: (t) => (t < FAULT ? noisy(200, 0.03, 2)(t) : 0) },
    ])
    const daysOf = judged(account)
    expect(daysOf('ad 0', 'spend')).to.deep.equal([FAULT, FAULT + 1, FAULT + 2, FAULT + 3])
    for (const id of ['s0', 's1', 'c', 'ad 1'])
      expect(
        daysOf(id, 'spend').filter((day) => day > FAULT + 3),
        id,
      ).to.deep.equal([])
  })

  it('is not looked for above one that has left its level by itself meanwhile', () => {
    // Four ads rise, and their ad set with them; then a small one by itself. For two days the four are what they were.
    const rising = Array.from({ length: 4 }, (_, k) => ({
      adset: 's',
      spend: during(RISE, DAYS, 1.8, during(DIP, DIP + 1, 1 / 1.8, noisy(100, 0.2, 21 + k))),
    }))
    const alone = { adset: 's', spend: during(FAULT, DAYS, 4, noisy(10, 0.03, 30)) }
    const daysOf = judged(accountOfAds(DAYS, [alone, ...rising]))
    expect(daysOf('s', 'spend').at(-1)).to.be.within(RISE, FAULT - 1)
    expect(daysOf('ad 0', 'spend')).to.deep.equal([FAULT, FAULT + 1, FAULT + 2, FAULT + 3])
    for (let k = 1; k <= rising.length; k++)
      expect(daysOf(`ad ${k}`, 'spend').filter((day) => day >= FAULT)).to.deep.equal([])
  })
})

describe('what has lasted', () => {
  /** An ad with two thirds of the money of its ad set, and half of its campaign's, changes for good. */
  const lasting = (changes: { readonly ctr?: OfDay; readonly conversion?: OfDay }): AccountDays =>
    accountOfAds(DAYS, [
      { adset: 's0', spend: noisy(300, 0.1, 1), ...changes },
      { adset: 's0', spend: noisy(150, 0.1, 2) },
      { adset: 's1', spend: noisy(150, 0.1, 3) },
    ])

  it('of an ad is not told of its ad set and campaign afterwards, though a longer window would still see it', () => {
    const quietOf = judged(lasting({ conversion: during(FAULT, DAYS, 0.5, () => 0.04) }))
    const days = quietOf('ad 0', 'conversion_rate')
    expect(days.at(-1)).to.equal(FAULT + 3)
    for (const id of ['s0', 'c']) expect(quietOf(id, 'conversion_rate'), id).to.deep.equal([])
    const loudOf = judged(lasting({ ctr: during(FAULT, DAYS, 0.5, noisy(0.02, 0.05, 7)) }))
    for (const id of ['s0', 'c']) {
      const above = loudOf(id, 'ctr')
      expect(above, id).to.include(FAULT)
      expect(
        above.filter((day) => day > FAULT + 3),
        id,
      ).to.deep.equal([])
    }
  })

  it('of a campaign is not told of its ad sets afterwards, which show too little each before', () => {
    const conversion = during(FAULT, DAYS, 0.64, () => 0.04)
    const ads = Array.from({ length: 12 }, (_, k) => ({
      adset: `s${k % 3}`,
      spend: noisy(50, 0.05, k + 1),
      conversion,
    }))
    const daysOf = judged(accountOfAds(DAYS, ads))
    expect(daysOf('c', 'conversion_rate').at(-1)).to.be.within(FAULT + 2, FAULT + 3)
    for (const id of ['s0', 's1', 's2']) expect(daysOf(id, 'conversion_rate'), id).to.deep.equal([])
  })
})

describe('a small change of price', () => {
  it('is told where prices stand still for months, not where they wander', () => {
    const days = 100
    const from = days - 8
    /** Twelve ads whose prices wander by `step` a day; that of the first one always does the same. */
    const told = (step: number, change: number): number[] => {
      const steady = wandering(10, 0.05, 0, 1)
      const changed = { cpm: (t: number) => (t < from ? steady(t) : 10 * change) }
      const others = Array.from({ length: 11 }, (_, k) => ({ cpm: wandering(10, 0.05, step, k + 2) }))
      return judged(accountOfAds(days, [changed, ...others]))('ad 0', 'cpm').filter((day) => day >= from)
    }
    expect(told(0, 1.2)).to.have.length.above(0)
    expect(told(0.05, 1.2)).to.deep.equal([])
    expect(told(0.05, 1.6)).to.have.length.above(0)
  })
})
