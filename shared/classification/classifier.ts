/** Who decides tiers: the rules, or a network that did better than them. */
import type { Classified } from '../../ml/classify/tier.ts'
import type { AccountReference, EntityFeatures } from '../../ml/features/entity-features.ts'
import type { Level } from '../core/entity.ts'

export interface TierClassifier {
  /** E.g. `rules@1`, `classifier/config_12/campaign@3`. */
  readonly modelVersion: string
  classify(features: EntityFeatures, reference: AccountReference): Classified
}

export interface ClassifierSource {
  /** The classifier in service for a level of a config; null: the rules. */
  classifierFor(configId: number, level: Level): Promise<TierClassifier | null>
}
