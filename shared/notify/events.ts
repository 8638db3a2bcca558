/**
 * What is told of incidents. The body of a message is the wire form below: fields are only ever added to it, so that
 * receivers written today go on working.
 */
import { z } from 'zod'
import { POLARITIES, SEVERITIES } from '../../ml/detectors/signal.ts'
import type { Metric } from '../../ml/detectors/signal.ts'
import { LocalDate } from '../core/days.ts'
import { Level } from '../core/entity.ts'
import { wired } from '../core/wire.ts'

export const EVENT_TYPES = ['incident.opened', 'incident.escalated', 'incident.resolved'] as const
export type EventType = (typeof EVENT_TYPES)[number]
/** Of a test call; nobody subscribes to it. */
export const TEST_EVENT = 'webhook.test'

const METRIC_NAMES: Readonly<Record<Metric, true>> = {
  spend: true,
  cpl: true,
  ctr: true,
  leads: true,
  conversion_rate: true,
  impressions: true,
  frequency: true,
  reach: true,
  multivariate: true,
}
export const MetricName = z.enum(Object.keys(METRIC_NAMES) as Metric[])

const NamedEntity = z.object({
  entity_type: Level,
  entity_id: z.string(),
  name: z.string().nullable(),
})

export const IncidentData = z.object({
  config_id: z.int(),
  config_name: z.string(),
  incident_id: z.int(),
  status: z.enum(['open', 'resolved']),
  /** The loudest so far. */
  severity: z.enum(SEVERITIES),
  /** What it was before, of an escalation. */
  previous_severity: z.enum(SEVERITIES).nullable(),
  metric: MetricName,
  direction: z.enum(['up', 'down']),
  polarity: z.enum(POLARITIES),
  /** First and last day that belong to it. */
  date_from: LocalDate,
  date_to: LocalDate,
  /** Ads and ad sets are often called alike in several. */
  campaign: NamedEntity,
  root: NamedEntity,
  /** What, where, since when, how much money, and the main cause, in one sentence. */
  sentence: z.string(),
  /** `share` of the whole, 0 to 1; null when the root itself is to blame. */
  main_cause: NamedEntity.extend({ share: z.number() }).nullable(),
  /** What it cost so far beyond what was expected (below 0: was not spent); null when that cannot be told. */
  money: z.object({ amount: z.number(), currency: z.string() }).nullable(),
})
export type IncidentData = z.infer<typeof IncidentData>

/** The body of a message. */
export interface EventBody {
  readonly type: EventType | typeof TEST_EVENT
  /** When it happened, ISO 8601. */
  readonly timestamp: string
  readonly data: IncidentData
}

/** Something to be told of an incident. */
export interface IncidentEvent {
  readonly type: EventType
  readonly at: Date
  /** Day of the config's zone whose check said it: what mutes go by. */
  readonly day: LocalDate
  /** The root and what is above it, from the root up: a mute of any of them covers it. */
  readonly path: readonly { readonly entityType: Level; readonly entityId: string }[]
  readonly data: IncidentData
}

const STATE_OF: Readonly<Record<EventType, (event: IncidentEvent) => string>> = {
  'incident.opened': ({ at }) => `opened-${at.getTime()}`,
  'incident.escalated': ({ data }) => `escalated-${data.severity}`,
  'incident.resolved': ({ at }) => `resolved-${at.getTime()}`,
}

/** Names what happened, however often it is said: an incident may come back and be over again, and gets so loud once. */
export const eventIdOf = (event: IncidentEvent): string =>
  `${event.data.incident_id}-${STATE_OF[event.type](event)}`

/** The body as it is signed and sent, each time the same to the byte. */
export const bodyOf = (type: EventBody['type'], at: Date, data: IncidentData): string =>
  JSON.stringify({ type, timestamp: at.toISOString(), data: wired(data) } satisfies EventBody)
