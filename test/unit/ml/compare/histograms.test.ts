import { expect } from 'chai'
import * as fc from 'fast-check'
import { divergence } from '../../../../ml/compare/drift.ts'
import { rebinned, trainingDivergence } from '../../../../ml/compare/histograms.ts'
import { statsOf } from '../../../../ml/series/stats.ts'
import { frameOf, noisyWave } from '../series/build-series.ts'

describe('ml/compare/histograms', () => {
  it('keeps counts where the edges are the same', () => {
    expect([...rebinned({ edges: [1, 2], counts: [3, 4, 5] }, [1, 2])]).to.deep.equal([3, 4, 5])
  })

  it('spreads the values of a bin evenly over the bins it reaches', () => {
    const bins = { edges: [0, 4], counts: [0, 8, 0] }
    expect([...rebinned(bins, [1, 2])]).to.deep.equal([2, 2, 4])
    expect([...rebinned(bins, [-1, 5])]).to.deep.equal([0, 8, 0])
    expect([...rebinned(bins, [4, 5])]).to.deep.equal([8, 0, 0])
    expect([...rebinned(bins, [-5, 0])]).to.deep.equal([0, 0, 8])
  })

  it('takes values outside for values at the edge', () => {
    expect([...rebinned({ edges: [0, 4], counts: [6, 0, 2] }, [1, 2])]).to.deep.equal([6, 0, 2])
  })

  it('knows where the one value of a column that never moved lies', () => {
    const still = { edges: [2], counts: [7, 0] }
    expect([...rebinned(still, [1, 2, 3])]).to.deep.equal([0, 0, 7, 0])
    expect([...rebinned(still, [1, 2])]).to.deep.equal([0, 7, 0])
    expect([...rebinned({ edges: [0, 4], counts: [0, 8, 0] }, [2])]).to.deep.equal([4, 4])
  })

  it('loses nothing, whatever the bins', () => {
    const edges = fc
      .uniqueArray(fc.double({ noNaN: true, noDefaultInfinity: true }), { minLength: 1, maxLength: 21 })
      .map((values) => Float64Array.from(values, (value) => value + 0).sort())
      .map((values) => [...new Set(values)])
    const bins = edges.chain((own) =>
      fc
        .array(fc.nat(10_000), { minLength: own.length + 1, maxLength: own.length + 1 })
        .map((counts) => ({ edges: own, counts })),
    )
    fc.assert(
      fc.property(bins, edges, (own, others) => {
        const before = own.counts.reduce((sum, count) => sum + count, 0)
        const after = rebinned(own, others).reduce((sum, count) => sum + count, 0)
        return Math.abs(after - before) <= 1e-9 * (1 + before)
      }),
    )
  })

  it('finds two trainings alike that are, and a shift that is one', () => {
    const binsOf = (values: number[]) => statsOf(frameOf({ value: values })).driftBins['value']!
    const one = noisyWave(5000)
    const first = binsOf(one)
    expect(trainingDivergence(first, first)).to.equal(divergence(first.counts, first.counts))
    expect(trainingDivergence(first, binsOf(noisyWave(5000, 2)))).to.be.below(0.01)
    expect(trainingDivergence(first, binsOf(one.map((value) => value + 1)))).to.be.above(0.5)
  })
})
