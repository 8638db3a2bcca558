/** Advice in PostgreSQL. One piece of a type is active per entity: a partial unique index holds that. */
import type { Knex } from 'knex'
import type { Tier } from '../../ml/classify/tier.ts'
import type { LocalDate } from '../../shared/core/days.ts'
import type { Level } from '../../shared/core/entity.ts'
import { numericId, toPage } from '../../shared/core/page.ts'
import { wired, wireNumber } from '../../shared/core/wire.ts'
import type {
  KnownAdvice,
  Outcome,
  Reasoning,
  RecommendationDraft,
  RecommendationFilter,
  RecommendationRow,
  RecommendationStatus,
  RecommendationStore,
  Revision,
  SuggestedAction,
  WeekPair,
} from '../../shared/recommendation/recommendations.ts'
import { assertFence } from '../fence.ts'
import { ACTIVE_SINCE, statusSql } from './entities.ts'

/** Drafts per INSERT; bounds the size of one JSON parameter. */
const INSERT_SIZE = 2000

type Stored = Omit<RecommendationRow, 'acted_at' | 'expires_at' | 'created_at'> & {
  readonly acted_at: Date | null
  readonly expires_at: Date
  readonly created_at: Date
}

const fromRow = (row: Stored): RecommendationRow => ({
  id: row.id,
  config_id: row.config_id,
  entity_type: row.entity_type,
  entity_id: row.entity_id,
  entity_name: row.entity_name,
  parent_id: row.parent_id,
  type: row.type,
  rule: row.rule,
  priority: row.priority,
  confidence: wireNumber(row.confidence) ?? 0,
  title: row.title,
  suggested_action: wired<SuggestedAction>(row.suggested_action),
  reasoning: wired<Reasoning>(row.reasoning),
  status: row.status,
  recommendation_date: row.recommendation_date,
  acted_at: row.acted_at?.toISOString() ?? null,
  actor: row.actor,
  reason: row.reason,
  outcome: wired<Outcome | null>(row.outcome),
  expires_at: row.expires_at.toISOString(),
  created_at: row.created_at.toISOString(),
  run_id: row.run_id,
})

/** Of each level: where names are, the level's own column of the daily rows, and its parent's. */
const LEVEL_SQL: Readonly<Record<Level, { table: string; id: string; parent: string | null }>> = {
  campaign: { table: 'ads_campaigns', id: 'campaign_id', parent: null },
  adset: { table: 'ads_adsets', id: 'adset_id', parent: 'campaign_id' },
  ad: { table: 'ads_ads', id: 'ad_id', parent: 'adset_id' },
}

/** @param at what is active but whose time is over by then counts as expired */
const withNames = (db: Knex, level: Level, at: Date): Knex.QueryBuilder =>
  db('ml_recommendations as r')
    .leftJoin(`${LEVEL_SQL[level].table} as e`, (join) => {
      join.on('e.config_id', 'r.config_id').on(`e.${LEVEL_SQL[level].id}`, 'r.entity_id')
    })
    .select(
      'r.*',
      'e.name as entity_name',
      // Named like the column it replaces.
      db.raw(
        `case when r.status = 'active' and r.expires_at <= ? then 'expired' else r.status end as status`,
        [at],
      ),
    )

const filtered = (query: Knex.QueryBuilder, filter: RecommendationFilter, at: Date): Knex.QueryBuilder => {
  void query.where({ 'r.config_id': filter.configId, 'r.entity_type': filter.entityType })
  if (filter.entityId !== undefined) void query.where('r.entity_id', filter.entityId)
  if (filter.type !== undefined) void query.where('r.type', filter.type)
  if (filter.status === 'expired') {
    void query.whereRaw(`(r.status = 'expired' or r.status = 'active' and r.expires_at <= ?)`, [at])
  } else if (filter.status !== undefined) void query.where('r.status', filter.status)
  if (filter.status === 'active') void query.where('r.expires_at', '>', at)
  if (filter.priorityMin !== undefined) void query.where('r.priority', '>=', filter.priorityMin)
  if (filter.from !== undefined) void query.where('r.recommendation_date', '>=', filter.from)
  if (filter.to !== undefined) void query.where('r.recommendation_date', '<=', filter.to)
  return query
}

