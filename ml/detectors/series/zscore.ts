/**
 * zscore@1: how many standard deviations a row is from the mean of the training rows, at its worst column. The
 * verdict compares abs(x - mean) with k standard deviations, not the score, so that rounding decides nothing.
 */
import { ArtifactFormatError } from '../../artifact/safetensors.ts'
import { FitError, paramOf } from '../../series/family.ts'
import type { FittedMember, MemberPlan, MemberTensors } from '../../series/family.ts'
import type { SeriesFrame } from '../../series/frame.ts'
import type { ExpectedBand, MemberScorer, MemberScores } from '../../series/member.ts'
import { LEAST_STD, momentsOf } from '../../series/stats.ts'

const THRESHOLD = 0.5

interface ZscoreState {
  readonly k: number
  /** One per column of the plan. */
  readonly mean: Float64Array
  readonly std: Float64Array
}

export const zscoreScorer = (
  { k, mean, std }: ZscoreState,
  { spec, places, columns }: Pick<MemberPlan, 'spec' | 'places' | 'columns'>,
): MemberScorer => {
  // A column that barely moved says nothing.
  const judged = places.flatMap((place, c) => {
    const spread = std[c] as number
    const reach = k * spread
    const centre = mean[c] as number
    return spread < LEAST_STD ? [] : [{ place, column: columns[c] as string, centre, spread, reach }]
  })
  const firstPlace = judged[0]?.place ?? 0

  const score = (frame: SeriesFrame, from: number): MemberScores => {
    const n = frame.timesMs.length - from
    const scores = new Float64Array(n)
    const raw = new Float64Array(n)
    const anomalous = new Uint8Array(n)
    const leading = new Uint16Array(n).fill(firstPlace)
    const expected: ExpectedBand[] = []
    for (const { place, column, centre, spread, reach } of judged) {
      const values = frame.columns[place] as Float64Array
      for (let r = 0; r < n; r++) {
        const gap = Math.abs((values[from + r] as number) - centre)
        const z = gap / spread
        if (z > (raw[r] as number)) {
          raw[r] = z
          leading[r] = place
        }
        if (gap > reach) anomalous[r] = 1
      }
      const low = new Float64Array(n).fill(centre - reach)
      expected.push({ column, low, high: new Float64Array(n).fill(centre + reach) })
    }
    for (let r = 0; r < n; r++) {
      const z = raw[r] as number
      // Beyond all floats a value is as strange as can be.
      scores[r] = z === Infinity ? 1 : z / (z + k)
    }
    return { score: scores, raw, anomalous, leading, short: new Uint8Array(n), expected }
  }
  const { name, channels } = spec
  return { name, family: 'zscore', channels, threshold: THRESHOLD, neededHistory: 0, score }
}

/** @throws FitError when none of the member's columns moves */
export const fitZscore = (frame: SeriesFrame, plan: MemberPlan): FittedMember => {
  const moments = plan.places.map((place) => momentsOf(frame.columns[place] as Float64Array))
  if (moments.every(({ std }) => std < LEAST_STD)) {
    throw new FitError(`none of ${plan.columns.join(', ')} moves (std below ${LEAST_STD}); nothing to learn`)
  }
  const mean = Float64Array.from(moments, (moment) => moment.mean)
  const std = Float64Array.from(moments, (moment) => moment.std)
  const { anomalous } = zscoreScorer({ k: paramOf(plan.spec, 'k'), mean, std }, plan).score(frame, 0)
  let flagged = 0
  for (let r = 0; r < anomalous.length; r++) flagged += anomalous[r] as number
  return {
    threshold: THRESHOLD,
    flagRate: flagged / anomalous.length,
    tensors: new Map([
      ['mean', mean],
      ['std', std],
    ]),
  }
}

/** @throws ArtifactFormatError */
export const openZscore = (tensors: MemberTensors, plan: MemberPlan): MemberScorer => {
  const k = paramOf(plan.spec, 'k')
  if (!(k > 0)) throw new ArtifactFormatError(`member ${plan.spec.name}: k is not above 0`)
  const mean = tensors.takeFinite('mean', Float64Array, plan.places.length)
  const std = tensors.takeFinite('std', Float64Array, plan.places.length)
  return zscoreScorer({ k, mean, std }, plan)
}
