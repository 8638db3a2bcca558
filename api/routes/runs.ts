/** What ran, what runs, and how to start or stop it. */
import { z } from 'zod'
import { lastCompleteDay, toDayNumber, toLocalDate } from '../../shared/core/days.ts'
import { ConfigId } from '../../shared/core/entity.ts'
import { AppError } from '../../shared/core/errors.ts'
import { PageQuery, PageReply, toPageRequest } from '../../shared/core/page.ts'
import { wireNumber } from '../../shared/core/wire.ts'
import { zoneOf } from '../../shared/entities/configs.ts'
import type { AdsConfig } from '../../shared/entities/configs.ts'
import { allJobs, jobByName } from '../../shared/jobs/all.ts'
import { RUN_STATUSES } from '../../shared/runs/run.ts'
import { missingRun } from '../../shared/runs/runs-service.ts'
import type { Run } from '../../shared/runs/run.ts'
import { route } from '../route.ts'
import type { Route, RouteInput } from '../route.ts'

const TAG = 'Runs'

const instant = z.iso.datetime().nullable()

const RunBody = z.object({
  id: z.string(),
  job: z.string(),
  key: z.string(),
  queue: z.string(),
  config_id: z.int().nullable(),
  parent_id: z.string().nullable(),
  as_of: instant,
  status: z.enum(RUN_STATUSES),
  progress: z.number(),
  counts: z.object({ done: z.int(), skipped: z.int(), failed: z.int() }),
  reasons: z.record(z.string(), z.int()),
  result: z.record(z.string(), z.unknown()).nullable(),
  error: z.string().nullable(),
  attempt: z.int(),
  actor: z.string(),
  trace_id: z.string().nullable(),
  created_at: z.iso.datetime(),
  started_at: instant,
  finished_at: instant,
})

export const toRunBody = (run: Run): z.infer<typeof RunBody> => ({
  id: run.id,
  job: run.job,
  key: run.key,
  queue: run.queue,
  config_id: run.configId,
  parent_id: run.parentId,
  as_of: run.asOf?.toISOString() ?? null,
  status: run.status,
  progress: wireNumber(run.progress) ?? 0,
  counts: { ...run.counts },
  reasons: { ...run.reasons },
  result: run.result ? { ...run.result } : null,
  error: run.error,
  attempt: run.attempt,
  actor: run.actor,
  trace_id: run.traceId,
  created_at: run.createdAt.toISOString(),
  started_at: run.startedAt?.toISOString() ?? null,
  finished_at: run.finishedAt?.toISOString() ?? null,
})

const RunPath = z.object({ id: z.string().max(100) })

/** A run of a config one may not see does not exist for the asker; so do runs of all configs together. */
const assertVisible = (
  run: Run,
  { principal }: Pick<RouteInput<unknown, unknown, unknown>, 'principal'>,
): void => {
  const { configIds } = principal
  if (configIds && (run.configId === null || !configIds.includes(run.configId))) {
    throw missingRun(run.id)
  }
}

const list = route({
  method: 'get',
  path: '/api/v1/runs',
  role: 'viewer',
  tag: TAG,
  summary: 'Runs, newest first',
  query: PageQuery.extend({
    config_id: ConfigId.optional(),
    job: z.string().max(100).optional(),
    status: z.enum(RUN_STATUSES).optional(),
  }),
  reply: { 200: PageReply(RunBody) },
  handle: async ({ query, principal, seesConfig }, { runs }) => {
    if (query.config_id !== undefined) seesConfig(query.config_id)
    const page = await runs.list(
      {
        configIds: principal.configIds,
        ...(query.config_id === undefined ? {} : { configId: query.config_id }),
        ...(query.job === undefined ? {} : { job: query.job }),
        ...(query.status === undefined ? {} : { status: query.status }),
      },
      toPageRequest(query),
    )
    return { status: 200, body: { ...page, data: page.data.map(toRunBody) } }
  },
})

