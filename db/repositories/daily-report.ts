/** What the morning report reads: one statement each, whatever the account's size. */
import type { Knex } from 'knex'
import { SEVERITIES } from '../../ml/detectors/signal.ts'
import type { LocalDate } from '../../shared/core/days.ts'
import { LEVELS } from '../../shared/core/entity.ts'
import type {
  ReportAdvice,
  ReportCampaign,
  ReportDay,
  ReportFinding,
  ReportForecast,
  ReportStore,
  ReportTier,
  ReportTierChange,
} from '../../shared/report/daily-report.ts'

const HORIZON_DAYS = 7

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
), made as (
  select f.id, f.entity_id, f.metric, f.insufficient_data
  from newest
  join ml_forecasts f on f.config_id = :configId and f.entity_type = 'campaign'
    and f.horizon_days = ${HORIZON_DAYS} and f.metric in ('spend', 'leads') and f.forecast_date = newest.day
), points as (
  select made.entity_id, made.metric, p.date, p.predicted, greatest(p.upper - p.predicted, 0) as half_width
  from made join ml_forecast_points p on p.forecast_id = made.id
  where p.predicted is not null
)
select newest.day,
  (select count(distinct entity_id) from points)::int as campaigns,
  (select count(distinct entity_id) from made where insufficient_data)::int as left_out,
  metric, date, predicted, half_width
