/** The timetable: when jobs start by themselves. */
import { z } from 'zod'
import type { ScheduleView } from '../../shared/schedules/schedule.ts'
import { route } from '../route.ts'
import type { Route } from '../route.ts'

const TAG = 'Schedules'

const instant = z.iso.datetime().nullable()

const ScheduleBody = z.object({
  id: z.string(),
  job: z.string(),
  cron: z.string(),
  /** The timetable's own, when an operator set another. */
  default_cron: z.string(),
  overridden: z.boolean(),
  timezone: z.string(),
  paused: z.boolean(),
  next_run_at: instant,
  last_run: z
    .object({ run_id: z.string().nullable(), scheduled_at: z.iso.datetime(), status: z.string().nullable() })
    .nullable(),
})

export const toScheduleBody = (schedule: ScheduleView): z.infer<typeof ScheduleBody> => ({
  id: schedule.id,
  job: schedule.job,
  cron: schedule.cronInForce,
  default_cron: schedule.cron,
  overridden: schedule.cronOverride !== null,
  timezone: schedule.timezone,
  paused: schedule.paused,
  next_run_at: schedule.nextRunAt?.toISOString() ?? null,
  last_run: schedule.lastRun
    ? {
        run_id: schedule.lastRun.runId,
        scheduled_at: schedule.lastRun.scheduledAt.toISOString(),
        status: schedule.lastRun.status,
      }
    : null,
})

const list = route({
  method: 'get',
  path: '/api/v1/schedules',
  role: 'viewer',
  tag: TAG,
  summary: 'The timetable with next and last runs',
  reply: { 200: z.object({ data: z.array(ScheduleBody) }) },
  handle: async (_input, { schedules }) => ({
    status: 200,
    body: { data: (await schedules.list()).map(toScheduleBody) },
  }),
})

const change = route({
  method: 'patch',
  path: '/api/v1/schedules/:id',
  role: 'admin',
  allConfigs: true,
  tag: TAG,
  summary: 'Pauses, resumes, or sets another cron (null: back to the timetable)',
  params: z.object({ id: z.string().max(100) }),
  body: z
    .object({ paused: z.boolean().optional(), cron: z.string().max(100).nullable().optional() })
    .refine((body) => body.paused !== undefined || body.cron !== undefined, 'needs paused or cron'),
  reply: { 200: ScheduleBody },
  handle: async ({ params, body }, { schedules }) => {
    const after = await schedules.change(params.id, {
      ...(body.paused === undefined ? {} : { paused: body.paused }),
      ...(body.cron === undefined ? {} : { cron: body.cron }),
    })
    return {
      status: 200,
      body: toScheduleBody(after),
      audit: { target: `schedule/${params.id}`, after: { paused: after.paused, cron: after.cronInForce } },
    }
  },
})

export const scheduleRoutes: readonly Route[] = [list, change]
