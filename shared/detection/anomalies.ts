/** What was found, for people: lists, counts, and what they say about a finding. */
import { z } from 'zod'
import type { AnomalyType, Metric, Polarity, Severity } from '../../ml/detectors/signal.ts'
import { AppError } from '../core/errors.ts'
import type { LocalDate } from '../core/days.ts'
import type { Level } from '../core/entity.ts'
import type { Page, PageRequest } from '../core/page.ts'

export type AnomalyStatus = 'open' | 'acknowledged' | 'resolved'
export const ANOMALY_STATUSES = ['open', 'acknowledged', 'resolved'] as const

/** What people say of a finding: it was real, or it was none. */
export type FeedbackVerdict = (typeof FEEDBACK_VERDICTS)[number]
export const FEEDBACK_VERDICTS = ['true_positive', 'false_positive'] as const

export interface AnomalyFilter {
  readonly configId: number
  /** Absent: all levels. */
  readonly entityType?: Level
  readonly entityId?: string
  readonly severity?: Severity
  readonly type?: AnomalyType
  readonly status?: AnomalyStatus
  readonly polarity?: Polarity
  readonly alerted?: boolean
  /** Inclusive days. */
  readonly dateFrom: LocalDate
  readonly dateTo: LocalDate
}

/** What people write to a decision. */
export const Notes = z.string().max(500)

/** A row as it goes over the wire. */
export interface AnomalyRow {
  readonly id: number
  readonly config_id: number
  readonly entity_type: Level
  readonly entity_id: string
  readonly entity_name: string | null
  readonly parent_id: string | null
  readonly campaign_id: string | null
  readonly campaign_name: string | null
  readonly type: AnomalyType
  readonly metric: Metric
  readonly anomaly_date: LocalDate
  readonly severity: Severity
  readonly polarity: Polarity
  readonly direction: 'up' | 'down'
  readonly score: number
  readonly rarity: number | null
  readonly observed: number | null
  readonly expected: number | null
  readonly lower: number | null
  readonly upper: number | null
  readonly deviation: number | null
  readonly contributions: Readonly<Record<string, number>> | null
  readonly signals: readonly Readonly<Record<string, unknown>>[]
  readonly model_source: string
  readonly model_version: number | null
  readonly baseline_reason: string | null
  readonly partial: boolean
  readonly alerted: boolean
  readonly status: AnomalyStatus
  readonly resolution: string | null
  readonly notes: string | null
  /** The newest one people gave. */
  readonly verdict: FeedbackVerdict | null
  readonly actor: string | null
  readonly acted_at: string | null
  readonly first_seen: string
  readonly last_seen: string
  readonly times_seen: number
  readonly incident_id: number | null
  readonly run_id: string | null
}

export interface AnomalySummary {
  readonly total: number
  readonly by_severity: Readonly<Record<string, number>>
  readonly by_type: Readonly<Record<string, number>>
  readonly by_status: Readonly<Record<string, number>>
  readonly critical_count: number
  readonly last_detected_at: string | null
}

export interface Verdict {
  readonly actor: string
  readonly notes: string | null
  readonly at: Date
}

export interface Feedback extends Verdict {
  readonly verdict: FeedbackVerdict
}

export interface AnomalyStore {
  list(filter: AnomalyFilter, page: PageRequest): Promise<Page<AnomalyRow>>
  summary(filter: AnomalyFilter): Promise<AnomalySummary>
  find(id: number): Promise<AnomalyRow | null>
  /** Newest first, and of a day the loudest. */
  ofIncident(incidentId: number, limit: number): Promise<readonly AnomalyRow[]>
  /** Moves `id` to `status` when its status is one of `from`; false when it is not. */
  move(
    id: number,
    from: readonly AnomalyStatus[],
    status: AnomalyStatus,
    resolution: string | null,
    verdict: Verdict,
  ): Promise<boolean>
  /** Notes the verdict and what it means for the anomaly, in one transaction; false when there is no such anomaly. */
  judge(id: number, feedback: Feedback): Promise<boolean>
}

export interface AnomaliesService {
  list(filter: AnomalyFilter, page: PageRequest): Promise<Page<AnomalyRow>>
  summary(filter: AnomalyFilter): Promise<AnomalySummary>
  /** @throws NOT_FOUND */
  get(id: number): Promise<AnomalyRow>
  /** Repeating is harmless. @throws CONFLICT once it is resolved */
  acknowledge(id: number, verdict: Verdict): Promise<AnomalyRow>
  /** Repeating is harmless: the first resolution stays. */
  resolve(id: number, verdict: Verdict): Promise<AnomalyRow>
  /**
   * What somebody says of a finding, whatever its status; the newest verdict counts. `false_positive` resolves
   * it, `true_positive` takes its day out of what its entity's models and baselines learn from. To say the
   * newest verdict again is harmless: only notes, if any, are taken. Whoever takes back a `false_positive` has
   * seen the finding: it is `acknowledged`.
   * @throws NOT_FOUND
   */
  feedback(id: number, feedback: Feedback): Promise<AnomalyRow>
}

export const createAnomalies = (store: AnomalyStore): AnomaliesService => {
  const get = async (id: number): Promise<AnomalyRow> => {
    const row = await store.find(id)
    if (!row)
      throw new AppError('NOT_FOUND', `there is no anomaly ${id}; list them with GET /api/v1/ml/anomalies`)
    return row
  }
  return {
    list: (filter, page) => store.list(filter, page),
    summary: (filter) => store.summary(filter),
    get,
    acknowledge: async (id, verdict) => {
      await store.move(id, ['open'], 'acknowledged', null, verdict)
      const row = await get(id)
      if (row.status === 'resolved') {
        throw new AppError(
          'CONFLICT',
          `anomaly ${id} is resolved (${row.resolution ?? 'by hand'}) and needs no acknowledgement`,
        )
      }
      return row
    },
    resolve: async (id, verdict) => {
      await store.move(id, ['open', 'acknowledged'], 'resolved', 'manual', verdict)
      return get(id)
    },
    feedback: async (id, feedback) => {
      await store.judge(id, feedback)
      return get(id)
    },
  }
}
