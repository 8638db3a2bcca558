import { expect } from 'chai'
import fc from 'fast-check'
import {
  audienceOverlap,
  audienceTokens,
  frequencyCorrelation,
} from '../../../../ml/features/audience-overlap.ts'
import type { Audience } from '../../../../ml/features/audience-overlap.ts'

const tokensOf = (targeting: unknown): readonly string[] => [...(audienceTokens(targeting) ?? [])].sort()
const ages = (targeting: object): readonly string[] =>
  tokensOf({ genders: [1], ...targeting })
    .filter((token) => token.startsWith('age:'))
    .map((token) => token.slice(4))

describe('targeting as tokens', () => {
  it('names places, interests, behaviours and audiences by their ids', () => {
    const targeting = {
      geo_locations: {
        countries: ['BR'],
        regions: [{ key: '460', name: 'São Paulo' }],
        cities: [{ key: 269969, radius: 10 }],
      },
      age_min: 25,
      age_max: 34,
      genders: [2],
      interests: [{ id: '6003', name: 'Fitness' }],
      flexible_spec: [{ interests: [{ id: 6004 }] }, { behaviors: [{ id: '6017' }] }],
      custom_audiences: [{ id: '11' }],
      excluded_custom_audiences: [{ id: '12' }],
      publisher_platforms: ['facebook'],
    }
    expect(tokensOf(targeting)).to.deep.equal([
      'age:25',
      'behavior:6017',
      'city:269969',
      'country:br',
      'custom:11',
      'gender:female',
      'interest:6003',
      'interest:6004',
      'not_custom:12',
      'region:460',
    ])
  })

  it('touches every age bucket the range meets', () => {
    expect(ages({ age_min: 24, age_max: 25 })).to.deep.equal(['18', '25'])
    expect(ages({ age_min: 25, age_max: 34 })).to.deep.equal(['25'])
    expect(ages({ age_min: 25, age_max: 35 })).to.deep.equal(['25', '35'])
    expect(ages({ age_min: 55, age_max: 64 })).to.deep.equal(['55'])
    expect(ages({ age_min: 55, age_max: 65 })).to.deep.equal(['55', '65'])
    expect(ages({ age_min: '13', age_max: '18' })).to.deep.equal(['18'])
    expect(ages({})).to.deep.equal(['18', '25', '35', '45', '55', '65'])
  })

  it('means both genders where none is set', () => {
    const genders = (targeting: object) => tokensOf(targeting).filter((token) => token.startsWith('gender:'))
    const both = ['gender:female', 'gender:male']
    expect(genders({ age_min: 18 })).to.deep.equal(both)
    expect(genders({ genders: [] })).to.deep.equal(both)
    expect(genders({ genders: [1, 2] })).to.deep.equal(both)
    expect(genders({ genders: [1] })).to.deep.equal(['gender:male'])
  })

  it('is unknown where nothing is said', () => {
    for (const nothing of [null, undefined, {}, [], 'BR', 7])
      expect(audienceTokens(nothing), JSON.stringify(nothing)).to.equal(null)
  })

  it('never trips over what a source may write', () => {
    fc.assert(
      fc.property(
        fc.jsonValue(),
        fc.constantFrom('geo_locations', 'genders', 'flexible_spec', 'age_min'),
        (json, key) => {
          audienceTokens(json)
          audienceTokens({ [key]: json })
        },
      ),
    )
  })
})

/** `n` days of a frequency that rises, then unknown. */
const rising = (n: number): Float64Array =>
  Float64Array.from({ length: 30 }, (_, i) => (i < n ? 1 + i / 10 : Number.NaN))

