import { expect } from 'chai'
import { outcomeOf } from '../../../../shared/recommendation/outcome.ts'
import type { OutcomeWindows, WeekPair } from '../../../../shared/recommendation/recommendations.ts'

const DAY = '2026-03-18'

type Week = readonly [spend: number, leads: number]

const pair = (before: Week, after: Week): WeekPair => ({
  before: { spend: before[0], leads: before[1] },
  after: { spend: after[0], leads: after[1] },
})
const STILL = pair([1000, 100], [1000, 100])
const outcome = (own: WeekPair, others: Partial<Pick<OutcomeWindows, 'siblings' | 'account'>> = {}) =>
  outcomeOf({ id: 1, own, siblings: null, account: STILL, ...others }, DAY)

describe('what came of advice', () => {
  it('is better or worse beyond ten percent of the cost per lead', () => {
    const verdictOf = (spend: number): string => outcome(pair([1000, 10], [spend, 10])).verdict
    expect([899, 900, 1100, 1101].map(verdictOf)).to.deep.equal([
      'improved',
      'neutral',
      'neutral',
      'worsened',
    ])
  })

  it('is less what the siblings did, else the account', () => {
    const cheaper = pair([100, 10], [80, 10])
    expect(outcome(cheaper)).to.deep.equal({
      verdict: 'improved',
      metric: 'cpl',
      before: 10,
      after: 8,
      change_pct: -20,
      baseline_pct: 0,
      baseline: 'account',
      evaluated_on: DAY,
    })
    const others = { siblings: pair([100, 10], [85, 10]) }
    expect(outcome(cheaper, others)).to.include({
      verdict: 'neutral',
      baseline: 'siblings',
      baseline_pct: -15,
    })
    const silent = { siblings: pair([100, 0], [85, 0]) }
    expect(outcome(cheaper, silent)).to.include({ verdict: 'improved', baseline: 'account' })
  })

  it('is told by leads where one of the weeks had none', () => {
    expect(outcome(pair([100, 10], [100, 0]))).to.include({
      verdict: 'worsened',
      metric: 'leads',
      before: 10,
      after: 0,
      change_pct: -100,
    })
    expect(outcome(pair([100, 0], [100, 4]))).to.include({ verdict: 'improved', change_pct: 100 })
    expect(outcome(pair([100, 0], [100, 0]))).to.include({ verdict: 'neutral', change_pct: 0 })
  })

  it('stands by itself where nothing can be compared with', () => {
    expect(outcome(pair([100, 10], [80, 10]), { account: pair([0, 0], [0, 0]) })).to.include({
      verdict: 'improved',
      baseline: null,
      baseline_pct: null,
    })
  })
})
