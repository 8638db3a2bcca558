/** What is known of how entities do on a day: the numbers tiers, advice and the report are made from. */
import { z } from 'zod'
import { toNamed } from '../../ml/features/feature-names.ts'
import type { NamedFeatures } from '../../ml/features/feature-names.ts'
import { LocalDate } from '../../shared/core/days.ts'
import { ConfigId, EntityId, Level } from '../../shared/core/entity.ts'
import { PageQuery, PageReply, toPageRequest } from '../../shared/core/page.ts'
import { wireNumber } from '../../shared/core/wire.ts'
import type { FeatureFilter, StoredFeatures } from '../../shared/features/feature-store.ts'
import { route } from '../route.ts'
import type { Route } from '../route.ts'
import { requireDayOrder } from './scope.ts'

const number = z.number()
const maybe = z.number().nullable()

const Features = z
  .object({
    spend_7d: number,
    impressions_7d: number,
    clicks_7d: number,
    leads_7d: number,
    cpl_7d: maybe,
    cpc_7d: maybe,
    ctr_7d: maybe.describe('Percent'),
    conversion_rate_7d: maybe.describe('Percent'),
    spend_trend: number.describe('Percent against the 7 days before, within -100 and 100; so are all trends'),
    leads_trend: number,
    cpl_trend: maybe.describe('Null unless both weeks had 2 leads'),
    ctr_trend: maybe,
    leads_14d: number,
    cpl_14d: maybe,
    spend_30d: number,
    leads_30d: number,
    cpl_30d: maybe,
    avg_daily_spend_30d: maybe,
    cpl_std_7d: maybe,
    leads_std_7d: maybe,
    days_with_leads_7d: number,
    days_active: number.describe('Days of the 30 with impressions'),
    reach_7d: maybe,
    reach_estimated: z.boolean().describe('Reach is a sum of days: the source delivered none of the week'),
    frequency_7d: maybe,
    is_active: z.boolean(),
    budget_owner: z.enum(['campaign', 'adset']).nullable().describe('Null: unknown'),
    share_of_parent_spend: maybe.describe('Fraction; null on campaigns'),
    share_of_parent_leads: maybe.describe('Fraction; null on campaigns'),
    performance_vs_siblings: maybe.describe('-1 (far dearer leads) to 1; null on campaigns'),
    siblings_cpl_7d: maybe,
    siblings_with_leads_7d: number,
    audience_overlap_score: maybe.describe('0 to 1; ad sets only'),
    creative_fatigue_score: maybe.describe('0 to 1; ads only'),
  } satisfies Record<keyof NamedFeatures, z.ZodType>)
  .meta({ id: 'Features', description: '7d, 14d and 30d are windows that end with feature_date' })

const ofLevel = <L extends Level>(level: L, id: string) =>
  z
    .object({
      id: z.int(),
      config_id: z.int(),
      entity_type: z.literal(level),
      entity_id: z.string(),
      parent_id: z.string().nullable(),
      feature_date: LocalDate,
      watermark: z.iso.datetime().describe('The newest data it was made from'),
      insufficient_data: z.boolean().describe('Fewer than 7 of the 30 days had impressions'),
      features: Features,
      created_at: z.iso.datetime(),
    })
    .meta({ id })

const EntityFeatures = z.discriminatedUnion('entity_type', [
  ofLevel('campaign', 'CampaignFeatures'),
  ofLevel('adset', 'AdsetFeatures'),
  ofLevel('ad', 'AdFeatures'),
])

const toWire = (row: StoredFeatures): z.input<typeof EntityFeatures> => ({
  id: row.id,
  config_id: row.configId,
  entity_type: row.entityType,
  entity_id: row.entityId,
  parent_id: row.parentId,
  feature_date: row.day,
  watermark: row.watermark.toISOString(),
  insufficient_data: row.insufficientData,
  features: Object.fromEntries(
    Object.entries(toNamed(row.features)).map(([name, value]) => [
      name,
      typeof value === 'number' ? wireNumber(value) : value,
    ]),
  ) as NamedFeatures,
  created_at: row.createdAt.toISOString(),
})

const Filter = PageQuery.extend({
  config_id: ConfigId,
  // Callers from before ad sets and ads existed send no entity_type.
  entity_type: Level.default('campaign'),
  entity_id: EntityId.optional(),
  date: LocalDate.optional().describe('One day; default: all'),
  date_from: LocalDate.optional(),
  date_to: LocalDate.optional(),
})

const filterOf = (query: z.output<typeof Filter>): FeatureFilter => {
  requireDayOrder(query.date_from, query.date_to)
  return {
    configId: query.config_id,
    level: query.entity_type,
    ...(query.entity_id === undefined ? {} : { entityId: query.entity_id }),
    ...(query.date === undefined ? {} : { day: query.date }),
    ...(query.date_from === undefined ? {} : { from: query.date_from }),
    ...(query.date_to === undefined ? {} : { to: query.date_to }),
  }
}

const list = route({
  method: 'get',
  path: '/api/v1/ml/features',
  role: 'viewer',
  tag: 'Features',
  summary: 'Features per entity and day, newest first',
  query: Filter,
  reply: { 200: PageReply(EntityFeatures) },
  handle: async ({ query, seesConfig }, { configs, features }) => {
    seesConfig(query.config_id)
    await configs.get(query.config_id)
    const page = await features.list(filterOf(query), toPageRequest(query))
    return { status: 200, body: { ...page, data: page.data.map(toWire) } }
  },
})

export const featureRoutes: readonly Route[] = [list]
