/** What an incident is on the wire, wherever it is kept: in a store, or for the length of a replay. */
import type { Metric, Polarity, Severity } from '../../ml/detectors/signal.ts'
import type { IncidentFamily } from '../../ml/shifts/incidents.ts'
import { toLocalDate } from '../core/days.ts'
import type { LocalDate } from '../core/days.ts'
import type { Level } from '../core/entity.ts'
import { wired } from '../core/wire.ts'
import { rootOf } from './incident-events.ts'
import type { IncidentCause, NamedEntity } from './incident-store.ts'
import { mainCauseOf, sentenceOf } from './sentence.ts'
import type { DescribedIncident } from './sentence.ts'

export interface NamedRow {
  readonly entity_type: Level
  readonly entity_id: string
  readonly name: string | null
}

/** What happened, where, when, and what it cost. */
export interface IncidentFacts {
  readonly campaign_id: string
  readonly campaign_name: string | null
  readonly root: NamedRow
  readonly family: IncidentFamily
  readonly metric: Metric
  readonly direction: 'up' | 'down'
  readonly polarity: Polarity
  readonly severity: Severity
  readonly date_from: LocalDate
  readonly date_to: LocalDate
  readonly sentence: string
  readonly figures_of: NamedRow
  readonly observed: number | null
  readonly expected: number | null
  readonly money: { readonly amount: number; readonly currency: string } | null
  readonly main_cause: (NamedRow & { readonly share: number }) | null
}

export interface CauseRow extends NamedRow {
  readonly depth: number
  readonly share: number
  readonly observed: number | null
  readonly expected: number | null
}

export const namedRow = ({ entityType, entityId, name }: NamedEntity): NamedRow => ({
  entity_type: entityType,
  entity_id: entityId,
  name,
})

export const incidentFacts = (told: DescribedIncident): IncidentFacts => {
  const { incident } = told
  const cause = mainCauseOf(told)
  const campaign = told.path.find(({ entityType }) => entityType === 'campaign')
  return wired({
    campaign_id: incident.campaignId,
    campaign_name: campaign?.name ?? null,
    root: namedRow(rootOf(told)),
    family: incident.family,
    metric: incident.metric,
    direction: incident.direction,
    polarity: incident.polarity,
    severity: incident.severity,
    date_from: toLocalDate(incident.dateFrom),
    date_to: toLocalDate(incident.dateTo),
    sentence: sentenceOf(told),
    figures_of: namedRow(told.figuresOf),
    observed: incident.observed,
    expected: incident.expected,
    money: incident.money === null ? null : { amount: incident.money, currency: told.currency },
    main_cause: cause && { ...namedRow(cause), share: cause.share },
  })
}

/** Ranked: by depth, then by share. Each of depth n + 1 is a child of the first of depth n. */
export const causeRows = (causes: readonly (IncidentCause & NamedEntity)[]): CauseRow[] =>
  wired(
    causes
      .toSorted((a, b) => a.depth - b.depth || b.share - a.share)
      .map((cause) => ({
        ...namedRow(cause),
        depth: cause.depth,
        share: cause.share,
        observed: cause.observed,
        expected: cause.expected,
      })),
  )
