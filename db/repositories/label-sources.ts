/** What a classifier learns from: features of past days, what became of them, and what people said. */
import type { Knex } from 'knex'
import type { Tier } from '../../ml/classify/tier.ts'
import { fromNamed } from '../../ml/features/feature-names.ts'
import type { NamedFeatures } from '../../ml/features/feature-names.ts'
import type { LabelStore } from '../../shared/classification/train-classifier.ts'
import type { LocalDate } from '../../shared/core/days.ts'

/**
 * What became of an entity is in its features of seven days later: their windows are those days. The account's
 * sums are made once per day, not per row.
 */
const SOURCES = `
with chosen as (
  select entity_id, feature_date as day, features from ml_features
  where config_id = :configId and entity_type = :level and feature_date <= cast(:day as date)
  order by feature_date desc, entity_id limit :limit
), account as (
  select d.day,
    sum(i.spend) filter (where i.date between d.day - 13 and d.day) as spend,
    sum(i.leads) filter (where i.date between d.day - 13 and d.day) as leads,
    sum(i.clicks) filter (where i.date between d.day - 13 and d.day) as clicks,
    sum(i.impressions) filter (where i.date between d.day - 13 and d.day) as impressions,
    sum(i.spend) filter (where i.date > d.day) as spend_after,
    sum(i.leads) filter (where i.date > d.day) as leads_after
  from (select distinct day from chosen) d
  join ads_insights_daily i on i.config_id = :configId and i.date between d.day - 13 and d.day + 7
  group by d.day
)
select c.entity_id, c.day, c.features,
  a.spend::float8 / nullif(a.leads, 0)::float8 as avg_cpl,
  100 * a.clicks::float8 / nullif(a.impressions, 0)::float8 as avg_ctr,
  100 * a.leads::float8 / nullif(a.clicks, 0)::float8 as avg_conversion_rate,
  a.spend_after::float8 / nullif(a.leads_after, 0)::float8 as avg_cpl_after,
  later.features as later, f.correct_tier
from chosen c
left join account a on a.day = c.day
left join ml_features later on later.config_id = :configId and later.entity_type = :level
  and later.entity_id = c.entity_id and later.feature_date = c.day + 7 and later.feature_date <= cast(:day as date)
left join ml_classification_feedback f on f.config_id = :configId and f.entity_type = :level
  and f.entity_id = c.entity_id and f.classification_date = c.day and f.is_valid
order by c.day, c.entity_id`

interface Row {
  readonly entity_id: string
  readonly day: LocalDate
  readonly features: NamedFeatures
  readonly avg_cpl: number | null
  readonly avg_ctr: number | null
  readonly avg_conversion_rate: number | null
  readonly avg_cpl_after: number | null
  readonly later: NamedFeatures | null
  readonly correct_tier: Tier | null
}

export const labelSources = (db: Knex): LabelStore => ({
  labelSources: async (configId, level, day, limit) => {
    const { rows } = (await db.raw(SOURCES, { configId, level, day, limit })) as { rows: Row[] }
    return rows.map((row) => {
      const later = row.later && fromNamed(row.later)
      return {
        entityId: row.entity_id,
        day: row.day,
        features: fromNamed(row.features),
        reference: {
          avgCpl: row.avg_cpl,
          avgCtr: row.avg_ctr,
          avgConversionRate: row.avg_conversion_rate,
        },
        feedback: row.correct_tier,
        after: later && {
          leads7d: later.leads7d,
          spend7d: later.spend7d,
          cpl7d: later.cpl7d,
          daysWithLeads7d: later.daysWithLeads7d,
          avgCpl: row.avg_cpl_after,
        },
      }
    })
  },
})
