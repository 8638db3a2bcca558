/** What the morning report reads: one statement each, whatever the account's size. */
import type { Knex } from 'knex'
import { toDayNumber, toLocalDate } from '../../shared/core/days.ts'
import type { LocalDate } from '../../shared/core/days.ts'
import type {
  ReportAdvice,
  ReportDay,
  ReportStore,
  ReportTier,
  ReportTierChange,
} from '../../shared/report/daily-report.ts'
import { anomalyStore } from './anomalies.ts'

const HORIZON_DAYS = 7
/** Findings of a week that a report groups. */
const ANOMALIES_MAX = 1000

/**
 * How far the errors of two days of one campaign's forecast go together: a level that is off stays off. On made-up
 * accounts 0.20 for spend and 0.02 for leads; with a quarter the interval of a week's sum held 95 and 98 of 100.
 */
const DAYS_CORRELATION = 0.25

/** Errors of campaigns are taken as independent: their variances add. */
const FORECAST = `
with newest as (
  -- A day on which only one of the two was asked for tells half of a week.
  select forecast_date as day from ml_forecasts
  where config_id = :configId and entity_type = 'campaign' and horizon_days = ${HORIZON_DAYS}
    and metric in ('spend', 'leads') and not insufficient_data and forecast_date <= cast(:day as date)
  group by forecast_date having count(distinct metric) = 2
  order by forecast_date desc limit 1
), left_out as (
  select count(distinct entity_id)::int as campaigns
  from newest
  join ml_forecasts f on f.config_id = :configId and f.entity_type = 'campaign'
    and f.horizon_days = ${HORIZON_DAYS} and f.metric in ('spend', 'leads') and f.forecast_date = newest.day
  where f.insufficient_data
), points as (
  select f.entity_id, f.metric, p.date, p.predicted, greatest(p.upper - p.predicted, 0) as half_width
  from newest
  join ml_forecasts f on f.config_id = :configId and f.entity_type = 'campaign'
    and f.horizon_days = ${HORIZON_DAYS} and f.metric in ('spend', 'leads') and f.forecast_date = newest.day
  join ml_forecast_points p on p.forecast_id = f.id
  where p.predicted is not null
)
select newest.day, left_out.campaigns as left_out, metric, date, predicted, half_width from newest, left_out, (
  select metric, date, sum(predicted) as predicted, sqrt(sum(half_width * half_width)) as half_width
  from points group by metric, date
  union all
  select metric, null, sum(predicted), sqrt(sum(half_width * half_width))
  from (select entity_id, metric, sum(predicted) as predicted, sqrt(
          ${1 - DAYS_CORRELATION} * sum(half_width * half_width) + ${DAYS_CORRELATION} * sum(half_width) ^ 2
        ) as half_width
        from points group by entity_id, metric) by_campaign
  group by metric
) sums
order by metric, date`

/** Names of entities of any level, beside a row `t` that has config_id, entity_type and entity_id. */
const NAMES = `
left join ads_campaigns c on t.entity_type = 'campaign' and c.config_id = t.config_id and c.campaign_id = t.entity_id
left join ads_adsets s on t.entity_type = 'adset' and s.config_id = t.config_id and s.adset_id = t.entity_id
left join ads_ads a on t.entity_type = 'ad' and a.config_id = t.config_id and a.ad_id = t.entity_id`
const NAME = 'coalesce(c.name, s.name, a.name, t.entity_id)'

/** The newest tiers of each level up to a day. */
const NEWEST_TIERS = `
newest as (
  select entity_type, max(classification_date) as day from ml_classifications
  where config_id = :configId and classification_date <= cast(:day as date) group by entity_type
)`

const ADVICE = `
select t.id, t.type, t.priority, t.title, t.entity_type, ${NAME} as entity_name,
  (t.suggested_action->'expected'->>'leads')::float8 as expected_leads,
  (t.suggested_action->>'change_pct')::float8 as change_pct,
  (f.features->>'spend_7d')::float8 as spend_7d, t.reasoning->>'sentence' as sentence
from ml_recommendations t
${NAMES}
left join ml_features f on f.config_id = t.config_id and f.entity_type = t.entity_type
  and f.entity_id = t.entity_id and f.feature_date = t.recommendation_date
where t.config_id = ? and t.status = 'active' and t.expires_at > ? order by t.id`