describe('the correlation of frequencies', () => {
  it('needs 14 days both had', () => {
    expect(frequencyCorrelation(rising(14), rising(30))).to.be.closeTo(1, 1e-12)
    expect(frequencyCorrelation(rising(13), rising(30))).to.equal(0)
  })

  it("is Pearson's, and 0 where that is negative or not defined", () => {
    const a = Float64Array.from({ length: 30 }, (_, i) => i % 5)
    const b = Float64Array.from({ length: 30 }, (_, i) => (i % 5) * (i % 2 === 0 ? 2 : 1))
    const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / values.length
    const [ma, mb] = [mean(a), mean(b)]
    const cross = (x: Float64Array, mx: number, y: Float64Array, my: number) =>
      x.reduce((sum, value, i) => sum + (value - mx) * ((y[i] as number) - my), 0)
    const pearson = cross(a, ma, b, mb) / Math.sqrt(cross(a, ma, a, ma) * cross(b, mb, b, mb))
    expect(frequencyCorrelation(a, b)).to.be.closeTo(pearson, 1e-12)
    expect(
      frequencyCorrelation(
        a,
        b.map((value) => -value),
      ),
    ).to.equal(0)
    expect(frequencyCorrelation(a, new Float64Array(30).fill(1.1))).to.equal(0)
  })
})

const audience = (tokens: string, more: Partial<Audience> = {}): Audience => ({
  tokens: new Set(tokens),
  frequency: new Float64Array(30).fill(Number.NaN),
  active: true,
  ...more,
})

describe('audience overlap', () => {
  it('example 15: 4 tokens shared of 6, fc .5 -> 0.566667', () => {
    // Of 16 days in two blocks that share 3 quarters of their signs the correlation is one half.
    const a = Float64Array.from({ length: 16 }, (_, i) => (i < 8 ? 1 : 2))
    const b = Float64Array.from({ length: 16 }, (_, i) => (i < 8 === (i % 4 === 0) ? 2 : 1))
    expect(frequencyCorrelation(a, b)).to.be.closeTo(0.5, 1e-12)
    const own = audience('abcde', { frequency: a })
    expect(audienceOverlap(own, [own, audience('abcdf', { frequency: b })])).to.be.closeTo(0.566667, 5e-7)
  })

  it('takes the most of all others, and leaves out itself, those not active and those unknown', () => {
    const own = audience('abcd')
    expect(audienceOverlap(own, [audience('ab'), own, audience('abc'), audience('a')])).to.be.closeTo(
      0.525,
      1e-12,
    )
    expect(audienceOverlap(own, [own, audience('abcd', { active: false }), audience('x')])).to.equal(0)
    expect(audienceOverlap(own, [own, audience('', { tokens: null })])).to.equal(0)
  })

  it('is 0 without siblings, and unknown without targeting of its own', () => {
    const own = audience('abcd')
    expect(audienceOverlap(own, [own])).to.equal(0)
    const unknown = audience('', { tokens: null })
    expect(audienceOverlap(unknown, [unknown, own])).to.equal(null)
  })

  it('prefers fewer shared tokens whose frequencies move together', () => {
    const own = audience('abcdefghij', { frequency: rising(30) })
    const alike = audience('abcdefgh', { frequency: rising(30) })
    const more = audience('abcdefghi')
    expect(audienceOverlap(own, [own, more, alike])).to.be.closeTo(0.8, 1e-12)
    expect(audienceOverlap(own, [own, alike, more])).to.be.closeTo(0.8, 1e-12)
  })

  it('stays within 0 and 1, whatever the order', () => {
    const frequency = fc
      .array(fc.oneof(fc.constant(Number.NaN), fc.double({ min: 0, max: 20, noNaN: true })), {
        minLength: 30,
        maxLength: 30,
      })
      .map((values) => Float64Array.from(values))
    const one = fc.record({
      tokens: fc.option(
        fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { minLength: 1 }).map((t) => new Set(t)),
      ),
      frequency,
      active: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(one, { minLength: 1, maxLength: 6 }), (campaign) => {
        for (const own of campaign) {
          const score = audienceOverlap(own, campaign)
          expect(score === null).to.equal(own.tokens === null)
          if (score !== null) expect(score).to.be.within(0, 1)
          expect(audienceOverlap(own, campaign.toReversed())).to.equal(score)
        }
      }),
    )
  })
})
