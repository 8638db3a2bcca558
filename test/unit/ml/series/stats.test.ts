import { expect } from 'chai'
import * as fc from 'fast-check'
import { driftBinOf, momentsOf, statsOf } from '../../../../ml/series/stats.ts'

const column = (n: number, value: (i: number) => number): Float64Array =>
  Float64Array.from({ length: n }, (_, i) => value(i))

const described = (values: Float64Array) => {
  const timesMs = column(values.length, (i) => 1000 * (i + 1))
  const { stats, baseline, driftBins } = statsOf({ names: ['value'], timesMs, columns: [values] })
  return { stats: stats['value']!, baseline: baseline['value']!, bins: driftBins['value']! }
}

describe('ml/series/stats', () => {
  it('has mean 0 and deviation 1 for values that alternate between -1 and 1', () => {
    const { mean, std } = momentsOf(column(10_000, (i) => (i % 2 === 0 ? -1 : 1)))
    expect(mean).to.equal(0)
    expect(std).to.equal(1)
  })

  it('has the moments and quantiles of i mod 10', () => {
    const { stats, baseline } = described(column(10_000, (i) => i % 10))
    expect(stats.mean).to.equal(4.5)
    expect(stats.std).to.be.closeTo(2.872_281_323_269_014_3, 1e-12)
    expect(stats.min).to.equal(0)
    expect(stats.max).to.equal(9)
    expect(stats.quantiles).to.deep.equal([0, 0, 0, 2, 4.5, 7, 9, 9, 9])
    expect(baseline).to.deep.equal({ mean: 4.5, std: stats.std })
  })

  it('tells the least that moves from what does not', () => {
    expect(momentsOf(column(10_000, (i) => (i % 2 === 0 ? 1 : 1.000_001_9))).std).to.be.below(1e-6)
    expect(momentsOf(column(10_000, (i) => (i % 2 === 0 ? 1 : 1.000_002_1))).std).to.be.above(1e-6)
  })

  it('finds no movement in one value, whatever its size', () => {
    for (const value of [0.1, 1e-300, 123_456_789_012.3, -1e12, 1.7e308]) {
      const moments = momentsOf(column(100_000, () => value))
      expect(moments).to.deep.equal({ mean: value, std: 0, min: value, max: value })
    }
  })

  it('keeps its digits far away from zero', () => {
    const { mean, std } = momentsOf(column(100_000, (i) => 1e9 + (i % 10)))
    expect(mean).to.be.closeTo(1e9 + 4.5, 1e-6)
    expect(std).to.be.closeTo(2.872_281_323_269_014_3, 1e-9)
  })

  it('has moments of the largest numbers there are', () => {
    for (const size of [2 ** 479, 2 ** 481, 2 ** 1023]) {
      const { mean, std } = momentsOf(column(10_000, (i) => (i % 2 === 0 ? -size : size)))
      expect(mean / size).to.be.closeTo(0, 1e-12)
      expect(std / size).to.be.closeTo(1, 1e-12)
    }
  })

  it('is NaN of nothing', () => {
    expect(momentsOf(new Float64Array(0)).mean).to.be.NaN
  })

  it('is closed below and open above, but for the last inner bin, which has both its edges', () => {
    const edges = [0, 1, 2, 3]
    const bins = [-1e-9, 0, 0.999, 1, 1.999, 2, 2.999, 3, 3.000_001].map((value) => driftBinOf(edges, value))
    expect(bins).to.deep.equal([0, 1, 1, 2, 2, 3, 3, 3, 4])
  })

  it('has two bins with one edge, the edge in the lower', () => {
    expect([0.999, 1, 1.001].map((value) => driftBinOf([1], value))).to.deep.equal([0, 0, 1])
  })

  it('has no training value in an outer bin', () => {
    const { bins } = described(column(10_001, (i) => i % 4))
    expect(bins).to.deep.equal({ edges: [0, 1, 2, 3], counts: [0, 2501, 2500, 5000, 0] })
  })

  it('has 22 bins of values that all differ', () => {
    const { bins } = described(column(10_001, (i) => i))
    expect(bins.edges).to.have.length(21)
    expect(bins.edges[1]).to.equal(500)
    expect(bins.counts).to.deep.equal([0, ...Array.from({ length: 19 }, () => 500), 501, 0])
  })

  it('counts every value once, in any order, between ascending edges', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ noNaN: true, min: -1e12, max: 1e12 }), { minLength: 1, maxLength: 60 }),
        (values) => {
          const forward = described(Float64Array.from(values))
          const { edges, counts } = forward.bins
          expect(counts).to.have.length(edges.length + 1)
          expect(counts.reduce((sum, count) => sum + count, 0)).to.equal(values.length)
          for (let i = 1; i < edges.length; i += 1) expect(edges[i]).to.be.above(edges[i - 1]!)
          if (edges.length > 1) expect([counts[0], counts.at(-1)]).to.deep.equal([0, 0])
          expect(described(Float64Array.from(values.toReversed())).bins).to.deep.equal(forward.bins)
          for (const value of [...values, ...edges, 0, 1e13]) {
            const bin = driftBinOf(edges, value)
            if (bin > 0) expect(value).to.be.at.least(edges[bin - 1]!)
            if (bin < edges.length && !(bin === edges.length - 1 && value === edges[bin]))
              expect(value).to.be.below(edges[bin]!)
          }
        },
      ),
    )
  })
})
