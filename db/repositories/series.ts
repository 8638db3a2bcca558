/** Series and the versions of their models in PostgreSQL, as training and prediction need them. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Knex } from 'knex'
import { AppError } from '../../shared/core/errors.ts'
import type { Fence } from '../../shared/core/work.ts'
import type { VersionState } from '../../shared/registry/model-version.ts'
import type {
  AppendedVersion,
  ArchivedFile,
  SeriesDraft,
  SeriesRecord,
  SeriesSettings,
  ServedLookup,
} from '../../shared/series/series.ts'
import { assertFence } from '../fence.ts'
import { lostEveryTry, serializable } from '../open.ts'
import {
  fromSeriesRow,
  fromServedRow,
  fromVersionRow,
  SERVED_COLUMNS,
  VERSION_COLUMNS,
} from './series-rows.ts'
import type { SeriesRow, ServedRow, StoredStats, VersionRow } from './series-rows.ts'

/** What every model of a series is registered as; its members have families of their own. */
export const SERIES_FAMILY = 'anomaly_detector'
/** SQL: the registry name of the model of a series, in the collation of the names of all models and their indexes. */
export const modelOf = (id: string): string => `('anomaly_detector/series/' || ${id} collate "default")`
const LOCK_NOT_AVAILABLE = '55P03'
/** Any fixed number that nothing else in the database locks. */
const APPEND_LOCK = 7_164_444_004
/** A turn takes milliseconds; whoever waits longer than this waits for something that is stuck. */
const LONGEST_TURN_MS = 5000
const TURN_WAIT_MS = 10
/** What somebody asked back stays at least so long. */
const RESTORED_FOR = `interval '30 days'`

const codeOf = (error: unknown): unknown => (error as { code?: unknown } | null)?.code

export const settingsColumns = (settings: SeriesSettings): Record<string, unknown> => ({
  class: settings.class,
  ranges: JSON.stringify(settings.ranges),
  timestamp_unit: settings.timestampUnit,
  min_points: settings.minPoints,
  max_points: settings.maxPoints,
  tags: JSON.stringify(settings.tags),
})

/** Makes the series, or begins a deleted one anew; nothing when it is there. */
export const beginSeries = async (
  db: Knex,
  seriesId: string,
  settings: SeriesSettings,
): Promise<SeriesRow | null> => {
  const columns = settingsColumns(settings)
  const [row] = (await db('series')
    .insert({ id: seriesId, ...columns })
    .onConflict('id')
    .merge({ ...columns, deleted_at: null, created_at: db.fn.now(), updated_at: db.fn.now() })
    .whereNotNull('series.deleted_at')
    .returning('*')) as SeriesRow[]
  return row ?? null
}

/**
 * Archives what is beyond the newest `keep` that are ready, has no alias, and was not asked back lately.
 * @param which narrows to some series, with its own bindings
 * @returns SQL with the bindings of `which`, then `keep`
 */
export const archiveBeyond = (which: string): string => `
  with ranked as (
    select id, row_number() over (partition by series_id order by version desc) as place
    from model_versions where series_id is not null and state = 'ready' ${which}
  )
  update model_versions v set state = 'archived'
  from ranked
  where ranked.id = v.id and ranked.place > ?
    and (v.restored_at is null or v.restored_at < now() - ${RESTORED_FOR})
    and not exists (select 1 from model_aliases a where a.model = v.model and a.version = v.version)
  returning v.series_id, v.version, v.artifact_uri, v.tail_uri`

export interface ArchivedRow {
  readonly series_id: string
  readonly version: number
  readonly artifact_uri: string
  readonly tail_uri: string | null
}

export const filesOf = (row: ArchivedRow): readonly ArchivedFile[] =>
  [row.artifact_uri, row.tail_uri].flatMap((uri) => (uri === null ? [] : [{ version: row.version, uri }]))

export const setAlias = async (
  trx: Knex.Transaction,
  seriesId: string,
  alias: 'stable' | 'previous',
  version: number,
): Promise<void> => {
  await trx.raw(
    `insert into model_aliases (model, alias, version) values (${modelOf('?::text')}, ?, ?)
     on conflict (model, alias) do update set version = excluded.version, updated_at = now()
     where model_aliases.version <> excluded.version`,
    [seriesId, alias, version],
  )
}

/** The version `stable` names; null before the first. */
export const stableOf = async (trx: Knex.Transaction, seriesId: string): Promise<number | null> => {
  const { rows } = (await trx.raw(
    `select version from model_aliases where model = ${modelOf('?::text')} and alias = 'stable'`,
    [seriesId],
  )) as { rows: { version: number }[] }
  return rows[0]?.version ?? null
}

/** Thrown to leave a transaction that would have had to wait. */
class Taken extends Error {}

/**
 * Appends share the registry until one of them has lost a race: PostgreSQL takes rows of different series on one
 * page of an index, or in a small table, for a conflict. Its next try has the registry for itself.
 */
