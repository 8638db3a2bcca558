/** Which models forecast, and how much each counts. */

/** How a model did on the held-out steps of all origins. */
export interface Contender {
  readonly name: string
  /** sum |e| / sum |y|; Infinity where no forecast came, or where every value is 0 and one was not. */
  readonly wape: number
  readonly mase: number
}

/** Models this close to the best share the forecast. */
const NEAR = 1.1
const BASE = 'seasonal_naive'

/** By WAPE, then by MASE, then in the order given. */
const better = (a: Contender, b: Contender): boolean =>
  a.wape < b.wape || (a.wape === b.wape && a.mase < b.mase)

/**
 * The best WAPE, and those within 10% of it by 1 / WAPE^2; seasonal_naive alone when none is better than it.
 *
 * @returns weights that sum to 1
 */
export const chooseWeights = (contenders: readonly Contender[]): Map<string, number> => {
  const able = contenders.filter(({ wape }) => Number.isFinite(wape))
  const first = able[0]
  if (first === undefined) return new Map()
  const best = able.reduce((a, b) => (better(b, a) ? b : a), first)
  const base = able.find(({ name }) => name === BASE)
  if (base !== undefined && !better(best, base)) return new Map([[BASE, 1]])
  if (best.wape === 0) return new Map([[best.name, 1]])

  const near = able.filter(({ wape }) => wape <= best.wape * NEAR)
  // Relative to the best, so that no square overflows.
  const shares = near.map(({ wape }) => (best.wape / wape) ** 2)
  const total = shares.reduce((sum, share) => sum + share, 0)
  return new Map(near.map(({ name }, i) => [name, (shares[i] as number) / total]))
}
