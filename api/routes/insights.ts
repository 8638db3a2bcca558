/** Daily figures of entities. */
import { LocalDate } from '../../shared/core/days.ts'
import { ConfigId, EntityId, Level } from '../../shared/core/entity.ts'
import { PageQuery, PageReply, toPageRequest } from '../../shared/core/page.ts'
import { DailyInsight } from '../../shared/entities/insights.ts'
import { route } from '../route.ts'
import type { Route } from '../route.ts'

const dailyInsights = route({
  method: 'get',
  path: '/api/v1/insights/daily',
  role: 'viewer',
  summary: 'Figures per entity and day, newest first; by default of the last 30 days',
  tag: 'Insights',
  query: PageQuery.extend({
    config_id: ConfigId,
    entity_type: Level.default('campaign'),
    entity_id: EntityId.optional(),
    date_from: LocalDate.optional(),
    date_to: LocalDate.optional(),
  }),
  reply: { 200: PageReply(DailyInsight) },
  handle: async ({ query, seesConfig }, { insights }) => {
    seesConfig(query.config_id)
    const request = {
      configId: query.config_id,
      level: query.entity_type,
      entityId: query.entity_id ?? null,
      dateFrom: query.date_from ?? null,
      dateTo: query.date_to ?? null,
    }
    return { status: 200, body: await insights.daily(request, toPageRequest(query)) }
  },
})

export const insightRoutes: readonly Route[] = [dailyInsights]
