/** Tiers in PostgreSQL: one row per entity and day. */
import type { Knex } from 'knex'
import type { Tier } from '../../ml/classify/tier.ts'
import type {
  ClassificationFilter,
  ClassificationRow,
  ClassificationStore,
  FeedbackRow,
  TierDirection,
} from '../../shared/classification/classifications.ts'
import { toDayNumber } from '../../shared/core/days.ts'
import type { LocalDate } from '../../shared/core/days.ts'
import type { Level } from '../../shared/core/entity.ts'
import { AppError } from '../../shared/core/errors.ts'
import { toPage } from '../../shared/core/page.ts'
import { wireNumber, wireNumbers } from '../../shared/core/wire.ts'
import { assertFence } from '../fence.ts'
import { cutByDay, dayCursor } from './day-pages.ts'

interface Stored {
  readonly id: number
  readonly config_id: number
  readonly entity_type: Level
  readonly entity_id: string
  readonly entity_name: string | null
  readonly parent_id: string | null
  readonly tier: Tier
  readonly confidence: number
  readonly probabilities: Record<Tier, number>
  readonly metrics_snapshot: Record<string, unknown>
  readonly previous_tier: Tier | null
  readonly direction: TierDirection
  readonly tier_since: LocalDate
  readonly classification_date: LocalDate
  readonly classified_at: Date
  readonly valid_until: Date
  readonly model_version: string
  readonly run_id: string | null
}

const wireSnapshot = (snapshot: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(snapshot).map(([name, value]) => [
      name,
      typeof value === 'number' ? wireNumber(value) : value,
    ]),
  )

const fromRow = (row: Stored): ClassificationRow => ({
  id: row.id,
  config_id: row.config_id,
  entity_type: row.entity_type,
  entity_id: row.entity_id,
  entity_name: row.entity_name,
  parent_id: row.parent_id,
  tier: row.tier,
  confidence: wireNumber(row.confidence) ?? 0,
  probabilities: wireNumbers(row.probabilities) as Record<Tier, number>,
  metrics_snapshot: wireSnapshot(row.metrics_snapshot),
  previous_tier: row.previous_tier,
  direction: row.direction,
  tier_since: row.tier_since,
  days_in_tier: toDayNumber(row.classification_date) - toDayNumber(row.tier_since) + 1,
  classification_date: row.classification_date,
  classified_at: row.classified_at.toISOString(),
  valid_until: row.valid_until.toISOString(),
  model_version: row.model_version,
  run_id: row.run_id,
})

const NAMES: Readonly<Record<Level, readonly [table: string, id: string]>> = {
  campaign: ['ads_campaigns', 'campaign_id'],
  adset: ['ads_adsets', 'adset_id'],
  ad: ['ads_ads', 'ad_id'],
}

const withNames = (db: Knex, level: Level): Knex.QueryBuilder => {
  const [table, id] = NAMES[level]
  return db('ml_classifications as c')
    .leftJoin(`${table} as e`, (join) => {
      join.on('e.config_id', 'c.config_id').on(`e.${id}`, 'c.entity_id')
    })
    .select('c.*', 'e.name as entity_name')
}

const filtered = (query: Knex.QueryBuilder, filter: ClassificationFilter): Knex.QueryBuilder => {
  void query.where({ 'c.config_id': filter.configId, 'c.entity_type': filter.entityType })
  if (filter.entityId !== undefined) void query.where('c.entity_id', filter.entityId)
  if (filter.tier !== undefined) void query.where('c.tier', filter.tier)
  if (filter.minConfidence !== undefined) void query.where('c.confidence', '>=', filter.minConfidence)
  if (filter.day !== undefined) void query.where('c.classification_date', filter.day)
  if (filter.from !== undefined) void query.where('c.classification_date', '>=', filter.from)
  if (filter.to !== undefined) void query.where('c.classification_date', '<=', filter.to)
  if (filter.newest) {
    void query.whereRaw(`not exists (
      select from ml_classifications newer
      where newer.config_id = c.config_id and newer.entity_type = c.entity_type
        and newer.entity_id = c.entity_id and newer.classification_date > c.classification_date)`)
  }
  return query
}

/** Worst first, as in `ml/classify/tier.ts`. */
const RANK = (column: string): string =>
  `array_position(array['UNDERPERFORMER', 'LOW', 'MODERATE', 'HIGH_PERFORMER'], ${column})`

/** Of the data a row was made from; null on rows from before it was kept. */
const WATERMARK = `cast(ml_classifications.metrics_snapshot->>'watermark' as timestamptz)`

/** A run on older data that writes after one on newer data changes nothing. */
const NOT_NEWER = `coalesce(${WATERMARK} <= cast(:watermark as timestamptz), true)`

/** Rows of one statement. */
const WRITE_SIZE = 1000

