/** What features are made of: entities of whole campaigns, so that everyone's siblings are there. */
import type { DayNumber, EntityHead, FrameBatch } from '../frame.ts'
import type { BudgetOwner } from './entity-features.ts'

/** Sums of an ad's first 7 days with impressions. */
export interface FirstWeek {
  readonly spend: number
  readonly impressions: number
  readonly clicks: number
  /** The last of those days. */
  readonly lastDay: DayNumber
}

export interface FeatureHead extends Pick<EntityHead, 'id' | 'parentId' | 'campaignId' | 'activeRanges'> {
  readonly budgetOwner: BudgetOwner | null
  /** As the source wrote it (Meta's targeting spec); null when unknown, and on other levels than ad sets. */
  readonly targeting: unknown
  /** People reached in [D-6, D] as delivered by the source; NaN when unknown. */
  readonly reach7: number
  /** Up to D; null where nothing was ever shown, and on other levels than ads. */
  readonly firstWeek: FirstWeek | null
}

/** Days are those the source delivered in [D-29, D]; see `FrameBatch`. */
export interface FeatureBatch extends Pick<FrameBatch, 'offsets' | 'columns'> {
  readonly heads: readonly FeatureHead[]
}
