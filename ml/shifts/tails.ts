/**
 * Tail probabilities as signed standard normal deviates, so that figures of different kinds compare and add.
 * Beyond 1e-15 nothing is told apart: |z| <= 7.94.
 */
import chiSquareCdf from '@stdlib/stats-base-dists-chisquare-cdf'
import negativeBinomialCdf from '@stdlib/stats-base-dists-negative-binomial-cdf'
import normalQuantile from '@stdlib/stats-base-dists-normal-quantile'
import studentCdf from '@stdlib/stats-base-dists-t-cdf'

const LEAST_P = 1e-15
/** A variance barely above the mean is Poisson's; the negative binomial needs a little more. */
const LEAST_DISPERSION = 1e-6

const upperDeviate = (p: number): number => -normalQuantile(Math.max(p, LEAST_P), 0, 1)

/** The deviate as rare as `t` of Student's distribution with `df` degrees of freedom. */
export const studentDeviate = (t: number, df: number): number =>
  Math.sign(t) * upperDeviate(studentCdf(-Math.abs(t), df))

/** The deviate as rare as `x` events, or more extreme, of a negative binomial with that mean and variance. */
export const countDeviate = (x: number, mean: number, variance: number): number => {
  const size = (mean * mean) / Math.max(variance - mean, mean * LEAST_DISPERSION)
  const p = size / (size + mean)
  const upTo = negativeBinomialCdf(x, size, p)
  const atLeast = 1 - (x > 0 ? negativeBinomialCdf(x - 1, size, p) : 0)
  // What is more likely than not, on either side, is nothing odd.
  return upTo < atLeast ? -upperDeviate(Math.min(upTo, 0.5)) : upperDeviate(Math.min(atLeast, 0.5))
}

/** k log(k / expected), 0 of none. */
const surprise = (k: number, expected: number): number => (k > 0 ? k * Math.log(k / expected) : 0)

/**
 * No smaller than the size of `countDeviate`, and cheap. A tail of the negative binomial is one of a binomial: of
 * `size` successes among x + size trials below the mean, of size - 1 among one less above it; and tails of the
 * binomial are bounded by the root of the deviance (Zubkov and Serov 2013; Short 2013). Near the mean, where
 * the distribution's skew matters, 1 is enough.
 */
export const countDeviateBound = (x: number, mean: number, variance: number): number => {
  const size = (mean * mean) / Math.max(variance - mean, mean * LEAST_DISPERSION)
  const successes = x < mean ? size : size - 1
  if (successes <= 0) return Infinity
  const trials = x + successes
  const share = size / (size + mean)
  const deviance = surprise(x, trials * (1 - share)) + surprise(successes, trials * share)
  return Math.max(1, Math.sqrt(2 * Math.max(0, deviance)))
}

/**
 * The square of what is no smaller than `countDeviateBound`, without a logarithm: by Jensen's inequality a deviance is
 * at most twice Pearson's chi-square.
 */
export const roughCountBound = (x: number, mean: number, variance: number): number => {
  // As above, with numerator and denominator times the square of what is more than Poisson's: one division.
  const more = Math.max(variance - mean, mean * LEAST_DISPERSION)
  const square = mean * mean
  const away = x - mean
  if (away < 0) return Math.max(1, (2 * mean * away * away) / (x * more + square))
  if (square <= more) return Infinity
  const gap = mean * away + more
  return Math.max(1, (2 * gap * gap) / ((x * more + square - more) * mean))
}

/** The sum of `n` squared deviates from which `jointDeviate` exceeds `deviate`, from a little below. */
export const jointBound = (deviate: number, n: number): number => {
  let low = 0
  let high = 4 * (deviate * deviate + n) + 20
  for (let step = 0; step < 40; step++) {
    const middle = (low + high) / 2
    if (jointDeviate(middle, n) > deviate) high = middle
    else low = middle
  }
  return low * (1 - 1e-9)
}

/** The deviate as rare as a sum of `n` squared independent deviates. */
export const jointDeviate = (sumOfSquares: number, n: number): number =>
  upperDeviate(1 - chiSquareCdf(sumOfSquares, n))

/** How rare a deviate is, either way: two-sided, as a probability. */
export const rarityOf = (deviate: number): number => Math.max(LEAST_P, 1 - chiSquareCdf(deviate * deviate, 1))

/** The deviate that chance exceeds `factor` times as often as `deviate`; at least 0. */
export const deviateAtRate = (deviate: number, factor: number): number => {
  const tail = rarityOf(deviate) / 2
  return upperDeviate(Math.min(0.5, tail * factor))
}
