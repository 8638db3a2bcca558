/** Where what features are made of comes from. */
import type { FeatureBatch } from '../../ml/features/feature-batch.ts'
import type { DayNumber } from '../../ml/frame.ts'
import type { Level } from '../core/entity.ts'

export interface FeatureRequest {
  readonly configId: number
  readonly level: Level
  /** D. */
  readonly day: DayNumber
  /** Null: all entities of the level. */
  readonly entityIds: readonly string[] | null
}

/**
 * Entities of whole campaigns, so that siblings stay together: of those of `entityIds`, when given. A batch is
 * two queries, and an account of a few thousand entities is one batch; memory is bounded by one batch, which
 * only a single larger campaign exceeds.
 */
export interface FeatureSource {
  batches(request: FeatureRequest): AsyncIterable<FeatureBatch>
}
