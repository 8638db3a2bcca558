/** How far the values seen lately have moved from those a model was trained on. */

/** Added to every bin, so that an empty one is unlikely and not impossible. */
const SMOOTHING = 0.5
/** Fewer values say nothing reliable. */
export const DRIFT_LEAST_VALUES = 500
export const DRIFT_HOURS = 24

export const DRIFT_LEVELS = ['none', 'warn', 'alert'] as const
export type DriftLevel = (typeof DRIFT_LEVELS)[number]

export interface DriftBounds {
  /** Nats; strictly above is a warning. */
  readonly warn: number
  /** Nats; strictly above is an alert. */
  readonly alert: number
}

const totalOf = (counts: ArrayLike<number>): number => {
  let sum = 0
  for (let bin = 0; bin < counts.length; bin++) sum += counts[bin] as number
  return sum
}

const requireSameBins = (seen: ArrayLike<number>, trained: ArrayLike<number>): void => {
  if (seen.length !== trained.length)
    throw new RangeError(`${seen.length} bins are compared with ${trained.length}`)
}

/**
 * Kullback-Leibler divergence of what was seen from what was trained on, in nats: sum p ln(p / q), with
 * p = (seen + 0.5) / (n + 0.5 B) and q likewise of the training (Krichevsky & Trofimov 1981 for the 0.5).
 * @param seen values per bin; the same bins as `trained`
 * @throws RangeError when the bins differ
 */
export const divergence = (seen: ArrayLike<number>, trained: ArrayLike<number>): number => {
  const bins = trained.length
  requireSameBins(seen, trained)
  const allSeen = totalOf(seen) + SMOOTHING * bins
  const allTrained = totalOf(trained) + SMOOTHING * bins
  let sum = 0
  for (let bin = 0; bin < bins; bin++) {
    const p = ((seen[bin] as number) + SMOOTHING) / allSeen
    const q = ((trained[bin] as number) + SMOOTHING) / allTrained
    sum += p * Math.log(p / q)
  }
  // Equal distributions can end an ulp below.
  return Math.max(0, sum)
}

export const levelOf = (kl: number, { warn, alert }: DriftBounds): DriftLevel => {
  if (kl > alert) return 'alert'
  return kl > warn ? 'warn' : 'none'
}

/** The worse of two; null knows nothing. */
export const worseLevel = (a: DriftLevel | null, b: DriftLevel | null): DriftLevel | null => {
  if (a === null || b === null) return a ?? b
  return DRIFT_LEVELS.indexOf(a) >= DRIFT_LEVELS.indexOf(b) ? a : b
}

export interface ColumnDrift {
  /** Values seen. */
  readonly n: number
  /** Null: too few values. */
  readonly kl: number | null
  readonly level: DriftLevel | null
}

/** @throws RangeError when the bins differ */
export const columnDrift = (
  seen: ArrayLike<number>,
  trained: ArrayLike<number>,
  bounds: DriftBounds,
): ColumnDrift => {
  requireSameBins(seen, trained)
  const n = totalOf(seen)
  if (n < DRIFT_LEAST_VALUES) return { n, kl: null, level: null }
  const kl = divergence(seen, trained)
  return { n, kl, level: levelOf(kl, bounds) }
}
