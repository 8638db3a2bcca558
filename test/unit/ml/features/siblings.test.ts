import { expect } from 'chai'
import fc from 'fast-check'
import { NO_FAMILY, siblingFeatures, withChild } from '../../../../ml/features/siblings.ts'
import type { Delivered, SiblingFeatures } from '../../../../ml/features/siblings.ts'

const among = (own: Delivered, ...siblings: readonly Delivered[]): SiblingFeatures =>
  siblingFeatures(own, [own, ...siblings].reduce(withChild, NO_FAMILY))

describe('an entity among its siblings', () => {
  it('has the share it has of what all spent and got', () => {
    expect(among({ spend: 25, leads: 1 }, { spend: 75, leads: 3 })).to.include({
      shareOfParentSpend: 0.25,
      shareOfParentLeads: 0.25,
    })
    expect(among({ spend: 0, leads: 0 }, { spend: 0, leads: 0 })).to.include({
      shareOfParentSpend: null,
      shareOfParentLeads: null,
    })
    expect(among({ spend: 25, leads: 0 }, { spend: 0, leads: 0 })).to.include({
      shareOfParentSpend: 1,
      shareOfParentLeads: null,
    })
  })

  it('is compared with the pooled cost per lead of the others, their days without leads included', () => {
    expect(among({ spend: 30, leads: 3 }, { spend: 40, leads: 3 }, { spend: 20, leads: 0 })).to.deep.include({
      siblingsCpl7d: 20,
      siblingsWithLeads7d: 1,
      performanceVsSiblings: 0.5,
    })
  })

  it('is worse by what its leads cost more, at most wholly', () => {
    const performance = (spend: number, leads: number) =>
      among({ spend, leads }, { spend: 20, leads: 1 }).performanceVsSiblings
    expect(performance(20, 1)).to.equal(0)
    expect(performance(39, 1)).to.equal(-0.95)
    expect(performance(40, 1)).to.equal(-1)
    expect(performance(41, 1)).to.equal(-1)
    expect(performance(0.01, 1)).to.be.closeTo(1, 1e-3)
  })

  it('without a lead counts as if the next one cost as much more as theirs', () => {
    const performance = (spend: number) =>
      among({ spend, leads: 0 }, { spend: 20, leads: 1 }).performanceVsSiblings
    expect(performance(1)).to.equal(-0.05)
    expect(performance(20)).to.equal(-1)
    expect(performance(0)).to.equal(null)
  })

  it('is not compared where there is nothing to compare with', () => {
    const alone = among({ spend: 20, leads: 1 })
    expect(alone).to.include({ performanceVsSiblings: null, siblingsCpl7d: null, siblingsWithLeads7d: 0 })
    expect(among({ spend: 20, leads: 1 }, { spend: 20, leads: 0 }).performanceVsSiblings).to.equal(null)
    expect(among({ spend: 0, leads: 1 }, { spend: 20, leads: 1 }).performanceVsSiblings).to.equal(null)
    // Leads that cost nothing.
    expect(among({ spend: 20, leads: 1 }, { spend: 0, leads: 1 })).to.include({
      siblingsCpl7d: 0,
      performanceVsSiblings: null,
    })
  })

  it('has shares that add up to 1, or none like all the others, in whatever order they come', () => {
    const child = fc.record({
      spend: fc.integer({ min: 0, max: 100_000_000 }).map((cents) => cents / 100),
      leads: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 10_000 })),
    })
    fc.assert(
      fc.property(fc.array(child, { minLength: 1, maxLength: 20 }), (children) => {
        const family = children.reduce(withChild, NO_FAMILY)
        const all = children.map((own) => siblingFeatures(own, family))
        for (const name of ['shareOfParentSpend', 'shareOfParentLeads'] as const) {
          const shares = all.map((one) => one[name])
          if (shares.includes(null)) expect(new Set(shares).size).to.equal(1)
          else expect(shares.reduce<number>((sum, share) => sum + (share ?? 0), 0)).to.be.closeTo(1, 1e-12)
        }
        for (const one of all) {
          expect(one.performanceVsSiblings ?? 0).to.be.within(-1, 1)
          expect(one.siblingsCpl7d ?? 0).to.be.at.least(0)
          expect(one.siblingsWithLeads7d).to.be.within(0, children.length - 1)
        }
        const backwards = children.toReversed().reduce(withChild, NO_FAMILY)
        expect(children.map((own) => siblingFeatures(own, backwards))).to.deep.equal(all)
      }),
    )
  })
})
