/** Incidents as they are kept: what detection writes of them, set-based, and what it has to know of earlier ones. */
import type { IncidentFamily } from '../../ml/shifts/incidents.ts'
import type { AnomalyType, Metric, Polarity, Severity } from '../../ml/detectors/signal.ts'
import type { DayNumber } from '../../ml/frame.ts'
import type { Level } from '../core/entity.ts'
import type { Fence } from '../core/work.ts'
import type { EventType } from '../notify/events.ts'
import type { Notice } from '../notify/webhooks.ts'
import type { Carriage } from '../runs/run.ts'
import type { Expiry, ScoredBatch, WriteCounts } from './detection-store.ts'

export interface EntityKey {
  readonly entityType: Level
  readonly entityId: string
}

/** A child's part of what happened to its parent; the children of one parent, by share. */
export interface IncidentCause extends EntityKey {
  /** 1: directly below the root; each cause of depth n + 1 is a child of the first of depth n. */
  readonly depth: number
  /** Of the whole at its parent; the shares of siblings sum to 1. */
  readonly share: number
  readonly observed: number | null
  readonly expected: number | null
}

/** What detection says of an incident after a day. */
export interface IncidentState {
  readonly campaignId: string
  readonly family: IncidentFamily
  readonly root: EntityKey
  readonly metric: Metric
  readonly direction: 'up' | 'down'
  readonly polarity: Polarity
  readonly severity: Severity
  /** First and last day on which something of it was seen. */
  readonly dateFrom: DayNumber
  readonly dateTo: DayNumber
  readonly causes: readonly IncidentCause[]
  /** Whose figures `observed` and `expected` are: the root, or who is loudest below it. */
  readonly figuresOf: EntityKey
  /** Of its metric over all of its days: amounts per day, ratios in their units. */
  readonly observed: number | null
  readonly expected: number | null
  /** What was spent beyond (or, below 0, short of) what was expected since it began; null when unknown. */
  readonly money: number | null
}

export interface StoredIncident extends IncidentState {
  readonly id: number
  /** Whether it was told of. */
  readonly alerted: boolean
  readonly status: 'open' | 'acknowledged' | 'resolved'
  /** Entities of its anomalies that nobody took back (restated, false positives). */
  readonly members: readonly EntityKey[]
}

export interface SavedIncident extends IncidentState {
  /** Null: a new one. One of the same natural key (config, campaign, metric, direction, first day) is that one. */
  readonly id: number | null
  /** May be told of, if there is room: one there was none for may be told of late. */
  readonly alerted: boolean
  /** How odd the oddest of it is, in deviates: what is told of first, of those that are as severe. */
  readonly deviation: number
}

/** An anomaly, by its natural key, that belongs to an incident of the same call; unknown ones are passed over. */
export interface IncidentLink extends EntityKey {
  readonly type: AnomalyType
  readonly metric: Metric
  readonly day: DayNumber
  readonly severity: Severity
  /** Index among the saved incidents; null: to none. */
  readonly incident: number | null
  readonly alerted: boolean
}

export interface IncidentBatch {
  readonly configId: number
  /** The last findings of the check, not written yet. */
  readonly findings: ScoredBatch
  /** What is expired after them; null: nothing. */
  readonly expiry: Expiry | null
  /** The day whose check says it. */
  readonly day: DayNumber
  /** The newest day whose leads have arrived: what counts leads has not been judged since. */
  readonly leadsDay: DayNumber
  readonly at: Date
  /** How many may be told of on a local day, counting those that were told of by then, by whatever run. */
  readonly budget: { readonly perDay: number; readonly timeZone: string }
  readonly incidents: readonly SavedIncident[]
  readonly links: readonly IncidentLink[]
}

export interface NamedEntity extends EntityKey {
  /** Null: no longer known. */
  readonly name: string | null
}

/** An incident with what it takes to tell of it. */
export interface ToldIncident {
  readonly incident: StoredIncident
  readonly configId: number
  readonly configName: string
  readonly currency: string
  /** The root and what is above it, from the root up. */
  readonly path: readonly NamedEntity[]
  readonly figuresOf: NamedEntity
  /** The first cause of depth 1, 2, ..; shares as there. */
  readonly mainCauses: readonly (NamedEntity & Pick<IncidentCause, 'share' | 'observed'>)[]
}

/** What became of an incident in a save. */
export interface IncidentChange extends ToldIncident {
  readonly type: EventType
  readonly previousSeverity: Severity | null
}

export interface IncidentSaved extends WriteCounts {
  readonly expired: number
  readonly opened: number
  readonly escalated: number
  readonly resolved: number
  /** Of the messages, to be hurried once all is committed. */
  readonly carriages: readonly Carriage[]
}

export interface IncidentWriter {
  /** Incidents seen on `since` or later, by id, whatever their status. */
  known(configId: number, since: DayNumber): Promise<readonly StoredIncident[]>
  /**
   * One transaction under the fence, one at a time per config: writes the findings as `DetectionStore.write` does and
   * expires old ones, writes the incidents, ties the anomalies to them,
   * resolves what is over (no member open, or nothing seen since the day before yesterday of `day`, of leads of
   * `leadsDay`), opens again what came back, and leaves the messages of what opened, opened again, got louder or is
   * over to be sent. What opens is told of while there is room: the most severe first, of those the oddest, of those
   * what costs most. Only alerted incidents of bad or neutral polarity are. A repetition changes and sends nothing.
   */
  save(
    fence: Fence,
    batch: IncidentBatch,
    noticeOf: (changes: readonly IncidentChange[]) => Notice,
  ): Promise<IncidentSaved>
}
