/** Advice: lists, advice on demand, and what people make of it. */
import { z } from 'zod'
import { RECOMMENDATION_TYPES, RULES } from '../../ml/recommend/matrix.ts'
import { LocalDate } from '../../shared/core/days.ts'
import { ConfigId, EntityId, Level, RowId } from '../../shared/core/entity.ts'
import { AppError } from '../../shared/core/errors.ts'
import { PageQuery, PageReply, toPageRequest } from '../../shared/core/page.ts'
import { recommendLevel } from '../../shared/jobs/recommendation.ts'
import {
  DecisionReason,
  OUTCOMES,
  Reasoning,
  RECOMMENDATION_STATUSES,
  SuggestedAction,
} from '../../shared/recommendation/recommendations.ts'
import type { RecommendationRow } from '../../shared/recommendation/recommendations.ts'
import type { Services } from '../../shared/services.ts'
import { route } from '../route.ts'
import type { Route } from '../route.ts'
import { requireDayOrder, startStep, StepScope, Ticket } from './scope.ts'

const TAG = 'Recommendations'

const number = z.number().nullable()

const Recommendation = z
  .object({
    id: z.int(),
    config_id: z.int(),
    entity_type: Level,
    entity_id: z.string(),
    entity_name: z.string().nullable(),
    parent_id: z.string().nullable(),
    type: z.enum(RECOMMENDATION_TYPES),
    rule: z.enum(RULES),
    priority: z.int(),
    confidence: z.number(),
    title: z.string(),
    suggested_action: SuggestedAction,
    reasoning: Reasoning,
    status: z.enum(RECOMMENDATION_STATUSES),
    recommendation_date: LocalDate,
    acted_at: z.iso.datetime().nullable(),
    actor: z.string().nullable(),
    reason: z.string().nullable(),
    outcome: z
      .object({
        verdict: z.enum(OUTCOMES),
        metric: z.enum(['cpl', 'leads']),
        before: number,
        after: number,
        change_pct: z.number(),
        baseline_pct: number,
        baseline: z.enum(['siblings', 'account']).nullable(),
        evaluated_on: LocalDate,
      })
      .nullable()
      .describe('A week after it was applied'),
    expires_at: z.iso.datetime(),
    created_at: z.iso.datetime(),
    run_id: z.string().nullable(),
  })
  .meta({ id: 'Recommendation' })

const list = route({
  method: 'get',
  path: '/api/v1/ml/recommendations',
  role: 'viewer',
  tag: TAG,
  summary: 'Advice, newest first',
  query: PageQuery.extend({
    config_id: ConfigId,
    // Callers from before ad sets and ads existed send no entity_type.
    entity_type: Level.default('campaign'),
    entity_id: EntityId.optional(),
    type: z.enum(RECOMMENDATION_TYPES).optional(),
    status: z.enum(RECOMMENDATION_STATUSES).default('active'),
    priority_min: z.coerce.number().int().min(1).max(10).optional(),
    date_from: LocalDate.optional().describe('Of the day it was made from'),
    date_to: LocalDate.optional(),
  }),
  reply: { 200: PageReply(Recommendation) },
  handle: async ({ query, seesConfig }, { configs, recommendation }) => {
    seesConfig(query.config_id)
    await configs.get(query.config_id)
    requireDayOrder(query.date_from, query.date_to)
    const page = await recommendation.list(
      {
        configId: query.config_id,
        entityType: query.entity_type,
        status: query.status,
        ...(query.entity_id === undefined ? {} : { entityId: query.entity_id }),
        ...(query.type === undefined ? {} : { type: query.type }),
        ...(query.priority_min === undefined ? {} : { priorityMin: query.priority_min }),
        ...(query.date_from === undefined ? {} : { from: query.date_from }),
        ...(query.date_to === undefined ? {} : { to: query.date_to }),
      },
      toPageRequest(query),
    )
    return { status: 200, body: { ...page, data: [...page.data] } }
  },
})

const generate = route({
  method: 'post',
  path: '/api/v1/ml/recommendations/generate',
  role: 'trainer',
  tag: TAG,
  summary: 'Makes advice for the entities of a level, or some of them',
  body: StepScope.extend({
    force_refresh: z
      .boolean()
      .default(false)
      .describe('Makes active advice anew; what is no longer true expires'),
  }),
  reply: { 202: Ticket },
  handle: (input, services) =>
    startStep(recommendLevel, input, { force: input.body.force_refresh }, services),
})

const visible = async (
  id: number,
  sees: (configId: number) => void,
  { recommendation }: Services,
): Promise<RecommendationRow> => {
  const row = await recommendation.get(id)
  try {
    sees(row.config_id)
  } catch {
    throw new AppError(
      'NOT_FOUND',
      `there is no recommendation ${id}; list them with GET /api/v1/ml/recommendations`,
    )
  }
  return row
}

const decision = (verb: 'apply' | 'dismiss', summary: string): Route =>
  route({
    method: 'post',
    path: `/api/v1/ml/recommendations/:id/${verb}`,
    role: 'trainer',
    tag: TAG,
    summary,
    params: z.object({ id: RowId }),
    body: z.object({ reason: DecisionReason.optional() }).default({}),
    reply: { 200: Recommendation },
    handle: async ({ params, body, principal, seesConfig }, services) => {
      const before = await visible(params.id, seesConfig, services)
      const after = await services.recommendation[verb](params.id, {
        actor: principal.actor,
        reason: body.reason ?? null,
      })
      return {
        status: 200,
        body: after,
        audit: {
          target: `recommendation/${params.id}`,
          before: { status: before.status },
          after: { status: after.status, reason: after.reason },
        },
      }
    },
  })

export const recommendationRoutes: readonly Route[] = [
  list,
  generate,
  decision('apply', 'Notes that the advice was followed; what came of it is looked at a week later'),
  decision('dismiss', 'Puts the advice aside; it is not given again for two weeks'),
]
