/** What a replay asks of a database besides days: set-based, one statement each. */
import type { Metric } from '../../ml/detectors/signal.ts'
import type { DayNumber } from '../../ml/frame.ts'
import type { Level } from '../core/entity.ts'
import type { EntityKey, NamedEntity } from '../detection/incident-store.ts'

/** A finding of a day that people called real or false. */
export interface JudgedFinding extends EntityKey {
  readonly metric: Metric
  readonly day: DayNumber
  readonly verdict: 'true_positive' | 'false_positive'
}

export interface ReplayStore {
  /** First and last day with rows; null without any. */
  span(configId: number): Promise<{ readonly first: DayNumber; readonly last: DayNumber } | null>
  /** How many entities have rows in [from, to], of all levels. */
  entities(configId: number, from: DayNumber, to: DayNumber): Promise<number>
  /** All of a level. */
  names(configId: number, level: Level): Promise<readonly NamedEntity[]>
  /** Findings of days in [from, to] with a verdict, the newest of each; ordered by day, level, id and metric. */
  verdicts(configId: number, from: DayNumber, to: DayNumber): Promise<readonly JudgedFinding[]>
}
