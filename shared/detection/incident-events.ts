/** What became of incidents, as events to be told of. */
import type { DayNumber } from '../../ml/frame.ts'
import { toLocalDate } from '../core/days.ts'
import type { IncidentEvent } from '../notify/events.ts'
import type { IncidentChange, NamedEntity } from './incident-store.ts'
import { mainCauseOf, sentenceOf } from './sentence.ts'
import type { DescribedIncident } from './sentence.ts'

export const rootOf = ({ incident, path }: Pick<DescribedIncident, 'incident' | 'path'>): NamedEntity =>
  path[0] ?? { ...incident.root, name: null }

/**
 * @param at when it was said
 * @param day of the config's zone, whose check said it
 */
export const toEvents = (
  changes: readonly IncidentChange[],
  at: Date,
  day: DayNumber,
): readonly IncidentEvent[] =>
  changes.map((change) => {
    const { incident } = change
    const root = rootOf(change)
    const cause = mainCauseOf(change)
    return {
      type: change.type,
      at,
      day: toLocalDate(day),
      path: change.path.map(({ entityType, entityId }) => ({ entityType, entityId })),
      data: {
        config_id: change.configId,
        config_name: change.configName,
        incident_id: incident.id,
        status: incident.status === 'resolved' ? 'resolved' : 'open',
        severity: incident.severity,
        previous_severity: change.previousSeverity,
        metric: incident.metric,
        direction: incident.direction,
        polarity: incident.polarity,
        date_from: toLocalDate(incident.dateFrom),
        date_to: toLocalDate(incident.dateTo),
        campaign: {
          entity_type: 'campaign',
          entity_id: incident.campaignId,
          name: change.path.find(({ entityType }) => entityType === 'campaign')?.name ?? null,
        },
        root: { entity_type: root.entityType, entity_id: root.entityId, name: root.name },
        sentence: sentenceOf(change),
        main_cause: cause && {
          entity_type: cause.entityType,
          entity_id: cause.entityId,
          name: cause.name,
          share: cause.share,
        },
        money: incident.money === null ? null : { amount: incident.money, currency: change.currency },
      },
    }
  })
