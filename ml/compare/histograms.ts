/** Two trainings compared by the histograms kept of them, whose bins differ. */
import type { DriftBins } from '../series/member.ts'
import { driftBinOf } from '../series/stats.ts'
import { divergence } from './drift.ts'

/**
 * Values per bin of other bins, those of a bin spread evenly over it: exact where the edges are the same. Values
 * in an open bin count as at its edge.
 * @param edges ascending, distinct, at least one
 */
export const rebinned = (bins: DriftBins, edges: readonly number[]): Float64Array => {
  const counts = new Float64Array(edges.length + 1)
  const add = (bin: number, count: number): void => {
    counts[bin] = (counts[bin] as number) + count
  }
  const own = bins.edges
  const sameBins = own.length === edges.length && own.every((edge, i) => edge === edges[i])
  bins.counts.forEach((count, bin) => {
    if (count === 0) return
    if (sameBins) return add(bin, count)
    const low = own[Math.max(0, bin - 1)] as number
    const high = own[Math.min(own.length - 1, bin)] as number
    if (low === high) return add(driftBinOf(edges, low), count)
    // Between the largest numbers there are a span is infinite, half of it is not.
    const unit = Number.isFinite(high - low) ? 1 : 0.5
    // The part of [low, high] in each bin it reaches.
    const last = driftBinOf(edges, high)
    for (let other = driftBinOf(edges, low); other <= last; other++) {
      const from = other === 0 ? low : Math.max(low, edges[other - 1] as number)
      const to = other === edges.length ? high : Math.min(high, edges[other] as number)
      add(other, count * Math.max(0, (to * unit - from * unit) / (high * unit - low * unit)))
    }
    return undefined
  })
  return counts
}

/**
 * KL in nats of the values `to` was trained on from those of `from`, in the bins of `from`.
 */
export const trainingDivergence = (from: DriftBins, to: DriftBins): number =>
  divergence(rebinned(to, from.edges), from.counts)
