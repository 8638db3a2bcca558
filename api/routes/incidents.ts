/** Incidents: what several findings tell of together, and what people decide about it. */
import { z } from 'zod'
import { POLARITIES, SEVERITIES } from '../../ml/detectors/signal.ts'
import { INCIDENT_FAMILIES } from '../../ml/shifts/incidents.ts'
import { LocalDate } from '../../shared/core/days.ts'
import { ConfigId, Level, RowId } from '../../shared/core/entity.ts'
import { PageQuery, PageReply, toPageRequest } from '../../shared/core/page.ts'
import { ANOMALY_STATUSES, Notes } from '../../shared/detection/anomalies.ts'
import { INCIDENT_RESOLUTIONS, missingIncident, MOST_MEMBERS } from '../../shared/detection/incidents.ts'
import type { IncidentDetail } from '../../shared/detection/incidents.ts'
import { MetricName } from '../../shared/notify/events.ts'
import type { Services } from '../../shared/services.ts'
import { route } from '../route.ts'
import type { Route } from '../route.ts'
import { Anomaly } from './anomalies.ts'
import { SeenDays, seenDays } from './scope.ts'

const TAG = 'Incidents'

const number = z.number().nullable()
const text = z.string().nullable()
const time = z.iso.datetime()

const Named = z.object({ entity_type: Level, entity_id: z.string(), name: text })

export const Incident = z.object({
  id: z.int(),
  config_id: z.int(),
  campaign_id: z.string(),
  campaign_name: text,
  root: Named.describe('Lowest entity that all of it happened to or below'),
  family: z.enum(INCIDENT_FAMILIES).describe('Metrics that move together'),
  metric: MetricName,
  direction: z.enum(['up', 'down']),
  polarity: z.enum(POLARITIES),
  severity: z.enum(SEVERITIES).describe('The loudest so far'),
  date_from: LocalDate.describe('First day on which something of it was seen'),
  date_to: LocalDate.describe('Last such day'),
  sentence: z.string().describe('What, where, since when, how much money, and the main cause'),
  figures_of: Named.describe('Whose figures observed and expected are'),
  observed: number.describe('Over all of its days: amounts per day, ratios in their units'),
  expected: number,
  money: z
    .object({ amount: z.number(), currency: z.string() })
    .nullable()
    .describe('Spent beyond what was expected since it began; below 0: not spent'),
  main_cause: Named.extend({ share: z.number().describe('Of the whole, 0 to 1') })
    .nullable()
    .describe('null: nobody below the root makes up most of it'),
  findings: z.int().describe('Anomalies that belong to it'),
  alerted: z.boolean().describe('Whether it was told of'),
  alerted_at: time.nullable(),
  status: z.enum(ANOMALY_STATUSES),
  resolution: z
    .enum(INCIDENT_RESOLUTIONS)
    .nullable()
    .describe('over: not seen any more; settled: none of its anomalies is open; manual: somebody said so'),
  notes: text,
  actor: text,
  acted_at: time.nullable(),
  created_at: time,
  updated_at: time,
})

const Detail = Incident.extend({
  causes: z
    .array(
      Named.extend({
        depth: z.int().describe('1: directly below the root'),
        share: z.number().describe('Of the whole at its parent; those of siblings sum to 1'),
        observed: number,
        expected: number,
      }),
    )
    .describe('By depth, then by share; each of depth n + 1 is a child of the first of depth n'),
  members: z.array(Anomaly).describe(`Newest first, at most ${MOST_MEMBERS}`),
})

const IncidentPath = z.object({ id: RowId })

const visible = async (
  id: number,
  sees: (configId: number) => void,
  { incidents }: Pick<Services, 'incidents'>,
): Promise<IncidentDetail> => {
  const incident = await incidents.get(id)
  try {
    sees(incident.config_id)
  } catch {
    throw missingIncident(id)
  }
  return incident
}

const list = route({
  method: 'get',
  path: '/api/v1/ml/incidents',
  role: 'viewer',
  tag: TAG,
  summary: 'Incidents of which something was seen on these days, newest first',
  query: SeenDays.extend(PageQuery.shape).extend({
    config_id: ConfigId,
    status: z.enum(ANOMALY_STATUSES).optional(),
    severity: z.enum(SEVERITIES).optional(),
  }),
  reply: { 200: PageReply(Incident) },
  handle: async ({ query, seesConfig }, services) => {
    seesConfig(query.config_id)
    const filter = {
      configId: query.config_id,
      ...(await seenDays(query, services)),
      ...(query.status ? { status: query.status } : {}),
      ...(query.severity ? { severity: query.severity } : {}),
    }
    return { status: 200, body: await services.incidents.list(filter, toPageRequest(query)) }
  },
})

const detail = route({
  method: 'get',
  path: '/api/v1/ml/incidents/:id',
  role: 'viewer',
  tag: TAG,
  summary: 'One incident with its ranked causes and its anomalies',
  params: IncidentPath,
  reply: { 200: Detail },
  handle: async ({ params, seesConfig }, services) => ({
    status: 200,
    body: await visible(params.id, seesConfig, services),
  }),
})

const decision = (verb: 'acknowledge' | 'resolve', summary: string): Route =>
  route({
    method: 'post',
    path: `/api/v1/ml/incidents/:id/${verb}`,
    role: 'trainer',
    tag: TAG,
    summary,
    params: IncidentPath,
    body: z.object({ notes: Notes.optional() }).default({}),
    reply: { 200: Detail },
    handle: async ({ params, body, principal, seesConfig }, services) => {
      const before = await visible(params.id, seesConfig, services)
      const verdict = { actor: principal.actor, notes: body.notes ?? null, at: services.clock.now() }
      const after = await services.incidents[verb](params.id, verdict)
      return {
        status: 200,
        body: after,
        audit: {
          target: `incident/${params.id}`,
          before: { status: before.status },
          after: { status: after.status, notes: after.notes },
        },
      }
    },
  })

export const incidentRoutes: readonly Route[] = [
  list,
  detail,
  decision('acknowledge', 'Marks an incident and its anomalies as seen; repeating is harmless'),
  decision(
    'resolve',
    'Closes an incident and its anomalies, and tells those who heard of it; repeating is harmless',
  ),
]
