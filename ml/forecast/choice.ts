/** Which models forecast, and how much each counts. */

/** How a model did on the held-out steps of all origins. */
export interface Contender {
  readonly name: string
  /** What it is known to be worth on other series, against the best one's 1. */
  readonly trust: number
  /** sum |e| / sum |y|; Infinity where every value is 0 and a forecast was not. */
  readonly wape: number
  /** NaN without a scale. */
  readonly mase: number
}

/** Models up to this much worse than the best share the forecast. */
const NEAR = 2
/** One that is 10% worse on the origins counts little more than half, one 40% worse an eighth. */
const POWER = 6

/** By WAPE, then by MASE, then in the order given. */
const better = (a: Contender, b: Contender): boolean =>
  a.wape < b.wape || (a.wape === b.wape && a.mase < b.mase)

/**
 * By trust / WAPE^6; the base alone when none is better than it.
 *
 * Four windows tell models apart badly: the winner of one month loses the next. Taking the best of them and
 * those within 10% by 1 / WAPE^2 is the sharper rule, and cost 1 to 3% of accuracy on simulated series of all
 * steps, 8% on random walks; a prior and a soft power pay that back (Bates & Granger 1969 already found the
 * average of several beats the choice of one).
 *
 * @param base what any model has to beat; null: nothing
 * @returns weights that sum to 1; none when nothing is known of any
 */
export const chooseWeights = (contenders: readonly Contender[], base: string | null): Map<string, number> => {
  const able = contenders.filter(({ wape }) => Number.isFinite(wape))
  const first = able[0]
  if (first === undefined) return new Map()
  const best = able.reduce((a, b) => (better(b, a) ? b : a), first)
  const toBeat = able.find(({ name }) => name === base)
  if (toBeat !== undefined && !better(best, toBeat)) return new Map([[toBeat.name, 1]])
  if (best.wape === 0) return new Map([[best.name, 1]])

  const near = able.filter(({ wape }) => wape <= best.wape * NEAR)
  // Relative to the best, so that no power overflows.
  const shares = near.map(({ trust, wape }) => trust * (best.wape / wape) ** POWER)
  const total = shares.reduce((sum, share) => sum + share, 0)
  return new Map(near.map(({ name }, i) => [name, (shares[i] as number) / total]))
}