const takeRegistry = async (trx: Knex.Transaction, alone: boolean): Promise<void> => {
  const lock = alone ? 'pg_try_advisory_xact_lock' : 'pg_try_advisory_xact_lock_shared'
  const { rows } = (await trx.raw(`select ${lock}(?) as granted`, [APPEND_LOCK])) as {
    rows: { granted: boolean }[]
  }
  if (!rows[0]?.granted) throw new Taken()
}

/**
 * A SERIALIZABLE transaction sees what was there at its first statement, so a wait for a lock ends in 40001 as
 * soon as its holder has changed something, for every waiter at once. Whoever finds the series or the registry
 * taken therefore leaves, comes back after a moment, and uses up no try.
 */
const inTurn = async <T>(
  db: Knex,
  seriesId: string,
  work: (trx: Knex.Transaction) => Promise<T>,
): Promise<T> => {
  const conflict = (cause: unknown): AppError =>
    new AppError(
      'VERSION_CONFLICT',
      `others kept adding versions beside series ${seriesId}; train it again`,
      { retryAfterS: 1 },
      { cause },
    )
  const deadline = performance.now() + LONGEST_TURN_MS
  let lost = false
  for (;;) {
    try {
      return await serializable(db, async (trx, attempt) => {
        lost ||= attempt > 1
        await takeRegistry(trx, lost)
        return work(trx)
      })
    } catch (error) {
      if (lostEveryTry(error)) throw conflict(error)
      if (!(error instanceof Taken) && codeOf(error) !== LOCK_NOT_AVAILABLE) throw error
      if (performance.now() > deadline) throw conflict(error)
      await delay(TURN_WAIT_MS * (0.5 + Math.random()))
    }
  }
}

const sameChannels = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((name, i) => name === b[i])

/** The series of the draft, held until the transaction ends. */
const takeSeries = async (trx: Knex.Transaction, draft: SeriesDraft): Promise<SeriesRow> => {
  const { rows } = (await trx.raw(
    `select * from series where id = ? and deleted_at is null for no key update nowait`,
    [draft.seriesId],
  )) as { rows: SeriesRow[] }
  const [series] = rows
  if (!series || series.generation !== draft.generation) {
    throw new AppError(
      'MODEL_NOT_FOUND',
      `series ${draft.seriesId} was deleted while it was trained; train it again if it is to come back`,
    )
  }
  if (series.channels !== null && !sameChannels(series.channels, draft.channels)) {
    throw new AppError(
      'UNKNOWN_CHANNEL',
      `series ${draft.seriesId} has the channels ${series.channels.join(', ')}, not ${draft.channels.join(', ')}`,
      { details: { known: series.channels } },
    )
  }
  return series
}

/** What a training makes of a version, new or trained again. */
const trainedColumns = (draft: SeriesDraft, fence: Fence): Record<string, unknown> => {
  const stats: StoredStats = { first_ms: draft.firstMs, last_ms: draft.lastMs, columns: draft.stats }
  return {
    members: JSON.stringify(draft.members),
    families: [...new Set(draft.members.map(({ family }) => family))].sort(),
    baseline: JSON.stringify(draft.baseline),
    drift_edges: JSON.stringify(draft.driftBins),
    stats: JSON.stringify(stats),
    artifact_uri: draft.artifactUri,
    artifact_sha256: draft.artifactSha256,
    artifact_bytes: draft.artifactBytes,
    tail_uri: draft.tailUri,
    trained_at: draft.trainedAt,
    duration_ms: Math.round(draft.durationMs),
    run_id: fence.runId,
    actor: draft.actor,
    correlation_id: draft.correlationId,
    state: 'ready',
  }
}

interface Twin {
  readonly version: number
  readonly state: VersionState
}

const renew = async (trx: Knex.Transaction, draft: SeriesDraft, fence: Fence, twin: Twin): Promise<void> => {
  if (twin.state === 'ready') return
  const back = twin.state === 'archived' ? { restored_at: trx.fn.now() } : {}
  await trx('model_versions')
    .where({ series_id: draft.seriesId, version: twin.version })
    .update({ ...trainedColumns(draft, fence), ...back })
}

const add = async (
  trx: Knex.Transaction,
  draft: SeriesDraft,
  fence: Fence,
  series: SeriesRow,
  stable: number | null,
): Promise<number> => {
  const { seriesId } = draft
  const version = series.last_version + 1
  await trx('model_versions').insert({
    model: trx.raw(modelOf('?::text'), [seriesId]),
    version,
    family: SERIES_FAMILY,
    fingerprint: draft.fingerprint,
    entity_key: `series/${seriesId}`,
    series_id: seriesId,
    class: series.class,
    params: JSON.stringify({ channels: draft.channels }),
    points: draft.points,
    data_hash: draft.dataHash,
    parent: stable,
    tags: JSON.stringify(draft.tags),
    ...trainedColumns(draft, fence),
  })
  await trx('series')
    .where({ id: seriesId })
    .update({ last_version: version, channels: [...draft.channels], updated_at: trx.fn.now() })
  if (stable === null || draft.plan === 'immediate') {
    if (stable !== null) await setAlias(trx, seriesId, 'previous', stable)
    await setAlias(trx, seriesId, 'stable', version)
  }
  return version
}

