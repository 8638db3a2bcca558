/**
 * zscore@1: how many standard deviations a row is from the mean of the training rows, at its worst column. The
 * verdict compares abs(x - mean) with k standard deviations, not the score, so that rounding decides nothing.
 */
import type { SeriesFrame } from '../../series/frame.ts'
import type { ExpectedBand, MemberScorer, MemberScores } from '../../series/member.ts'

/** A column that moves less says nothing. */
export const LEAST_STD = 1e-6
export const ZSCORE_THRESHOLD = 0.5

export interface ZscoreState {
  readonly k: number
  /** One per column of the member. */
  readonly mean: Float64Array
  readonly std: Float64Array
}

/**
 * @param places where the member's columns are among those of a frame
 * @param names of those columns
 */
export const zscoreScorer = (
  state: ZscoreState,
  member: Pick<MemberScorer, 'name' | 'channels'>,
  names: readonly string[],
  places: readonly number[],
): MemberScorer => {
  const { k, mean, std } = state
  const score = (frame: SeriesFrame, from: number): MemberScores => {
    const n = frame.timesMs.length - from
    const scores = new Float64Array(n)
    const raw = new Float64Array(n)
    const anomalous = new Uint8Array(n)
    const leading = new Uint16Array(n)
    for (let r = 0; r < n; r++) {
      let worst = -1
      let lead = places[0] as number
      let odd = 0
      for (let c = 0; c < places.length; c++) {
        const spread = std[c] as number
        if (spread < LEAST_STD) continue
        const place = places[c] as number
        const gap = Math.abs(
          ((frame.columns[place] as Float64Array)[from + r] as number) - (mean[c] as number),
        )
        const z = gap / spread
        if (z > worst) {
          worst = z
          lead = place
        }
        if (gap > k * spread) odd = 1
      }
      const z = Math.max(0, worst)
      raw[r] = z
      // A value beyond all floats is as strange as can be.
      scores[r] = Number.isFinite(z) ? z / (z + k) : 1
      anomalous[r] = odd
      leading[r] = lead
    }
    const expected = names.map((column, c): ExpectedBand => {
      const reach = k * (std[c] as number)
      return {
        column,
        low: new Float64Array(n).fill((mean[c] as number) - reach),
        high: new Float64Array(n).fill((mean[c] as number) + reach),
      }
    })
    return { score: scores, raw, anomalous, leading, short: new Uint8Array(n), expected }
  }
  return { ...member, family: 'zscore', threshold: ZSCORE_THRESHOLD, neededHistory: 0, score }
}
