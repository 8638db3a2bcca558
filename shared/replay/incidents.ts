/** The incidents of a replay, on the wire: what those of a config say, and when somebody would have heard of it. */
import { compareSeverity } from '../../ml/detectors/severity.ts'
import type { AnomalyType } from '../../ml/detectors/signal.ts'
import type { AccountEntity } from '../../ml/shifts/account.ts'
import { LEAD_METRICS } from '../../ml/shifts/gate.ts'
import { ancestors, OVER_DAYS } from '../../ml/shifts/incidents.ts'
import type { Incident } from '../../ml/shifts/incidents.ts'
import { toLocalDate } from '../core/days.ts'
import type { LocalDate } from '../core/days.ts'
import { causeRows, incidentFacts, namedRow } from '../detection/incident-row.ts'
import type { CauseRow, IncidentFacts, NamedRow } from '../detection/incident-row.ts'
import type { IncidentCause, NamedEntity } from '../detection/incident-store.ts'
import type { FolderAccount } from './read-folder.ts'
import type { Replayed } from './replay.ts'

export interface ReplayIncident extends IncidentFacts {
  /** Unique in the report: `incident` of its anomalies. */
  readonly id: string
  readonly account_id: string
  /** Of the anomaly it began with. */
  readonly type: AnomalyType
  /** Who is to blame: the root, or who below it explains all of its days best. */
  readonly cause: NamedRow
  readonly causes: readonly CauseRow[]
  /** Anomalies that belong to it, of all entities, up to the last day of the replay. */
  readonly findings: number
  /** Whether somebody would have been told of it in the days of the report. */
  readonly alerted: boolean
  /** Day whose check told of it first; null: nobody was told. */
  readonly opened_date: LocalDate | null
  /** Day whose check found it over; null: it went on at the end of the replay. */
  readonly resolved_date: LocalDate | null
  readonly status: 'open' | 'resolved'
}

export interface NamedReplay {
  readonly account: Pick<FolderAccount, 'id' | 'firstDay' | 'days' | 'names' | 'currency'>
  readonly replayed: Replayed
}

export const incidentName = (accountId: string, index: number): string => `${accountId}#${index + 1}`

/** The first of each depth. */
const mainCausesOf = ({ causes }: Incident): Incident['causes'] =>
  causes.filter(({ depth }, i) => causes.findIndex((one) => one.depth === depth) === i)

/** Those the days of a replay speak of, oldest first; as they were after its last day. */
export const replayIncidents = ({ account, replayed }: NamedReplay): ReplayIncident[] => {
  const { entities } = account.days
  const { days, incidents } = replayed
  // Whether anybody is told.
  const seen = new Map<number, boolean>()
  for (const { anomalies } of days)
    for (const { incident, alerted } of anomalies)
      if (incident !== null) seen.set(incident, alerted || seen.get(incident) === true)
  const lastDay = days.at(-1)?.day ?? 0
  const namedOf = (i: number): NamedEntity => {
    const { level, id } = entities[i] as AccountEntity
    const name = account.names[i] ?? null
    return { entityType: level, entityId: id, name: name === id ? null : name }
  }
  const causeOf = ({
    entity,
    depth,
    share,
    observed,
    expected,
  }: Incident['causes'][number]): IncidentCause & NamedEntity => ({
    ...namedOf(entity),
    depth,
    share,
    observed,
    expected,
  })
  return incidents.flatMap((incident, i): ReplayIncident[] => {
    const isAlerted = seen.get(i)
    if (isAlerted === undefined) return []
    const judgedUntil = LEAD_METRICS.includes(incident.metric)
      ? Math.min(lastDay, account.days.leadsUntil - 1)
      : lastDay
    const overOn = incident.to + OVER_DAYS
    const status = overOn <= judgedUntil ? 'resolved' : 'open'
    const { metric, direction, polarity, severity, family, observed, expected, money } = incident
    return [
      {
        id: incidentName(account.id, i),
        account_id: account.id,
        type: incident.type,
        ...incidentFacts({
          incident: {
            campaignId: namedOf(incident.campaign).entityId,
            family,
            root: namedOf(incident.root),
            metric,
            direction,
            polarity,
            severity,
            dateFrom: account.firstDay + incident.from,
            dateTo: account.firstDay + incident.to,
            observed,
            expected,
            money,
            status,
          },
          currency: account.currency ?? '',
          path: ancestors(account.days, incident.root).map(namedOf),
          figuresOf: namedOf(incident.figuresOf),
          mainCauses: mainCausesOf(incident).map(causeOf),
        }),
        cause: namedRow(namedOf(incident.culprit)),
        causes: causeRows(incident.causes.map(causeOf)),
        findings: incident.findings,
        alerted: isAlerted,
        opened_date: incident.toldFrom === null ? null : toLocalDate(account.firstDay + incident.toldFrom),
        resolved_date: status === 'resolved' ? toLocalDate(account.firstDay + overOn) : null,
        status,
      },
    ]
  })
}

/** The loudest first, of those the dearest, then the newest. */
export const mostUrgentFirst = (incidents: readonly ReplayIncident[]): ReplayIncident[] =>
  incidents.toSorted(
    (a, b) =>
      compareSeverity(b.severity, a.severity) ||
      Math.abs(b.money?.amount ?? 0) - Math.abs(a.money?.amount ?? 0) ||
      (a.date_from < b.date_from ? 1 : a.date_from > b.date_from ? -1 : 0),
  )
