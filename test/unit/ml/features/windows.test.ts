import { expect } from 'chai'
import fc from 'fast-check'
import { sampleStd, trendOf, windowTotals } from '../../../../ml/features/windows.ts'
import { buildFrame, repeat } from '../build-frame.ts'

describe('windows of days', () => {
  it('hold both ends and nothing beside them', () => {
    const frame = buildFrame(10, [
      { spend: 1, leads: 1 },
      { spend: 10, impressions: 5, clicks: 2 },
      null,
      { spend: 100, leads: 3 },
      { spend: 1000 },
    ])
    expect(windowTotals(frame, 11, 13)).to.deep.equal({ spend: 110, impressions: 5, clicks: 2, leads: 3 })
    expect(windowTotals(frame, 12, 12)).to.deep.equal({ spend: 0, impressions: 0, clicks: 0, leads: 0 })
    expect(windowTotals(frame, 0, 9).spend).to.equal(0)
    expect(windowTotals(frame, 0, 99).spend).to.equal(1111)
  })

  it('add money up exactly', () => {
    expect(windowTotals(buildFrame(0, repeat(3, { spend: 0.1 })), 0, 2).spend).to.equal(0.3)
    const cents = fc.array(fc.integer({ min: 0, max: 1_000_000_000 }), { minLength: 1, maxLength: 30 })
    fc.assert(
      fc.property(cents, (values) => {
        const sum = (of: readonly number[]): number =>
          windowTotals(
            buildFrame(
              0,
              of.map((cent) => ({ spend: cent / 100 })),
            ),
            0,
            of.length,
          ).spend
        expect(sum(values)).to.equal(values.reduce((total, cent) => total + cent, 0) / 100)
        expect(sum(values.toReversed())).to.equal(sum(values))
      }),
    )
  })
})

describe('a trend', () => {
  it('is the change in percent', () => {
    expect(trendOf(15, 12)).to.equal(25)
    expect(trendOf(9, 12)).to.equal(-25)
    expect(trendOf(12, 12)).to.equal(0)
  })

  it('ends at twice as much and at nothing', () => {
    expect(trendOf(19.9, 10)).to.be.closeTo(99, 1e-9)
    expect(trendOf(20, 10)).to.equal(100)
    expect(trendOf(20.1, 10)).to.equal(100)
    expect(trendOf(0.1, 10)).to.be.closeTo(-99, 1e-9)
    expect(trendOf(0, 10)).to.equal(-100)
  })

  it('from nothing is 100, and 0 where nothing stays', () => {
    expect(trendOf(0.01, 0)).to.equal(100)
    expect(trendOf(0, 0)).to.equal(0)
  })
})

describe('the sample deviation', () => {
  it('divides by one less than there are, and needs two', () => {
    expect(sampleStd([])).to.equal(null)
    expect(sampleStd([5])).to.equal(null)
    expect(sampleStd([5, 5])).to.equal(0)
    expect(sampleStd([2, 4, 4, 4, 5, 5, 7, 9])).to.be.closeTo(Math.sqrt(32 / 7), 1e-15)
  })
})
