/** Incidents to tell of, made up. */
import type { Level } from '../../shared/core/entity.ts'
import type { EventType, IncidentData, IncidentEvent } from '../../shared/notify/events.ts'

export interface EventOptions extends Partial<IncidentData> {
  readonly type?: EventType
  readonly day?: string
  readonly path?: readonly { readonly entityType: Level; readonly entityId: string }[]
}

/** Of incident 1 of the config unless told otherwise. */
export const incidentEvent = (
  configId: number,
  { type = 'incident.opened', day = '2026-03-10', path, ...data }: EventOptions = {},
): IncidentEvent => ({
  type,
  at: new Date('2026-03-11T07:00:00.000Z'),
  day,
  path: path ?? [
    { entityType: 'adset', entityId: 's1' },
    { entityType: 'campaign', entityId: 'c1' },
  ],
  data: {
    config_id: configId,
    config_name: 'Loja',
    incident_id: 1,
    status: type === 'incident.resolved' ? 'resolved' : 'open',
    severity: 'HIGH',
    previous_severity: null,
    metric: 'cpl',
    direction: 'up',
    polarity: 'bad',
    date_from: '2026-03-09',
    date_to: '2026-03-10',
    root: { entity_type: 'adset', entity_id: 's1', name: 'Mães <25-34> & família' },
    sentence: 'Leads of ad set Mães <25-34> & família cost 41.50 instead of 20.00 since 9 March.',
    main_cause: { entity_type: 'ad', entity_id: 'a1', name: 'Vídeo 1', share: 0.871234567 },
    money: { amount: 312.4, currency: 'BRL' },
    ...data,
  },
})
