/** Anomalies in PostgreSQL: what detection writes, what people read and decide. */
import type { Knex } from 'knex'
import { toDayNumber, toLocalDate } from '../../shared/core/days.ts'
import { LEVELS } from '../../shared/core/entity.ts'
import type { Level } from '../../shared/core/entity.ts'
import { toPage } from '../../shared/core/page.ts'
import type { Fence } from '../../shared/core/work.ts'
import { wireNumber, wireShares } from '../../shared/core/wire.ts'
import type { AnomalyFilter, AnomalyRow, AnomalyStore } from '../../shared/detection/anomalies.ts'
import type {
  DetectionStore,
  Expiry,
  FalsePositives,
  ScoredAnomaly,
  ScoredBatch,
  WriteCounts,
} from '../../shared/detection/detection-store.ts'
import { assertFence } from '../fence.ts'
import { cutByDay, dayCursor } from './day-pages.ts'

/** Findings per INSERT; bounds the size of one JSON parameter. */
const INSERT_SIZE = 2000

const toRecord = ({
  entityId,
  parentId,
  day,
  anomaly,
  baselineReason,
}: ScoredAnomaly): Record<string, unknown> => ({
  entity_id: entityId,
  parent_id: parentId,
  type: anomaly.type,
  metric: anomaly.metric,
  anomaly_date: toLocalDate(day),
  severity: anomaly.severity,
  signals: anomaly.signals.map((signal) => ({
    detector: signal.detector,
    severity: signal.severity,
    polarity: signal.polarity,
    direction: signal.direction,
    score: signal.score,
    rarity: signal.rarity,
    observed: signal.observed,
    expected: signal.expected,
    lower: signal.lower,
    upper: signal.upper,
    deviation: signal.deviation,
    contributions: signal.contributions,
  })),
  model_source: anomaly.modelSource,
  baseline_reason: baselineReason,
  model_version: anomaly.modelVersion,
  score: anomaly.score,
  rarity: anomaly.rarity,
  observed: anomaly.observed,
  expected: anomaly.expected,
  lower: anomaly.lower,
  upper: anomaly.upper,
  deviation: anomaly.deviation,
  direction: anomaly.direction,
  polarity: anomaly.polarity,
  contributions: anomaly.contributions,
})

const VALUE_COLUMNS = [
  'severity',
  'signals',
  'model_source',
  'baseline_reason',
  'model_version',
  'score',
  'rarity',
  'observed',
  'expected',
  'lower',
  'upper',
  'deviation',
  'direction',
  'polarity',
  'contributions',
]

/**
 * A finding of the same day met again refreshes its figures. What people acknowledged or resolved keeps that
 * status; only what vigia itself took back (`restated`) opens again. A run that looked before the row was last
 * seen or taken back, and writes after, changes nothing. The final verdict of a day takes over what was found while
 * it ran (partial); never the other way round.
 */
const RAISE = `
insert into ml_anomalies (
  config_id, entity_type, entity_id, parent_id, type, metric, anomaly_date, ${VALUE_COLUMNS.join(', ')},
  partial, alerted, first_seen, last_seen, run_id
)
select :configId::int, :level::text, r.entity_id, r.parent_id, r.type, r.metric, r.anomaly_date,
  ${VALUE_COLUMNS.map((column) => `r.${column}`).join(', ')},
  :partial::boolean, not :partial::boolean, :seenAt::timestamptz, :seenAt::timestamptz, :runId::uuid
from jsonb_to_recordset(:records::jsonb) as r(
  entity_id text, parent_id text, type text, metric text, anomaly_date date, severity text, signals jsonb,
  model_source text, baseline_reason text, model_version int, score float8, rarity float8, observed float8,
  expected float8, lower float8, upper float8, deviation float8, direction text, polarity text, contributions jsonb
)
on conflict (config_id, entity_type, entity_id, type, metric, anomaly_date) do update set
  ${VALUE_COLUMNS.map((column) => `${column} = excluded.${column}`).join(', ')},
  parent_id = excluded.parent_id,
  last_seen = excluded.last_seen,
  times_seen = ml_anomalies.times_seen
    + case when ml_anomalies.run_id is not distinct from excluded.run_id then 0 else 1 end,
  run_id = excluded.run_id,
  partial = excluded.partial,
  alerted = case when ml_anomalies.partial and not excluded.partial then true else ml_anomalies.alerted end,
  status = case when ml_anomalies.resolution = 'restated' then 'open' else ml_anomalies.status end,
  acted_at = case when ml_anomalies.resolution = 'restated' then null else ml_anomalies.acted_at end,
  actor = case when ml_anomalies.resolution = 'restated' then null else ml_anomalies.actor end,
  resolution = nullif(ml_anomalies.resolution, 'restated')
where excluded.last_seen >= ml_anomalies.last_seen
  and (ml_anomalies.resolution is distinct from 'restated' or excluded.last_seen >= ml_anomalies.acted_at)
  and (ml_anomalies.partial or not excluded.partial)
returning (xmax = 0) as created
`