export const dailyReport = (db: Knex): ReportStore => ({
  days: async (configId, from, to) => {
    const { rows } = (await db.raw(
      `select date, sum(spend) as spend, sum(leads) as leads from ads_insights_daily
       where config_id = ? and date between ? and ? group by date order by date`,
      [configId, from, to],
    )) as { rows: ReportDay[] }
    return rows
  },

  forecast: async (configId, day) => {
    const { rows } = (await db.raw(FORECAST, { configId, day })) as {
      rows: {
        day: LocalDate
        left_out: number
        metric: 'spend' | 'leads'
        date: LocalDate | null
        predicted: number
        half_width: number
      }[]
    }
    const [first] = rows
    if (!first) return null
    return {
      forecastDate: first.day,
      leftOut: first.left_out,
      rows: rows.map(({ metric, date, predicted, half_width }) => ({
        metric,
        date,
        predicted,
        halfWidth: half_width,
      })),
    }
  },

  tiers: async (configId, day) => {
    const { rows } = (await db.raw(
      `with ${NEWEST_TIERS}
       select t.entity_type, newest.day, t.tier, count(*)::int as count
       from newest join ml_classifications t on t.config_id = :configId
         and t.entity_type = newest.entity_type and t.classification_date = newest.day
       group by 1, 2, 3 order by 1, 3`,
      { configId, day },
    )) as {
      rows: (Pick<ReportTier, 'tier' | 'count'> & {
        readonly entity_type: ReportTier['entityType']
        readonly day: LocalDate
      })[]
    }
    return rows.map((row) => ({
      entityType: row.entity_type,
      date: row.day,
      tier: row.tier,
      count: row.count,
    }))
  },

  tierChanges: async (configId, day, limit) => {
    const { rows } = (await db.raw(
      `with ${NEWEST_TIERS}
       select t.entity_type, t.entity_id, ${NAME} as entity_name, t.previous_tier as "from", t.tier as "to",
         t.direction, count(*) over ()::int as total
       from newest join ml_classifications t on t.config_id = :configId
         and t.entity_type = newest.entity_type and t.classification_date = newest.day
       ${NAMES}
       where t.direction <> 'stable' and t.previous_tier is not null
       order by t.direction = 'improved', array_position(array['campaign', 'adset', 'ad'], t.entity_type::text),
         t.entity_id
       limit :limit`,
      { configId, day, limit },
    )) as { rows: (ReportTierChange & { readonly total: number })[] }
    return {
      total: rows[0]?.total ?? 0,
      rows: rows.map(({ entity_type, entity_id, entity_name, from, to, direction }) => ({
        entity_type,
        entity_id,
        entity_name,
        from,
        to,
        direction,
      })),
    }
  },

  openAnomalies: async (configId, from) => {
    const page = await anomalyStore(db).list(
      {
        configId,
        status: 'open',
        alerted: true,
        dateFrom: from,
        // Today's, once there are any, belong to the newest.
        dateTo: toLocalDate(toDayNumber(from) + HORIZON_DAYS),
      },
      { page: 1, pageSize: ANOMALIES_MAX, afterId: null },
    )
    return { total: page.total, rows: page.data }
  },

  tooLittle: async (configId, day) => {
    const { rows } = (await db.raw(
      `select
         exists (select from runs where config_id = :configId and job = 'classify.campaign'
           and status = 'succeeded' and payload->>'day' = :day) as tiers,
         exists (select from ml_forecasts where config_id = :configId and entity_type = 'campaign'
           and forecast_date = cast(:day as date) and insufficient_data) as forecasts`,
      { configId, day },
    )) as { rows: { tiers: boolean; forecasts: boolean }[] }
    return rows[0] ?? { tiers: false, forecasts: false }
  },

  activeAdvice: async (configId, at) => {
    const { rows } = (await db.raw(ADVICE, [configId, at])) as {
      rows: {
        id: number
        type: ReportAdvice['type']
        priority: number
        title: string
        entity_type: ReportAdvice['entityType']
        entity_name: string
        expected_leads: number | null
        change_pct: number | null
        spend_7d: number | null
        sentence: string
      }[]
    }
    return rows.map((row) => ({
      id: row.id,
      type: row.type,
      priority: row.priority,
      title: row.title,
      entityType: row.entity_type,
      entityName: row.entity_name,
      expectedLeads: row.expected_leads,
      changePct: row.change_pct,
      spend7d: row.spend_7d,
      sentence: row.sentence,
    }))
  },
})
