/** Features as they are remembered: one row per entity and day. */
import type { AccountReference, EntityFeatures } from '../../ml/features/entity-features.ts'
import type { LocalDate } from '../core/days.ts'
import type { Level } from '../core/entity.ts'
import type { Page, PageRequest } from '../core/page.ts'
import type { Fence } from '../core/work.ts'

/** An entity's features of one day. `CampaignFeatures` are those of a campaign. */
export interface FeatureRow {
  readonly entityId: string
  readonly parentId: string | null
  readonly features: EntityFeatures
  /** Fewer than 7 days with impressions in the 30: the ratios stand on little. */
  readonly insufficientData: boolean
}

export interface StoredFeatures extends FeatureRow {
  readonly id: number
  readonly configId: number
  readonly entityType: Level
  readonly day: LocalDate
  readonly watermark: Date
  readonly createdAt: Date
}

export type CampaignFeatures = StoredFeatures & { readonly entityType: 'campaign' }

export interface FeatureFilter {
  readonly configId: number
  readonly level: Level
  readonly entityId?: string
  readonly day?: LocalDate
  readonly from?: LocalDate
  readonly to?: LocalDate
}

/** What those who build on features read. */
export interface FeatureReader {
  /** All entities of a level on a day, or those of `entityIds`, ordered by id. */
  ofLevel(
    configId: number,
    level: Level,
    day: LocalDate,
    entityIds?: readonly string[],
  ): Promise<readonly FeatureRow[]>
  /** Ratios of [D-13, D] over the whole account. */
  accountReference(configId: number, day: LocalDate): Promise<AccountReference>
  list(filter: FeatureFilter, page: PageRequest): Promise<Page<StoredFeatures>>
}

export interface FeatureStore extends FeatureReader {
  /** One statement; rows of the same entity and day are replaced. @throws FenceLost */
  write(
    fence: Fence,
    target: {
      readonly configId: number
      readonly level: Level
      readonly day: LocalDate
      readonly watermark: Date
    },
    rows: readonly FeatureRow[],
  ): Promise<void>
}