/**
 * Imports of a config merge one at a time, each with a newer stamp than the one before (whole milliseconds), so
 * a row that a run could not see is newer than all it saw, however long its import took and whatever the clocks
 * say. Days before the week are what its verdicts build on: all that a look at one of its days has read of them.
 * Runs older than a month are of no use: their weeks do not reach here.
 */
const LATE_DAYS = `
with looks as materialized (
  select cast(result->>'watermark' as timestamptz) as mark, cast(result->>'day' as date) as day from runs
  where job = :job and config_id = :configId and id <> :runId and status in ('succeeded', 'partial')
    and created_at > cast(:from as date) - interval '30 days'
    and coalesce(payload->'entityIds', 'null'::jsonb) = 'null'::jsonb and result->>'watermark' is not null
), written as (
  select date, date_trunc('milliseconds', max(updated_at)) as at, concat(count(*), ' ', max(updated_at)) as rows from ads_insights_daily
  where config_id = :configId and date between :since and :to
  group by date
)
select date, at, rows, at > case when date < :from
    then (select max(mark) from looks where looks.day between :from and :to)
    else coalesce(
      (select max(mark) from looks where looks.day between date and date + 6),
      (select max(mark) from looks where looks.day < date))
  end as late, (select max(looks.day) from looks where looks.day <= :to) as looked_at
from written order by date`

/** Whether a run over all entities has given its final verdict of the day, or of a later one. */
const JUDGED = `
select from runs
where job = :job and config_id = :configId and status in ('succeeded', 'partial')
  and created_at > cast(:day as date) and coalesce(payload->'entityIds', 'null'::jsonb) = 'null'::jsonb
  and cast(result->>'day' as date) >= cast(:day as date)
limit 1`

/** First key of the advisory locks of detection, by level; the second is the config. */
const LOCK_SPACE: Readonly<Record<Level, number>> = {
  campaign: 7_164_444,
  adset: 7_164_445,
  ad: 7_164_446,
}
/** The same of incidents. */
const INCIDENT_LOCK_SPACE = 7_164_447

/**
 * Writers of one config's level take turns: one raises rows the other takes back, in another order, and
 * two at once would deadlock.
 */
export const takeTurn = async (trx: Knex.Transaction, configId: number, level: Level): Promise<void> => {
  await trx.raw('select pg_advisory_xact_lock(?, ?)', [LOCK_SPACE[level], configId])
}

/** The turn of whoever writes incidents: nobody else does, nor anomalies of any level, until the transaction ends. */
export const takeAllTurns = async (trx: Knex.Transaction, configId: number): Promise<void> => {
  // One after the other, in this order.
  await trx.raw(
    'select pg_advisory_xact_lock(?, ?), pg_advisory_xact_lock(?, ?), pg_advisory_xact_lock(?, ?), pg_advisory_xact_lock(?, ?)',
    [INCIDENT_LOCK_SPACE, ...LEVELS.map((level) => LOCK_SPACE[level])].flatMap((space) => [space, configId]),
  )
}

/** Within a transaction that has its turn: raises what was found and takes back what is no longer seen. */
export const raise = async (
  trx: Knex.Transaction,
  fence: Fence,
  { configId, level, entityIds, days, anomalies, seenAt }: ScoredBatch,
  partial: boolean,
): Promise<WriteCounts> => {
  let created = 0
  for (let i = 0; i < anomalies.length; i += INSERT_SIZE) {
    const records = JSON.stringify(anomalies.slice(i, i + INSERT_SIZE).map(toRecord))
    const values = { configId, level, partial, seenAt, runId: fence.runId, records }
    const { rows } = (await trx.raw(RAISE, values)) as { rows: { created: boolean }[] }
    created += rows.filter((row) => row.created).length
  }
  const gone = trx('ml_anomalies')
    .where({ config_id: configId, entity_type: level })
    .whereIn('status', ['open', 'acknowledged'])
    .whereRaw('anomaly_date = any(?::date[])', [days.map(toLocalDate)])
    .whereRaw('entity_id = any(?::text[])', [[...entityIds]])
    .where('last_seen', '<', seenAt)
  if (partial) void gone.where({ partial })
  const restated: number = await gone.update({
    status: 'resolved',
    resolution: 'restated',
    actor: 'system',
    acted_at: seenAt,
    run_id: fence.runId,
  })
  return { created, restated }
}

