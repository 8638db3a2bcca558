/** How well an entity does, in four words (ads-domain section 5). */

/** Worst first. */
export const TIERS = ['UNDERPERFORMER', 'LOW', 'MODERATE', 'HIGH_PERFORMER'] as const
export type Tier = (typeof TIERS)[number]

/** A tier with what speaks for it. */
export interface Classified {
  readonly tier: Tier
  /** 0..1: the probability of `tier`. */
  readonly confidence: number
  /** Of every tier, summing to 1. */
  readonly probabilities: Readonly<Record<Tier, number>>
}
