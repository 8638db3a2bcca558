import { expect } from 'chai'
import fc from 'fast-check'
import { creativeFatigue } from '../../../../ml/features/creative-fatigue.ts'
import type { LastWeek } from '../../../../ml/features/creative-fatigue.ts'
import type { FirstWeek } from '../../../../ml/features/feature-batch.ts'

const WEEK_START = 100

/** 1,000 views at 2% and 10 per thousand. */
const first = (week: Partial<FirstWeek> = {}): FirstWeek => ({
  spend: 10,
  impressions: 1000,
  clicks: 20,
  lastDay: WEEK_START - 1,
  ...week,
})
const now = (week: Partial<LastWeek> = {}): LastWeek => ({
  spend: 20,
  impressions: 2000,
  clicks: 40,
  frequency: 2.5,
  ...week,
})
const score = (week: Partial<LastWeek>, before: FirstWeek | null = first()): number | null =>
  creativeFatigue(now(week), before, WEEK_START)

describe('creative fatigue', () => {
  it('example 15: frequency 4.75, ctr 2.0 -> 1.5, cpm 10 -> 12 -> 0.48', () => {
    expect(score({ frequency: 4.75, clicks: 30, spend: 24 })).to.be.closeTo(0.48, 1e-12)
  })

  it('is not known below 1,000 impressions', () => {
    expect(score({ impressions: 999 })).to.equal(null)
    expect(score({ impressions: 1000 })).to.be.a('number')
  })

  it('grows with the frequency from 2.5 to 7', () => {
    const alone = (frequency: number) => score({ frequency }, null)
    expect(alone(2.4)).to.equal(0)
    expect(alone(2.5)).to.equal(0)
    expect(alone(2.95)).to.be.closeTo(0.1, 1e-12)
    expect(alone(7)).to.equal(1)
    expect(alone(7.1)).to.equal(1)
  })

  it('grows as the click rate falls to half, and not when it rises', () => {
    const ofClicks = (clicks: number) => (score({ clicks }) ?? Number.NaN) / 0.4
    expect(ofClicks(41)).to.equal(0)
    expect(ofClicks(40)).to.equal(0)
    expect(ofClicks(36)).to.be.closeTo(0.2, 1e-12)
    expect(ofClicks(20)).to.be.closeTo(1, 1e-12)
    expect(ofClicks(19)).to.be.closeTo(1, 1e-12)
  })

  it('grows as views get dearer by half, and not when they get cheaper', () => {
    const ofSpend = (spend: number) => (score({ spend }) ?? Number.NaN) / 0.2
    expect(ofSpend(19)).to.equal(0)
    expect(ofSpend(20)).to.equal(0)
    expect(ofSpend(22)).to.be.closeTo(0.2, 1e-12)
    expect(ofSpend(30)).to.be.closeTo(1, 1e-12)
    expect(ofSpend(31)).to.be.closeTo(1, 1e-12)
  })

  it('looks at the frequency alone where the first week overlaps the last or was seen too little', () => {
    const worn = { frequency: 7, clicks: 40, spend: 20 }
    expect(score(worn)).to.be.closeTo(0.4, 1e-12)
    expect(score(worn, null)).to.equal(1)
    expect(score(worn, first({ lastDay: WEEK_START - 1 }))).to.be.closeTo(0.4, 1e-12)
    expect(score(worn, first({ lastDay: WEEK_START }))).to.equal(1)
    expect(score(worn, first({ impressions: 1000 }))).to.be.closeTo(0.4, 1e-12)
    expect(score(worn, first({ impressions: 999 }))).to.equal(1)
  })

  it('weighs anew what is known', () => {
    expect(score({ frequency: null, clicks: 20 })).to.be.closeTo(0.4 / 0.6, 1e-12)
    expect(score({ frequency: null }, null)).to.equal(null)
    // No clicks and no spend at first: nothing to fall or rise from.
    expect(score({ frequency: 7, spend: 30 }, first({ clicks: 0 }))).to.be.closeTo(1, 1e-12)
    expect(score({ frequency: 7, clicks: 20 }, first({ spend: 0 }))).to.be.closeTo(1, 1e-12)
    expect(score({ frequency: null, clicks: 20 }, first({ spend: 0, clicks: 0 }))).to.equal(null)
  })

  it('stays within 0 and 1', () => {
    const amount = fc.nat({ max: 100_000 })
    const week = fc.record({ spend: amount, impressions: amount, clicks: amount })
    const frequency = fc.option(fc.double({ min: 0, max: 50, noNaN: true }))
    fc.assert(
      fc.property(
        week,
        frequency,
        fc.option(week),
        fc.integer({ min: 90, max: 110 }),
        (last, seen, began, lastDay) => {
          const value = creativeFatigue(
            { ...last, frequency: seen },
            began && { ...began, lastDay },
            WEEK_START,
          )
          if (value !== null) expect(value).to.be.within(0, 1)
        },
      ),
    )
  })
})