/** Within a transaction that has its turn: what has been open for too long. */
export const expireOld = async (
  trx: Knex.Transaction,
  configId: number,
  level: Level,
  { at, openedBefore }: Expiry,
) => {
  const expired: number = await trx('ml_anomalies')
    .where({ config_id: configId, entity_type: level, status: 'open' })
    .where('first_seen', '<=', openedBefore)
    .update({ status: 'resolved', resolution: 'expired', actor: 'system', acted_at: at })
  return expired
}

const daysByEntity = (rows: readonly { entity_id: string; day: string }[]): Map<string, number[]> => {
  const days = new Map<string, number[]>()
  for (const { entity_id: id, day } of rows) {
    const known = days.get(id)
    if (known) known.push(toDayNumber(day))
    else days.set(id, [toDayNumber(day)])
  }
  return days
}

export const detectionStore = (db: Knex): DetectionStore => ({
  lateDays: async ({ job, configId, runId }, { since, from, to }) => {
    const { rows } = (await db.raw(LATE_DAYS, {
      job,
      configId,
      runId,
      since: toLocalDate(since),
      from: toLocalDate(from),
      to: toLocalDate(to),
    })) as {
      rows: { date: string; at: Date; rows: string; late: boolean | null; looked_at: string | null }[]
    }
    const newest = Math.max(...rows.map((row) => row.at.getTime()))
    return {
      watermark: rows.length === 0 ? null : new Date(newest),
      rows: rows.map((row) => `${row.date} ${row.rows}`).join('|'),
      days: rows.filter((row) => row.late).map((row) => toDayNumber(row.date)),
      lookedAt: rows[0]?.looked_at ? toDayNumber(rows[0].looked_at) : null,
    }
  },

  labelledDays: async (configId, level, from) => {
    const { rows } = (await db.raw(
      `select entity_id, anomaly_date as day from (
         select distinct on (a.id) a.entity_id, a.anomaly_date, f.verdict
         from ml_anomalies a join ml_anomaly_feedback f on f.anomaly_id = a.id
         where a.config_id = ? and a.entity_type = ? and a.anomaly_date >= ?
         order by a.id, f.id desc
       ) newest where verdict = 'true_positive'`,
      [configId, level, toLocalDate(from)],
    )) as { rows: { entity_id: string; day: string }[] }
    return daysByEntity(rows)
  },

  falsePositives: async (configId, from, to) => {
    const { rows } = (await db.raw(
      `select entity_type as "entityType", entity_id as "entityId", metric, count(*)::int as count from (
         select distinct on (a.id) a.entity_type, a.entity_id, a.metric, f.verdict
         from ml_anomalies a join ml_anomaly_feedback f on f.anomaly_id = a.id
         where a.config_id = ? and a.anomaly_date between ? and ?
         order by a.id, f.id desc
       ) newest where verdict = 'false_positive'
       group by entity_type, entity_id, metric
       order by entity_type collate "C", entity_id collate "C", metric collate "C"`,
      [configId, toLocalDate(from), toLocalDate(to)],
    )) as { rows: FalsePositives[] }
    return rows
  },

  frequencyAlertDays: async (configId, level, from, to) =>
    daysByEntity(
      (await db('ml_anomalies')
        .where({ config_id: configId, entity_type: level, type: 'frequency_alert' })
        .whereBetween('anomaly_date', [toLocalDate(from), toLocalDate(to)])
        .whereRaw(`resolution is distinct from 'restated'`)
        .select('entity_id', 'anomaly_date as day')) satisfies { entity_id: string; day: string }[],
    ),

  write: (fence, batch) =>
    db.transaction(async (trx) => {
      await assertFence(trx, fence)
      await takeTurn(trx, batch.configId, batch.level)
      return raise(trx, fence, batch, false)
    }),

  writePartial: (fence, batch) =>
    db.transaction(async (trx) => {
      await assertFence(trx, fence)
      await takeTurn(trx, batch.configId, batch.level)
      const { rows } = (await trx.raw(JUDGED, {
        job: `detect.${batch.level}`,
        configId: batch.configId,
        day: toLocalDate(Math.max(...batch.days)),
      })) as { rows: unknown[] }
      return rows.length > 0 ? { created: 0, restated: 0 } : raise(trx, fence, batch, true)
    }),

  expire: (fence, configId, level, expiry) =>
    db.transaction(async (trx) => {
      await assertFence(trx, fence)
      await takeTurn(trx, configId, level)
      return expireOld(trx, configId, level, expiry)
    }),
})

