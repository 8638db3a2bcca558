/** What was found: lists, counts, what people decide about it, and detection on demand. */
import { z } from 'zod'
import { ANOMALY_TYPES, POLARITIES, SEVERITIES } from '../../ml/detectors/signal.ts'
import { LocalDate } from '../../shared/core/days.ts'
import { ConfigId, EntityId, Level, LEVELS, RowId } from '../../shared/core/entity.ts'
import { AppError } from '../../shared/core/errors.ts'
import { PageQuery, PageReply, toPageRequest } from '../../shared/core/page.ts'
import { ANOMALY_STATUSES, FEEDBACK_VERDICTS, Notes } from '../../shared/detection/anomalies.ts'
import type { AnomalyFilter, AnomalyRow } from '../../shared/detection/anomalies.ts'
import { requireCompleteDay } from '../../shared/entities/freshness.ts'
import { toSignalRow } from '../../shared/detection/signal-row.ts'
import { zoneOf } from '../../shared/entities/configs.ts'
import { detectLevel } from '../../shared/jobs/detection.ts'
import type { Services } from '../../shared/services.ts'
import { route } from '../route.ts'
import type { Route } from '../route.ts'
import { SeenDays, seenDays } from './scope.ts'

const TAG = 'Anomalies'
const DRY_RUN_ENTITIES = 50
const DRY_RUN_TIMEOUT_MS = 30_000

const number = z.number().nullable()
const text = z.string().nullable()

export const Anomaly = z.object({
  id: z.int(),
  config_id: z.int(),
  entity_type: Level,
  entity_id: z.string(),
  entity_name: text,
  parent_id: text,
  campaign_id: text,
  campaign_name: text,
  type: z.enum(ANOMALY_TYPES),
  metric: z.string(),
  anomaly_date: LocalDate,
  severity: z.enum(SEVERITIES),
  polarity: z.enum(POLARITIES),
  direction: z.enum(['up', 'down']),
  score: z.number(),
  rarity: number,
  observed: number,
  expected: number,
  lower: number,
  upper: number,
  deviation: number,
  contributions: z
    .record(z.string(), z.number())
    .nullable()
    .describe('What each feature has to do with it, the largest share first'),
  signals: z.array(z.record(z.string(), z.unknown())),
  model_source: z.string(),
  model_version: z.int().nullable(),
  baseline_reason: text,
  partial: z
    .boolean()
    .describe('Of a day that still ran, by its hours so far; its final verdict replaces it'),
  alerted: z.boolean(),
  status: z.enum(ANOMALY_STATUSES),
  resolution: text,
  notes: text,
  verdict: z.enum(FEEDBACK_VERDICTS).nullable().describe('The newest one people gave'),
  actor: text,
  acted_at: z.iso.datetime().nullable(),
  first_seen: z.iso.datetime(),
  last_seen: z.iso.datetime(),
  times_seen: z.int(),
  incident_id: z.int().nullable(),
  run_id: text,
})

const Summary = z.object({
  total: z.int(),
  by_severity: z.record(z.string(), z.int()),
  by_type: z.record(z.string(), z.int()),
  by_status: z.record(z.string(), z.int()),
  critical_count: z.int(),
  last_detected_at: z.iso.datetime().nullable(),
})

const Filter = z.object({
  config_id: ConfigId,
  // Callers from before ad sets and ads existed send no entity_type.
  entity_type: z.enum([...LEVELS, 'all']).default('campaign'),
  entity_id: EntityId.optional(),
  severity: z.enum(SEVERITIES).optional(),
  type: z.enum(ANOMALY_TYPES).optional(),
  status: z.enum(ANOMALY_STATUSES).optional(),
  polarity: z.enum(POLARITIES).optional(),
  alerted: z.stringbool().optional(),
  ...SeenDays.shape,
})

const filterOf = async (query: z.output<typeof Filter>, services: Services): Promise<AnomalyFilter> => {
  return {
    configId: query.config_id,
    ...(await seenDays(query, services)),
    ...(query.entity_type === 'all' ? {} : { entityType: query.entity_type }),
    ...(query.entity_id ? { entityId: query.entity_id } : {}),
    ...(query.severity ? { severity: query.severity } : {}),
    ...(query.type ? { type: query.type } : {}),
    ...(query.status ? { status: query.status } : {}),
    ...(query.polarity ? { polarity: query.polarity } : {}),
    ...(query.alerted === undefined ? {} : { alerted: query.alerted }),
  }
}

const AnomalyPath = z.object({ id: RowId })

const visible = async (
  id: number,
  sees: (configId: number) => void,
  { anomalies }: Services,
): Promise<AnomalyRow> => {
  const row = await anomalies.get(id)
  try {
    sees(row.config_id)
  } catch {
    throw new AppError('NOT_FOUND', `there is no anomaly ${id}; list them with GET /api/v1/ml/anomalies`)
  }
  return row
}

const list = route({
  method: 'get',
  path: '/api/v1/ml/anomalies',
  role: 'viewer',
  tag: TAG,
  summary: 'Anomalies, newest first',
  query: Filter.extend(PageQuery.shape),
  reply: { 200: PageReply(Anomaly) },
  handle: async ({ query, seesConfig }, services) => {
    seesConfig(query.config_id)
    const body = await services.anomalies.list(await filterOf(query, services), toPageRequest(query))
    return { status: 200, body }
  },
})

const summary = route({
  method: 'get',
  path: '/api/v1/ml/anomalies/summary',
  role: 'viewer',
  tag: TAG,
  summary: 'How many anomalies, by severity, type and status',
  query: Filter,
  reply: { 200: Summary },
  handle: async ({ query, seesConfig }, services) => {
    seesConfig(query.config_id)
    return { status: 200, body: await services.anomalies.summary(await filterOf(query, services)) }
  },
})

