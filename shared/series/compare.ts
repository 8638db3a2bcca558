/** Two versions of a series side by side: what they were trained on, what was asked for, how they judge. */
import { agreementOf } from '../../ml/compare/agreement.ts'
import type { Agreement } from '../../ml/compare/agreement.ts'
import { memberChanges, statsChanges } from '../../ml/compare/versions.ts'
import type { ColumnChange, MemberChange } from '../../ml/compare/versions.ts'
import { AppError } from '../core/errors.ts'
import type { SeriesCatalogue } from './catalogue.ts'
import type { LimitState } from './limits.ts'
import type { PointsBody } from './points.ts'
import type { JudgedMember, Prediction, PredictionAsked, Predictions } from './predictions.ts'
import type { SeriesVersion } from './series.ts'

/** Scores of one version in one reply. */
const MOST_SCORES = 200_000

export interface VersionComparison {
  readonly from: SeriesVersion
  readonly to: SeriesVersion
  readonly stats: Readonly<Record<string, ColumnChange>>
  readonly members: readonly MemberChange[]
}

/** One judge of each version. */
export interface JudgedPair {
  readonly from: JudgedMember
  readonly to: JudgedMember
  /** Null: one of them could not be loaded, and a baseline judged instead. */
  readonly agreement: Agreement | null
}

export interface PointComparison {
  /** Of the rows that were judged. */
  readonly timesMs: Float64Array
  readonly pairs: readonly JudgedPair[]
  readonly limit: LimitState | null
}

export interface Comparisons {
  /** @throws MODEL_NOT_FOUND, INVALID_VERSION */
  versions(seriesId: string, from: number, to: number): Promise<VersionComparison>
  /**
   * Both versions judge the points: by the members the body names, by all of the same name, or by the primaries.
   * @throws what predictions throw; TOO_MANY_POINTS for more than a reply holds
   */
  points(
    seriesId: string,
    from: number,
    to: number,
    body: PointsBody,
    asked: PredictionAsked,
  ): Promise<PointComparison>
}

export interface ComparisonsParts {
  readonly catalogue: Pick<SeriesCatalogue, 'version'>
  readonly predictions: Pick<Predictions, 'judgeBy'>
}

const pairOf = (from: JudgedMember, to: JudgedMember): JudgedPair => ({
  from,
  to,
  agreement:
    from.fallback === null && to.fallback === null
      ? agreementOf(from.scores.anomalous, to.scores.anomalous)
      : null,
})

const pairsOf = (from: Prediction, to: Prediction): readonly JudgedPair[] => {
  const [a] = from.members
  const [b] = to.members
  // The primaries may have different names.
  if (a && b && from.members.length === 1 && to.members.length === 1) return [pairOf(a, b)]
  return from.members.flatMap((one) => {
    const other = to.members.find(({ name }) => name === one.name)
    return other ? [pairOf(one, other)] : []
  })
}

export const createComparisons = ({ catalogue, predictions }: ComparisonsParts): Comparisons => ({
  versions: async (seriesId, fromNumber, toNumber) => {
    const from = await catalogue.version(seriesId, fromNumber)
    const to = await catalogue.version(seriesId, toNumber)
    return { from, to, stats: statsChanges(from, to), members: memberChanges(from.members, to.members) }
  },

  points: async (seriesId, fromNumber, toNumber, body, asked) => {
    const { predictions: judged, limit } = await predictions.judgeBy(
      seriesId,
      [fromNumber, toNumber],
      body,
      asked,
    )
    const [from, to] = judged as readonly [Prediction, Prediction]
    const pairs = pairsOf(from, to)
    const timesMs = from.frame.timesMs.subarray(from.from)
    const scores = timesMs.length * pairs.length
    if (scores > MOST_SCORES) {
      throw new AppError(
        'TOO_MANY_POINTS',
        `at most ${MOST_SCORES} scores per version, got ${scores}; send fewer points or models`,
      )
    }
    return { timesMs, pairs, limit }
  },
})
