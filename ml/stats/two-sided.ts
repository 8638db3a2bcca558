/**
 * Two-sided p-values: how often chance alone would bring something at least as far out.
 * Distributions by stdlib (stdlib.io), whose incomplete gamma and beta functions follow Boost's.
 */
import binomialCdf from '@stdlib/stats-base-dists-binomial-cdf'
import poissonCdf from '@stdlib/stats-base-dists-poisson-cdf'
import studentCdf from '@stdlib/stats-base-dists-t-cdf'

/** Both tails of a discrete count; the count itself lies in both, hence the cap at 1. */
const discrete = (atMost: number, below: number): number =>
  Math.min(1, 2 * Math.min(atMost, Math.max(0, 1 - below)))

/** P(|T| >= |t|) of Student's t with `df` degrees of freedom. */
export const studentP = (t: number, df: number): number => Math.min(1, 2 * studentCdf(-Math.abs(t), df))

/** min(1, 2 min(P(X <= k), P(X >= k))), X Poisson with mean `lambda` >= 0, which may be infinite. */
export const poissonP = (k: number, lambda: number): number =>
  lambda === Infinity ? 0 : discrete(poissonCdf(k, lambda), poissonCdf(Math.ceil(k) - 1, lambda))

/**
 * The same for X binomial: `n` trials of chance `p`. The trials are rounded to whole ones and p is kept
 * within 0..1: expected percentages come from medians and trends, and late corrections of a source may
 * leave more successes than trials.
 */
export const binomialP = (k: number, n: number, p: number): number => {
  const trials = Math.round(n)
  const chance = Math.min(1, Math.max(0, p))
  return discrete(binomialCdf(k, trials, chance), binomialCdf(Math.ceil(k) - 1, trials, chance))
}