const detail = route({
  method: 'get',
  path: '/api/v1/runs/:id',
  role: 'viewer',
  tag: TAG,
  summary: 'One run: progress, counts, reasons, result',
  params: RunPath,
  reply: { 200: RunBody },
  handle: async (input, { runs }) => {
    const run = await runs.get(input.params.id)
    assertVisible(run, input)
    return { status: 200, body: toRunBody(run) }
  },
})

const Ticket = z.object({ run_id: z.string(), status: z.enum(RUN_STATUSES) })

const cancel = route({
  method: 'post',
  path: '/api/v1/runs/:id/cancel',
  role: 'trainer',
  tag: TAG,
  summary: 'Asks a run to end; 409 when it has ended',
  params: RunPath,
  reply: { 202: Ticket },
  handle: async (input, { runs }) => {
    assertVisible(await runs.get(input.params.id), input)
    const { id, status } = await runs.cancel(input.params.id)
    return { status: 202, body: { run_id: id, status }, headers: { Location: `/api/v1/runs/${id}` } }
  },
})

/** The clock of who asks may be ahead by so much. */
const CLOCKS_APART_MS = 60_000

/** What is wrong with one field of a payload. */
const wrongPayload = (errors: readonly { field: string; message: string }[]): AppError =>
  new AppError('INVALID_REQUEST', `${errors[0]?.field}: ${errors[0]?.message}`, { errors })

/**
 * Work as of a time to come would delete what is to be kept until then, and judge days that are not over.
 * @param payload of any job
 * @param config that it is about, if any
 * @throws INVALID_REQUEST
 */
const requireOver = (payload: unknown, now: Date, config: AdsConfig | null): void => {
  const { asOf, day } = payload as { readonly asOf?: unknown; readonly day?: unknown }
  if (typeof asOf === 'string' && Date.parse(asOf) > now.getTime() + CLOCKS_APART_MS) {
    const message = `${asOf} is to come; it is ${now.toISOString()}`
    throw wrongPayload([{ field: 'body.payload.asOf', message }])
  }
  if (typeof day === 'string' && config) {
    const timeZone = zoneOf(config)
    const newest = lastCompleteDay(now, timeZone)
    if (toDayNumber(day) <= newest) return
    const message = `${day} is not over in ${timeZone}; the newest complete day is ${toLocalDate(newest)}`
    throw wrongPayload([{ field: 'body.payload.day', message }])
  }
}

const startJob = route({
  method: 'post',
  path: '/api/v1/jobs',
  role: 'trainer',
  tag: TAG,
  summary: 'Starts any declared job by its name',
  body: z.object({
    name: z.string().max(100).describe('e.g. train.config, detect.campaign'),
    payload: z.record(z.string(), z.unknown()).default({}),
  }),
  reply: { 202: Ticket },
  handle: async ({ body, principal, traceId, seesConfig }, { enqueue, configs, clock }) => {
    const job = jobByName(body.name)
    if (!job) {
      const names = allJobs.map(({ name }) => name).join(', ')
      throw new AppError('NOT_FOUND', `there is no job ${body.name}; there are ${names}`)
    }
    const payload = job.payload.safeParse(body.payload)
    if (!payload.success) {
      const errors = payload.error.issues.map((issue) => ({
        field: ['body', 'payload', ...issue.path.map(String)].join('.'),
        message: issue.message,
      }))
      throw wrongPayload(errors)
    }
    const configId = job.configId?.(payload.data) ?? null
    let config: AdsConfig | null = null
    if (configId !== null) {
      seesConfig(configId)
      config = await configs.get(configId)
    } else if (principal.configIds) {
      throw new AppError('FORBIDDEN', `${body.name} works on all configs; this key may see some only`)
    }
    requireOver(payload.data, clock.now(), config)
    const run = await enqueue(job, payload.data, { actor: principal.actor, traceId })
    return {
      status: 202,
      body: { run_id: run.id, status: run.status },
      headers: { Location: `/api/v1/runs/${run.id}` },
    }
  },
})

export const runRoutes: readonly Route[] = [list, detail, cancel, startJob]
