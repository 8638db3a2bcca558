/** Features in PostgreSQL: one row per entity and day, the newest data's. */
import type { Knex } from 'knex'
import { fromNamed, toNamed } from '../../ml/features/feature-names.ts'
import type { NamedFeatures } from '../../ml/features/feature-names.ts'
import { conversionRateOf, cplOf, ctrOf } from '../../ml/ratios.ts'
import { toDayNumber, toLocalDate } from '../../shared/core/days.ts'
import type { LocalDate } from '../../shared/core/days.ts'
import type { Level } from '../../shared/core/entity.ts'
import { toPage } from '../../shared/core/page.ts'
import { FenceLost } from '../../shared/core/work.ts'
import type {
  FeatureFilter,
  FeatureRow,
  FeatureStore,
  StoredFeatures,
} from '../../shared/features/feature-store.ts'
import { FENCE_SQL } from '../fence.ts'
import { cutByDay, dayCursor } from './day-pages.ts'

interface Stored {
  readonly id: number
  readonly config_id: number
  readonly entity_type: Level
  readonly entity_id: string
  readonly parent_id: string | null
  readonly feature_date: LocalDate
  readonly watermark: Date
  readonly features: NamedFeatures
  readonly insufficient_data: boolean
  readonly created_at: Date
}

const fromRow = (
  row: Pick<Stored, 'entity_id' | 'parent_id' | 'features' | 'insufficient_data'>,
): FeatureRow => ({
  entityId: row.entity_id,
  parentId: row.parent_id,
  features: fromNamed(row.features),
  insufficientData: row.insufficient_data,
})

const fromStored = (row: Stored): StoredFeatures => ({
  ...fromRow(row),
  id: row.id,
  configId: row.config_id,
  entityType: row.entity_type,
  day: row.feature_date,
  watermark: row.watermark,
  createdAt: row.created_at,
})

/**
 * The fence and the rows in one statement. A run on older data that writes after one on newer data changes
 * nothing: what was built on the newer rows stays true.
 */
const WRITE = `
with fence as materialized (${FENCE_SQL}),
written as (
  insert into ml_features (
    config_id, entity_type, feature_date, watermark, run_id, entity_id, parent_id, features, insufficient_data
  )
  select ?::int, ?::text, ?::date, ?::timestamptz, f.id, r.entity_id, r.parent_id, r.features, r.insufficient_data
  from fence f cross join jsonb_to_recordset(?::jsonb) as r(
    entity_id text, parent_id text, features jsonb, insufficient_data boolean
  )
  on conflict (config_id, entity_type, entity_id, feature_date) do update set
    parent_id = excluded.parent_id,
    watermark = excluded.watermark,
    features = excluded.features,
    insufficient_data = excluded.insufficient_data,
    created_at = excluded.created_at,
    run_id = excluded.run_id
  where excluded.watermark >= ml_features.watermark
)
select id from fence`

const REFERENCE_DAYS = 14

const filtered = (query: Knex.QueryBuilder, filter: FeatureFilter): Knex.QueryBuilder => {
  void query.where({ config_id: filter.configId, entity_type: filter.level })
  if (filter.entityId !== undefined) void query.where('entity_id', filter.entityId)
  if (filter.day !== undefined) void query.where('feature_date', filter.day)
  if (filter.from !== undefined) void query.where('feature_date', '>=', filter.from)
  if (filter.to !== undefined) void query.where('feature_date', '<=', filter.to)
  return query
}

const finite = (value: number): number | null => (Number.isNaN(value) ? null : value)

export const featureStore = (db: Knex): FeatureStore => ({
  ofLevel: async (configId, level, day, entityIds) => {
    const query = filtered(db('ml_features'), { configId, level, day })
      .select('entity_id', 'parent_id', 'features', 'insufficient_data')
      .orderBy('entity_id')
    if (entityIds) void query.whereRaw('entity_id = any(?::text[])', [[...entityIds]])
    return ((await query) as Stored[]).map(fromRow)
  },

  accountReference: async (configId, day) => {
    const { rows } = (await db.raw(
      `select coalesce(sum(spend), 0) as spend, coalesce(sum(impressions), 0) as impressions,
              coalesce(sum(clicks), 0) as clicks, coalesce(sum(leads), 0) as leads
       from ads_insights_daily where config_id = ? and date between ? and ?`,
      [configId, toLocalDate(toDayNumber(day) - REFERENCE_DAYS + 1), day],
    )) as { rows: { spend: number; impressions: number; clicks: number; leads: number }[] }
    const { spend, impressions, clicks, leads } = rows[0] ?? { spend: 0, impressions: 0, clicks: 0, leads: 0 }
    return {
      avgCpl: finite(cplOf(spend, leads)),
      avgCtr: finite(ctrOf(clicks, impressions)),
      avgConversionRate: finite(conversionRateOf(leads, clicks)),
    }
  },

  list: async (filter, page) => {
    const query = cutByDay(filtered(db('ml_features'), filter).select('*'), page, 'feature_date', 'id')
    const [rows, counted] = (await Promise.all([
      query,
      filtered(db('ml_features'), filter).count('* as n').first(),
    ])) as [Stored[], { n: number }]
    return toPage(page, counted.n, rows.map(fromStored), (row) => dayCursor(row.day, row.id))
  },

  write: async (fence, { configId, level, day, watermark }, rows) => {
    const records = rows.map(({ entityId, parentId, features, insufficientData }) => ({
      entity_id: entityId,
      parent_id: parentId,
      features: toNamed(features),
      insufficient_data: insufficientData,
    }))
    const values = [fence.runId, fence.attempt, configId, level, day, watermark, JSON.stringify(records)]
    const { rows: held } = (await db.raw(WRITE, values)) as { rows: unknown[] }
    if (held.length === 0) throw new FenceLost(fence)
  },
})
