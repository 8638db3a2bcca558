/** The incident book of a page of campaigns, between what is stored and what the judge counts in. */
import type { AnomalyType, Metric, Severity } from '../../ml/detectors/signal.ts'
import type { DayNumber } from '../../ml/frame.ts'
import type { AccountEntity } from '../../ml/shifts/account.ts'
import { entityKey } from '../../ml/shifts/from-frames.ts'
import { openIncidentBook } from '../../ml/shifts/incidents.ts'
import type { AccountAnomaly, Cause, Incident } from '../../ml/shifts/incidents.ts'
import { toLocalDate } from '../core/days.ts'
import { isMuted } from '../notify/mutes.ts'
import type { Mute } from '../notify/mutes.ts'
import type {
  EntityKey,
  IncidentCause,
  IncidentLink,
  SavedIncident,
  StoredIncident,
} from './incident-store.ts'
import type { JudgedAccount } from './judge-account.ts'

export interface StoredBook {
  /** Takes the anomalies of a day, later days after earlier ones; of bad polarity they join incidents. */
  take(day: DayNumber, anomalies: readonly AccountAnomaly[]): void
  /** What was taken, to be saved. Whether there is room to tell of it is decided as it is saved. */
  entries(): {
    readonly incidents: readonly SavedIncident[]
    readonly links: readonly IncidentLink[]
  }
}

export interface StoredBookParts {
  readonly page: JudgedAccount
  readonly indexOf: ReadonlyMap<string, number>
  readonly known: readonly StoredIncident[]
  /** All that will be taken. */
  readonly days: readonly DayNumber[]
  readonly mutes: readonly Mute[]
}

/** Entities of a page by `level id`. */
export const indexOfEntities = ({ account }: Pick<JudgedAccount, 'account'>): ReadonlyMap<string, number> =>
  new Map(account.entities.map(({ level, id }, i) => [entityKey(level, id), i]))

interface Told {
  readonly entity: number
  readonly type: AnomalyType
  readonly metric: Metric
  readonly day: DayNumber
  readonly severity: Severity
  readonly deviation: number | null
  readonly incident: number | null
  readonly alerted: boolean
}

export const openStoredBook = ({ page, indexOf, known, days, mutes }: StoredBookParts): StoredBook => {
  const { account, firstDay } = page
  const entityOf = (i: number): AccountEntity => account.entities[i] as AccountEntity
  const refOf = (i: number): EntityKey => ({ entityType: entityOf(i).level, entityId: entityOf(i).id })
  const find = ({ entityType, entityId }: EntityKey): number =>
    indexOf.get(entityKey(entityType, entityId)) ?? -1

  const toIncident = (stored: StoredIncident): Incident | null => {
    const root = find(stored.root)
    const campaign = find({ entityType: 'campaign', entityId: stored.campaignId })
    if (root < 0 || campaign < 0) return null
    const figuresOf = find(stored.figuresOf)
    const causes = stored.causes.flatMap((cause): Cause[] => {
      const entity = find(cause)
      const { depth, share, observed, expected } = cause
      return entity < 0 ? [] : [{ entity, depth, share, observed, expected }]
    })
    const { id, family, metric, direction, polarity, severity, observed, expected, money } = stored
    return {
      stored: id,
      family,
      campaign,
      root,
      metric,
      direction,
      polarity,
      severity,
      from: stored.dateFrom - firstDay,
      to: stored.dateTo - firstDay,
      members: new Set(stored.members.map(find).filter((i) => i >= 0)),
      causes,
      culprit: figuresOf < 0 ? root : figuresOf,
      figuresOf: figuresOf < 0 ? root : figuresOf,
      observed,
      expected,
      money,
      // What comes back is told of anew.
      alerted: stored.alerted && stored.status !== 'resolved',
    }
  }
  const toSaved = (incident: Incident, deviation: number): SavedIncident => ({
    id: incident.stored,
    campaignId: entityOf(incident.campaign).id,
    family: incident.family,
    root: refOf(incident.root),
    metric: incident.metric,
    direction: incident.direction,
    polarity: incident.polarity,
    severity: incident.severity,
    dateFrom: firstDay + incident.from,
    dateTo: firstDay + incident.to,
    causes: incident.causes.map(({ entity, depth, share, observed, expected }): IncidentCause => ({
      ...refOf(entity),
      depth,
      share,
      observed,
      expected,
    })),
    figuresOf: refOf(incident.figuresOf),
    observed: incident.observed,
    expected: incident.expected,
    money: incident.money,
    alerted: incident.alerted,
    deviation,
  })

  const book = openIncidentBook(account, {
    known: known.flatMap((stored) => toIncident(stored) ?? []),
    days: new Set(days.map((day) => day - firstDay)),
    budgetOf: () => Infinity,
    signalsOf: (entity, day) => page.signals.get(entity)?.get(day) ?? [],
    // The book asks for everything above as well; a mute of one entity is looked up by that entity.
    isMuted: (entity, metric, day) =>
      isMuted(mutes, { path: [refOf(entity)], metric, day: toLocalDate(firstDay + day) }),
  })
  const told: Told[] = []

  return {
    take: (day, anomalies) => {
      for (const one of book.take(day - firstDay, anomalies)) {
        const { entity, type, metric, severity, deviation, incident, alerted } = one
        told.push({ entity, type, metric, day, severity, deviation, incident, alerted })
      }
    },
    entries: () => {
      // Only what something was seen of: the others are as they were.
      const oddest = new Map<number, number>()
      for (const { incident, deviation } of told)
        if (incident !== null)
          oddest.set(incident, Math.max(oddest.get(incident) ?? 0, Math.abs(deviation ?? 0)))
      const touched = [...oddest.keys()]
      const places = new Map(touched.map((incident, place) => [incident, place]))
      return {
        incidents: [...oddest].map(([i, deviation]) => toSaved(book.incidents[i] as Incident, deviation)),
        links: told.map(({ entity, type, metric, day, severity, incident, alerted }) => ({
          ...refOf(entity),
          type,
          metric,
          day,
          severity,
          incident: incident === null ? null : (places.get(incident) ?? null),
          alerted,
        })),
      }
    },
  }
}