interface StoredAnomaly extends Omit<AnomalyRow, 'acted_at' | 'first_seen' | 'last_seen'> {
  readonly acted_at: Date | null
  readonly first_seen: Date
  readonly last_seen: Date
}

/** Names of the entity and of its campaign are joined, so that a reader never looks at bare ids. */
const withNames = (db: Knex): Knex.QueryBuilder =>
  db('ml_anomalies as a')
    .leftJoin('ads_ads as ad', (join) => {
      join.on('ad.config_id', 'a.config_id').on('ad.ad_id', 'a.entity_id').on(db.raw(`a.entity_type = 'ad'`))
    })
    .leftJoin('ads_adsets as adset', (join) => {
      join
        .on('adset.config_id', 'a.config_id')
        .on('adset.adset_id', 'a.entity_id')
        .on(db.raw(`a.entity_type = 'adset'`))
    })
    .leftJoin('ads_campaigns as c', (join) => {
      join
        .on('c.config_id', 'a.config_id')
        .on('c.campaign_id', db.raw(`coalesce(ad.campaign_id, adset.campaign_id, a.entity_id)`))
    })
    .select(
      'a.*',
      db.raw(
        `case a.entity_type when 'ad' then ad.name when 'adset' then adset.name else c.name end as entity_name`,
      ),
      'c.campaign_id',
      'c.name as campaign_name',
      db.raw(
        '(select verdict from ml_anomaly_feedback where anomaly_id = a.id order by id desc limit 1) as verdict',
      ),
    )

const filtered = (query: Knex.QueryBuilder, filter: AnomalyFilter): Knex.QueryBuilder => {
  void query
    .where('a.config_id', filter.configId)
    .whereBetween('a.anomaly_date', [filter.dateFrom, filter.dateTo])
  const equal = {
    entity_type: filter.entityType,
    entity_id: filter.entityId,
    severity: filter.severity,
    type: filter.type,
    status: filter.status,
    polarity: filter.polarity,
    alerted: filter.alerted,
  }
  for (const [column, value] of Object.entries(equal)) {
    if (value !== undefined) void query.where(`a.${column}`, value)
  }
  return query
}

/** Of a stored signal, whose fields have the names of the wire already. */
const wireSignal = (signal: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(signal).map(([name, value]) => [
      name,
      typeof value === 'number'
        ? wireNumber(value)
        : name === 'contributions'
          ? wireShares(value as Readonly<Record<string, number>> | null)
          : value,
    ]),
  )

const fromRow = (row: StoredAnomaly): AnomalyRow => ({
  id: row.id,
  config_id: row.config_id,
  entity_type: row.entity_type,
  entity_id: row.entity_id,
  entity_name: row.entity_name,
  parent_id: row.parent_id,
  campaign_id: row.campaign_id,
  campaign_name: row.campaign_name,
  type: row.type,
  metric: row.metric,
  anomaly_date: row.anomaly_date,
  severity: row.severity,
  polarity: row.polarity,
  direction: row.direction,
  score: wireNumber(row.score) ?? 0,
  rarity: wireNumber(row.rarity),
  observed: wireNumber(row.observed),
  expected: wireNumber(row.expected),
  lower: wireNumber(row.lower),
  upper: wireNumber(row.upper),
  deviation: wireNumber(row.deviation),
  contributions: wireShares(row.contributions),
  signals: row.signals.map(wireSignal),
  model_source: row.model_source,
  model_version: row.model_version,
  baseline_reason: row.baseline_reason,
  partial: row.partial,
  alerted: row.alerted,
  status: row.status,
  resolution: row.resolution,
  notes: row.notes,
  verdict: row.verdict,
  actor: row.actor,
  acted_at: row.acted_at?.toISOString() ?? null,
  first_seen: row.first_seen.toISOString(),
  last_seen: row.last_seen.toISOString(),
  times_seen: row.times_seen,
  incident_id: row.incident_id,
  run_id: row.run_id,
})

