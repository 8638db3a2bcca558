/** What a classifier learns from: features of past days, what became of them, and what people said. */
import type { Knex } from 'knex'
import type { Tier } from '../../ml/classify/tier.ts'
import { fromNamed } from '../../ml/features/feature-names.ts'
import type { NamedFeatures } from '../../ml/features/feature-names.ts'
import type { LabelStore } from '../../shared/classification/train-classifier.ts'
import type { LocalDate } from '../../shared/core/days.ts'

/**
 * What became of an entity is in its features of seven days later: their windows are those days, summed and
 * counted as everywhere else. The account's sums are made once per day, not per row. Where rows are too many,
 * a day's are shuffled by their names, and the first of every day are taken before the second of any.
 */
const SOURCES = `
with ranked as (
  select r.entity_id, r.feature_date as day, f.correct_tier,
    row_number() over (partition by r.feature_date order by md5(r.entity_id || r.feature_date), r.entity_id) as place
  from ml_features r
  left join ml_classification_feedback f on f.config_id = r.config_id and f.entity_type = r.entity_type
    and f.entity_id = r.entity_id and f.classification_date = r.feature_date and f.is_valid
  where r.config_id = :configId and r.entity_type = :level
    and r.feature_date between cast(:day as date) - (cast(:days as int) - 1) and cast(:day as date)
), chosen as (
  select entity_id, day, correct_tier from ranked
  order by correct_tier is null, place, day desc, entity_id limit :limit
), daily as (
  select date, sum(spend) as spend, sum(leads) as leads, sum(clicks) as clicks, sum(impressions) as impressions
  from ads_insights_daily
  where config_id = :configId
    and date between cast(:day as date) - (cast(:days as int) + 12) and cast(:day as date)
  group by date
), account as (
  select d.day,
    sum(i.spend) filter (where i.date <= d.day) as spend,
    sum(i.leads) filter (where i.date <= d.day) as leads,
    sum(i.clicks) filter (where i.date <= d.day) as clicks,
    sum(i.impressions) filter (where i.date <= d.day) as impressions,
    sum(i.spend) filter (where i.date > d.day) as spend_after,
    sum(i.leads) filter (where i.date > d.day) as leads_after
  from (select distinct day from chosen) d
  join daily i on i.date between d.day - 13 and d.day + 7
  group by d.day
)
select c.entity_id, c.day, c.correct_tier, now.features,
  a.spend::float8 / nullif(a.leads, 0)::float8 as avg_cpl,
  100 * a.clicks::float8 / nullif(a.impressions, 0)::float8 as avg_ctr,
  100 * a.leads::float8 / nullif(a.clicks, 0)::float8 as avg_conversion_rate,
  a.spend_after::float8 / nullif(a.leads_after, 0)::float8 as avg_cpl_after,
  later.features as later
from chosen c
join ml_features now on now.config_id = :configId and now.entity_type = :level
  and now.entity_id = c.entity_id and now.feature_date = c.day
left join account a on a.day = c.day
left join ml_features later on later.config_id = :configId and later.entity_type = :level
  and later.entity_id = c.entity_id and later.feature_date = c.day + 7 and later.feature_date <= cast(:day as date)
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
  labelSources: async (configId, level, day, { days, limit }) => {
    const { rows } = (await db.raw(SOURCES, { configId, level, day, days, limit })) as { rows: Row[] }
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
