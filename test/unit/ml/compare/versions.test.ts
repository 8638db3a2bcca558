import { expect } from 'chai'
import { memberChanges, statsChanges } from '../../../../ml/compare/versions.ts'
import { statsOf } from '../../../../ml/series/stats.ts'
import type { MemberRecord, MemberSpec } from '../../../../ml/series/member.ts'
import { frameOf, specOf } from '../series/build-series.ts'

const recordOf = (spec: MemberSpec, threshold = 0.5): MemberRecord => ({
  ...spec,
  status: 'ready',
  threshold,
  flagRate: 0.01,
  error: null,
})

describe('ml/compare/versions', () => {
  it('tells how far each figure of a column moved', () => {
    const from = statsOf(frameOf({ value: [0, 1, 2, 3, 4] }))
    const { value } = statsChanges(from, statsOf(frameOf({ value: [1, 3, 5, 7, 9] })))
    expect(value!.mean).to.deep.equal({ from: 2, to: 5, delta: 3 })
    expect(value!.min).to.deep.equal({ from: 0, to: 1, delta: 1 })
    expect(value!.max).to.deep.equal({ from: 4, to: 9, delta: 5 })
    expect(value!.std.delta).to.be.closeTo(Math.sqrt(2), 1e-12)
    expect(value!.quantiles).to.have.length(9)
    expect(value!.quantiles[4]).to.deep.equal({ from: 2, to: 5, delta: 3 })
    expect(value!.kl).to.be.above(0)
  })

  it('compares the columns both have', () => {
    const from = statsOf(frameOf({ axial: [0, 1], radial: [0, 1] }))
    const to = statsOf(frameOf({ radial: [0, 1], value: [0, 1] }))
    expect(Object.keys(statsChanges(from, to))).to.deep.equal(['radial'])
  })

  it('tells members that stayed, changed, went and came', () => {
    const stays = recordOf(specOf('zscore'), 0.5)
    const from = [
      stays,
      recordOf(specOf('isolation_forest', { window: 12 }, ['axial'], 'trees')),
      recordOf(specOf('zscore', {}, ['axial'], 'gone')),
    ]
    const to = [
      recordOf(specOf('autoencoder', {}, ['axial'], 'new')),
      recordOf(specOf('isolation_forest', { window: 6 }, ['axial', 'radial'], 'trees'), 0.6),
      stays,
    ]
    const changes = memberChanges(from, to)
    expect(changes.map(({ name, change }) => [name, change])).to.deep.equal([
      ['zscore', 'same'],
      ['trees', 'changed'],
      ['gone', 'removed'],
      ['new', 'added'],
    ])
    expect(changes[1]!.fields).to.deep.equal([
      { field: 'channels', from: ['axial'], to: ['axial', 'radial'] },
      { field: 'params.window', from: 12, to: 6 },
    ])
    expect([changes[2]!.to, changes[3]!.from]).to.deep.equal([null, null])
    expect(changes[1]!.to!.threshold).to.equal(0.6)
  })

  it('names parameters only one of them has', () => {
    const [change] = memberChanges(
      [recordOf(specOf('zscore', {}, ['value'], 'own'))],
      [recordOf(specOf('autoencoder', { window: 1 }, ['value'], 'own', 'waveform'))],
    )
    expect(change!.fields).to.deep.include({ field: 'family', from: 'zscore', to: 'autoencoder' })
    expect(change!.fields).to.deep.include({ field: 'params.k', from: 3, to: null })
    expect(change!.fields).to.deep.include({ field: 'params.window', from: null, to: 1 })
  })

  it('takes what was learnt differently for no difference in what was asked', () => {
    const [change] = memberChanges([recordOf(specOf('zscore'), 0.5)], [recordOf(specOf('zscore'), 0.7)])
    expect(change!.change).to.equal('same')
  })
})
