import { expect } from 'chai'
import * as fc from 'fast-check'
import { inConflict, settle } from '../../../../ml/recommend/conflicts.ts'
import { RECOMMENDATION_TYPES, RULES } from '../../../../ml/recommend/matrix.ts'
import type { Candidate, RecommendationType, Rule } from '../../../../ml/recommend/matrix.ts'
import { planEntity } from '../../../../shared/recommendation/recommendation.ts'
import type { KnownAdvice } from '../../../../shared/recommendation/recommendations.ts'

const NOW = new Date('2026-03-11T15:00:00.000Z')
const DAY_MS = 86_400_000
const daysAgo = (days: number, ms = 0): Date => new Date(NOW.getTime() - days * DAY_MS - ms)

const candidate = (
  type: RecommendationType,
  priority: number,
  rule: Rule = type === 'PAUSE' ? 'high_cpl' : (type.toLowerCase() as Rule),
): Candidate => ({
  type,
  rule,
  priority,
  confidence: 0.7,
  action: 'action',
  changePct: null,
  expected: { leads: null, cpl: null },
  days: 7,
  inputs: {},
  thresholds: {},
})

const active = (id: number, type: RecommendationType, priority: number, expiresInMs = 1): KnownAdvice => ({
  id,
  entityId: 'e',
  type,
  rule: candidate(type, priority).rule,
  priority,
  confidence: 0.7,
  status: 'active',
  actedAt: null,
  expiresAt: new Date(NOW.getTime() + expiresInMs),
})
const decided = (status: 'applied' | 'dismissed', type: RecommendationType, at: Date): KnownAdvice => ({
  ...active(99, type, 5),
  status,
  actedAt: at,
})

const typesAdded = (
  candidates: readonly Candidate[],
  known: readonly KnownAdvice[],
  force = false,
): readonly RecommendationType[] => planEntity(candidates, known, NOW, force).added.map(({ type }) => type)

