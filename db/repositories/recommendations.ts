/** Advice in PostgreSQL. One piece of a type is active per entity: a partial unique index holds that. */
import type { Knex } from 'knex'
import type { Tier } from '../../ml/classify/tier.ts'
import type { LocalDate } from '../../shared/core/days.ts'
import type { Level } from '../../shared/core/entity.ts'
import { numericId, toPage } from '../../shared/core/page.ts'
import { wireNumber } from '../../shared/core/wire.ts'
import type {
  KnownAdvice,
  Outcome,
  OutcomeWindows,
  Reasoning,
  RecommendationDraft,
  RecommendationFilter,
  RecommendationRow,
  RecommendationStatus,
  RecommendationStore,
  SuggestedAction,
} from '../../shared/recommendation/recommendations.ts'
import { assertFence } from '../fence.ts'

type Stored = Omit<RecommendationRow, 'acted_at' | 'expires_at' | 'created_at'> & {
  readonly acted_at: Date | null
  readonly expires_at: Date
  readonly created_at: Date
}

const wired = <T>(value: T): T => {
  if (typeof value === 'number') return wireNumber(value) as T
  if (Array.isArray(value)) return value.map(wired) as T
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, wired(inner)])) as T
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

const withNames = (db: Knex, level: Level): Knex.QueryBuilder =>
  db('ml_recommendations as r')
    .leftJoin(`${LEVEL_SQL[level].table} as e`, (join) => {
      join.on('e.config_id', 'r.config_id').on(`e.${LEVEL_SQL[level].id}`, 'r.entity_id')
    })
    .select('r.*', 'e.name as entity_name')

