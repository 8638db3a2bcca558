import { expect } from 'chai'
import { toDayNumber } from '../../../../shared/core/days.ts'
import type { StoredIncident, ToldIncident } from '../../../../shared/detection/incident-store.ts'
import { mainCauseOf, sentenceOf } from '../../../../shared/detection/sentence.ts'
import { savedIncident } from '../../../support/incidents.ts'

const CAMPAIGN = { entityType: 'campaign', entityId: 'c1', name: 'Spring' } as const
const ADSET = { entityType: 'adset', entityId: 's1', name: 'Lookalike 2%' } as const
const AD = { entityType: 'ad', entityId: 'a1', name: 'Video 1' } as const
const NO_MONEY = { money: null }

const told = (
  changes: Partial<StoredIncident> = {},
  more: Partial<Omit<ToldIncident, 'incident'>> = {},
): ToldIncident => ({
  incident: { ...savedIncident(), id: 1, status: 'open', members: [], ...changes },
  configId: 1,
  configName: 'Loja',
  currency: 'BRL',
  path: [ADSET, CAMPAIGN],
  figuresOf: ADSET,
  mainCauses: [],
  ...more,
})
const by = (...mainCauses: ToldIncident['mainCauses']): Partial<ToldIncident> => ({ mainCauses })
/** Of an ad, so that nothing is said of what is below. */
const ofAd = (changes: Partial<StoredIncident>): string =>
  sentenceOf(
    told(
      { root: { entityType: 'ad', entityId: 'a1' }, ...NO_MONEY, ...changes },
      { path: [AD], figuresOf: AD },
    ),
  )

