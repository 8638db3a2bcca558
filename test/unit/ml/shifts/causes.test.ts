import { expect } from 'chai'
import fc from 'fast-check'
import type { AccountDays, AccountEntity } from '../../../../ml/shifts/account.ts'
import { effectsOf, sharesOf } from '../../../../ml/shifts/causes.ts'
import type { ChildFigures } from '../../../../ml/shifts/causes.ts'
import { openIncidentBook } from '../../../../ml/shifts/incidents.ts'
import type { AccountAnomaly, Incident } from '../../../../ml/shifts/incidents.ts'

const DAYS = 3

const child = (
  numerator: number,
  expectedNumerator: number,
  denominator = 0,
  expectedDenominator = 0,
): ChildFigures => ({ numerator, expectedNumerator, denominator, expectedDenominator })

/** Ad sets A and B, each expected to spend 100 on 10 leads; A has 2 leads. */
const A = child(100, 100, 2, 10)
const B = child(100, 100, 10, 10)

const entity = (changes: Partial<AccountEntity>): AccountEntity => ({
  id: 'c',
  level: 'campaign',
  parent: -1,
  start: 0,
  end: Infinity,
  spend: new Float64Array(DAYS).fill(100),
  impressions: new Float64Array(DAYS).fill(1000),
  clicks: new Float64Array(DAYS).fill(50),
  leads: new Float64Array(DAYS).fill(10),
  reach: new Float64Array(DAYS).fill(900),
  budget: new Float64Array(DAYS),
  mixed: new Uint8Array(DAYS),
  idle: new Uint8Array(DAYS),
  tolerance: {},
  confirmed: new Set(),
  ...changes,
})

describe('root causes', () => {
  it('example 12: of a cost per lead of 16.667 instead of 10, all is the ad set that lost its leads', () => {
    const effects = effectsOf([A, B], false)
    const cpl = (A.numerator + B.numerator) / (A.denominator + B.denominator)
    expect(cpl).to.be.closeTo(16.667, 5e-4)
    expect(effects[0]).to.be.closeTo(6.667, 5e-4)
    expect(effects[1]).to.equal(0)
    expect(sharesOf(effects)).to.deep.equal([1, 0])
  })

  it('example 12, as an incident tells it: A first with share 1, 50 instead of 10, then B with none', () => {
    const account: AccountDays = {
      days: DAYS,
      firstWeekday: 0,
      entities: [
        entity({ spend: new Float64Array(DAYS).fill(200), leads: Float64Array.of(20, 20, 12) }),
        // B comes first here: it is the share that ranks.
        entity({ id: 'B', level: 'adset', parent: 0 }),
        entity({ id: 'A', level: 'adset', parent: 0, leads: Float64Array.of(10, 10, 2) }),
      ],
      holiday: new Uint8Array(DAYS),
      completeUntil: DAYS,
      leadsUntil: DAYS,
    }
    const dear: AccountAnomaly = {
      entity: 0,
      day: 2,
      type: 'cpl_spike',
      metric: 'cpl',
      severity: 'HIGH',
      polarity: 'bad',
      direction: 'up',
      score: 0.99,
      rarity: 0.01,
      observed: 200 / 12,
      expected: 10,
      lower: 8,
      upper: 12,
      deviation: -5,
      contributions: null,
      modelSource: 'baseline',
      modelVersion: null,
      signals: [],
      shift: {
        day: 2,
        entity: 0,
        figure: 'cpl',
        deviate: -5,
        window: 1,
        size: Math.log(12 / 20),
        bad: true,
        shares: null,
        // In leads: what the money promised, and what is missing of it.
        parts: [
          { entity: 1, gap: 0, promised: 10 },
          { entity: 2, gap: -8, promised: 10 },
        ],
        origins: null,
      },
    }
    const book = openIncidentBook(account)
    book.take(2, [dear])
    const [incident] = book.incidents as [Incident]
    expect(book.incidents).to.have.length(1)
    expect(incident.causes).to.deep.equal([
      { entity: 2, depth: 1, share: 1, observed: 50, expected: 10 },
      { entity: 1, depth: 1, share: 0, observed: 10, expected: 10 },
    ])
    expect(incident).to.include({ root: 0, culprit: 2, metric: 'cpl' })
  })

  it('of a sum are what each child differs by, and those that pull the other way have negative shares', () => {
    const effects = effectsOf([child(150, 100), child(40, 50), child(70, 70)], true)
    expect(effects).to.deep.equal([50, -10, 0])
    expect(sharesOf(effects)).to.deep.equal([1.25, -0.25, 0])
  })

  it('have no share where they cancel out', () => {
    expect(sharesOf([5, -5])).to.deep.equal([0, 0])
  })

  it('are none where there is no cost per lead to tell apart: without a lead in all, or in all others', () => {
    expect(effectsOf([child(100, 100, 0, 10), child(100, 100, 0, 10)], false)).to.deep.equal([0, 0])
    expect(effectsOf([child(100, 100, 5, 0), child(100, 100, 0, 0)], false)[0]).to.equal(0)
  })

  it('have shares that sum to 1, whatever happened', () => {
    const count = fc.integer({ min: 1, max: 1000 })
    fc.assert(
      fc.property(
        fc.array(fc.tuple(count, count, count, count), { minLength: 1, maxLength: 6 }),
        fc.boolean(),
        (rows, additive) => {
          const effects = effectsOf(
            rows.map((row) => child(...row)),
            additive,
          )
          const shares = sharesOf(effects)
          const sum = effects.reduce((total, effect) => total + effect, 0)
          const whole = shares.reduce((total, share) => total + share, 0)
          const largest = Math.max(...effects.map(Math.abs))
          // What nearly cancels out has shares beyond all bounds, and their sum no more digits than that.
          if (sum === 0) expect(whole).to.equal(0)
          else expect(whole).to.be.closeTo(1, 1e-12 * (1 + largest / Math.abs(sum)))
        },
      ),
      { numRuns: 50 },
    )
  })
})
