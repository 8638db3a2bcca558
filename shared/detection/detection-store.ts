/** What detection remembers and asks, set-based: one statement for many entities. */
import type { AnomalyDraft, BaselineReason, Metric } from '../../ml/detectors/signal.ts'
import type { DayNumber } from '../../ml/frame.ts'
import type { Level } from '../core/entity.ts'
import type { Fence } from '../core/work.ts'

export interface ScoredAnomaly {
  readonly entityId: string
  readonly parentId: string | null
  readonly day: DayNumber
  readonly anomaly: AnomalyDraft
  readonly baselineReason: BaselineReason | null
}

export interface ScoredBatch {
  readonly configId: number
  readonly level: Level
  /** Entities that were judged on all of `days`. */
  readonly entityIds: readonly string[]
  readonly days: readonly DayNumber[]
  readonly anomalies: readonly ScoredAnomaly[]
  /** When this execution looked: newer than whatever an earlier one wrote. */
  readonly seenAt: Date
}

export interface WriteCounts {
  /** Rows that were not there before. */
  readonly created: number
  /** Open rows this scoring no longer raises. */
  readonly restated: number
}

/** What has been open for too long. */
export interface Expiry {
  readonly at: Date
  /** Open since then or longer. */
  readonly openedBefore: Date
}

/** The run that asks; earlier ones of its job and config tell what was looked at. */
export interface Look {
  readonly job: string
  readonly configId: number
  readonly runId: string
}

export interface LateDays {
  /** Newest stamp of a row of these days, for later runs to compare with; null without rows. */
  readonly watermark: Date | null
  /** Days with a row newer than what was seen when they were last looked at, ascending. */
  readonly days: readonly DayNumber[]
  /** Changes when a row of the days that verdicts of the week build on does. */
  readonly rows: string
  /** The newest day up to the asked one that an earlier run over all entities looked at; null before the first. */
  readonly lookedAt: DayNumber | null
}

/** Findings of one entity and metric that people called false. */
export interface FalsePositives {
  readonly entityType: Level
  readonly entityId: string
  readonly metric: Metric
  readonly count: number
}

export interface LateWeek {
  readonly since: DayNumber
  readonly from: DayNumber
  readonly to: DayNumber
}

export interface DetectionStore {
  /**
   * What came in late for the week [from, to], and for the days from `since` on that its verdicts build on. A run
   * over all entities looks at its day and, for late rows, at the rest of that week; so a run of an older day says
   * nothing of newer ones. Nothing is late before the first run.
   */
  lateDays(look: Look, week: LateWeek): Promise<LateDays>
  /** Days labelled true_positive since `from`, by entity id. */
  labelledDays(
    configId: number,
    level: Level,
    from: DayNumber,
  ): Promise<ReadonlyMap<string, readonly DayNumber[]>>
  /**
   * Findings of days in [from, to] whose newest verdict is false_positive, counted by entity and metric of all
   * levels; ordered, and only those with any.
   */
  falsePositives(configId: number, from: DayNumber, to: DayNumber): Promise<readonly FalsePositives[]>
  /** Days in [from, to] that have a frequency alert, by entity id. */
  frequencyAlertDays(
    configId: number,
    level: Level,
    from: DayNumber,
    to: DayNumber,
  ): Promise<ReadonlyMap<string, readonly DayNumber[]>>
  /**
   * One transaction under the fence: raises or refreshes what was found, resolves as `restated` what the
   * judged entities no longer show on the judged days. A repetition changes nothing but `last_seen`; what a
   * later look wrote stays. What was found while one of the days still ran (`writePartial`) is replaced by it:
   * confirmed it is a finding like any other, else it is resolved as `restated`.
   */
  write(fence: Fence, batch: ScoredBatch): Promise<WriteCounts>
  /**
   * The same of a day that still runs: its findings are marked as partial and wake nobody. Leaves a day alone whose
   * final verdict is there, and every finding of such a verdict.
   */
  writePartial(fence: Fence, batch: ScoredBatch): Promise<WriteCounts>
  /** Resolves as `expired` what has been open for too long. */
  expire(fence: Fence, configId: number, level: Level, expiry: Expiry): Promise<number>
}
