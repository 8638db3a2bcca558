/** What routes share: whom and which days they are about, and starting a step of the daily flow for them. */
import { z } from 'zod'
import { LocalDate, lastCompleteDay, toDayNumber, toLocalDate } from '../../shared/core/days.ts'
import { ConfigId, EntityId, Level } from '../../shared/core/entity.ts'
import { AppError } from '../../shared/core/errors.ts'
import { zoneOf } from '../../shared/entities/configs.ts'
import type { Job } from '../../shared/jobs/define-job.ts'
import { toStepPayload } from '../../shared/jobs/step.ts'
import type { StepPayload } from '../../shared/jobs/step.ts'
import type { Services } from '../../shared/services.ts'
import type { RouteInput, RouteReply } from '../route.ts'

const ENTITIES_MAX = 500

/** @throws AppError INVALID_REQUEST when `date_from` is after `date_to` */
export const requireDayOrder = (from: LocalDate | undefined, to: LocalDate | undefined): void => {
  if (from === undefined || to === undefined || from <= to) return
  const message = `is after date_to (${to}); swap them`
  throw new AppError('INVALID_REQUEST', `date_from: ${message}`, {
    errors: [{ field: 'query.date_from', message }],
  })
}

/** Which days' findings: the last ones, or those named. */
export const SeenDays = z.object({
  days: z.coerce
    .number()
    .int()
    .min(1)
    .max(90)
    .default(7)
    .describe('Complete days up to the newest, and today'),
  date_from: LocalDate.optional().describe('Wins over days'),
  date_to: LocalDate.optional(),
})

/** @throws AppError CONFIG_NOT_FOUND; INVALID_REQUEST when `date_from` is after `date_to` */
export const seenDays = async (
  query: z.output<typeof SeenDays> & { readonly config_id: number },
  services: Pick<Services, 'configs' | 'clock'>,
): Promise<{ dateFrom: LocalDate; dateTo: LocalDate }> => {
  const zone = zoneOf(await services.configs.get(query.config_id))
  const newest = lastCompleteDay(services.clock.now(), zone)
  // Today's findings, once there are any, belong to the newest.
  const dateTo = query.date_to ?? toLocalDate(newest + 1)
  const first = query.date_to === undefined ? newest : toDayNumber(query.date_to)
  const dateFrom = query.date_from ?? toLocalDate(first - query.days + 1)
  requireDayOrder(dateFrom, dateTo)
  return { dateFrom, dateTo }
}

/** Some or all entities of a level, on a day. */
export const StepScope = z.object({
  config_id: ConfigId,
  // Callers from before ad sets and ads existed send no entity_type.
  entity_type: Level.default('campaign'),
  entity_ids: z.array(EntityId).min(1).max(ENTITIES_MAX).optional(),
  date: LocalDate.optional().describe('Default: the newest complete day that has rows'),
})
type StepScope = z.output<typeof StepScope>

export const Ticket = z.object({ run_id: z.string(), status: z.string() })

/**
 * Enqueues the step, once for the same data.
 * @param options what the job wants to know beyond the scope
 */
export const startStep = async <Payload extends StepPayload>(
  jobs: Readonly<Record<Level, Job<Payload>>>,
  { body, principal, seesConfig, traceId }: RouteInput<unknown, unknown, StepScope>,
  options: Omit<Payload, keyof StepPayload> & Partial<Pick<StepPayload, 'force'>>,
  services: Services,
): Promise<RouteReply> => {
  seesConfig(body.config_id)
  const step = await toStepPayload(
    { configId: body.config_id, entityIds: body.entity_ids ?? null, day: body.date ?? null },
    services,
  )
  const payload = { ...step, ...options } as unknown as Payload
  const run = await services.enqueue(jobs[body.entity_type], payload, { actor: principal.actor, traceId })
  return {
    status: 202,
    body: { run_id: run.id, status: run.status },
    headers: { location: `/api/v1/runs/${run.id}` },
  }
}
