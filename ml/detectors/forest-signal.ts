/** What the forest found, put into the words of a finding. */
import type { Finding } from './day.ts'
import { type Circumstances, type Direction, polarityOf } from './polarity.ts'
import { capGood, forestSeverity } from './severity.ts'

/** A forest's judgement of one day. The columns are parallel to `features`. */
export interface ForestVerdict {
  readonly score: number
  readonly threshold: number
  /** score > threshold. */
  readonly isAnomaly: boolean
  /** p-value-like. */
  readonly rarity: number
  readonly features: readonly string[]
  /** Share of the score per feature; sums to 1, or all 0. */
  readonly contributions: ArrayLike<number>
  readonly values: ArrayLike<number>
  /** Of the training days, as the quantiles. */
  readonly medians: ArrayLike<number>
  readonly q05: ArrayLike<number>
  readonly q95: ArrayLike<number>
}

/**
 * What each feature has to do with the day being odd; sums to 1, or all 0. The forest's own shares tell which
 * features made it odd, but not how far out they are (see `feature-deviates.ts`): each is weighed by the square of its
 * deviate, as distances of several features are added up (Mahalanobis 1936; shares of its parts: Mason, Tracy and
 * Young 1995).
 *
 * @param deviates parallel to `features`; null: not known
 */
export const explainOdd = (
  { contributions, features }: Pick<ForestVerdict, 'contributions' | 'features'>,
  deviates: ReadonlyMap<string, number> | null,
): Float64Array => {
  const shares = Float64Array.from(contributions)
  const weighed = shares.map((share, i) => share * (deviates?.get(features[i] as string) ?? 1) ** 2)
  const sum = weighed.reduce((total, share) => total + share, 0)
  return sum > 0 ? weighed.map((share) => share / sum) : shares
}

/**
 * Each feature votes good or bad with its share of the score; a tie is bad. Spending more counts as wanted
 * when leads cost no more than on the median training day.
 */
const polarityOfVerdict = (
  { features, values, medians }: ForestVerdict,
  shares: Float64Array,
  circumstances: Circumstances,
): 'good' | 'bad' => {
  const cpl = features.indexOf('cpl')
  const own: Circumstances = {
    ...circumstances,
    cplHeld: cpl >= 0 && (values[cpl] as number) <= (medians[cpl] as number),
  }
  let vote = 0
  features.forEach((feature, i) => {
    const change = (values[i] as number) - (medians[i] as number)
    if (change === 0) return
    const polarity = polarityOf(feature, change < 0 ? 'down' : 'up', own)
    if (polarity !== 'neutral') vote += (polarity === 'good' ? 1 : -1) * (shares[i] as number)
  })
  return vote > 0 ? 'good' : 'bad'
}

/**
 * 'normal' when the score is not above the threshold.
 * @param deviatesOf asked of odd days alone: how far each feature is out
 */
export const forestSignal = (
  verdict: ForestVerdict,
  circumstances: Circumstances,
  deviatesOf: () => ReadonlyMap<string, number> | null,
): Finding | 'normal' => {
  if (!verdict.isAnomaly) return 'normal'
  const { features, rarity } = verdict
  const shares = explainOdd(verdict, deviatesOf())
  const top = shares.indexOf(Math.max(...shares))
  const observed = verdict.values[top] as number
  const expected = verdict.medians[top] as number
  const direction: Direction = observed < expected ? 'down' : 'up'
  const polarity = polarityOfVerdict(verdict, shares, circumstances)
  return {
    detector: 'isolation_forest',
    type: polarity === 'bad' ? 'performance_drop' : 'performance_spike',
    metric: 'multivariate',
    severity: capGood(forestSeverity(rarity), polarity),
    polarity,
    direction,
    score: 1 - rarity,
    rarity,
    observed,
    expected,
    lower: verdict.q05[top] as number,
    upper: verdict.q95[top] as number,
    deviation: verdict.score,
    contributions: Object.fromEntries(features.map((feature, i) => [feature, shares[i] as number])),
  }
}
