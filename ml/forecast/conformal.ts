/**
 * Split conformal intervals (Lei et al. 2018): the quantile of past absolute errors that holds for the next
 * one whatever their distribution.
 */
import { sortFirst } from '../stats/robust.ts'

/** Fewer errors than this have no 95% quantile: ceil((n + 1) * .95) would be n + 1. */
export const MIN_ERRORS = 20

/**
 * The ceil((n + 1) * .95)-th smallest of the absolute errors; null when they are fewer than 20.
 *
 * @param errors NaN where unknown
 */
export const conformalQuantile = (errors: Float64Array): number | null => {
  const known = new Float64Array(errors.length)
  let n = 0
  for (const error of errors) if (!Number.isNaN(error)) known[n++] = Math.abs(error)
  if (n < MIN_ERRORS) return null
  sortFirst(known, n)
  // In integers: 0.95 * (n + 1) is not exact.
  return known[Math.ceil(((n + 1) * 95) / 100) - 1] as number
}
