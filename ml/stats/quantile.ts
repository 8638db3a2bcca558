/**
 * The q-quantile of the first `n` values, which must be in ascending order: linear interpolation at
 * (n - 1) * q (type 7 of Hyndman and Fan 1996, numpy's default). NaN when n is 0.
 *
 * Interpolates from the nearer end, as numpy does, so that results are equal to the last bit.
 *
 * @param q 0..1
 */
export const quantileSorted = (sorted: Float64Array, q: number, n: number = sorted.length): number => {
  if (n === 0) return Number.NaN
  const position = (n - 1) * q
  const i = Math.floor(position)
  const below = sorted[i] as number
  const above = sorted[Math.min(i + 1, n - 1)] as number
  const share = position - i
  return share < 0.5 ? below + (above - below) * share : above - (above - below) * (1 - share)
}
