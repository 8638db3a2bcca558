/** Detection tried on past days. */
import { z } from 'zod'
import { LocalDate, toDayNumber } from '../../shared/core/days.ts'
import { AppError } from '../../shared/core/errors.ts'
import { zoneOf } from '../../shared/entities/configs.ts'
import { requireCompleteDay } from '../../shared/entities/freshness.ts'
import { LONGEST_CADENCE_DAYS, replay as replayJob } from '../../shared/jobs/replay.ts'
import { ReplayOverrides } from '../../shared/replay/overrides.ts'
import { route } from '../route.ts'
import type { Route } from '../route.ts'
import { StepScope, Ticket } from './scope.ts'

const LONGEST_DAYS = 90

const requireRange = (from: LocalDate, to: LocalDate): void => {
  const days = toDayNumber(to) - toDayNumber(from) + 1
  const message =
    days < 1
      ? `is after to (${to}); swap them`
      : `at most ${LONGEST_DAYS} days are replayed at once, not ${days}; vigia replay takes more`
  if (days >= 1 && days <= LONGEST_DAYS) return
  throw new AppError('INVALID_REQUEST', `from: ${message}`, { errors: [{ field: 'body.from', message }] })
}

const replay = route({
  method: 'post',
  path: '/api/v1/ml/replay',
  role: 'trainer',
  tag: 'Anomalies',
  summary:
    'Detection over past days as it would have run, with other settings if wanted; the report is the result of the run, nothing else is stored',
  body: StepScope.omit({ date: true })
    .strict()
    .extend({
      from: LocalDate,
      to: LocalDate.describe('A complete day, at most 90 days from the first'),
      train_every: z.int().min(1).max(LONGEST_CADENCE_DAYS).default(1).describe('Days between trainings'),
      overrides: ReplayOverrides.default({}),
    }),
  reply: { 202: Ticket },
  handle: async ({ body, principal, seesConfig, traceId }, services) => {
    seesConfig(body.config_id)
    const zone = zoneOf(await services.configs.get(body.config_id))
    const asOf = services.clock.now()
    requireRange(body.from, body.to)
    // Refused here, not by the run, so that the caller hears of it.
    requireCompleteDay(body.to, asOf, zone, 'to')
    const run = await services.enqueue(
      replayJob,
      {
        configId: body.config_id,
        asOf: asOf.toISOString(),
        from: body.from,
        to: body.to,
        trainEveryDays: body.train_every,
        entityType: body.entity_type,
        entityIds: body.entity_ids ?? null,
        overrides: body.overrides,
      },
      { actor: principal.actor, traceId },
    )
    return {
      status: 202,
      body: { run_id: run.id, status: run.status },
      headers: { location: `/api/v1/runs/${run.id}` },
    }
  },
})

export const replayRoutes: readonly Route[] = [replay]
