import { expect } from 'chai'
import * as fc from 'fast-check'
import { columnDrift, divergence, levelOf, worseLevel } from '../../../../ml/compare/drift.ts'

const BOUNDS = { warn: 0.1, alert: 0.5 }
const TRAINED = [0, 2500, 2500, 2500, 2500, 0]
const SHIFTED = [0, 100, 150, 250, 500, 0]

describe('ml/compare/drift', () => {
  it('measures the worked examples', () => {
    expect(divergence([0, 250, 250, 250, 250, 0], TRAINED)).to.be.closeTo(0.001_396_374_043_477_528_6, 1e-12)
    expect(divergence(SHIFTED, TRAINED)).to.be.closeTo(0.178_818_627_469_833_32, 1e-12)
    expect(columnDrift(SHIFTED, TRAINED, BOUNDS)).to.deep.include({ n: 1000, level: 'warn' })
  })

  it('warns strictly above its bounds', () => {
    const next = (value: number): number => value + 2 ** -54
    expect([0, 0.1, next(0.1), 0.5, 0.5 + 2 ** -53].map((kl) => levelOf(kl, BOUNDS))).to.deep.equal([
      'none',
      'none',
      'warn',
      'warn',
      'alert',
    ])
  })

  it('measures 500 values and not 499', () => {
    expect(columnDrift([0, 125, 125, 125, 125, 0], TRAINED, BOUNDS).level).to.equal('none')
    expect(columnDrift([0, 125, 125, 125, 124, 0], TRAINED, BOUNDS)).to.deep.equal({
      n: 499,
      kl: null,
      level: null,
    })
  })

  it('alerts when everything lies outside of what was trained on', () => {
    expect(columnDrift([0, 0, 0, 0, 0, 1000], TRAINED, BOUNDS).level).to.equal('alert')
  })

  it('refuses to compare different bins', () => {
    expect(() => divergence([1, 2], [1, 2, 3])).to.throw(RangeError)
    expect(() => columnDrift([1, 2], [1, 2, 3], BOUNDS)).to.throw(RangeError)
  })

  it('knows the worse of two levels, and that nothing is known', () => {
    expect(worseLevel('none', 'warn')).to.equal('warn')
    expect(worseLevel('alert', 'warn')).to.equal('alert')
    expect(worseLevel(null, 'none')).to.equal('none')
    expect(worseLevel('warn', null)).to.equal('warn')
    expect(worseLevel(null, null)).to.equal(null)
  })

  it('is finite, never below 0, and 0 for the same counts', () => {
    const counts = fc.array(fc.nat(1_000_000), { minLength: 2, maxLength: 22 })
    fc.assert(
      fc.property(
        counts.chain((a) =>
          fc.tuple(fc.constant(a), fc.array(fc.nat(1_000_000), { minLength: a.length, maxLength: a.length })),
        ),
        ([a, b]) => {
          const kl = divergence(a, b)
          return Number.isFinite(kl) && kl >= 0 && divergence(a, a) < 1e-12
        },
      ),
    )
  })
})
