/** Tiers: lists, classification on demand, and what people say about a tier. */
import { z } from 'zod'
import { TIERS } from '../../ml/classify/tier.ts'
import { TIER_DIRECTIONS } from '../../shared/classification/classifications.ts'
import type { ClassificationFilter } from '../../shared/classification/classifications.ts'
import { LocalDate } from '../../shared/core/days.ts'
import { ConfigId, EntityId, Level, RowId } from '../../shared/core/entity.ts'
import { AppError } from '../../shared/core/errors.ts'
import { PageQuery, PageReply, toPageRequest } from '../../shared/core/page.ts'
import { classifyLevel } from '../../shared/jobs/classification.ts'
import { route } from '../route.ts'
import type { Route } from '../route.ts'
import { requireDayOrder, startStep, StepScope, Ticket } from './scope.ts'

const TAG = 'Classifications'

const Tier = z.enum(TIERS)

const Classification = z
  .object({
    id: z.int(),
    config_id: z.int(),
    entity_type: Level,
    entity_id: z.string(),
    entity_name: z.string().nullable(),
    parent_id: z.string().nullable(),
    tier: Tier,
    confidence: z.number(),
    probabilities: z.record(Tier, z.number()),
    metrics_snapshot: z.record(z.string(), z.unknown()).describe('The features and averages it stands on'),
    previous_tier: Tier.nullable(),
    direction: z.enum(TIER_DIRECTIONS),
    tier_since: LocalDate,
    days_in_tier: z.int(),
    classification_date: LocalDate,
    classified_at: z.iso.datetime(),
    valid_until: z.iso.datetime(),
    model_version: z.string(),
    run_id: z.string().nullable(),
  })
  .meta({ id: 'Classification' })

const Feedback = z.object({
  id: z.int(),
  classification_id: z.int(),
  entity_type: Level,
  entity_id: z.string(),
  classification_date: LocalDate,
  original_tier: Tier,
  correct_tier: Tier,
  reason: z.string().nullable(),
  actor: z.string(),
  created_at: z.iso.datetime(),
})

const Filter = PageQuery.extend({
  config_id: ConfigId,
  // Callers from before ad sets and ads existed send no entity_type.
  entity_type: Level.default('campaign'),
  entity_id: EntityId.optional(),
  tier: Tier.optional(),
  min_confidence: z.coerce.number().min(0).max(1).optional(),
  date: LocalDate.optional().describe('One day; default: all'),
  date_from: LocalDate.optional(),
  date_to: LocalDate.optional(),
})

const filterOf = (query: z.output<typeof Filter>): ClassificationFilter => {
  requireDayOrder(query.date_from, query.date_to)
  return {
    configId: query.config_id,
    entityType: query.entity_type,
    ...(query.entity_id === undefined ? {} : { entityId: query.entity_id }),
    ...(query.tier === undefined ? {} : { tier: query.tier }),
    ...(query.min_confidence === undefined ? {} : { minConfidence: query.min_confidence }),
    ...(query.date === undefined ? {} : { day: query.date }),
    ...(query.date_from === undefined ? {} : { from: query.date_from }),
    ...(query.date_to === undefined ? {} : { to: query.date_to }),
  }
}

const list = route({
  method: 'get',
  path: '/api/v1/ml/classifications',
  role: 'viewer',
  tag: TAG,
  summary: 'Tiers per entity and day, newest first',
  query: Filter,
  reply: { 200: PageReply(Classification) },
  handle: async ({ query, seesConfig }, { configs, classification }) => {
    seesConfig(query.config_id)
    await configs.get(query.config_id)
    const page = await classification.list(filterOf(query), toPageRequest(query))
    return { status: 200, body: { ...page, data: [...page.data] } }
  },
})

const classify = route({
  method: 'post',
  path: '/api/v1/ml/classifications/classify',
  role: 'trainer',
  tag: TAG,
  summary: 'Classifies the entities of a level, or some of them',
  body: StepScope.extend({
    force: z.boolean().default(false).describe('Also where a valid tier is known'),
  }),
  reply: { 202: Ticket },
  handle: (input, services) => startStep(classifyLevel, input, { force: input.body.force }, services),
})

const feedback = route({
  method: 'post',
  path: '/api/v1/ml/classifications/:id/feedback',
  role: 'trainer',
  tag: TAG,
  summary: 'Says which tier would have been right; the classifier learns from it',
  params: z.object({ id: RowId }),
  body: z.object({ correct_tier: Tier, reason: z.string().trim().min(1).max(500).optional() }),
  reply: { 201: Feedback },
  handle: async ({ params, body, principal, seesConfig }, { classification }) => {
    const row = await classification.get(params.id)
    try {
      seesConfig(row.config_id)
    } catch {
      throw new AppError(
        'NOT_FOUND',
        `there is no classification ${params.id}; list them with GET /api/v1/ml/classifications`,
      )
    }
    const added = await classification.correct({
      classificationId: params.id,
      correctTier: body.correct_tier,
      reason: body.reason ?? null,
      actor: principal.actor,
    })
    return {
      status: 201,
      body: added,
      audit: {
        target: `classification/${params.id}`,
        before: { tier: row.tier },
        after: { correct_tier: added.correct_tier, reason: added.reason },
      },
    }
  },
})

export const classificationRoutes: readonly Route[] = [list, classify, feedback]
