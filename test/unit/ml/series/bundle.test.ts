import { expect } from 'chai'
import * as fc from 'fast-check'
import {
  ArtifactFormatError,
  decodeSafetensors,
  encodeSafetensors,
} from '../../../../ml/artifact/safetensors.ts'
import type { Tensor } from '../../../../ml/artifact/safetensors.ts'
import { fitSlidingForest } from '../../../../ml/detectors/series/sliding-forest.ts'
import { fitZscore } from '../../../../ml/detectors/series/zscore.ts'
import { baselineScorer, encodeBundle, openBundle } from '../../../../ml/series/bundle.ts'
import type { BundleMember } from '../../../../ml/series/bundle.ts'
import type { MemberSpec } from '../../../../ml/series/member.ts'
import { statsOf } from '../../../../ml/series/stats.ts'
import { frameOf, noisyWave, planOf, specOf, values } from './build-series.ts'

const frame = frameOf({ axial: noisyWave(300), radial: noisyWave(300, 2) })
const fit = (spec: MemberSpec): BundleMember => {
  const plan = planOf(spec, frame)
  return {
    spec,
    fitted: spec.family === 'zscore' ? fitZscore(frame, plan) : fitSlidingForest(frame, plan),
  }
}
const small = { n_estimators: 5, max_samples: 16 }
const MEMBERS = [
  fit(specOf('zscore', {}, ['axial', 'radial'])),
  fit(specOf('isolation_forest', small, ['axial', 'radial'])),
  fit(specOf('isolation_forest', { ...small, window: 3 }, ['radial'], 'isolation_forest.radial')),
]
const IDENTITY = { seriesId: 'pump_7', class: 'standard', fingerprint: 'f00d', names: frame.names } as const
const FILE = encodeBundle(MEMBERS, IDENTITY)

/** The file with other tensors or metadata. */
const changed = (
  change: (tensors: Map<string, Tensor>, metadata: Map<string, string>) => void,
): Uint8Array => {
  const { tensors, metadata } = decodeSafetensors(FILE)
  const copies = new Map([...tensors].map(([name, tensor]): [string, Tensor] => [name, tensor.slice()]))
  const texts = new Map(metadata)
  change(copies, texts)
  return encodeSafetensors(copies, texts)
}

const problemOf = (file: Uint8Array): string => {
  try {
    openBundle(file)
  } catch (error) {
    expect(error).to.be.instanceOf(ArtifactFormatError)
    return (error as Error).message
  }
  return ''
}

const withTensor = (name: string, tensor: Tensor): string =>
  problemOf(changed((tensors) => tensors.set(name, tensor)))
const withText = (key: string, text: string): string =>
  problemOf(changed((_, metadata) => metadata.set(key, text)))
const withMembers = (change: (members: Record<string, unknown>[]) => unknown): string =>
  problemOf(
    changed((_, metadata) => {
      const members = JSON.parse(metadata.get('members')!) as Record<string, unknown>[]
      metadata.set('members', JSON.stringify(change(members) ?? members))
    }),
  )