const filtered = (query: Knex.QueryBuilder, filter: RecommendationFilter): Knex.QueryBuilder => {
  void query.where({ 'r.config_id': filter.configId, 'r.entity_type': filter.entityType })
  if (filter.entityId !== undefined) void query.where('r.entity_id', filter.entityId)
  if (filter.type !== undefined) void query.where('r.type', filter.type)
  if (filter.status !== undefined) void query.where('r.status', filter.status)
  if (filter.priorityMin !== undefined) void query.where('r.priority', '>=', filter.priorityMin)
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

/** Sums of the 7 days before the day of application and of the 7 after it. */
const weekSums = (prefix: string): string => `
  coalesce(sum(i.spend) filter (where i.date < due.day), 0)::float8 as ${prefix}_spend_before,
  coalesce(sum(i.leads) filter (where i.date < due.day), 0)::float8 as ${prefix}_leads_before,
  coalesce(sum(i.spend) filter (where i.date > due.day), 0)::float8 as ${prefix}_spend_after,
  coalesce(sum(i.leads) filter (where i.date > due.day), 0)::float8 as ${prefix}_leads_after`

const dueSql = (level: Level): string => {
  const { id, parent } = LEVEL_SQL[level]
  const rows = (prefix: string, where: string): string => `
    cross join lateral (
      select ${weekSums(prefix)} from ads_insights_daily i
      where i.config_id = ? and i.date between due.day - 7 and due.day + 7 ${where}
    ) ${prefix}`
  return `
    with due as (
      select r.id, r.entity_id, r.parent_id, (r.acted_at at time zone c.timezone)::date as day
      from ml_recommendations r join ads_configs c on c.id = r.config_id
      where r.config_id = ? and r.entity_type = ? and r.status = 'applied' and r.outcome is null
        and (r.acted_at at time zone c.timezone)::date + 7 <= ?::date
    )
    select due.id, due.day, own.*, account.*${parent ? ', siblings.*' : ''}
    from due
    ${rows('own', `and i.${id} = due.entity_id`)}
    ${rows('account', '')}
    ${parent ? rows('siblings', `and i.${parent} = due.parent_id and i.${id} <> due.entity_id`) : ''}
    order by due.id`
}

type DueRow = Readonly<Record<string, number>> & { readonly id: number; readonly day: LocalDate }

const pairOf = (row: DueRow, prefix: string): OutcomeWindows['own'] => {
  const sums = (when: string) => ({
    spend: row[`${prefix}_spend_${when}`] ?? 0,
    leads: row[`${prefix}_leads_${when}`] ?? 0,
  })
  return { before: sums('before'), after: sums('after') }
}

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
  list: async (filter, page) => {
    const query = filtered(withNames(db, filter.entityType), filter)
      .orderBy('r.id', 'desc')
      .limit(page.pageSize)
    if (page.afterId === null) void query.offset((page.page - 1) * page.pageSize)
    else void query.where('r.id', '<', numericId(page.afterId))
    const [rows, counted] = (await Promise.all([
      query,
      filtered(db('ml_recommendations as r'), filter).count('* as n').first(),
    ])) as [Stored[], { n: number }]
    return toPage(page, counted.n, rows.map(fromRow), (row) => row.id)
  },

  find: async (id) => {
    const known = (await db('ml_recommendations').where({ id }).first('entity_type')) as
      | { entity_type: Level }
      | undefined
    const row = known && ((await withNames(db, known.entity_type).where('r.id', id).first()) as Stored)
    return row ? fromRow(row) : null
  },

  decide: async (id, status, { actor, reason, at }) =>
    (await db('ml_recommendations')
      .where({ id, status: 'active' })
      .update({ status, actor, reason, acted_at: at, updated_at: db.fn.now() })) > 0,

  known: async (configId, level, since) => {
    const rows = (await db('ml_recommendations')
      .where({ config_id: configId, entity_type: level })
      .where((either) => {
        void either.where('status', 'active').orWhere((decided) => {
          void decided.whereIn('status', ['applied', 'dismissed']).where('acted_at', '>', since)
        })
      })
      .select('id', 'entity_id', 'type', 'rule', 'priority', 'confidence', 'status', 'acted_at', 'expires_at')
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
  },

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

  budgets: async (configId) => {
    const { rows } = (await db.raw(
      `select 'adset' as level, adset_id as id, campaign_id, status = 'ACTIVE' as active, daily_budget
       from ads_adsets where config_id = ?
       union all
       select 'campaign', campaign_id, campaign_id, false, daily_budget from ads_campaigns
       where config_id = ? and daily_budget is not null
       order by 1, 2`,
      [configId, configId],
    )) as {
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
    const scans = LEVEL_SQL[level].parent ? 3 : 2
    const { rows } = (await db.raw(dueSql(level), [
      configId,
      level,
      day,
      ...Array.from({ length: scans }, () => configId),
    ])) as { rows: DueRow[] }
    return rows.map((row) => ({
      id: row.id,
      appliedOn: row.day,
      own: pairOf(row, 'own'),
      siblings: LEVEL_SQL[level].parent ? pairOf(row, 'siblings') : null,
      account: pairOf(row, 'account'),
    }))
  },

  write: (fence, { configId, level, day, now }, changes) =>
    db.transaction(async (trx) => {
      await assertFence(trx, fence)
      await statusUpdate(trx, changes.expired, 'expired')
      await statusUpdate(trx, changes.superseded, 'superseded')
      if (changes.renewed.length > 0) {
        await trx.raw(
          `update ml_recommendations m set
             rule = r.rule, priority = r.priority, confidence = r.confidence, title = r.title,
             suggested_action = r.suggested_action, reasoning = r.reasoning, recommendation_date = ?,
             expires_at = ?::timestamptz + r.days * interval '1 day', run_id = ?, updated_at = now()
           from jsonb_to_recordset(?::jsonb) as r${RECORD}
           where m.id = r.id and m.status = 'active'`,
          [
            day,
            now,
            fence.runId,
            JSON.stringify(changes.renewed.map(({ id, draft }) => ({ ...toRecord(draft), id }))),
          ],
        )
      }
      if (changes.outcomes.length > 0) {
        await trx.raw(
          `update ml_recommendations m set outcome = r.outcome, updated_at = now()
           from jsonb_to_recordset(?::jsonb) as r(id bigint, outcome jsonb) where m.id = r.id`,
          [JSON.stringify(changes.outcomes)],
        )
      }
      if (changes.added.length === 0) return 0
      const { rows } = (await trx.raw(
        `insert into ml_recommendations (
           config_id, entity_type, entity_id, parent_id, type, rule, priority, confidence, title,
           suggested_action, reasoning, recommendation_date, expires_at, run_id)
         select ?::int, ?::text, r.entity_id, r.parent_id, r.type, r.rule, r.priority, r.confidence, r.title,
           r.suggested_action, r.reasoning, ?::date, ?::timestamptz + r.days * interval '1 day', ?::uuid
         from jsonb_to_recordset(?::jsonb) as r${RECORD}
         order by r.entity_id, r.type
         on conflict (config_id, entity_type, entity_id, type) where status = 'active' do nothing
         returning id`,
        [configId, level, day, now, fence.runId, JSON.stringify(changes.added.map(toRecord))],
      )) as { rows: unknown[] }
      return rows.length
    }),
})
