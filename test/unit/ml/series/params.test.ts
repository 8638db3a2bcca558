import { expect } from 'chai'
import * as fc from 'fast-check'
import { SERIES_CLASSES, SERIES_FAMILIES } from '../../../../ml/series/member.ts'
import type { SeriesClass, SeriesFamily } from '../../../../ml/series/member.ts'
import { resolveParams } from '../../../../ml/series/params.ts'

const paramsOf = (
  family: SeriesFamily,
  given: Record<string, unknown>,
  seriesClass: SeriesClass = 'standard',
) => {
  const resolved = resolveParams(family, given, seriesClass)
  if ('problem' in resolved) throw new Error(resolved.problem)
  return resolved.params
}

const problemOf = (
  family: SeriesFamily,
  given: Record<string, unknown>,
  seriesClass: SeriesClass = 'standard',
) => {
  const resolved = resolveParams(family, given, seriesClass)
  return 'problem' in resolved ? resolved.problem : null
}

describe('ml/series/params', () => {
  it('fills in the defaults of every family', () => {
    expect(paramsOf('zscore', {})).to.deep.equal({ k: 3 })
    expect(paramsOf('isolation_forest', {})).to.deep.equal({
      n_estimators: 100,
      max_samples: 256,
      contamination: 0.01,
      random_state: 42,
      window: 12,
    })
    expect(paramsOf('autoencoder', {})).to.deep.equal({
      window: 32,
      epochs: 20,
      batch_size: 64,
      learning_rate: 0.001,
      max_windows: 4096,
      seed: 42,
      contamination: 0.01,
    })
  })

  it('looks at the windows of a waveform one by one', () => {
    expect(paramsOf('isolation_forest', {}, 'waveform')).not.to.have.property('window')
    expect(paramsOf('autoencoder', {}, 'waveform')['window']).to.equal(1)
    expect(problemOf('isolation_forest', { window: 12 }, 'waveform')).to.equal(
      'isolation_forest of a waveform has no parameter "window"; ' +
        'it takes n_estimators, max_samples, contamination, random_state',
    )
    expect(problemOf('autoencoder', { window: 2 }, 'waveform')).to.equal('autoencoder.window is 1, not 2')
  })

  const limits: readonly (readonly [SeriesFamily, string, readonly number[], readonly number[]])[] = [
    ['zscore', 'k', [0.01, 1000], [0.0099, 1000.0001]],
    ['isolation_forest', 'contamination', [0.0001, 0.5], [0.000_099, 0.500_000_1]],
    ['isolation_forest', 'max_samples', [2, 10_000], [1, 100_001, 2.5]],
    ['isolation_forest', 'n_estimators', [1, 1000], [0, 1001, 1.5]],
    ['isolation_forest', 'random_state', [0, 4_294_967_295], [-1, 4_294_967_296, 0.5]],
    ['isolation_forest', 'window', [1, 1000], [0, 1001, 2.5]],
    ['autoencoder', 'contamination', [0.0001, 0.5], [0.000_099, 0.500_000_1]],
    ['autoencoder', 'epochs', [1, 200], [0, 201, 1.5]],
    ['autoencoder', 'batch_size', [1, 4096], [0, 4097, 1.5]],
    ['autoencoder', 'learning_rate', [1e-6, 1], [0.99e-6, 1.0001]],
    ['autoencoder', 'max_windows', [16, 16_384], [15, 16_385, 16.5]],
    ['autoencoder', 'seed', [0, 4_294_967_295], [-1, 4_294_967_296, 0.5]],
    ['autoencoder', 'window', [1, 512], [0, 513, 1.5]],
  ]
  for (const [family, name, fine, refused] of limits) {
    it(`takes ${name} of ${family} up to its bounds and not one step beyond`, () => {
      for (const value of fine) expect(paramsOf(family, { [name]: value })[name]).to.equal(value)
      for (const value of [...refused, Number.NaN, Infinity, '3', null, true, []])
        expect(problemOf(family, { [name]: value })).to.match(new RegExp(`^${family}.${name} is a `))
    })
  }

  it('says what is wrong and what is allowed', () => {
    expect(problemOf('zscore', { k: -1 })).to.equal('zscore.k is a number from 0.01 to 1000, not -1')
    expect(problemOf('isolation_forest', { window: '12' })).to.equal(
      'isolation_forest.window is a whole number from 1 to 1000, not "12"',
    )
    expect(problemOf('zscore', { K: 3 })).to.equal('zscore has no parameter "K"; it takes k')
  })

  it('bounds what a forest costs, not only its trees and their rows', () => {
    expect(problemOf('isolation_forest', { n_estimators: 1000, max_samples: 1000 })).to.equal(null)
    expect(problemOf('isolation_forest', { n_estimators: 1000, max_samples: 1001 })).to.equal(
      'isolation_forest.n_estimators times max_samples is at most 1000000, not 1001000',
    )
  })

  it('makes 0 of -0', () => {
    expect(paramsOf('autoencoder', { seed: -0 })['seed']).to.satisfy((seed: number) => Object.is(seed, 0))
  })

  it('takes undefined for absent', () => {
    expect(paramsOf('zscore', { k: undefined })).to.deep.equal({ k: 3 })
  })

  it('gives back what it resolved, and a short refusal of all else', () => {
    const name = fc.oneof(
      fc.constantFrom('k', 'window', 'seed', 'contamination', '__proto__', 'toString'),
      fc.string(),
    )
    const value = fc.oneof(fc.double(), fc.integer(), fc.jsonValue())
    fc.assert(
      fc.property(
        fc.constantFrom(...SERIES_FAMILIES),
        fc.constantFrom(...SERIES_CLASSES),
        fc.dictionary(name, value, { maxKeys: 3 }),
        (family, seriesClass, given) => {
          const resolved = resolveParams(family, given, seriesClass)
          if ('problem' in resolved) expect(resolved.problem.length).to.be.within(10, 200)
          else expect(resolveParams(family, resolved.params, seriesClass)).to.deep.equal(resolved)
        },
      ),
    )
  })
})
