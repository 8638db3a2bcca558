import { expect } from 'chai'
import {
  describeKeyLimits,
  limitCallerOf,
  limitHeaders,
  parseKeyLimits,
} from '../../../../shared/series/limits.ts'

describe('limits of a key as text', () => {
  it('are read by name', () => {
    const limits = parseKeyLimits(['predict_per_address=off', 'train_per_series=10/300'])
    expect(limits).to.deep.equal({
      predict_per_address: null,
      train_per_series: { points: 10, seconds: 300 },
    })
    expect(describeKeyLimits(limits)).to.equal('train_per_series 10/300, predict_per_address off')
  })

  it('end where they make sense', () => {
    expect(parseKeyLimits(['train_per_series=1/1', 'predict_per_series=100000000/86400'])).to.deep.equal({
      train_per_series: { points: 1, seconds: 1 },
      predict_per_series: { points: 100_000_000, seconds: 86_400 },
    })
  })

  for (const text of [
    '',
    'predict_per_series',
    'predict_per_series=',
    'predict_per_series=on',
    'predict_per_series=5',
    'predict_per_series=5/',
    'predict_per_series=0/60',
    'predict_per_series=100000001/60',
    'predict_per_series=1.5/60',
    'predict_per_series=5/86401',
    'predict_per_series=5/0',
    'predict_per_series=5/6/7',
    'predictPerSeries=off',
    '__proto__=off',
  ]) {
    it(`${JSON.stringify(text)} is refused with what would do`, () => {
      expect(() => parseKeyLimits([text]))
        .to.throw(/NAME=POINTS\/SECONDS or NAME=off/)
        .with.property('code', 'INVALID_REQUEST')
    })
  }
})

describe('whom limits count', () => {
  const viewer = { actor: 'key:a', role: 'viewer', configIds: null } as const

  it('holders of keys, by their own rules where they have some', () => {
    expect(limitCallerOf(viewer, '192.0.2.1')).to.deep.equal({
      address: '192.0.2.1',
      exempt: false,
      rules: {},
    })
    const limits = { predict_per_address: null }
    expect(limitCallerOf({ ...viewer, limits }, '192.0.2.1').rules).to.deep.equal(limits)
  })

  it('not the caller on this machine of a server without keys', () => {
    expect(limitCallerOf({ ...viewer, actor: 'local' }, '127.0.0.1').exempt).to.equal(true)
    expect(limitCallerOf({ ...viewer, actor: 'jwt:local' }, '127.0.0.1').exempt).to.equal(false)
  })
})

describe('headers of limits', () => {
  it('tell the state, and nothing where nothing was counted', () => {
    expect(limitHeaders({ limit: 10, remaining: 3, resetS: 60 })).to.deep.equal({
      'RateLimit-Limit': '10',
      'RateLimit-Remaining': '3',
      'RateLimit-Reset': '60',
    })
    expect(limitHeaders(null)).to.deep.equal({})
  })
})