const toRecord = (draft: RecommendationDraft): Record<string, unknown> => ({
  entity_id: draft.entityId,
  parent_id: draft.parentId,
  type: draft.type,
  rule: draft.rule,
  priority: draft.priority,
  confidence: draft.confidence,
  title: draft.title,
  suggested_action: draft.suggestedAction,
  reasoning: draft.reasoning,
  days: draft.days,
})

const RECORD = `(id bigint, entity_id text, parent_id text, type text, rule text, priority int, confidence float8,
  title text, suggested_action jsonb, reasoning jsonb, days int)`

const SUMS = ['spend_before', 'leads_before', 'spend_after', 'leads_after'] as const
type Sums = Readonly<Record<(typeof SUMS)[number], number>>

const summed = (sumOf: (name: string) => string): string =>
  SUMS.map((name) => `${sumOf(name)} as ${name}`).join(', ')

/**
 * The day of application belongs to neither week. The rows of a config are read once for each such day, however
 * much was applied on it. A day of the week after is in when it has rows, or when an import made after it was over
 * covers it.
 */
const dueSql = (level: Level): string => {
  const { id, parent } = LEVEL_SQL[level]
  const packed = (from: string, less = ''): string =>
    `json_build_object(${SUMS.map((name) => `'${name}', coalesce(${from}.${name}, 0)${less && ` - coalesce(${less}.${name}, 0)`}`).join(', ')})`
  return `
    with due as (
      select r.id, r.entity_id, r.parent_id, a.day
      from ml_recommendations r
      join ads_configs c on c.id = r.config_id
      cross join lateral (select (r.acted_at at time zone c.timezone)::date as day) a
      where r.config_id = :configId and r.entity_type = :level and r.status = 'applied' and r.outcome is null
        and a.day + 7 <= cast(:day as date)
        and not exists (
          select from generate_series(1, 7) n
          where not exists (
              select from ads_insights_daily i where i.config_id = r.config_id and i.date = a.day + n
            ) and not exists (
              select from ads_imports m
              where m.config_id = r.config_id and m.date_from <= a.day + n and m.date_to >= a.day + n
                and (m.created_at at time zone c.timezone)::date > a.day + n
            )
        )
    ), sums as (
      select d.day, i.${id} as id, ${parent ? `i.${parent}` : 'null::text'} as parent,
        sum(i.spend) filter (where i.date < d.day) as spend_before,
        sum(i.leads) filter (where i.date < d.day) as leads_before,
        sum(i.spend) filter (where i.date > d.day) as spend_after,
        sum(i.leads) filter (where i.date > d.day) as leads_after
      from (select distinct day from due) d
      join ads_insights_daily i on i.config_id = :configId and i.date between d.day - 7 and d.day + 7
      group by 1, 2, 3
    ), families as (
      select day, parent, ${summed((name) => `sum(${name})`)} from sums group by day, parent
    ), accounts as (
      select day, ${summed((name) => `sum(${name})`)} from sums group by day
    )
    select due.id, ${packed('own')} as own, ${packed('accounts')} as account,
      case when families.day is not null then ${packed('families', 'own')} end as siblings
    from due
    left join sums own on own.day = due.day and own.id = due.entity_id and own.parent is not distinct from due.parent_id
    left join families on families.day = due.day and families.parent = due.parent_id
    left join accounts on accounts.day = due.day
    order by due.id`
}

const pairOf = (sums: Sums): WeekPair => ({
  before: { spend: sums.spend_before, leads: sums.leads_before },
  after: { spend: sums.spend_after, leads: sums.leads_after },
})