describe('ml/series/bundle', () => {
  it('opens what was fitted: names, class, members in their order', () => {
    const bundle = openBundle(FILE)
    expect(bundle.class).to.equal('standard')
    expect(bundle.names).to.deep.equal(['axial', 'radial'])
    expect([...bundle.scorers.keys()]).to.deep.equal(MEMBERS.map(({ spec }) => spec.name))
    for (const { spec, fitted } of MEMBERS) {
      const scorer = bundle.scorers.get(spec.name)!
      expect(scorer.threshold).to.equal(fitted.threshold)
      expect(scorer.family).to.equal(spec.family)
      expect(scorer.channels).to.deep.equal(spec.channels)
      const { anomalous } = scorer.score(frame, 12)
      const flagged = anomalous.reduce((sum, one) => sum + one, 0)
      expect(flagged / anomalous.length).to.be.closeTo(fitted.flagRate, 0.005)
    }
  })

  it('says in its metadata what it is', () => {
    const { metadata, tensors } = decodeSafetensors(FILE)
    expect(Object.fromEntries([...metadata].slice(0, 6))).to.deep.equal({
      format: 'vigia.model/1',
      algorithm_version: 'isolation_forest@1,zscore@1',
      fingerprint: 'f00d',
      series_id: 'pump_7',
      class: 'standard',
      columns: '["axial","radial"]',
    })
    expect(JSON.parse(metadata.get('members')!)).to.deep.include({
      algorithm: 'zscore@1',
      channels: ['axial', 'radial'],
      name: 'zscore',
      params: { k: 3 },
    })
    expect(tensors.get('zscore/mean')).to.be.instanceOf(Float64Array).with.length(2)
    expect(tensors.get('zscore/std')).to.be.instanceOf(Float64Array).with.length(2)
  })

  it('gives the same bytes for the same members, whatever the order of their parameters', () => {
    const turned = MEMBERS.map(({ spec, fitted }) => ({
      spec: { ...spec, params: Object.fromEntries(Object.entries(spec.params).toReversed()) },
      fitted,
    }))
    expect(encodeBundle(turned, IDENTITY)).to.deep.equal(FILE)
    expect(encodeBundle(MEMBERS.toReversed(), IDENTITY)).not.to.deep.equal(FILE)
  })

  it('copies nothing: a scorer of z reads the file itself', () => {
    const { tensors } = decodeSafetensors(FILE)
    expect(tensors.get('zscore/mean')?.buffer).to.equal(FILE.buffer)
  })

  it('refuses a file of another format, algorithm or class', () => {
    expect(withText('format', 'vigia.model/2')).to.equal('the format vigia.model/2 is not vigia.model/1')
    expect(withText('algorithm_version', 'zscore@2')).to.equal('the algorithm zscore@2 is not known')
    expect(withText('algorithm_version', '')).to.equal('the algorithm  is not known')
    expect(withText('class', 'long')).to.equal('metadata class is none of ours')
    expect(problemOf(changed((_, metadata) => metadata.delete('format')))).to.include('the format undefined')
  })

  it('refuses columns that are no ascending names', () => {
    for (const text of ['', '{}', '[]', '[1]', '[""]', '["radial","axial"]', '["axial","axial"]', '[']) {
      expect(withText('columns', text), text).to.include('metadata columns')
    }
    expect(withText('columns', '["axial"]')).to.include('has no column')
    expect(withText('columns', '["axial","axial.rms","radial"]')).to.include('tensor zscore/mean')
  })

  it('refuses members that are none', () => {
    expect(withMembers(() => [])).to.equal('there are 0 members')
    expect(withMembers((members) => values(65, () => 0).map(() => members[0]))).to.equal(
      'there are 65 members',
    )
    expect(withMembers((members) => [...members, members[0]])).to.equal('two members are called zscore')
    expect(withMembers((members) => members.slice(1))).to.equal('2 tensors belong to no member')
    const none = 'metadata members holds something that is no member'
    for (const value of [null, 1, 'zscore', {}, []]) expect(withMembers(() => [value])).to.equal(none)
    const head = { algorithm: 'zscore@1', channels: ['axial'], name: 'zscore', params: { k: 3 } }
    for (const wrong of [
      { name: '' },
      { name: 7 },
      { name: 'x'.repeat(257) },
      { channels: [] },
      { channels: ['radial', 'axial'] },
      { channels: 'axial' },
      { params: null },
      { params: { k: '3' } },
      { params: { k: null } },
    ])
      expect(
        withMembers(() => [{ ...head, ...wrong }]),
        JSON.stringify(wrong),
      ).to.equal(none)
    expect(withMembers(() => [{ ...head, algorithm: 'zscore' }])).to.equal(
      'the algorithm zscore is not known',
    )
    expect(withMembers(() => [{ ...head, channels: ['axial', 'tangential'] }])).to.include('has no column')
  })

  it('refuses parameters that contradict the tensors', () => {
    const withParam = (i: number, params: Record<string, number>): string =>
      withMembers((members) => {
        members[i]!['params'] = { ...(members[i]!['params'] as object), ...params }
      })
    expect(withParam(0, { k: 0 })).to.equal('member zscore: k is not above 0')
    expect(withParam(1, { n_estimators: 6 })).to.include('trees.internals')
    expect(withParam(1, { max_samples: 15 })).to.include('grown on no number of rows')
    expect(withParam(1, { window: 0 })).to.include('its window')
    expect(withParam(1, { window: 1.5 })).to.include('its window')
    expect(withText('class', 'waveform')).to.include('is missing or of another type or length')
    const nothing = (i: number) =>
      withMembers((members) => {
        members[i]!['params'] = {}
      })
    expect(nothing(0)).to.equal('member zscore has no k')
    expect(nothing(1)).to.equal('member isolation_forest has no window')
  })

  it('refuses tensors that are missing, foreign, of another length, or not finite', () => {
    const { tensors } = decodeSafetensors(FILE)
    for (const [name, tensor] of tensors) {
      expect(problemOf(changed((all) => all.delete(name))), name).to.include(name)
      expect(withTensor(name, BigInt64Array.of(1n)), name).to.include(name)
      if (!(tensor instanceof Float64Array) && !(tensor instanceof Float32Array)) continue
      expect(withTensor(name, tensor.subarray(1)), name).not.to.equal('')
      for (const value of [Number.NaN, Infinity]) {
        const spoilt = tensor.slice()
        spoilt[0] = value
        expect(withTensor(name, spoilt), name).to.equal(`tensor ${name} is not finite`)
      }
    }
    expect(withTensor('zscore/extra', Float64Array.of(1))).to.equal('1 tensors belong to no member')
  })

  it('refuses a forest whose trees are no trees', () => {
    const shape = (maxSamples: number, offset: number): string =>
      withTensor('isolation_forest/shape', Float64Array.of(maxSamples, offset))
    expect(shape(16, -0.5)).to.equal('')
    expect(shape(17, -0.5)).to.include('grown on no number of rows')
    expect(shape(1, -0.5)).to.include('grown on no number of rows')
    expect(shape(2.5, -0.5)).to.include('grown on no number of rows')
    expect(shape(16, 0.001)).to.include('its threshold is no score')
    expect(shape(16, -1.001)).to.include('its threshold is no score')
    expect(shape(2, -0.5)).to.include('deeper than')
    const feature = decodeSafetensors(FILE).tensors.get('isolation_forest/trees.feature') as Uint8Array
    expect(
      withTensor(
        'isolation_forest/trees.feature',
        feature.map(() => 8),
      ),
    ).to.include('names a column')
    expect(
      withTensor(
        'isolation_forest/trees.left_internals',
        feature.map(() => 255),
      ),
    ).to.include('a left subtree is larger')
  })

  it('refuses a cut file and one that is not aligned', () => {
    for (const length of [0, 7, 100, FILE.length - 1])
      expect(problemOf(FILE.slice(0, length))).not.to.equal('')
    const shifted = new Uint8Array(FILE.length + 1)
    shifted.set(FILE, 1)
    expect(problemOf(shifted.subarray(1))).to.equal('the file is not aligned in memory')
  })

  it('is refused, or still judges within 0 and 1, whatever byte is flipped', () => {
    const points = frameOf({ axial: [0.5, 9, -4], radial: [0.1, 0.2, 1e9] })
    fc.assert(
      fc.property(fc.nat(FILE.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
        const file = FILE.slice()
        file[at]! ^= mask
        if (problemOf(file) !== '') return
        for (const scorer of openBundle(file).scorers.values()) {
          const { score } = scorer.score(points, 0)
          expect(score.every((one) => one >= 0 && one <= 1)).to.equal(true)
        }
      }),
      { numRuns: 1000 },
    )
  })
})

