import { expect } from 'chai'
import * as fc from 'fast-check'
import { inConflict, settle } from '../../../../ml/recommend/conflicts.ts'
import type { Ranked } from '../../../../ml/recommend/conflicts.ts'
import { RECOMMENDATION_TYPES, RULES } from '../../../../ml/recommend/matrix.ts'
import type { RecommendationType, Rule } from '../../../../ml/recommend/matrix.ts'

/** The table as specified: what each rule advises. */
const TYPE_OF: Readonly<Record<Rule, RecommendationType>> = {
  scale_up: 'SCALE_UP',
  budget_decrease: 'BUDGET_DECREASE',
  no_leads: 'PAUSE',
  worse_than_siblings: 'PAUSE',
  high_cpl: 'PAUSE',
  underperformer: 'PAUSE',
  budget_increase: 'BUDGET_INCREASE',
  reactivate: 'REACTIVATE',
  audience_review: 'AUDIENCE_REVIEW',
  audience_expansion: 'AUDIENCE_EXPANSION',
  audience_narrowing: 'AUDIENCE_NARROWING',
  creative_refresh: 'CREATIVE_REFRESH',
  creative_test: 'CREATIVE_TEST',
  creative_winner: 'CREATIVE_WINNER',
}

const advice = (rule: Rule, priority: number, confidence = 0.7): Ranked => ({
  type: TYPE_OF[rule],
  rule,
  priority,
  confidence,
})
const rulesOf = (...all: readonly Ranked[]): readonly Rule[] => settle(all).map(({ rule }) => rule)

/** Any rules, each once, with few different ranks so that ties are common. */
const anyAdvice = fc.uniqueArray(
  fc
    .tuple(fc.constantFrom(...RULES), fc.integer({ min: 4, max: 6 }), fc.constantFrom(0.7, 0.8))
    .map(([rule, priority, confidence]) => advice(rule, priority, confidence)),
  { selector: ({ rule }) => rule },
)

describe('conflicts of advice', () => {
  it('are those of the specification, in both directions', () => {
    const pairs = RECOMMENDATION_TYPES.flatMap((a, i) =>
      RECOMMENDATION_TYPES.slice(i + 1).flatMap((b) => (inConflict(a, b) ? [`${a} ${b}`] : [])),
    )
    expect(pairs).to.deep.equal([
      'SCALE_UP BUDGET_DECREASE',
      'SCALE_UP PAUSE',
      'SCALE_UP BUDGET_INCREASE',
      'BUDGET_DECREASE PAUSE',
      'BUDGET_DECREASE BUDGET_INCREASE',
      'PAUSE BUDGET_INCREASE',
      'PAUSE AUDIENCE_EXPANSION',
      'PAUSE CREATIVE_WINNER',
      'AUDIENCE_REVIEW AUDIENCE_EXPANSION',
      'AUDIENCE_REVIEW AUDIENCE_NARROWING',
      'AUDIENCE_EXPANSION AUDIENCE_NARROWING',
      'CREATIVE_REFRESH CREATIVE_WINNER',
      'CREATIVE_TEST CREATIVE_WINNER',
    ])
    for (const a of RECOMMENDATION_TYPES)
      for (const b of RECOMMENDATION_TYPES) expect(inConflict(a, b), `${a} ${b}`).to.equal(inConflict(b, a))
    for (const type of RECOMMENDATION_TYPES) expect(inConflict(type, type)).to.equal(true)
  })

  it('go to the higher priority', () => {
    expect(rulesOf(advice('no_leads', 6), advice('budget_decrease', 8))).to.deep.equal(['budget_decrease'])
    expect(rulesOf(advice('no_leads', 7), advice('budget_decrease', 6))).to.deep.equal(['no_leads'])
  })

  it('go to PAUSE on a tie, whatever speaks for the other', () => {
    for (const other of ['scale_up', 'budget_decrease', 'budget_increase', 'creative_winner'] as const)
      expect(rulesOf(advice(other, 6, 0.9), advice('underperformer', 6)), other).to.deep.equal([
        'underperformer',
      ])
    expect(rulesOf(advice('audience_expansion', 5), advice('underperformer', 5))).to.deep.equal([
      'underperformer',
    ])
  })

  it('go to the first of the table on a tie without PAUSE', () => {
    expect(rulesOf(advice('audience_narrowing', 5), advice('audience_review', 5))).to.deep.equal([
      'audience_review',
    ])
    expect(rulesOf(advice('creative_winner', 5, 0.9), advice('creative_test', 5))).to.deep.equal([
      'creative_test',
    ])
  })

  it('leave one PAUSE: the reason of the highest priority, then the first of the table', () => {
    const reasons = [advice('underperformer', 5), advice('high_cpl', 6), advice('worse_than_siblings', 6)]
    expect(rulesOf(...reasons)).to.deep.equal(['worse_than_siblings'])
    expect(rulesOf(...reasons, advice('no_leads', 7))).to.deep.equal(['no_leads'])
  })

  it('leave alone what only a loser stood against', () => {
    // The widening loses to PAUSE, the review stands against the widening only.
    expect(
      rulesOf(advice('audience_review', 4), advice('audience_expansion', 5), advice('high_cpl', 6)),
    ).to.deep.equal(['high_cpl', 'audience_review'])
  })

  it('leave the three of the highest priority, then confidence, then the order of the table', () => {
    const review = advice('audience_review', 5)
    const refresh = advice('creative_refresh', 5, 0.75)
    const scale = advice('scale_up', 7)
    const test = advice('creative_test', 4, 0.99)
    expect(rulesOf(test, review, refresh, scale)).to.deep.equal([
      'scale_up',
      'creative_refresh',
      'audience_review',
    ])
    expect(rulesOf(test, review, scale)).to.deep.equal(['scale_up', 'audience_review', 'creative_test'])
    expect(rulesOf(advice('reactivate', 5), advice('budget_increase', 5))).to.deep.equal([
      'budget_increase',
      'reactivate',
    ])
  })

  it('never leave two that conflict or more than three', () => {
    fc.assert(
      fc.property(anyAdvice, (all) => {
        const standing = settle(all)
        expect(standing.length).to.be.at.most(3)
        standing.forEach((one, i) => {
          for (const other of standing.slice(i + 1)) expect(inConflict(one.type, other.type)).to.equal(false)
        })
        // What fell either lost to one that is at least as urgent, or came after three others.
        for (const fallen of all.filter((one) => !standing.includes(one))) {
          const beaten = all.some(
            (one) => one !== fallen && inConflict(one.type, fallen.type) && one.priority >= fallen.priority,
          )
          expect(beaten || standing.length === 3).to.equal(true)
        }
      }),
    )
  })

  it('come out the same in whatever order the advice is given', () => {
    fc.assert(
      fc.property(
        anyAdvice.chain((all) =>
          fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length })),
        ),
        ([all, shuffled]) => {
          expect(rulesOf(...shuffled)).to.deep.equal(rulesOf(...all))
        },
      ),
    )
  })

  it('once settled stay settled', () => {
    fc.assert(
      fc.property(anyAdvice, (all) => {
        expect(settle(settle(all))).to.deep.equal(settle(all))
      }),
    )
  })
})