const detail = route({
  method: 'get',
  path: '/api/v1/ml/anomalies/:id',
  role: 'viewer',
  tag: TAG,
  summary: 'One anomaly with its signals',
  params: AnomalyPath,
  reply: { 200: Anomaly },
  handle: async ({ params, seesConfig }, services) => ({
    status: 200,
    body: await visible(params.id, seesConfig, services),
  }),
})

const Ticket = z.object({ run_id: z.string(), status: z.string() })
const DryRun = z.object({
  dry_run: z.literal(true),
  signals: z.array(
    z.object({
      entity_type: Level,
      entity_id: z.string(),
      date: LocalDate,
      detector: z.string(),
      type: z.enum(ANOMALY_TYPES),
      metric: z.string(),
      severity: z.enum(SEVERITIES),
      polarity: z.enum(POLARITIES),
      direction: z.enum(['up', 'down']),
      score: z.number(),
      rarity: number,
      observed: number,
      expected: number,
      lower: number,
      upper: number,
      deviation: number,
      contributions: z.record(z.string(), z.number()).nullable(),
      model_source: z.string(),
      model_version: z.int().nullable(),
    }),
  ),
})

const detect = route({
  method: 'post',
  path: '/api/v1/ml/anomalies/detect',
  role: 'trainer',
  tag: TAG,
  summary: 'Checks entities now; with dry_run answers the signals and stores nothing',
  // Callers from before ad sets and ads existed send no entity_type.
  body: z.object({
    config_id: ConfigId,
    entity_type: Level.default('campaign'),
    entity_ids: z.array(EntityId).min(1).max(500).optional(),
    date: LocalDate.optional().describe('Default: the newest complete day that has rows'),
    days: z.int().min(1).max(7).default(1),
    dry_run: z.boolean().default(false),
  }),
  reply: { 202: Ticket, 200: DryRun },
  handle: async ({ body, principal, seesConfig, traceId }, services) => {
    seesConfig(body.config_id)
    const zone = zoneOf(await services.configs.get(body.config_id))
    const asOf = services.clock.now()
    // Refused here, not by the run, so that the caller hears of it.
    if (body.date !== undefined) requireCompleteDay(body.date, asOf, zone)
    const level = body.entity_type
    const payload = {
      configId: body.config_id,
      asOf: asOf.toISOString(),
      day: body.date ?? null,
      days: body.days,
      entityIds: body.entity_ids ?? null,
      watermark: null,
    }
    if (!body.dry_run) {
      const run = await services.enqueue(detectLevel[level], payload, { actor: principal.actor, traceId })
      return {
        status: 202,
        body: { run_id: run.id, status: run.status },
        headers: { location: `/api/v1/runs/${run.id}` },
      }
    }
    if (!payload.entityIds || payload.entityIds.length > DRY_RUN_ENTITIES) {
      const message = `a dry run names 1 to ${DRY_RUN_ENTITIES} entities, got ${payload.entityIds?.length ?? 'none'}`
      throw new AppError('INVALID_REQUEST', `entity_ids: ${message}`, {
        errors: [{ field: 'body.entity_ids', message }],
      })
    }
    const signals = await services.detection.dryRun(level, payload, AbortSignal.timeout(DRY_RUN_TIMEOUT_MS))
    return {
      status: 200,
      body: {
        dry_run: true,
        signals: signals.map((signal) => toSignalRow(level, signal)),
      },
    }
  },
})

const decision = (verb: 'acknowledge' | 'resolve', text: string): Route =>
  route({
    method: 'post',
    path: `/api/v1/ml/anomalies/:id/${verb}`,
    role: 'trainer',
    tag: TAG,
    summary: text,
    params: AnomalyPath,
    body: z.object({ notes: Notes.optional() }).default({}),
    reply: { 200: Anomaly },
    handle: async ({ params, body, principal, seesConfig }, services) => {
      const before = await visible(params.id, seesConfig, services)
      const verdict = { actor: principal.actor, notes: body.notes ?? null, at: services.clock.now() }
      const after = await services.anomalies[verb](params.id, verdict)
      return {
        status: 200,
        body: after,
        audit: {
          target: `anomaly/${params.id}`,
          before: { status: before.status },
          after: { status: after.status, notes: after.notes },
        },
      }
    },
  })

const feedback = route({
  method: 'post',
  path: '/api/v1/ml/anomalies/:id/feedback',
  role: 'trainer',
  tag: TAG,
  summary:
    'Says whether a finding was real: false_positive resolves it and makes its metric less touchy, true_positive takes its day out of training; repeating is harmless',
  params: AnomalyPath,
  body: z.object({ verdict: z.enum(FEEDBACK_VERDICTS), notes: Notes.optional() }),
  reply: { 200: Anomaly },
  handle: async ({ params, body, principal, seesConfig }, services) => {
    const before = await visible(params.id, seesConfig, services)
    const after = await services.anomalies.feedback(params.id, {
      verdict: body.verdict,
      actor: principal.actor,
      notes: body.notes ?? null,
      at: services.clock.now(),
    })
    return {
      status: 200,
      body: after,
      audit: {
        target: `anomaly/${params.id}`,
        before: { status: before.status, verdict: before.verdict },
        after: { status: after.status, verdict: after.verdict, notes: after.notes },
      },
    }
  },
})

export const anomalyRoutes: readonly Route[] = [
  list,
  summary,
  detect,
  detail,
  decision('acknowledge', 'Marks an anomaly as seen; repeating is harmless'),
  decision('resolve', 'Closes an anomaly; repeating is harmless'),
  feedback,
]