export const anomalyStore = (db: Knex): AnomalyStore => ({
  list: async (filter, page) => {
    const query = cutByDay(filtered(withNames(db), filter), page, 'a.anomaly_date', 'a.id')
    const [rows, counted] = (await Promise.all([
      query,
      filtered(db('ml_anomalies as a'), filter).count('* as n').first(),
    ])) as [StoredAnomaly[], { n: number }]
    return toPage(page, counted.n, rows.map(fromRow), (row) => dayCursor(row.anomaly_date, row.id))
  },

  summary: async (filter) => {
    const rows = (await filtered(db('ml_anomalies as a'), filter)
      .groupBy('a.severity', 'a.type', 'a.status')
      .select('a.severity', 'a.type', 'a.status')
      .count('* as n')
      .max('a.last_seen as last')) as {
      severity: string
      type: string
      status: string
      n: number
      last: Date
    }[]
    const tally = (key: 'severity' | 'type' | 'status'): Record<string, number> => {
      const counts: Record<string, number> = {}
      for (const row of rows) counts[row[key]] = (counts[row[key]] ?? 0) + row.n
      return counts
    }
    const bySeverity = tally('severity')
    const newest = rows.reduce((latest, row) => Math.max(latest, row.last.getTime()), 0)
    return {
      total: rows.reduce((sum, row) => sum + row.n, 0),
      by_severity: bySeverity,
      by_type: tally('type'),
      by_status: tally('status'),
      critical_count: bySeverity['CRITICAL'] ?? 0,
      last_detected_at: newest > 0 ? new Date(newest).toISOString() : null,
    }
  },

  find: async (id) => {
    const row = (await withNames(db).where('a.id', id).first()) as StoredAnomaly | undefined
    return row ? fromRow(row) : null
  },

  ofIncident: async (incidentId, limit) => {
    const rows = (await withNames(db)
      .where('a.incident_id', incidentId)
      .orderByRaw(
        `a.anomaly_date desc, array_position(array['CRITICAL', 'HIGH', 'MEDIUM', 'LOW'], a.severity), a.id`,
      )
      .limit(limit)) as StoredAnomaly[]
    return rows.map(fromRow)
  },

  move: async (id, from, status, resolution, { actor, notes, at }) => {
    const moved = await db('ml_anomalies')
      .where({ id })
      .whereIn('status', [...from])
      .update({ status, resolution, actor, acted_at: at, ...(notes === null ? {} : { notes }) })
    return moved > 0
  },

  judge: (id, { verdict, actor, notes, at }) =>
    db.transaction(async (trx) => {
      // Whoever judges the same anomaly waits here, so that of two at once the second sees the first.
      const anomaly = (await trx('ml_anomalies').where({ id }).forUpdate().first('resolution')) as
        | { resolution: string | null }
        | undefined
      if (!anomaly) return false
      const [newest, own] = (await Promise.all([
        trx('ml_anomaly_feedback').where({ anomaly_id: id }).orderBy('id', 'desc').first('id', 'verdict'),
        trx('ml_anomaly_feedback')
          .where({ anomaly_id: id, actor })
          .orderBy('id', 'desc')
          .first('id', 'verdict'),
      ])) as ({ id: number; verdict: string } | undefined)[]
      // Of two people who disagree each may insist; one who agrees is heard, too.
      if (own && newest?.verdict === verdict && own.verdict === verdict) {
        if (notes !== null) await trx('ml_anomaly_feedback').where({ id: own.id }).update({ notes })
      } else {
        await trx('ml_anomaly_feedback').insert({ anomaly_id: id, verdict, actor, notes, created_at: at })
      }
      const resolvedBefore = anomaly.resolution === 'false_positive'
      const change =
        verdict === 'false_positive'
          ? resolvedBefore
            ? {}
            : { status: 'resolved', resolution: 'false_positive', actor, acted_at: at }
          : resolvedBefore
            ? { status: 'acknowledged', resolution: null, actor, acted_at: at }
            : {}
      const said = notes === null ? change : { ...change, notes }
      if (Object.keys(said).length > 0) await trx('ml_anomalies').where({ id }).update(said)
      return true
    }),
})
