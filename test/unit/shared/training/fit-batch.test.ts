import { expect } from 'chai'
import { createHash } from 'node:crypto'
import { decodeEntityForest } from '../../../../ml/detectors/entity-forest.ts'
import { decodeSafetensors } from '../../../../ml/artifact/safetensors.ts'
import type { DailyFrame } from '../../../../ml/frame.ts'
import { buffersOf, fitBatch } from '../../../../shared/training/fit-batch.ts'
import type { FitOutcome, FitTask, TrainedForest } from '../../../../shared/training/fit-batch.ts'
import { warmUpFit } from '../../../../shared/compute/warm-up.ts'

const task = (more: Partial<FitTask> = {}): FitTask => ({
  ...warmUpFit(),
  params: { trees: 10, contamination: 0.1, randomState: 42 },
  ...more,
})
const sha256 = (...parts: readonly (Uint8Array | string)[]): string => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}
const trained = (outcome: FitOutcome | undefined): TrainedForest => {
  if (outcome?.status !== 'trained') throw new Error(`expected a forest, got ${outcome?.status}`)
  return outcome
}

describe('fit of a batch', () => {
  it('answers one outcome per entity, in order, each a readable artifact', () => {
    const result = fitBatch(
      task({ configId: 7, from: 20_000, to: 20_089, trainedAt: '2026-03-11T07:00:00.000Z' }),
    )
    expect(result.map(({ entityId }) => entityId)).to.deep.equal(task().batch.heads.map(({ id }) => id))
    const outcome = trained(result[3])
    expect(outcome.sha256).to.equal(sha256(outcome.bytes))
    expect(decodeEntityForest(outcome.bytes, sha256).model.samples).to.equal(outcome.samples)
    const { metadata, data } = decodeSafetensors(outcome.bytes)
    expect(Object.fromEntries(metadata)).to.deep.include({
      format: 'vigia.model/1',
      family: 'anomaly_detector',
      config_id: '7',
      entity_type: 'ad',
      entity_id: '3',
      samples: '90',
      train_start: '2024-10-04',
      train_end: '2025-01-01',
      trained_at: '2026-03-11T07:00:00.000Z',
      sha256: sha256(data),
    })
    expect(outcome.stats).to.deep.include({ train_start: '2024-10-04', train_end: '2025-01-01' })
    expect(buffersOf(result)).to.have.length(result.length)
  })

  it('skips below the least samples and trains at them', () => {
    expect(fitBatch(task({ minSamples: 91 }))[0]).to.deep.equal({
      status: 'insufficient_data',
      entityId: '0',
      samples: 90,
    })
    expect(fitBatch(task({ minSamples: 90 }))[0]?.status).to.equal('trained')
    const excludedDays = new Map([['1', [5, 6]]])
    const result = fitBatch(task({ minSamples: 89, excludedDays }))
    expect(result[0]?.status).to.equal('trained')
    expect(result[1]).to.include({ status: 'insufficient_data', samples: 88 })
  })

  it('does not fit what it knows', () => {
    const { fingerprint } = trained(fitBatch(task())[2])
    const known = new Map([['2', ['0'.repeat(64), fingerprint]]])
    const result = fitBatch(task({ known }))
    expect(result[2]).to.deep.equal({ status: 'reused', entityId: '2', fingerprint })
    expect(result[1]?.status).to.equal('trained')
    const params = { trees: 10, contamination: 0.2, randomState: 42 }
    expect(fitBatch(task({ known, params }))[2]?.status).to.equal('trained')
  })

  it('has a fingerprint that follows data and parameters, not time', () => {
    const print = (more: Partial<FitTask>): string => trained(fitBatch(task(more))[0]).fingerprint
    const same = print({})
    expect(print({ trainedAt: '2030-01-01T00:00:00.000Z', from: 1, to: 2, configId: 9 })).to.equal(same)
    for (const params of [
      { trees: 11, contamination: 0.1, randomState: 42 },
      { trees: 10, contamination: 0.11, randomState: 42 },
      { trees: 10, contamination: 0.1, randomState: 43 },
    ])
      expect(print({ params })).to.not.equal(same)
    const { batch } = task()
    const columns: DailyFrame = {
      ...batch.columns,
      spend: batch.columns.spend.map((x, i) => (i === 4 ? x + 1 : x)),
    }
    expect(print({ batch: { ...batch, columns } })).to.not.equal(same)
  })

  it('fails one entity and goes on with its siblings', () => {
    const { batch } = task()
    const columns = { ...batch.columns, spend: batch.columns.spend.map((x, i) => (i === 4 ? Infinity : x)) }
    const result = fitBatch(task({ batch: { ...batch, columns } }))
    expect(result[0]).to.include({ status: 'failed', entityId: '0' })
    expect(result[0]).to.have.property('error').that.is.not.empty
    expect(result[1]?.status).to.equal('trained')
  })
})
