/** Incidents for people: lists, what one is made of, and what they decide about it. */
import type { Severity } from '../../ml/detectors/signal.ts'
import type { Clock } from '../core/clock.ts'
import { lastCompleteDay } from '../core/days.ts'
import type { LocalDate } from '../core/days.ts'
import { AppError } from '../core/errors.ts'
import type { Page, PageRequest } from '../core/page.ts'
import { zoneOf } from '../entities/configs.ts'
import type { Configs } from '../entities/configs.ts'
import type { Notifications } from '../notify/notifications.ts'
import type { Notice } from '../notify/webhooks.ts'
import type { Carriage } from '../runs/run.ts'
import type { AnomalyRow, AnomalyStatus, AnomalyStore, Verdict } from './anomalies.ts'
import { toEvents } from './incident-events.ts'
import { causeRows, incidentFacts } from './incident-row.ts'
import type { CauseRow, IncidentFacts } from './incident-row.ts'
import type { IncidentCause, IncidentChange, NamedEntity, ToldIncident } from './incident-store.ts'

export const INCIDENT_RESOLUTIONS = ['over', 'settled', 'manual'] as const
/** over: not seen any more; settled: none of its anomalies is open; manual: somebody said so. */
export type IncidentResolution = (typeof INCIDENT_RESOLUTIONS)[number]

export interface IncidentFilter {
  readonly configId: number
  readonly status?: AnomalyStatus
  readonly severity?: Severity
  /** Whether somebody was told of it. */
  readonly alerted?: boolean
  /** Whether it is resolved, whoever or whatever resolved it. */
  readonly isOver?: boolean
  /** Inclusive days; incidents of which something was seen between them. */
  readonly dateFrom: LocalDate
  readonly dateTo: LocalDate
}

/** All that is kept of an incident. */
export interface IncidentRecord extends ToldIncident {
  readonly causes: readonly (IncidentCause & NamedEntity)[]
  /** Anomalies that belong to it. */
  readonly findings: number
  readonly alertedAt: Date | null
  readonly resolution: IncidentResolution | null
  readonly notes: string | null
  readonly actor: string | null
  readonly actedAt: Date | null
  readonly createdAt: Date
  readonly updatedAt: Date
}

export interface IncidentStore {
  /** Newest first. */
  list(filter: IncidentFilter, page: PageRequest): Promise<Page<IncidentRecord>>
  /** What still goes on first, of that what was told of, of that the loudest, of those what costs most. */
  mostUrgent(
    filter: IncidentFilter,
    limit: number,
  ): Promise<{ readonly total: number; readonly rows: readonly IncidentRecord[] }>
  find(id: number): Promise<IncidentRecord | null>
  /**
   * Moves the incident to `status`, its anomalies with it, and leaves the message of its end to be sent when it was
   * told of and ends now. Repeated, it takes along anomalies that came since.
   */
  decide(
    id: number,
    configId: number,
    status: 'acknowledged' | 'resolved',
    verdict: Verdict,
    noticeOf: (changes: readonly IncidentChange[]) => Notice,
  ): Promise<readonly Carriage[]>
}

/** A row as it goes over the wire. */
export interface IncidentRow extends IncidentFacts {
  readonly id: number
  readonly config_id: number
  readonly findings: number
  readonly alerted: boolean
  readonly alerted_at: string | null
  readonly status: AnomalyStatus
  readonly resolution: IncidentResolution | null
  readonly notes: string | null
  readonly actor: string | null
  readonly acted_at: string | null
  readonly created_at: string
  readonly updated_at: string
}

export interface IncidentDetail extends IncidentRow {
  /** Ranked: by depth, then by share. Each of depth n + 1 is a child of the first of depth n. */
  readonly causes: readonly CauseRow[]
  /** Newest first, the first MOST_MEMBERS of them. */
  readonly members: readonly AnomalyRow[]
}

/** Anomalies shown of one incident. */
export const MOST_MEMBERS = 200

export interface IncidentsService {
  list(filter: IncidentFilter, page: PageRequest): Promise<Page<IncidentRow>>
  mostUrgent(
    filter: IncidentFilter,
    limit: number,
  ): Promise<{ readonly total: number; readonly rows: readonly IncidentRow[] }>
  /** @throws NOT_FOUND */
  get(id: number): Promise<IncidentDetail>
  /** With its anomalies. Repeating is harmless. @throws CONFLICT once it is resolved */
  acknowledge(id: number, verdict: Verdict): Promise<IncidentDetail>
  /** With its anomalies. Repeating is harmless: the first resolution stays. */
  resolve(id: number, verdict: Verdict): Promise<IncidentDetail>
}

export const missingIncident = (id: number): AppError =>
  new AppError('NOT_FOUND', `there is no incident ${id}; list them with GET /api/v1/ml/incidents`)

const toRow = (record: IncidentRecord): IncidentRow => {
  const { incident } = record
  return {
    id: incident.id,
    config_id: record.configId,
    ...incidentFacts(record),
    findings: record.findings,
    alerted: incident.alerted,
    alerted_at: record.alertedAt?.toISOString() ?? null,
    status: incident.status,
    resolution: record.resolution,
    notes: record.notes,
    actor: record.actor,
    acted_at: record.actedAt?.toISOString() ?? null,
    created_at: record.createdAt.toISOString(),
    updated_at: record.updatedAt.toISOString(),
  }
}

const detailOf = (record: IncidentRecord, members: readonly AnomalyRow[]): IncidentDetail => ({
  ...toRow(record),
  causes: causeRows(record.causes),
  members,
})

export const createIncidents = (parts: {
  readonly store: IncidentStore
  readonly anomalies: Pick<AnomalyStore, 'ofIncident'>
  readonly configs: Pick<Configs, 'get'>
  readonly clock: Clock
  readonly webhooks: Pick<Notifications, 'notice' | 'hurry'>
}): IncidentsService => {
  const { store, anomalies, configs, clock, webhooks } = parts
  const find = async (id: number): Promise<IncidentRecord> => {
    const record = await store.find(id)
    if (!record) throw missingIncident(id)
    return record
  }
  const get = async (id: number): Promise<IncidentDetail> => {
    const [record, members] = await Promise.all([find(id), anomalies.ofIncident(id, MOST_MEMBERS)])
    return detailOf(record, members)
  }
  const decide = async (
    id: number,
    status: 'acknowledged' | 'resolved',
    verdict: Verdict,
  ): Promise<IncidentDetail> => {
    const { configId } = await find(id)
    // Mutes go by the day whose figures are known; nobody's check says it here.
    const day = lastCompleteDay(clock.now(), zoneOf(await configs.get(configId)))
    const carriages = await store.decide(id, configId, status, verdict, (changes) =>
      webhooks.notice(toEvents(changes, verdict.at, day)),
    )
    await webhooks.hurry(carriages)
    return get(id)
  }
  return {
    list: async (filter, page) => {
      const found = await store.list(filter, page)
      return { ...found, data: found.data.map(toRow) }
    },
    mostUrgent: async (filter, limit) => {
      const { total, rows } = await store.mostUrgent(filter, limit)
      return { total, rows: rows.map(toRow) }
    },
    get,
    acknowledge: async (id, verdict) => {
      const detail = await decide(id, 'acknowledged', verdict)
      if (detail.status === 'resolved') {
        const how = detail.resolution === 'manual' ? 'by hand' : (detail.resolution ?? '')
        throw new AppError('CONFLICT', `incident ${id} is resolved (${how}) and needs no acknowledgement`)
      }
      return detail
    },
    resolve: (id, verdict) => decide(id, 'resolved', verdict),
  }
}