/** First key of the advisory locks of advice, by level; the second is the config. */
const LOCK_SPACE: Readonly<Record<Level, number>> = {
  campaign: 7_164_454,
  adset: 7_164_455,
  ad: 7_164_456,
}

const KNOWN_COLUMNS = [
  'id',
  'entity_id',
  'type',
  'rule',
  'priority',
  'confidence',
  'status',
  'acted_at',
  'expires_at',
]

/** What stands, and what was decided since then. */
const knownAdvice = async (
  trx: Knex.Transaction,
  { configId, level, decidedSince }: Revision,
): Promise<readonly KnownAdvice[]> => {
  const rows = (await trx('ml_recommendations')
    .where({ config_id: configId, entity_type: level })
    .where((either) => {
      void either.where('status', 'active').orWhere((decided) => {
        void decided.whereIn('status', ['applied', 'dismissed']).where('acted_at', '>', decidedSince)
      })
    })
    .select(KNOWN_COLUMNS)
    .orderBy('id')) as Stored[]
  return rows.map((row) => ({
    id: row.id,
    entityId: row.entity_id,
    type: row.type,
    rule: row.rule,
    priority: row.priority,
    confidence: row.confidence,
    status: row.status as KnownAdvice['status'],
    actedAt: row.acted_at,
    expiresAt: row.expires_at,
  }))
}

/** An ad set that went silent is none to give more to, although nobody wrote down that it was switched off. */
const BUDGETS = `
with active as (select ${ACTIVE_SINCE} as since)
select 'adset' as level, e.adset_id as id, e.campaign_id, (${statusSql('adset')}) = 'ACTIVE' as active, e.daily_budget
from ads_adsets e
left join (
  select i.adset_id, max(i.date) as last_date from ads_insights_daily i
  where i.config_id = :configId and i.date >= (select since from active) group by i.adset_id
) s on s.adset_id = e.adset_id
where e.config_id = :configId
union all
select 'campaign', campaign_id, campaign_id, false, daily_budget from ads_campaigns
where config_id = :configId and daily_budget is not null
order by 1, 2`

const statusUpdate = async (
  trx: Knex.Transaction,
  ids: readonly number[],
  status: RecommendationStatus,
): Promise<void> => {
  if (ids.length === 0) return
  await trx('ml_recommendations')
    .whereIn('id', [...ids])
    .where({ status: 'active' })
    .update({ status, updated_at: trx.fn.now() })
}

