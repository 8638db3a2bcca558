/** Tiers as they are remembered: one row per entity and day, with what the tier was before. */
import type { Classified, Tier } from '../../ml/classify/tier.ts'
import type { LocalDate } from '../core/days.ts'
import type { Level } from '../core/entity.ts'
import type { Page, PageRequest } from '../core/page.ts'
import type { Fence } from '../core/work.ts'

export const TIER_DIRECTIONS = ['improved', 'declined', 'stable'] as const
export type TierDirection = (typeof TIER_DIRECTIONS)[number]

/** An entity's tier of a day, to be written. Its history is added where it is written. */
export interface TierDraft {
  readonly entityId: string
  readonly parentId: string | null
  readonly classified: Classified
  /** The features and averages it stands on, by the names of the wire; the watermark is added where it is written. */
  readonly snapshot: Readonly<Record<string, unknown>>
  readonly modelVersion: string
}

/** A row as it goes over the wire. */
export interface ClassificationRow {
  readonly id: number
  readonly config_id: number
  readonly entity_type: Level
  readonly entity_id: string
  readonly entity_name: string | null
  readonly parent_id: string | null
  readonly tier: Tier
  readonly confidence: number
  readonly probabilities: Readonly<Record<Tier, number>>
  readonly metrics_snapshot: Readonly<Record<string, unknown>>
  readonly previous_tier: Tier | null
  readonly direction: TierDirection
  readonly tier_since: LocalDate
  readonly days_in_tier: number
  readonly classification_date: LocalDate
  readonly classified_at: string
  readonly valid_until: string
  readonly model_version: string
  readonly run_id: string | null
}

export interface ClassificationFilter {
  readonly configId: number
  readonly entityType: Level
  readonly entityId?: string
  readonly tier?: Tier
  readonly minConfidence?: number
  readonly day?: LocalDate
  readonly from?: LocalDate
  readonly to?: LocalDate
  /** Only the newest row of each entity. */
  readonly newest?: boolean
}

export interface TierFeedback {
  readonly classificationId: number
  readonly correctTier: Tier
  readonly reason: string | null
  readonly actor: string
}

export interface FeedbackRow {
  readonly id: number
  readonly classification_id: number
  readonly entity_type: Level
  readonly entity_id: string
  readonly classification_date: LocalDate
  readonly original_tier: Tier
  readonly correct_tier: Tier
  readonly reason: string | null
  readonly actor: string
  readonly created_at: string
}

export interface TierTarget {
  readonly configId: number
  readonly level: Level
  readonly day: LocalDate
  /** Of the data the tiers are made from. */
  readonly watermark: Date
}

export interface TierBatch {
  readonly drafts: readonly TierDraft[]
  /** Entities that say nothing: a tier that older data gave them on the day is taken back. */
  readonly saysNothing: readonly string[]
  readonly classifiedAt: Date
  readonly validUntil: Date
}

export interface TiersWritten {
  /** Drafts that were written; the others had a tier of newer data. */
  readonly written: number
  /** Of those, the ones whose tier is not that of the row before. */
  readonly changed: number
  /** Tiers taken back. */
  readonly withdrawn: number
}

export interface ClassificationStore {
  list(filter: ClassificationFilter, page: PageRequest): Promise<Page<ClassificationRow>>
  find(id: number): Promise<ClassificationRow | null>
  /** Entities whose row of the day is valid at `now` and was made from the same data. */
  upToDate(target: TierTarget, now: Date): Promise<ReadonlySet<string>>
  /**
   * One transaction under the fence. Previous tier, direction and tier_since come from each entity's newest row before
   * the day; rows of other days, and rows of newer data, are left as they are. @throws FenceLost
   */
  write(fence: Fence, target: TierTarget, batch: TierBatch): Promise<TiersWritten>
  /** The newest of an entity and day is valid, those before it no longer. */
  addFeedback(feedback: TierFeedback): Promise<FeedbackRow>
}
