/**
 * What false alarms teach: where people said so, an entity's metric has to be odder than usual before anybody is
 * told again. It wears off by itself, since only verdicts on recent days count.
 */
import type { Metric } from '../../ml/detectors/signal.ts'
import type { DayNumber } from '../../ml/frame.ts'
import type { Level } from '../core/entity.ts'
import type { DetectionStore } from './detection-store.ts'

/** Deviates (standard deviations of a normal variable) that one false positive adds to the alert threshold. */
export const DEVIATES_PER_FALSE_POSITIVE = 0.5

/**
 * What is added at most: a metric nobody believes any more still speaks up when it collapses. Who wants silence
 * mutes it.
 */
export const MOST_DEVIATES = 1.5

/** Days whose false positives count, D included: as many as a model is trained on. */
export const TOLERANCE_DAYS = 90

export interface Tolerance {
  readonly entityType: Level
  readonly entityId: string
  readonly metric: Metric
  /** How far the alert threshold of this entity and metric is raised, in deviates: above 0, at most 1.5. */
  readonly deviates: number
}

/** @param falsePositives of one entity and metric, within the days that count */
export const toleranceOf = (falsePositives: number): number =>
  Math.min(MOST_DEVIATES, DEVIATES_PER_FALSE_POSITIVE * falsePositives)

/** What is tolerated when day `day` of a config is judged, in one query; ordered by level, id and metric. */
export const readTolerances = async (
  store: Pick<DetectionStore, 'falsePositives'>,
  configId: number,
  day: DayNumber,
): Promise<readonly Tolerance[]> =>
  (await store.falsePositives(configId, day - TOLERANCE_DAYS + 1, day)).map(
    ({ entityType, entityId, metric, count }) => ({
      entityType,
      entityId,
      metric,
      deviates: toleranceOf(count),
    }),
  )
