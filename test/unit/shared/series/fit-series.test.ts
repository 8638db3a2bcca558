import { expect } from 'chai'
import { createHash } from 'node:crypto'
import { ArtifactFormatError, encodeSafetensors } from '../../../../ml/artifact/safetensors.ts'
import { openBundle } from '../../../../ml/series/bundle.ts'
import type { SeriesFrame } from '../../../../ml/series/frame.ts'
import type { MemberSpec } from '../../../../ml/series/member.ts'
import { fitSeries } from '../../../../shared/series/fit-series.ts'
import type { FitSeriesTask } from '../../../../shared/series/fit-task.ts'
import { encodeTail, readTail } from '../../../../shared/series/tail.ts'
import { channelsOf, frameOf, noisyWave, specOf, values } from '../../ml/series/build-series.ts'

const taskOf = (frame: SeriesFrame, members: readonly MemberSpec[], tailPoints = 100): FitSeriesTask => ({
  seriesId: 'pump_7',
  class: 'standard',
  channels: channelsOf(frame),
  frame,
  members,
  fingerprint: 'f00d',
  tailPoints,
})

describe('shared/series/fit-series', () => {
  const frame = frameOf({ value: noisyWave(1000) })

  it('fits every member and tells how each of them did', async () => {
    const result = await fitSeries(taskOf(frame, [specOf('zscore'), specOf('isolation_forest')]))
    expect(result.members.map(({ name, status, error }) => ({ name, status, error }))).to.deep.equal([
      { name: 'zscore', status: 'ready', error: null },
      { name: 'isolation_forest', status: 'ready', error: null },
    ])
    expect(result.members[0]?.threshold).to.equal(0.5)
    expect(result.members[1]?.threshold).to.be.within(0.4, 1)
    expect(result.members[1]?.flagRate).to.be.closeTo(0.01, 0.002)
    const { scorers, class: seriesClass } = openBundle(result.artifact!)
    expect([...scorers.keys()]).to.deep.equal(['zscore', 'isolation_forest'])
    expect(scorers.get('isolation_forest')?.threshold).to.equal(result.members[1]?.threshold)
    expect(seriesClass).to.equal('standard')
    expect(result.artifactSha256).to.equal(createHash('sha256').update(result.artifact!).digest('hex'))
    expect(result.stats['value']?.quantiles).to.have.length(9)
    expect(result.baseline['value']?.mean).to.equal(result.stats['value']?.mean)
    expect(result.driftBins['value']?.counts).to.have.length(22)
  })

  it('gives the same bytes for the same task', async () => {
    const task = taskOf(frame, [specOf('zscore'), specOf('isolation_forest')])
    const [one, other] = await Promise.all([fitSeries(task), fitSeries(task)])
    expect(other).to.deep.equal(one)
  })

  it('keeps what succeeds when a member fails', async () => {
    const tooLong = specOf('isolation_forest', { window: 1000 }, ['value'], 'long')
    const result = await fitSeries(taskOf(frame, [tooLong, specOf('zscore')]))
    expect(result.members[0]).to.deep.equal({
      ...tooLong,
      status: 'failed',
      threshold: null,
      flagRate: null,
      error: 'a window of 1000 leaves 0 of 1000 points to learn from',
    })
    expect([...openBundle(result.artifact!).scorers.keys()]).to.deep.equal(['zscore'])
  })

  it('has no artifact when every member fails', async () => {
    const stranger = specOf('zscore', {}, ['radial'])
    const result = await fitSeries(taskOf(frame, [stranger]))
    expect(result.members[0]?.error).to.equal('one of the channels radial is not among the points')
    expect(result.artifact).to.equal(null)
    expect(result.artifactSha256).to.equal('')
    expect(result.stats['value']?.min).to.be.below(0)
  })

  it('learns the figures of a waveform as they are', async () => {
    const figures = frameOf({ 'axial.crest': values(60, () => 1), 'axial.rms': noisyWave(60) })
    const members = [
      specOf('zscore', {}, ['axial'], 'zscore', 'waveform'),
      specOf('isolation_forest', {}, ['axial'], 'isolation_forest', 'waveform'),
    ]
    const result = await fitSeries({ ...taskOf(figures, members), class: 'waveform' })
    expect(result.members.map(({ status }) => status)).to.deep.equal(['ready', 'ready'])
    const { scorers, names } = openBundle(result.artifact!)
    expect(names).to.deep.equal(['axial.crest', 'axial.rms'])
    for (const scorer of scorers.values()) expect(scorer.score(figures, 59).short[0]).to.equal(0)
  })
})

describe('shared/series/tail', () => {
  const frame = frameOf({ axial: noisyWave(50), radial: noisyWave(50, 2) })

  it('gives back the last points, all of them when there are no more', () => {
    for (const [points, first] of [
      [1, 49],
      [49, 1],
      [50, 0],
      [51, 0],
    ] as const) {
      expect(readTail(encodeTail(frame, points)!)).to.deep.equal({
        names: ['axial', 'radial'],
        timesMs: frame.timesMs.slice(first),
        columns: frame.columns.map((column) => column.slice(first)),
      })
    }
  })

  it('is nothing when no points are kept', () => {
    expect(encodeTail(frame, 0)).to.equal(null)
    expect(encodeTail(frameOf({ value: [] }), 5)).to.equal(null)
  })

  it('is read wherever its bytes lie', () => {
    const tail = encodeTail(frame, 5)!
    const shifted = new Uint8Array(tail.length + 3)
    shifted.set(tail, 3)
    expect(readTail(shifted.subarray(3))).to.deep.equal(readTail(tail))
  })

  it('refuses what is no tail', () => {
    const tail = encodeTail(frame, 5)!
    expect(() => readTail(tail.slice(0, -8))).to.throw(ArtifactFormatError)
    expect(() => readTail(new Uint8Array(0))).to.throw(ArtifactFormatError)
    const times = BigInt64Array.of(1n, 2n)
    for (const tensors of [
      { 'column/a': Float64Array.of(1, 2) },
      { t: Float64Array.of(1, 2) },
      { t: times, 'column/a': Float64Array.of(1) },
      { t: times, 'column/a': Float32Array.of(1, 2) },
      { t: times, a: Float64Array.of(1, 2) },
    ])
      expect(() => readTail(encodeSafetensors(new Map(Object.entries(tensors)), new Map()))).to.throw(
        ArtifactFormatError,
      )
  })
})
