import { expect } from 'chai'
import { roughAccount } from '../../../../bench/quality/rough.ts'
import { asSeen, FAULT_TYPES, simulateAccount } from '../../../../bench/quality/simulate.ts'
import type { Account, AccountOptions, Label, SimulatedAd } from '../../../../bench/quality/simulate.ts'

const options = (change: Partial<AccountOptions> = {}): AccountOptions => ({
  seed: 3,
  index: 0,
  days: 100,
  weekdayAmplitude: 0.2,
  leadsPerAd: 6,
  campaigns: 3,
  faults: 6,
  partialEnd: false,
  ...change,
})

const sum = (column: Float64Array, from = 0, to = column.length - 1): number =>
  column.subarray(from, to + 1).reduce((total, value) => total + value, 0)

const hit = ({ ads }: Account, { level, entityId }: Label): SimulatedAd[] =>
  ads.filter(
    (ad) => [ad.campaignId, ad.adsetId, ad.adId][['campaign', 'adset', 'ad'].indexOf(level)] === entityId,
  )

describe('simulated accounts', () => {
  it('are the same for the same seed, and others for another', () => {
    expect(simulateAccount(options())).to.deep.equal(simulateAccount(options()))
    expect(simulateAccount(options({ seed: 4 }))).to.not.deep.equal(simulateAccount(options()))
    expect(roughAccount(3, 0, true)).to.deep.equal(roughAccount(3, 0, true))
  })

  it('never have more people than impressions, clicks than impressions, or leads than clicks', () => {
    for (const { ads } of [simulateAccount(options()), roughAccount(5, 1, true)]) {
      for (const { impressions, clicks, leads, reach } of ads) {
        impressions.forEach((shown, t) => {
          expect(reach[t]).to.be.at.most(shown)
          expect(clicks[t]).to.be.at.most(shown)
          expect(leads[t]).to.be.at.most(clicks[t] as number)
        })
      }
    }
  })

  it('hold one fault at a time in a campaign', () => {
    const account = simulateAccount(options({ campaigns: 4, faults: 12 }))
    const campaignOf = (label: Label): string => hit(account, label)[0]?.campaignId as string
    for (const a of account.labels) {
      for (const b of account.labels) {
        if (a === b || campaignOf(a) !== campaignOf(b)) continue
        expect(a.end < b.start || b.end < a.start).to.equal(true)
      }
    }
  })

  for (const type of ['zero_spend', 'leads_stop', 'ctr_drop', 'frequency_rise'] as const) {
    it(`change what a ${type} changes while it lasts`, () => {
      const account = simulateAccount(options({ types: [type], faults: 3 }))
      expect(account.labels).to.not.be.empty
      for (const label of account.labels) {
        const ads = hit(account, label)
        const of = (name: 'spend' | 'impressions' | 'clicks' | 'leads' | 'reach', from: number, to: number) =>
          ads.reduce((total, ad) => total + sum(ad[name], from, to), 0)
        const figure = (from: number, to: number): number => {
          if (type === 'zero_spend') return of('spend', from, to)
          if (type === 'leads_stop') return of('leads', from, to) / of('clicks', from, to)
          if (type === 'ctr_drop') return of('clicks', from, to) / of('impressions', from, to)
          return of('reach', from, to) / of('impressions', from, to)
        }
        const before = figure(label.start - 7, label.start - 1)
        expect(figure(label.start, label.end) / before).to.be.below(0.95)
      }
    })
  }

  it('have faults of every type', () => {
    const types = new Set<string>()
    for (let index = 0; index < 12; index++)
      for (const { type } of simulateAccount(options({ index, faults: 12 })).labels) types.add(type)
    expect([...types].toSorted()).to.deep.equal(FAULT_TYPES.toSorted())
  })
})

describe('an account seen before its end', () => {
  const account = simulateAccount(options())
  const seen = asSeen(account, 80, 1)

  it('is the whole one up to four days before', () => {
    expect(seen.days).to.equal(80)
    for (const ad of seen.ads) {
      const whole = account.ads.find(({ adId }) => adId === ad.adId) as SimulatedAd
      expect(ad.spend.subarray(0, 79)).to.deep.equal(whole.spend.subarray(0, 79))
      expect(ad.leads.subarray(0, 77)).to.deep.equal(whole.leads.subarray(0, 77))
    }
  })

  it('lacks part of its last day and of its last three days of leads', () => {
    const total = ({ ads }: Account, name: 'spend' | 'leads', from: number): number =>
      ads.reduce((all, ad) => all + sum(ad[name], from, name === 'spend' ? from : from + 2), 0)
    expect(total(seen, 'spend', 79) / total(account, 'spend', 79)).to.be.closeTo(0.62, 0.01)
    expect(total(seen, 'leads', 77) / total(account, 'leads', 77)).to.be.within(0.4, 0.85)
  })
})