const append = (db: Knex, draft: SeriesDraft, fence: Fence, keep: number): Promise<AppendedVersion> =>
  inTurn(db, draft.seriesId, async (trx) => {
    await assertFence(trx, fence)
    const series = await takeSeries(trx, draft)
    const { seriesId, fingerprint } = draft
    const twin = (await trx('model_versions')
      .whereRaw(`model = ${modelOf('?::text')}`, [seriesId])
      .where({ fingerprint })
      .first('version', 'state')) as Twin | undefined
    const before = await stableOf(trx, seriesId)
    let version: number
    if (twin) {
      ;({ version } = twin)
      await renew(trx, draft, fence, twin)
    } else version = await add(trx, draft, fence, series, before)
    const { rows } = (await trx.raw(archiveBeyond('and series_id = ?'), [seriesId, keep])) as {
      rows: ArchivedRow[]
    }
    const serving = (await stableOf(trx, seriesId)) === version
    if (twin?.state !== 'ready') {
      await trx('audit_log').insert({
        actor: draft.actor,
        action: 'series.train',
        target: `series/${seriesId}`,
        before: JSON.stringify({ stable: before }),
        after: JSON.stringify({ version, created: !twin, serving, run_id: fence.runId }),
        trace_id: draft.correlationId,
      })
    }
    return { version, created: !twin, serving, archived: rows.flatMap(filesOf) }
  })

/** `id` is null where there is no such series, `trained` false before its first version. */
type LookedUp = Partial<ServedRow> & { readonly id: string | null; readonly trained: boolean }

const SERVED = `
  select s.id, s.channels is not null as trained, ${SERVED_COLUMNS}
  from unnest(cast(? as text[]), cast(? as int[])) with ordinality as w(id, version, place)
  left join series s on s.id = w.id and s.deleted_at is null
  left join model_aliases a on w.version = 0 and a.model = ${modelOf('s.id')} and a.alias = 'stable'
  left join model_versions v on v.model = ${modelOf('s.id')} and v.version = coalesce(a.version, w.version)
  order by w.place`

const toLookup = (row: LookedUp): ServedLookup => {
  if (row.id === null || !row.trained) return { missing: 'series' }
  return typeof row.version === 'number' ? { found: fromServedRow(row as ServedRow) } : { missing: 'version' }
}

const MOST_PREDICTED = `
  with busy as (
    select series_id, sum(predictions) as predictions from series_stats
    where hour >= ? group by series_id order by predictions desc, series_id limit ?
  )
  select ${SERVED_COLUMNS}
  from busy b
  join series s on s.id = b.series_id and s.deleted_at is null
  join model_aliases a on a.model = ${modelOf('s.id')} and a.alias = 'stable'
  join model_versions v on v.model = a.model and v.version = a.version and v.state = 'ready'
  order by b.predictions desc, s.id`

export const seriesRecord = (db: Knex): SeriesRecord => {
  const versionBy = async (seriesId: string, where: Record<string, unknown>) => {
    const [row] = (await db('model_versions as v')
      .join('series as s', 's.id', 'v.series_id')
      .whereNull('s.deleted_at')
      .where({ 'v.series_id': seriesId, ...where })
      .select(db.raw(VERSION_COLUMNS))) as VersionRow[]
    return row ? fromVersionRow(row) : null
  }
  const byId = async (seriesId: string) => {
    const row = (await db('series').where({ id: seriesId }).whereNull('deleted_at').first()) as
      | SeriesRow
      | undefined
    return row ? fromSeriesRow(row) : null
  }
  return {
    byId,

    ensure: async (seriesId, settings) => {
      for (;;) {
        const known = await byId(seriesId)
        if (known) return known
        // Null: a rival made it meanwhile.
        const made = await beginSeries(db, seriesId, settings)
        if (made) return fromSeriesRow(made)
      }
    },

    byFingerprint: (seriesId, fingerprint) => versionBy(seriesId, { 'v.fingerprint': fingerprint }),

    version: (seriesId, version) => versionBy(seriesId, { 'v.version': version }),

    append: (draft, fence, keep) => append(db, draft, fence, keep),

    served: async (wanted) => {
      const { rows } = (await db.raw(SERVED, [
        wanted.map(({ seriesId }) => seriesId),
        // No version is 0: the stable one.
        wanted.map(({ version }) => version ?? 0),
      ])) as { rows: LookedUp[] }
      return rows.map(toLookup)
    },

    mostPredicted: async (since, limit) => {
      const { rows } = (await db.raw(MOST_PREDICTED, [since, limit])) as { rows: ServedRow[] }
      return rows.map(fromServedRow)
    },

    markBroken: async ({ seriesId, version, artifactSha256 }) => {
      const marked = await db('model_versions')
        .where({ series_id: seriesId, version, artifact_sha256: artifactSha256 })
        .whereNot({ state: 'broken' })
        .update({ state: 'broken' })
      return marked > 0
    },
  }
}