describe('what a run does to the advice of an entity', () => {
  it('adds what is new and leaves what stands, also when it is no longer true', () => {
    const plan = planEntity([candidate('CREATIVE_REFRESH', 6)], [active(1, 'AUDIENCE_REVIEW', 5)], NOW, false)
    expect(plan.added.map(({ type }) => type)).to.deep.equal(['CREATIVE_REFRESH'])
    expect(plan).to.deep.include({ expired: [], superseded: [], renewed: [] })
  })

  it('expires what reached its end, to the millisecond, and may give it again at once', () => {
    const again = [candidate('SCALE_UP', 7)]
    const ended = planEntity(again, [active(1, 'SCALE_UP', 7, 0)], NOW, false)
    expect(ended.expired).to.deep.equal([1])
    expect(ended.added).to.deep.equal(again)
    const not = planEntity(again, [active(1, 'SCALE_UP', 7, 1)], NOW, false)
    expect(not).to.deep.equal({ expired: [], superseded: [], added: [], renewed: [] })
  })

  it('forced, expires what is untrue and renews what is true by its best reason', () => {
    const best = candidate('PAUSE', 7, 'no_leads')
    const plan = planEntity(
      [candidate('PAUSE', 5, 'underperformer'), best],
      [active(1, 'PAUSE', 6), active(2, 'REACTIVATE', 3)],
      NOW,
      true,
    )
    expect(plan).to.deep.equal({
      expired: [2],
      superseded: [],
      added: [],
      renewed: [{ id: 1, candidate: best }],
    })
  })

  it('forced, lets what stands compete by its new priority', () => {
    // The cut was worth 8; now it is worth 6 and loses to PAUSE.
    const plan = planEntity(
      [candidate('BUDGET_DECREASE', 6), candidate('PAUSE', 6)],
      [active(1, 'BUDGET_DECREASE', 8)],
      NOW,
      true,
    )
    expect(plan.superseded).to.deep.equal([1])
    expect(plan.renewed).to.deep.equal([])
    expect(plan.added.map(({ type }) => type)).to.deep.equal(['PAUSE'])
  })

  it('supersedes the weaker that stands, and adds no weaker one against it', () => {
    const won = planEntity([candidate('BUDGET_DECREASE', 8)], [active(1, 'PAUSE', 6)], NOW, false)
    expect([won.superseded, won.added.length]).to.deep.equal([[1], 1])
    const lost = planEntity([candidate('BUDGET_DECREASE', 6)], [active(1, 'PAUSE', 6)], NOW, false)
    expect(lost).to.deep.equal({ expired: [], superseded: [], added: [], renewed: [] })
  })

  it('lets what stands compete by the best of its reasons, old and new', () => {
    // Yesterday's PAUSE of 5 has a reason of 6 today, which a cut of 6 does not beat: else they would take turns.
    const plan = planEntity(
      [candidate('BUDGET_DECREASE', 6), candidate('PAUSE', 6, 'worse_than_siblings')],
      [active(1, 'PAUSE', 5)],
      NOW,
      false,
    )
    expect(plan).to.deep.equal({ expired: [], superseded: [], added: [], renewed: [] })
    expect(
      planEntity([candidate('BUDGET_DECREASE', 6)], [active(1, 'PAUSE', 5)], NOW, false).superseded,
    ).to.deep.equal([1])
  })

  it('supersedes the least of what stands when a fourth outranks it', () => {
    const known = [
      active(1, 'CREATIVE_TEST', 4),
      active(2, 'CREATIVE_REFRESH', 5),
      active(3, 'BUDGET_INCREASE', 4),
    ]
    const more = planEntity([candidate('AUDIENCE_REVIEW', 5)], known, NOW, false)
    // Of two that rank the same the later row of the table goes.
    expect(more.superseded).to.deep.equal([1])
    expect(more.added).to.have.length(1)
    const less = planEntity([candidate('REACTIVATE', 3)], known, NOW, false)
    expect([less.superseded, less.added]).to.deep.equal([[], []])
  })

  for (const [status, days] of [
    ['dismissed', 14],
    ['applied', 7],
  ] as const) {
    it(`gives no type again within ${days} days after it was ${status}, forced or not`, () => {
      const wanted = [candidate('SCALE_UP', 7)]
      for (const force of [false, true]) {
        expect(typesAdded(wanted, [decided(status, 'SCALE_UP', daysAgo(days, -1))], force)).to.deep.equal([])
        expect(typesAdded(wanted, [decided(status, 'SCALE_UP', daysAgo(days))], force)).to.deep.equal([
          'SCALE_UP',
        ])
      }
    })
  }

  it('cools down that type alone: the next best takes its place', () => {
    const wanted = [candidate('SCALE_UP', 7), candidate('BUDGET_INCREASE', 4)]
    expect(typesAdded(wanted, [])).to.deep.equal(['SCALE_UP'])
    expect(typesAdded(wanted, [decided('dismissed', 'SCALE_UP', daysAgo(1))])).to.deep.equal([
      'BUDGET_INCREASE',
    ])
  })

  it('cools down by every decision that is recent, not by the last one alone', () => {
    const known = [decided('dismissed', 'SCALE_UP', daysAgo(13)), decided('applied', 'SCALE_UP', daysAgo(8))]
    expect(typesAdded([candidate('SCALE_UP', 7)], known)).to.deep.equal([])
  })

  const anyCandidates = fc.uniqueArray(
    fc
      .tuple(fc.constantFrom(...RULES), fc.integer({ min: 3, max: 9 }))
      .map(([rule, priority]) =>
        candidate(
          RECOMMENDATION_TYPES.find((type) => type.toLowerCase() === rule) ?? 'PAUSE',
          priority,
          rule,
        ),
      ),
    { selector: ({ rule }) => rule },
  )
  /** As runs leave it: settled, some of it at its end. */
  const anyKnown = fc
    .uniqueArray(
      fc.tuple(
        fc.constantFrom(...RECOMMENDATION_TYPES),
        fc.integer({ min: 3, max: 9 }),
        fc.integer({ min: -2, max: 2 }),
      ),
      { selector: ([type]) => type, maxLength: 5 },
    )
    .map((all) => settle(all.map(([type, priority, ms], i) => active(i + 1, type, priority, ms))))

  it('leaves three at most, none in conflict, none twice, and touches every row once', () => {
    fc.assert(
      fc.property(anyCandidates, anyKnown, fc.boolean(), (candidates, known, force) => {
        const plan = planEntity(candidates, known, NOW, force)
        const gone = [...plan.expired, ...plan.superseded]
        const renewed = plan.renewed.map(({ id }) => id)
        expect(new Set([...gone, ...renewed]).size).to.equal(gone.length + renewed.length)
        const left = [
          ...known.filter(({ id }) => !gone.includes(id)).map(({ type }) => type),
          ...plan.added.map(({ type }) => type),
        ]
        expect(left.length).to.be.at.most(3)
        left.forEach((one, i) => {
          for (const other of left.slice(i + 1)) expect(inConflict(one, other)).to.equal(false)
        })
        if (!force) expect(renewed).to.deep.equal([])
      }),
    )
  })

  it('has nothing left to do when it is asked again', () => {
    fc.assert(
      fc.property(anyCandidates, anyKnown, (candidates, known) => {
        const plan = planEntity(candidates, known, NOW, false)
        const gone = new Set([...plan.expired, ...plan.superseded])
        const standing = [
          ...known.filter(({ id }) => !gone.has(id)),
          ...plan.added.map((one, i) => ({ ...active(100 + i, one.type, one.priority), rule: one.rule })),
        ]
        expect(planEntity(candidates, standing, NOW, false)).to.deep.equal({
          expired: [],
          superseded: [],
          added: [],
          renewed: [],
        })
      }),
    )
  })
})