describe('the sentence of an incident', () => {
  it('says what, where, since when, how much money, and the main cause', () => {
    expect(sentenceOf(told({}, by({ ...AD, observed: null, share: 0.87 })))).to.equal(
      'Leads of ad set "Lookalike 2%" cost 41.50 BRL instead of 20.00 since 9 March, 312.40 BRL more than expected; ad "Video 1" makes up 87% of it.',
    )
  })

  const cases: readonly (readonly [string, Partial<StoredIncident>, string, string])[] = [
    [
      'spend that rose',
      { metric: 'spend', direction: 'up', observed: 1234.5, expected: 100 },
      'Ad "Video 1" has spent 1,234.50 BRL a day instead of 100.00 since 9 March.',
      'Ad "Video 1" spent 1,234.50 BRL a day instead of 100.00 on 9 March.',
    ],
    [
      'spend that fell',
      { metric: 'spend', direction: 'down', observed: 12, expected: 100 },
      'Ad "Video 1" has spent 12.00 BRL a day instead of 100.00 since 9 March.',
      'Ad "Video 1" spent 12.00 BRL a day instead of 100.00 on 9 March.',
    ],
    [
      'spend that stopped',
      { metric: 'spend', direction: 'down', observed: 0, expected: 50 },
      'Ad "Video 1" has spent nothing instead of 50.00 BRL a day since 9 March.',
      'Ad "Video 1" spent nothing instead of 50.00 BRL a day on 9 March.',
    ],
    [
      'dear leads',
      { metric: 'cpl', direction: 'up', observed: 41.5, expected: 20 },
      'Leads of ad "Video 1" cost 41.50 BRL instead of 20.00 since 9 March.',
      'Leads of ad "Video 1" cost 41.50 BRL instead of 20.00 on 9 March.',
    ],
    [
      'cheap leads',
      { metric: 'cpl', direction: 'down', polarity: 'good', observed: 8.005, expected: 20 },
      'Leads of ad "Video 1" cost 8.01 BRL instead of 20.00 since 9 March.',
      'Leads of ad "Video 1" cost 8.01 BRL instead of 20.00 on 9 March.',
    ],
    [
      'fewer leads',
      { metric: 'leads', direction: 'down', observed: 2.25, expected: 10 },
      'Ad "Video 1" has brought 2.3 leads a day instead of 10 since 9 March.',
      'Ad "Video 1" brought 2.3 leads a day instead of 10 on 9 March.',
    ],
    [
      'no leads',
      { metric: 'leads', direction: 'down', observed: 0, expected: 10 },
      'Ad "Video 1" has brought no leads instead of 10 a day since 9 March.',
      'Ad "Video 1" brought no leads instead of 10 a day on 9 March.',
    ],
    [
      'more leads',
      { metric: 'leads', direction: 'up', observed: 1200.4, expected: 1 },
      'Ad "Video 1" has brought 1,200 leads a day instead of 1 since 9 March.',
      'Ad "Video 1" brought 1,200 leads a day instead of 1 on 9 March.',
    ],
    [
      'fewer clicks',
      { metric: 'ctr', direction: 'down', observed: 0.5, expected: 2 },
      'The click rate of ad "Video 1" has been 0.50% instead of 2.00% since 9 March.',
      'The click rate of ad "Video 1" was 0.50% instead of 2.00% on 9 March.',
    ],
    [
      'fewer leads of the clicks',
      { metric: 'conversion_rate', direction: 'down', observed: 1, expected: 12.345 },
      'The conversion rate of ad "Video 1" has been 1.00% instead of 12.35% since 9 March.',
      'The conversion rate of ad "Video 1" was 1.00% instead of 12.35% on 9 March.',
    ],
    [
      'an audience that sees it too often',
      { metric: 'frequency', direction: 'up', observed: 5.24, expected: 2.5 },
      'People have seen ad "Video 1" 5.2 times each instead of 2.5 since 9 March.',
      'People saw ad "Video 1" 5.2 times each instead of 2.5 on 9 March.',
    ],
    [
      'an ad nobody is shown',
      { metric: 'impressions', direction: 'down', observed: 0, expected: 1234 },
      'Ad "Video 1" has not been shown at all instead of 1,234 times a day since 9 March.',
      'Ad "Video 1" was not shown at all instead of 1,234 times a day on 9 March.',
    ],
    [
      'an ad that is shown less',
      { metric: 'impressions', direction: 'down', observed: 20, expected: 1234 },
      'Ad "Video 1" has been shown 20 times a day instead of 1,234 since 9 March.',
      'Ad "Video 1" was shown 20 times a day instead of 1,234 on 9 March.',
    ],
    [
      'an audience that is used up',
      { metric: 'reach', direction: 'down', observed: 900, expected: 1400 },
      'Ad "Video 1" has reached 900 people instead of 1,400 since 9 March.',
      'Ad "Video 1" reached 900 people instead of 1,400 on 9 March.',
    ],
    [
      'several figures that got worse',
      { metric: 'multivariate', direction: 'down', observed: null, expected: null },
      'Several figures of ad "Video 1" got worse together since 9 March.',
      'Several figures of ad "Video 1" got worse together on 9 March.',
    ],
    [
      'several figures that got better',
      { metric: 'multivariate', direction: 'up', polarity: 'good', observed: null, expected: null },
      'Several figures of ad "Video 1" got better together since 9 March.',
      'Several figures of ad "Video 1" got better together on 9 March.',
    ],
  ]
  for (const [what, changes, ongoing, over] of cases) {
    it(`tells of ${what}, while it goes on and when it is over`, () => {
      expect(ofAd(changes)).to.equal(ongoing)
      expect(ofAd({ ...changes, status: 'acknowledged' })).to.equal(ongoing)
      expect(ofAd({ ...changes, status: 'resolved' })).to.equal(over)
    })
  }

  it('is a sentence without figures, too, and without what was expected', () => {
    const metrics = cases.map(([, { metric }]) => metric)
    for (const metric of new Set(metrics))
      for (const direction of ['up', 'down'] as const)
        for (const status of ['open', 'resolved'] as const)
          for (const observed of [null, 3])
            expect(ofAd({ metric: metric ?? 'cpl', direction, status, observed, expected: null }))
              .to.match(/^[A-Z].* (since|on) 9 March(, but the clicks brought no more leads)?\.$/)

              .and.match(/[Aa]d "Video 1"/)
              .and.not.match(/null|NaN|undefined|instead/)
  })

  it('says when it was over', () => {
    const spanning = (from: string, to: string): string =>
      ofAd({ status: 'resolved', dateFrom: toDayNumber(from), dateTo: toDayNumber(to) })
    expect(spanning('2026-03-09', '2026-03-11')).to.match(/ from 9 to 11 March\.$/)
    expect(spanning('2026-02-28', '2026-03-02')).to.match(/ from 28 February to 2 March\.$/)
    expect(spanning('2025-12-31', '2026-01-02')).to.match(/ from 31 December 2025 to 2 January 2026\.$/)
  })

  it('says of what is no money what it cost, and of what is none nothing', () => {
    const leads = { metric: 'leads', direction: 'down', observed: 2, expected: 10 } as const
    expect(ofAd({ ...leads, money: 12_345.678 })).to.match(
      /since 9 March; it cost 12,345\.68 BRL more than expected\.$/,
    )
    const cheap = { direction: 'down', polarity: 'good', observed: 8 } as const
    expect(ofAd({ ...cheap, money: -80 })).to.match(/since 9 March, 80\.00 BRL less than expected\.$/)
    expect(ofAd({ money: 0.004 })).to.match(/since 9 March\.$/)
    expect(ofAd({ money: 0.005 })).to.match(/since 9 March, 0\.01 BRL more than expected\.$/)
  })

  it('says nothing of money that tells the contrary: saved where it got worse, spent where less was spent', () => {
    const nothing = /since 9 March\.$/
    expect(ofAd({ money: -80 })).to.match(nothing)
    expect(ofAd({ metric: 'ctr', direction: 'down', money: -80 })).to.match(nothing)
    expect(ofAd({ metric: 'cpl', direction: 'down', polarity: 'good', money: 80 })).to.match(nothing)
    expect(ofAd({ metric: 'spend', direction: 'down', money: 80 })).to.match(nothing)
    expect(ofAd({ metric: 'spend', direction: 'up', money: -80 })).to.match(nothing)
    expect(ofAd({ metric: 'spend', direction: 'down', money: -80 })).to.match(/, 80\.00 BRL less/)
    expect(ofAd({ metric: 'spend', direction: 'up', money: 80 })).to.match(/, 80\.00 BRL more/)
  })

  it('says of more clicks that are bad news why they are, and of those that are good what they saved', () => {
    const clicks = { metric: 'ctr', direction: 'up', observed: 1.51, expected: 0.58 } as const
    for (const money of [-1974.22, null, 12])
      expect(ofAd({ ...clicks, money })).to.equal(
        'The click rate of ad "Video 1" has been 1.51% instead of 0.58% since 9 March, but the clicks brought no more leads.',
      )
    expect(ofAd({ ...clicks, polarity: 'good', money: -12 })).to.match(/; it cost 12\.00 BRL less/)
  })

  it('calls what has no name by its id, and keeps a long or hostile name in its line', () => {
    const of = (name: string | null): string =>
      sentenceOf(told(NO_MONEY, { path: [{ ...ADSET, name }], figuresOf: { ...ADSET, name } }))
    expect(of(null)).to.match(/^Leads of ad set s1 cost/)
    expect(of(' \u0007 ')).to.match(/^Leads of ad set s1 cost/)
    expect(of('a\nb\u001B[31m')).to.match(/^Leads of ad set "a b \[31m" cost/)
    expect(of('x'.repeat(100))).to.match(/^Leads of ad set "x{59}…" cost/)
  })

  it('says of the root where, when the figures are of something below it', () => {
    expect(
      sentenceOf(
        told(
          { ...NO_MONEY, root: { entityType: 'campaign', entityId: 'c1' } },
          { path: [CAMPAIGN], figuresOf: ADSET, mainCauses: [{ ...ADSET, observed: null, share: 0.9 }] },
        ),
      ),
    ).to.equal(
      'Leads of ad set "Lookalike 2%" cost 41.50 BRL instead of 20.00 in campaign "Spring" since 9 March.',
    )
  })

  it('names no cause above whose figures it bears', () => {
    const root = { entityType: 'campaign', entityId: 'c1' } as const
    const mainCauses = [{ ...ADSET, observed: null, share: 0.9 }]
    expect(sentenceOf(told({ ...NO_MONEY, root }, { path: [CAMPAIGN], figuresOf: AD, mainCauses }))).to.equal(
      'Leads of ad "Video 1" cost 41.50 BRL instead of 20.00 in campaign "Spring" since 9 March.',
    )
  })

  it('blames nobody else when the figures are of one branch and most of it is another', () => {
    const campaign = { root: { entityType: 'campaign', entityId: 'c1' }, ...NO_MONEY } as const
    const other = {
      entityType: 'adset',
      entityId: 's2',
      name: 'Neighbours',
      observed: null,
      share: 1,
    } as const
    const said = (first: ToldIncident['mainCauses'][number]): string =>
      sentenceOf(told(campaign, { path: [CAMPAIGN], figuresOf: ADSET, mainCauses: [first] }))
    expect(said(other)).to.equal(
      'Leads of ad set "Lookalike 2%" cost 41.50 BRL instead of 20.00 in campaign "Spring" since 9 March.',
    )
    expect(said({ ...ADSET, observed: null, share: 1 })).to.equal(said(other))
  })

  it('says of an ad in which ad set it is, as others may be called alike', () => {
    const root = { entityType: 'ad', entityId: 'a1' } as const
    expect(sentenceOf(told({ ...NO_MONEY, root }, { path: [AD, ADSET, CAMPAIGN], figuresOf: AD }))).to.equal(
      'Leads of ad "Video 1" cost 41.50 BRL instead of 20.00 in ad set "Lookalike 2%" since 9 March.',
    )
  })

  it('says of a cause that it stopped, when the whole did not', () => {
    const end = (changes: Partial<StoredIncident>, observed: number | null): string =>
      sentenceOf(
        told(
          { direction: 'down', ...NO_MONEY, ...changes },
          { mainCauses: [{ ...AD, share: 0.9, observed }] },
        ),
      ).split('; ')[1] ?? ''
    const half = { observed: 50, expected: 100 }
    expect(end({ metric: 'spend', ...half }, 0)).to.equal(
      'ad "Video 1", which spent nothing, makes up 90% of it.',
    )
    expect(end({ metric: 'leads', ...half }, 0)).to.equal(
      'ad "Video 1", which brought none, makes up 90% of it.',
    )
    expect(end({ metric: 'impressions', ...half }, 0)).to.equal(
      'ad "Video 1", which was not shown at all, makes up 90% of it.',
    )
    for (const [metric, whole, observed] of [
      ['spend', 50, 0.01],
      ['spend', 50, null],
      ['spend', 0, 0],
      ['ctr', 0.5, 0],
    ] as const)
      expect(end({ metric, observed: whole, expected: 100 }, observed), metric).to.equal(
        'ad "Video 1" makes up 90% of it.',
      )
  })

  describe('names as the cause', () => {
    const end = (mainCauses: ToldIncident['mainCauses'], changes: Partial<StoredIncident> = {}): string =>
      sentenceOf(told({ ...NO_MONEY, ...changes }, { mainCauses })).split(' since 9 March')[1] ?? ''

    it('the lowest entity that makes up at least three fifths of the whole', () => {
      const root = { root: { entityType: 'campaign', entityId: 'c1' } } as const
      const campaign = (mainCauses: ToldIncident['mainCauses']): string | undefined =>
        sentenceOf(
          told({ ...NO_MONEY, ...root }, { path: [CAMPAIGN], figuresOf: CAMPAIGN, mainCauses }),
        ).split('March')[1]
      expect(
        campaign([
          { ...ADSET, observed: null, share: 0.9 },
          { ...AD, observed: null, share: 0.8 },
        ]),
      ).to.equal('; ad "Video 1" makes up 72% of it.')
      expect(
        campaign([
          { ...ADSET, observed: null, share: 0.9 },
          { ...AD, observed: null, share: 0.66 },
        ]),
      ).to.equal('; ad set "Lookalike 2%" makes up 90% of it.')
    })

    it('nobody, when nobody makes up that much', () => {
      expect(end([{ ...AD, observed: null, share: 0.6 }])).to.equal('; ad "Video 1" makes up 60% of it.')
      expect(end([{ ...AD, observed: null, share: 0.59 }])).to.equal(
        '; the largest part, 59%, is ad "Video 1".',
      )
      expect(mainCauseOf(told({}, by({ ...AD, observed: null, share: 0.59 })))).to.equal(null)
    })

    it('nobody either, when nothing is known of their parts', () => {
      const joint = { metric: 'multivariate', observed: null, expected: null } as const
      expect(end([], joint)).to.equal('.')
      expect(end([])).to.equal('.')
      expect(end([{ ...AD, observed: null, share: 0 }], joint)).to.equal('.')
      expect(end([{ ...AD, observed: null, share: 0.0049 }], joint)).to.equal('.')
      expect(end([{ ...AD, observed: null, share: 0.005 }], joint)).to.equal(
        '; the largest part, 1%, is ad "Video 1".',
      )
    })

    it('all of it, when it is', () => {
      expect(end([{ ...AD, observed: null, share: 1.3 }])).to.equal('; ad "Video 1" makes up all of it.')
      expect(end([{ ...AD, observed: null, share: 0.995 }])).to.equal('; ad "Video 1" makes up all of it.')
      expect(end([{ ...AD, observed: null, share: 0.994 }])).to.equal('; ad "Video 1" makes up 99% of it.')
    })
  })
})