describe('the baseline of a version', () => {
  const { baseline } = statsOf(
    frameOf({ axial: values(100, (i) => (i % 2 === 0 ? -1 : 1)), radial: values(100, (i) => i % 2) }),
  )
  const names = ['axial', 'radial']

  it('judges by three deviations', () => {
    const { score, anomalous, leading } = baselineScorer(baseline, names, names).score(
      frameOf({ axial: [3, -5, 0], radial: [0.5, 0.5, 4] }),
      0,
    )
    expect([...anomalous]).to.deep.equal([0, 1, 1])
    expect([...leading]).to.deep.equal([0, 0, 1])
    expect(score[0]).to.equal(0.5)
    expect(score[1]).to.equal(0.625)
  })

  it('judges by the channels of the member it stands in for', () => {
    const scorer = baselineScorer(baseline, names, ['radial'])
    const { anomalous, expected } = scorer.score(frameOf({ axial: [-5, 0], radial: [0.5, 4] }), 0)
    expect([...anomalous]).to.deep.equal([0, 1])
    expect(expected.map(({ column }) => column)).to.deep.equal(['radial'])
  })

  it('has nothing against columns it does not know', () => {
    const { score, anomalous } = baselineScorer({}, ['toString'], ['toString']).score(
      frameOf({ toString: [1e9] }),
      0,
    )
    expect([...score]).to.deep.equal([0])
    expect([...anomalous]).to.deep.equal([0])
  })
})
