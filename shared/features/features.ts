/**
 * Features of a config's entities: one pass per level and day, and what is read of them. Stages: freshness; then
 * per batch of whole campaigns: their days, the formulas, one write under the fence.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { computeFeatures, isInsufficient } from '../../ml/features/compute-features.ts'
import type { FeatureBatch } from '../../ml/features/feature-batch.ts'
import { toDayNumber } from '../core/days.ts'
import type { Level } from '../core/entity.ts'
import type { WorkContext, WorkOutcome } from '../core/work.ts'
import type { DataFreshness } from '../entities/freshness.ts'
import type { StepPayload } from '../jobs/step.ts'
import type { FeatureReader, FeatureRow, FeatureStore } from './feature-store.ts'
import type { FeatureSource } from './feature-source.ts'

export interface FeaturesService extends FeatureReader {
  /** Computes and stores the features of a level's entities on the payload's day. */
  computeLevel(level: Level, payload: StepPayload, context: WorkContext): Promise<WorkOutcome>
}

export interface FeaturesParts {
  readonly source: FeatureSource
  readonly store: FeatureStore
  readonly freshness: Pick<DataFreshness, 'freshness'>
}

/** Rows of those that delivered or are active, and were asked for. */
const rowsOf = (
  level: Level,
  batch: FeatureBatch,
  day: number,
  asked: ReadonlySet<string> | null,
): readonly FeatureRow[] => {
  const features = computeFeatures(level, batch, day)
  return batch.heads.flatMap(({ id, parentId }, i) => {
    const own = features[i]
    if (!own || (asked && !asked.has(id))) return []
    return [{ entityId: id, parentId, features: own, insufficientData: isInsufficient(own) }]
  })
}

export const createFeatures = ({ source, store, freshness }: FeaturesParts): FeaturesService => ({
  computeLevel: async (level, payload, context) => {
    const { configId, day, watermark, entityIds } = payload
    const result = { day, watermark }
    if ((await freshness.freshness(configId, day)) === 'stale') {
      return {
        status: 'skipped',
        counts: { done: 0, skipped: 1, failed: 0 },
        reasons: { stale_data: 1 },
        result,
      }
    }
    const asked = entityIds && new Set(entityIds)
    const counts = { done: 0, skipped: 0, failed: 0 }
    let insufficient = 0
    for await (const batch of source.batches({ configId, level, day: toDayNumber(day), entityIds })) {
      context.signal.throwIfAborted()
      const rows = rowsOf(level, batch, toDayNumber(day), asked)
      if (rows.length > 0)
        await store.write(context.fence, { configId, level, day, watermark: new Date(watermark) }, rows)
      counts.done += rows.length
      insufficient += rows.filter((row) => row.insufficientData).length
      context.progress(0.5, counts)
      await nextTurn()
    }
    if (asked) counts.skipped = asked.size - counts.done
    return {
      status: 'succeeded',
      counts,
      reasons: counts.skipped > 0 ? { no_data: counts.skipped } : {},
      result: { ...result, entities: counts.done, insufficient_data: insufficient },
    }
  },
  ofLevel: (configId, level, day, entityIds) => store.ofLevel(configId, level, day, entityIds),
  accountReference: (configId, day) => store.accountReference(configId, day),
  list: (filter, page) => store.list(filter, page),
})