from newest, (
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

/** Entities of any level and their campaigns, beside a row `t` that has config_id, entity_type and entity_id. */
const ENTITIES = `
left join ads_ads a on t.entity_type = 'ad' and a.config_id = t.config_id and a.ad_id = t.entity_id
left join ads_adsets s on t.entity_type = 'adset' and s.config_id = t.config_id and s.adset_id = t.entity_id
left join ads_campaigns c on c.config_id = t.config_id
  and c.campaign_id = coalesce(a.campaign_id, s.campaign_id, t.entity_id)`
/** An entity without a name, or not known any more, goes by its id. */
const NAME = `coalesce(nullif(case t.entity_type when 'ad' then a.name when 'adset' then s.name else c.name end, ''), t.entity_id)`
const CAMPAIGN_ID = 'coalesce(a.campaign_id, s.campaign_id, t.entity_id)'
const CAMPAIGN_NAME = `coalesce(nullif(c.name, ''), ${CAMPAIGN_ID})`

/** The newest tiers of each level up to a day. */
const NEWEST_TIERS = `
newest as (
  select entity_type, max(classification_date) as day from ml_classifications
  where config_id = :configId and classification_date <= cast(:day as date) group by entity_type
)`

const CAMPAIGNS = `
with ${NEWEST_TIERS}, sums as (
  select campaign_id,
    coalesce(sum(spend) filter (where date > cast(:day as date) - 7), 0) as spend,
    coalesce(sum(leads) filter (where date > cast(:day as date) - 7), 0) as leads,
    coalesce(sum(spend) filter (where date <= cast(:day as date) - 7), 0) as spend_before,
    coalesce(sum(leads) filter (where date <= cast(:day as date) - 7), 0) as leads_before
  from ads_insights_daily
  where config_id = :configId and date > cast(:day as date) - 14 and date <= cast(:day as date)
  group by campaign_id
)
select sums.*, coalesce(nullif(c.name, ''), sums.campaign_id) as campaign_name, t.tier,
  t.classification_date - t.tier_since + 1 as days_in_tier, count(*) over ()::int as total
from sums
left join ads_campaigns c on c.config_id = :configId and c.campaign_id = sums.campaign_id
left join newest on newest.entity_type = 'campaign'
left join ml_classifications t on t.config_id = :configId and t.entity_type = 'campaign'
  and t.entity_id = sums.campaign_id and t.classification_date = newest.day
where spend > 0 or leads > 0 or spend_before > 0 or leads_before > 0
order by spend desc, spend_before desc, campaign_id
limit :limit`

const TIER_CHANGES = `
with ${NEWEST_TIERS}
select t.entity_type, t.entity_id, ${NAME} as entity_name, t.previous_tier as "from", t.tier as "to",
  t.direction, count(*) over ()::int as total
from newest join ml_classifications t on t.config_id = :configId
  and t.entity_type = newest.entity_type and t.classification_date = newest.day
${ENTITIES}
where t.direction <> 'stable' and t.previous_tier is not null
order by t.direction = 'improved', array_position(cast(:levels as text[]), t.entity_type::text), entity_name, t.entity_id
limit :limit`

/** Good news is news, but never the worst. */
const FINDINGS = `
with found as (
  select t.id, t.entity_type, t.entity_id, ${NAME} as entity_name, ${CAMPAIGN_ID} as campaign_id,
    ${CAMPAIGN_NAME} as campaign_name, t.type, t.metric, t.anomaly_date, t.severity, t.polarity, t.direction,
    t.observed, t.expected, t.contributions, t.signals, t.alerted, t.partial,
    array_position(cast(:severities as text[]), t.severity)
      - case t.polarity when 'good' then ${SEVERITIES.length} else 0 end as badness
  from ml_anomalies t
  ${ENTITIES}
  where t.config_id = :configId and t.status = 'open' and t.incident_id is null
    and t.anomaly_date between cast(:from as date) and cast(:to as date)
), placed as (
  select found.*, count(*) over ()::int as open, (count(*) filter (where alerted) over ())::int as all_alerted,
    count(*) over (partition by campaign_id)::int as findings,
    row_number() over (partition by campaign_id order by alerted desc, badness desc, anomaly_date desc, id) as place
  from found
)
select placed.*, count(*) over ()::int as campaigns from placed where place = 1
order by alerted desc, badness desc, anomaly_date desc, findings desc, id
limit :limit`

const ADVICE = `
select t.id, t.type, t.priority, t.title, t.entity_type, t.entity_id, ${NAME} as entity_name,
  nullif(c.name, '') as campaign_name,
  (t.suggested_action->'expected'->>'leads')::float8 as expected_leads,
  (t.suggested_action->>'change_pct')::float8 as change_pct,
  (f.features->>'spend_7d')::float8 as spend_7d, t.reasoning->>'sentence' as sentence
from ml_recommendations t
${ENTITIES}
left join ml_features f on f.config_id = t.config_id and f.entity_type = t.entity_type
  and f.entity_id = t.entity_id and f.feature_date = t.recommendation_date
where t.config_id = :configId and t.status = 'active' and t.recommendation_date <= cast(:day as date)
  and t.expires_at > :at
order by t.id`

/** A detection looks at several days up to its own; it may have been left to find that day out. */
const STEPS = `
with done as materialized (
  select job, coalesce(payload->>'day', result->>'day')::date as day,
    coalesce((payload->>'days')::int, 1) as days
  from runs
  where config_id = :configId and created_at >= cast(:day as date) and job = any(:jobs)
    and status in ('succeeded', 'partial') and coalesce(payload->'entityIds', 'null'::jsonb) = 'null'::jsonb
)
select
  exists (select from done where job = 'classify.campaign' and day = cast(:day as date)) as classified,
  exists (select from done where job like 'detect.%' and cast(:day as date) > day - days and cast(:day as date) <= day)
    as detected,
  exists (select from done where job like 'recommend.%' and day = cast(:day as date)) as recommended,
  exists (select from ml_forecasts where config_id = :configId and entity_type = 'campaign'
    and forecast_date = cast(:day as date) and insufficient_data) as too_little_to_forecast`

const STEP_JOBS = [
  'classify.campaign',
  ...LEVELS.flatMap((level) => [`detect.${level}`, `recommend.${level}`]),
]

/** A row as PostgreSQL gives it, and what it says of all rows beside it. */
type Counted<Row, Counts extends string> = Row & Readonly<Record<Counts, number>>

export const dailyReport = (db: Knex): ReportStore => {
  const read = async <Row>(sql: string, values: Readonly<Record<string, unknown>>): Promise<Row[]> => {
    const { rows }: { rows: Row[] } = await db.raw(sql, values as Knex.ValueDict)
    return rows
  }

  return {
    days: (configId, from, to) =>
      read<ReportDay>(
        `select date, sum(spend) as spend, sum(leads) as leads from ads_insights_daily
         where config_id = :configId and date between cast(:from as date) and cast(:to as date)
         group by date order by date`,
        { configId, from, to },
      ),

    campaigns: async (configId, day, limit) => {
      const rows = await read<
        Counted<
          Pick<ReportCampaign, 'tier'> & {
            readonly campaign_id: string
            readonly campaign_name: string
            readonly days_in_tier: number | null
          },
          'spend' | 'leads' | 'spend_before' | 'leads_before' | 'total'
        >
      >(CAMPAIGNS, { configId, day, limit })
      return {
        total: rows[0]?.total ?? 0,
        rows: rows.map((row) => ({
          campaignId: row.campaign_id,
          campaignName: row.campaign_name,
          week: { spend: row.spend, leads: row.leads },
          weekBefore: { spend: row.spend_before, leads: row.leads_before },
          tier: row.tier,
          daysInTier: row.days_in_tier,
        })),
      }
    },

    forecast: async (configId, day) => {
      const rows = await read<
        Counted<
          Pick<ReportForecast['rows'][number], 'metric' | 'date' | 'predicted'> & { readonly day: LocalDate },
          'campaigns' | 'left_out' | 'half_width'
        >
      >(FORECAST, { configId, day })
      const [first] = rows
      if (!first) return null
      return {
        forecastDate: first.day,
        campaigns: first.campaigns,
        leftOut: first.left_out,
        rows: rows.map(({ metric, date, predicted, half_width: halfWidth }) => ({
          metric,
          date,
          predicted,
          halfWidth,
        })),
      }
    },

    tiers: async (configId, day) => {
      const rows = await read<
        Pick<ReportTier, 'tier' | 'count'> & {
          readonly entity_type: ReportTier['entityType']
          readonly day: LocalDate
        }
      >(
        `with ${NEWEST_TIERS}
         select t.entity_type, newest.day, t.tier, count(*)::int as count
         from newest join ml_classifications t on t.config_id = :configId
           and t.entity_type = newest.entity_type and t.classification_date = newest.day
         group by 1, 2, 3 order by 1, 3`,
        { configId, day },
      )
      return rows.map((row) => ({
        entityType: row.entity_type,
        date: row.day,
        tier: row.tier,
        count: row.count,
      }))
    },

    tierChanges: async (configId, day, limit) => {
      const rows = await read<Counted<ReportTierChange, 'total'>>(TIER_CHANGES, {
        configId,
        day,
        limit,
        levels: LEVELS,
      })
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

    openFindings: async (configId, from, to, limit) => {
      const rows = await read<
        Counted<
          Omit<
            ReportFinding,
            'campaignId' | 'campaignName' | 'date' | 'entityType' | 'entityId' | 'entityName'
          > & {
            readonly campaign_id: string
            readonly campaign_name: string
            readonly anomaly_date: LocalDate
            readonly entity_type: ReportFinding['entityType']
            readonly entity_id: string
            readonly entity_name: string
          },
          'open' | 'all_alerted' | 'campaigns'
        >
      >(FINDINGS, { configId, from, to, limit, severities: SEVERITIES })
      return {
        open: rows[0]?.open ?? 0,
        alerted: rows[0]?.all_alerted ?? 0,
        campaigns: rows[0]?.campaigns ?? 0,
        groups: rows.map((row) => ({
          id: row.id,
          campaignId: row.campaign_id,
          campaignName: row.campaign_name,
          findings: row.findings,
          alerted: row.alerted,
          partial: row.partial,
          entityType: row.entity_type,
          entityId: row.entity_id,
          entityName: row.entity_name,
          type: row.type,
          metric: row.metric,
          date: row.anomaly_date,
          severity: row.severity,
          polarity: row.polarity,
          direction: row.direction,
          observed: row.observed,
          expected: row.expected,
          contributions: row.contributions,
          signals: row.signals,
        })),
      }
    },

    activeAdvice: async (configId, day, at) => {
      const rows = await read<
        Pick<ReportAdvice, 'id' | 'type' | 'priority' | 'title' | 'sentence'> & {
          readonly entity_type: ReportAdvice['entityType']
          readonly entity_id: string
          readonly entity_name: string
          readonly campaign_name: string | null
          readonly expected_leads: number | null
          readonly change_pct: number | null
          readonly spend_7d: number | null
        }
      >(ADVICE, { configId, day, at })
      return rows.map((row) => ({
        id: row.id,
        type: row.type,
        priority: row.priority,
        title: row.title,
        entityType: row.entity_type,
        entityId: row.entity_id,
        entityName: row.entity_name,
        campaignName: row.campaign_name,
        expectedLeads: row.expected_leads,
        changePct: row.change_pct,
        spend7d: row.spend_7d,
        sentence: row.sentence,
      }))
    },

    steps: async (configId, day) => {
      const [row] = await read<
        Record<'classified' | 'detected' | 'recommended' | 'too_little_to_forecast', boolean>
      >(STEPS, { configId, day, jobs: STEP_JOBS })
      return {
        classified: row?.classified ?? false,
        detected: row?.detected ?? false,
        recommended: row?.recommended ?? false,
        tooLittleToForecast: row?.too_little_to_forecast ?? false,
      }
    },
  }
}