const WRITE = `
insert into ml_classifications (
  config_id, entity_type, classification_date, classified_at, valid_until, run_id,
  entity_id, parent_id, tier, confidence, probabilities, metrics_snapshot, model_version,
  previous_tier, direction, tier_since
)
select cast(:configId as int), cast(:level as text), cast(:day as date), cast(:classifiedAt as timestamptz),
  cast(:validUntil as timestamptz), cast(:runId as uuid),
  r.entity_id, r.parent_id, r.tier, r.confidence, r.probabilities, r.metrics_snapshot, r.model_version,
  before.tier,
  case when before.tier is null or before.tier = r.tier then 'stable'
       when ${RANK('r.tier')} > ${RANK('before.tier')} then 'improved' else 'declined' end,
  case when before.tier = r.tier then before.tier_since else cast(:day as date) end
from jsonb_to_recordset(cast(:records as jsonb)) as r(
  entity_id text, parent_id text, tier text, confidence float8, probabilities jsonb, metrics_snapshot jsonb,
  model_version text)
left join lateral (
  select b.tier, b.tier_since from ml_classifications b
  where b.config_id = :configId and b.entity_type = :level and b.entity_id = r.entity_id
    and b.classification_date < cast(:day as date)
  order by b.classification_date desc limit 1
) before on true
on conflict (config_id, entity_type, entity_id, classification_date) do update set
  classified_at = excluded.classified_at, valid_until = excluded.valid_until, run_id = excluded.run_id,
  parent_id = excluded.parent_id, tier = excluded.tier, confidence = excluded.confidence,
  probabilities = excluded.probabilities, metrics_snapshot = excluded.metrics_snapshot,
  model_version = excluded.model_version, previous_tier = excluded.previous_tier,
  direction = excluded.direction, tier_since = excluded.tier_since
where ${NOT_NEWER}
returning direction`

const WITHDRAW = `
delete from ml_classifications
where config_id = :configId and entity_type = :level and classification_date = cast(:day as date)
  and entity_id = any(cast(:entityIds as text[])) and ${NOT_NEWER}`

/** First key of the advisory locks of tiers; the second is the config. */
const LOCK_SPACE = 7_164_470

export const classificationStore = (db: Knex): ClassificationStore => ({
  list: async (filter, page) => {
    const query = cutByDay(
      filtered(withNames(db, filter.entityType), filter),
      page,
      'c.classification_date',
      'c.id',
    )
    const [rows, counted] = (await Promise.all([
      query,
      filtered(db('ml_classifications as c'), filter).count('* as n').first(),
    ])) as [Stored[], { n: number }]
    return toPage(page, counted.n, rows.map(fromRow), (row) => dayCursor(row.classification_date, row.id))
  },

  find: async (id) => {
    const level = (await db('ml_classifications').where({ id }).first('entity_type')) as
      | { entity_type: Level }
      | undefined
    const row = level && ((await withNames(db, level.entity_type).where('c.id', id).first()) as Stored)
    return row ? fromRow(row) : null
  },

  upToDate: async ({ configId, level, day, watermark }, now) =>
    new Set(
      (await db('ml_classifications')
        .where({ config_id: configId, entity_type: level, classification_date: day })
        .where('valid_until', '>', now)
        .whereRaw(`${WATERMARK} = ?`, [watermark])
        .pluck('entity_id')) as string[],
    ),

  write: (fence, target, { drafts, saysNothing, classifiedAt, validUntil }) =>
    db.transaction(async (trx) => {
      await assertFence(trx, fence)
      // Writers of one config take turns: each locks its rows in an order of its own.
      await trx.raw('select pg_advisory_xact_lock(?, ?)', [LOCK_SPACE, target.configId])
      const { configId, level, day, watermark } = target
      const bound = { configId, level, day, watermark }
      let written = 0
      let changed = 0
      for (let i = 0; i < drafts.length; i += WRITE_SIZE) {
        const records = drafts
          .slice(i, i + WRITE_SIZE)
          .map(({ entityId, parentId, classified, snapshot, modelVersion }) => ({
            entity_id: entityId,
            parent_id: parentId,
            tier: classified.tier,
            confidence: classified.confidence,
            probabilities: classified.probabilities,
            metrics_snapshot: { ...snapshot, watermark: watermark.toISOString() },
            model_version: modelVersion,
          }))
        const { rows } = (await trx.raw(WRITE, {
          ...bound,
          classifiedAt,
          validUntil,
          runId: fence.runId,
          records: JSON.stringify(records),
        })) as { rows: { direction: TierDirection }[] }
        written += rows.length
        changed += rows.filter(({ direction }) => direction !== 'stable').length
      }
      let withdrawn = 0
      if (saysNothing.length > 0) {
        const values = { ...bound, entityIds: [...saysNothing] } as unknown as Knex.ValueDict
        const { rowCount } = (await trx.raw(WITHDRAW, values)) as { rowCount: number }
        withdrawn = rowCount
      }
      return { written, changed, withdrawn }
    }),

  addFeedback: ({ classificationId, correctTier, reason, actor }) =>
    db.transaction(async (trx) => {
      const [row] = (await trx('ml_classifications').where({ id: classificationId }).forUpdate()) as Stored[]
      if (!row) throw new AppError('NOT_FOUND', `there is no classification ${classificationId}`)
      const subject = {
        config_id: row.config_id,
        entity_type: row.entity_type,
        entity_id: row.entity_id,
        classification_date: row.classification_date,
      }
      await trx('ml_classification_feedback')
        .where({ ...subject, is_valid: true })
        .update({ is_valid: false })
      const [added] = (await trx('ml_classification_feedback')
        .insert({
          ...subject,
          classification_id: classificationId,
          original_tier: row.tier,
          correct_tier: correctTier,
          reason,
          actor,
        })
        .returning('*')) as (Omit<FeedbackRow, 'created_at'> & { readonly created_at: Date })[]
      if (!added) throw new Error('no feedback was written')
      return {
        id: added.id,
        classification_id: classificationId,
        entity_type: added.entity_type,
        entity_id: added.entity_id,
        classification_date: added.classification_date,
        original_tier: added.original_tier,
        correct_tier: added.correct_tier,
        reason: added.reason,
        actor: added.actor,
        created_at: added.created_at.toISOString(),
      }
    }),
})