export const recommendationStore = (db: Knex): RecommendationStore => ({
  list: async (filter, page, at) => {
    const query = filtered(withNames(db, filter.entityType, at), filter, at)
      .orderBy('r.id', 'desc')
      .limit(page.pageSize)
    if (page.afterId === null) void query.offset((page.page - 1) * page.pageSize)
    else void query.where('r.id', '<', numericId(page.afterId))
    const [rows, counted] = (await Promise.all([
      query,
      filtered(db('ml_recommendations as r'), filter, at).count('* as n').first(),
    ])) as [Stored[], { n: number }]
    return toPage(page, counted.n, rows.map(fromRow), (row) => row.id)
  },

  find: async (id, at) => {
    const known = (await db('ml_recommendations').where({ id }).first('entity_type')) as
      | { entity_type: Level }
      | undefined
    const row = known && ((await withNames(db, known.entity_type, at).where('r.id', id).first()) as Stored)
    return row ? fromRow(row) : null
  },

  decide: async (id, status, { actor, reason, at }) =>
    (await db('ml_recommendations')
      .where({ id, status: 'active' })
      .where('expires_at', '>', at)
      .update({ status, actor, reason, acted_at: at, updated_at: db.fn.now() })) > 0,

  tiers: async (configId, level, day) => {
    const rows = (await db('ml_classifications')
      .where({ config_id: configId, entity_type: level, classification_date: day })
      .select('entity_id', 'tier', 'tier_since')) as {
      entity_id: string
      tier: Tier
      tier_since: LocalDate
    }[]
    return new Map(rows.map((row) => [row.entity_id, { tier: row.tier, since: row.tier_since }]))
  },

  budgets: async (configId, day) => {
    const { rows } = (await db.raw(BUDGETS, { configId, day })) as {
      rows: {
        level: 'adset' | 'campaign'
        id: string
        campaign_id: string
        active: boolean
        daily_budget: number | null
      }[]
    }
    const adsets = rows.filter(({ level }) => level === 'adset')
    const active = new Map<string, string[]>()
    for (const { id, campaign_id, active: runs } of adsets) {
      if (!runs) continue
      const own = active.get(campaign_id)
      if (own) own.push(id)
      else active.set(campaign_id, [id])
    }
    return {
      activeAdsets: active,
      campaignOfAdset: new Map(adsets.map(({ id, campaign_id }) => [id, campaign_id])),
      dailyBudgets: new Map(
        rows.flatMap(({ level, id, daily_budget }) =>
          daily_budget === null ? [] : [[`${level} ${id}`, daily_budget] as const],
        ),
      ),
    }
  },

  dueOutcomes: async (configId, level, day) => {
    const { rows } = (await db.raw(dueSql(level), { configId, level, day })) as {
      rows: { id: number; own: Sums; account: Sums; siblings: Sums | null }[]
    }
    return rows.map(({ id, own, account, siblings }) => ({
      id,
      own: pairOf(own),
      account: pairOf(account),
      siblings: siblings && pairOf(siblings),
    }))
  },

  revise: (fence, revision, plan) =>
    db.transaction(async (trx) => {
      const { configId, level, day, asOf } = revision
      await assertFence(trx, fence)
      await trx.raw('select pg_advisory_xact_lock(?, ?)', [LOCK_SPACE[level], configId])
      const changes = plan(await knownAdvice(trx, revision))
      await statusUpdate(trx, changes.expired, 'expired')
      await statusUpdate(trx, changes.superseded, 'superseded')
      for (let i = 0; i < changes.renewed.length; i += INSERT_SIZE) {
        const records = changes.renewed
          .slice(i, i + INSERT_SIZE)
          .map(({ id, draft }) => ({ ...toRecord(draft), id }))
        await trx.raw(
          `update ml_recommendations m set
             rule = r.rule, priority = r.priority, confidence = r.confidence, title = r.title,
             suggested_action = r.suggested_action, reasoning = r.reasoning, recommendation_date = ?,
             expires_at = ?::timestamptz + r.days * interval '24 hours', run_id = ?, updated_at = now()
           from jsonb_to_recordset(?::jsonb) as r${RECORD}
           where m.id = r.id and m.status = 'active'`,
          [day, asOf, fence.runId, JSON.stringify(records)],
        )
      }
      if (changes.outcomes.length > 0) {
        await trx.raw(
          `update ml_recommendations m set outcome = r.outcome, updated_at = now()
           from jsonb_to_recordset(?::jsonb) as r(id bigint, outcome jsonb) where m.id = r.id`,
          [JSON.stringify(changes.outcomes)],
        )
      }
      for (let i = 0; i < changes.added.length; i += INSERT_SIZE) {
        const records = changes.added.slice(i, i + INSERT_SIZE).map(toRecord)
        await trx.raw(
          `insert into ml_recommendations (
             config_id, entity_type, entity_id, parent_id, type, rule, priority, confidence, title,
             suggested_action, reasoning, recommendation_date, expires_at, run_id)
           select ?::int, ?::text, r.entity_id, r.parent_id, r.type, r.rule, r.priority, r.confidence, r.title,
             r.suggested_action, r.reasoning, ?::date, ?::timestamptz + r.days * interval '24 hours', ?::uuid
           from jsonb_to_recordset(?::jsonb) as r${RECORD}
           order by r.entity_id, r.type`,
          [configId, level, day, asOf, fence.runId, JSON.stringify(records)],
        )
      }
      return changes
    }),
})
