import { createHash } from 'node:crypto'
import { expect } from 'chai'
import { CLASSIFIER_INPUTS } from '../../../../ml/classify/inputs.ts'
import { decodeNetwork } from '../../../../ml/classify/network.ts'
import { Mt19937 } from '../../../../ml/rng/mt19937.ts'
import { fitClassifier } from '../../../../shared/classification/fit-classifier.ts'
import type { FitClassifierTask } from '../../../../shared/classification/fit-classifier.ts'
import { createComputePool } from '../../../../shared/compute/pool.ts'

const INPUTS = CLASSIFIER_INPUTS.length
const TRAINING = 150
const ROWS = 200

/** Rules that give `confidence` to tier `said(row)`; labels are read off the first input, or off nothing. */
const taskOf = (tells: boolean, said: (label: number, row: number) => number): FitClassifierTask => {
  const random = new Mt19937(5)
  const inputs = Float64Array.from({ length: ROWS * INPUTS }, () => 2 * random.double() - 1)
  const labels = Uint8Array.from({ length: ROWS }, (_, row) =>
    tells ? ((inputs[row * INPUTS] ?? 0) > 0 ? 3 : 0) : random.below(4),
  )
  const rules = Float64Array.from({ length: ROWS * 4 }, (_, i) =>
    said(labels[i >> 2] ?? 0, i >> 2) === i % 4 ? 0.7 : 0.1,
  )
  return {
    configId: 1,
    level: 'ad',
    inputs,
    labels,
    rules,
    training: TRAINING,
    trainStart: '2026-01-01',
    trainEnd: '2026-02-01',
    trainedAt: '2026-03-11T03:00:00.000Z',
  }
}
const wrongHalfTheTime = (label: number, row: number): number => (row % 2 === 0 ? label : 3 - label)
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

describe('fitting a classifier', () => {
  it('gives a network that does better than the rules', async () => {
    const result = await fitClassifier(taskOf(true, wrongHalfTheTime))
    if (result.status !== 'better') throw new Error(result.status)
    expect(result.network.macroF1).to.be.greaterThan(0.9)
    expect(result.rules.macroF1).to.be.closeTo(0.5, 0.1)
    expect(result.sha256).to.equal(sha256(result.bytes))
    expect(result.bytes.byteLength).to.be.lessThan(50_000)
    expect(decodeNetwork(result.bytes, sha256).hidden).to.have.length(INPUTS * 16)
  })

  it('gives none where nothing can be learnt', async () => {
    const result = await fitClassifier(taskOf(false, wrongHalfTheTime))
    expect(result.status).to.equal('not_better')
  })

  it('gives none where the rules are right already: as good is not better', async () => {
    const result = await fitClassifier(taskOf(true, (label) => label))
    if (result.status !== 'not_better') throw new Error(result.status)
    expect(result.rules.macroF1).to.equal(1)
  })

  it('is in a thread what it is here', async () => {
    const pool = createComputePool({ threads: 1 })
    try {
      const there = await pool.run('fitClassifier', taskOf(true, wrongHalfTheTime))
      const here = await fitClassifier(taskOf(true, wrongHalfTheTime))
      if (there.status !== 'better' || here.status !== 'better') throw new Error(there.status)
      expect(there.sha256).to.equal(here.sha256)
      expect(there.network).to.deep.equal(here.network)
    } finally {
      await pool.close()
    }
  })
})
