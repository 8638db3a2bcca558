/** Features of a config's entities: read by whoever builds on them. */
import type { FeatureReader, FeatureStore } from './feature-store.ts'

export type FeaturesService = FeatureReader

export interface FeaturesParts {
  readonly store: FeatureStore
}

export const createFeatures = ({ store }: FeaturesParts): FeaturesService => ({
  ofLevel: (configId, level, day, entityIds) => store.ofLevel(configId, level, day, entityIds),
  accountReference: (configId, day) => store.accountReference(configId, day),
  list: (filter, page) => store.list(filter, page),
})
