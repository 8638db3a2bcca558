/** The registry of series in PostgreSQL. Lists go by keysets, so that the last page costs what the first does. */
import type { Knex } from 'knex'
import type { SeriesClass, SeriesFamily } from '../../ml/series/member.ts'
import type { VersionState } from '../../shared/registry/model-version.ts'
import type { ListKey } from '../../shared/series/cursor.ts'
import type {
  Author,
  FilePlace,
  Found,
  Search,
  SeriesFilter,
  SeriesOverview,
  SeriesRegistryStore,
  SeriesVersionFilter,
  StableMoved,
  VersionSummary,
} from '../../shared/series/registry-store.ts'
import type { Series, SeriesSettings } from '../../shared/series/series.ts'
import type { Tags } from '../../shared/series/tags.ts'
import { archiveBeyond, beginSeries, filesOf, modelOf, setAlias, settingsColumns } from './series.ts'
import type { ArchivedRow } from './series.ts'
import { ALIASES, fromSeriesRow } from './series-rows.ts'
import type { SeriesRow } from './series-rows.ts'

/** A Date has milliseconds, PostgreSQL microseconds: a cursor keeps them all. */
const MICROSECONDS = (column: string): string => `cast(extract(epoch from ${column}) * 1000000 as bigint)`
const AT_MICROSECONDS = `timestamptz 'epoch' + cast(? as float8) * interval '1 microsecond'`

/** The first text after all that begin with `prefix`, by code unit. */
const after = (prefix: string): string =>
  prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1)

const narrowByPrefix = (query: Knex.QueryBuilder, column: string, prefix: string | undefined): void => {
  if (prefix) void query.where(column, '>=', prefix).where(column, '<', after(prefix))
}

const narrowByCreation = (query: Knex.QueryBuilder, column: string, filter: SeriesFilter): void => {
  if (filter.createdFrom) void query.where(column, '>=', filter.createdFrom)
  if (filter.createdTo) void query.where(column, '<', filter.createdTo)
}

const narrowByTags = (query: Knex.QueryBuilder, column: string, tags: Tags | undefined): void => {
  if (tags && Object.keys(tags).length > 0)
    void query.whereRaw(`${column} @> cast(? as jsonb)`, [JSON.stringify(tags)])
}

/** One row more than asked for tells whether there is another page. */
const cut = <Row, Domain>(
  rows: readonly Row[],
  limit: number,
  fromRow: (row: Row) => Domain,
  keyOf: (row: Row) => ListKey,
): Found<Domain> => {
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  return {
    rows: shown.map(fromRow),
    next: rows.length > limit && last !== undefined ? keyOf(last) : null,
  }
}

interface OverviewRow extends SeriesRow {
  readonly created_us: number
  readonly versions: number
  readonly stable: number | null
  readonly previous: number | null
}

const OVERVIEW = `s.*, ${MICROSECONDS('s.created_at')} as created_us,
  (select count(*) from model_versions v where v.series_id = s.id) as versions,
  (select a.version from model_aliases a where a.model = ${modelOf('s.id')} and a.alias = 'stable') as stable,
  (select a.version from model_aliases a where a.model = ${modelOf('s.id')} and a.alias = 'previous') as previous`

const fromOverviewRow = (row: OverviewRow): SeriesOverview => ({
  series: fromSeriesRow(row),
  versions: row.versions,
  stable: row.stable,
  previous: row.previous,
})

const searchSeries = async (
  db: Knex,
  { filter, order, limit, after: key }: Search<SeriesFilter>,
): Promise<Found<SeriesOverview>> => {
  const query = db('series as s').whereNull('s.deleted_at')
  narrowByPrefix(query, 's.id', filter.prefix)
  narrowByCreation(query, 's.created_at', filter)
  narrowByTags(query, 's.tags', filter.tags)
  if (filter.class) void query.where('s.class', filter.class)
  if (order === 'series_id') {
    if (key) void query.where('s.id', '>', String(key[0]))
    void query.orderBy('s.id')
  } else {
    if (key) {
      const [at, id] = key
      void query
        .whereRaw(`s.created_at <= ${AT_MICROSECONDS}`, [at ?? 0])
        .whereRaw(`(s.created_at < ${AT_MICROSECONDS} or s.id > ?)`, [at ?? 0, id ?? ''])
    }
    void query.orderBy([{ column: 's.created_at', order: 'desc' }, 's.id'])
  }
  const rows = (await query.limit(limit + 1).select(db.raw(OVERVIEW))) as OverviewRow[]
  return cut(rows, limit, fromOverviewRow, (row) =>
    order === 'series_id' ? [row.id] : [row.created_us, row.id],
  )
}

interface SummaryRow {
  readonly id: number
  readonly created_us: number
  readonly series_id: string
  readonly version: number
  readonly state: VersionState
  readonly class: SeriesClass
  readonly families: readonly SeriesFamily[]
  readonly members: readonly string[]
  readonly aliases: readonly string[]
  readonly points: number
  readonly data_hash: string
  readonly fingerprint: string
  readonly parent: number | null
  readonly tags: Tags
  readonly run_id: string | null
  readonly actor: string
  readonly created_at: Date
  readonly trained_at: Date
}

const SUMMARY = `v.id, ${MICROSECONDS('v.created_at')} as created_us, v.series_id, v.version, v.state, v.class,
  v.families, jsonb_path_query_array(v.members, '$[*].name') as members, v.points, v.data_hash, v.fingerprint,
  v.parent, v.tags, v.run_id, v.actor, v.created_at, v.trained_at, ${ALIASES}`

const fromSummaryRow = (row: SummaryRow): VersionSummary => ({
  seriesId: row.series_id,
  version: row.version,
  state: row.state,
  class: row.class,
  families: row.families,
  members: row.members,
  aliases: row.aliases,
  points: row.points,
  dataHash: row.data_hash,
  fingerprint: row.fingerprint,
  parent: row.parent,
  tags: row.tags,
  runId: row.run_id,
  actor: row.actor,
  createdAt: row.created_at,
  trainedAt: row.trained_at,
})

const narrowVersions = (query: Knex.QueryBuilder, filter: SeriesVersionFilter): void => {
  void query.whereNotNull('v.series_id')
  if (filter.seriesId !== undefined) void query.where('v.series_id', filter.seriesId)
  narrowByPrefix(query, 'v.series_id', filter.prefix)
  narrowByCreation(query, 'v.created_at', filter)
  narrowByTags(query, 'v.tags', filter.tags)
  if (filter.class) void query.where('v.class', filter.class)
  if (filter.state) void query.where('v.state', filter.state)
  if (filter.family) void query.whereRaw('v.families @> array[cast(? as text)]', [filter.family])
  if (filter.dataHash) void query.where('v.data_hash', filter.dataHash)
  if (filter.pointsMin !== undefined) void query.where('v.points', '>=', filter.pointsMin)
  if (filter.pointsMax !== undefined) void query.where('v.points', '<=', filter.pointsMax)
  if (filter.alias) {
    void query.whereRaw(
      'exists (select 1 from model_aliases a where a.model = v.model and a.version = v.version and a.alias = ?)',
      [filter.alias],
    )
  }
}

const searchVersions = async (
  db: Knex,
  { filter, order, limit, after: key }: Search<SeriesVersionFilter>,
): Promise<Found<VersionSummary>> => {
  const query = db('model_versions as v')
  narrowVersions(query, filter)
  if (order === 'series_id') {
    if (key) {
      const [id, version] = key
      void query
        .where('v.series_id', '>=', id ?? '')
        .whereRaw('(v.series_id > ? or v.version < ?)', [id ?? '', version ?? 0])
    }
    void query.orderBy(['v.series_id', { column: 'v.version', order: 'desc' }])
  } else {
    if (key) {
      const [at, id] = key
      void query.whereRaw(`(v.created_at, v.id) < (${AT_MICROSECONDS}, cast(? as bigint))`, [
        at ?? 0,
        id ?? 0,
      ])
    }
    void query.orderBy([
      { column: 'v.created_at', order: 'desc' },
      { column: 'v.id', order: 'desc' },
    ])
  }
  const rows = (await query.limit(limit + 1).select(db.raw(SUMMARY))) as SummaryRow[]
  return cut(rows, limit, fromSummaryRow, (row) =>
    order === 'series_id' ? [row.series_id, row.version] : [row.created_us, row.id],
  )
}

const audit = async (
  trx: Knex.Transaction,
  by: Author,
  action: string,
  target: string,
  before: unknown,
  afterwards: unknown,
): Promise<void> => {
  await trx('audit_log').insert({
    actor: by.actor,
    action,
    target,
    before: JSON.stringify(before),
    after: JSON.stringify(afterwards),
    trace_id: by.traceId,
  })
}

/** The series, held until the transaction ends; whoever appends a version to it comes back later. */
const hold = async (trx: Knex.Transaction, seriesId: string): Promise<Series | null> => {
  const { rows } = (await trx.raw(
    'select * from series where id = ? and deleted_at is null for no key update',
    [seriesId],
  )) as { rows: SeriesRow[] }
  return rows[0] ? fromSeriesRow(rows[0]) : null
}

const wireSettings = (settings: SeriesSettings): Record<string, unknown> => ({
  class: settings.class,
  ranges: settings.ranges,
  timestamp_unit: settings.timestampUnit,
  min_points: settings.minPoints,
  max_points: settings.maxPoints,
  tags: settings.tags,
})

const moveStable = async (
  trx: Knex.Transaction,
  seriesId: string,
  to: number | 'previous',
  by: Author,
): Promise<StableMoved> => {
  if (!(await hold(trx, seriesId))) return { kind: 'no_series' }
  const { rows: named } = (await trx.raw(
    `select alias, version from model_aliases where model = ${modelOf('?::text')}`,
    [seriesId],
  )) as { rows: { alias: string; version: number }[] }
  const aliases = new Map(named.map(({ alias, version }) => [alias, version]))
  const version = to === 'previous' ? (aliases.get('previous') ?? null) : to
  if (version === null) return { kind: 'no_version', version }
  const found = (await trx('model_versions')
    .where({ series_id: seriesId, version })
    .forUpdate()
    .first('state')) as { state: VersionState } | undefined
  if (!found) return { kind: 'no_version', version }
  if (found.state !== 'ready') return { kind: 'unusable', version, state: found.state }
  const from = aliases.get('stable') ?? null
  if (from === version) return { kind: 'moved', from, to: version }
  // A clean-up under way that found it without an alias looks at the row again, and leaves it.
  await trx('model_versions').where({ series_id: seriesId, version }).update({ restored_at: trx.fn.now() })
  await setAlias(trx, seriesId, 'stable', version)
  await audit(trx, by, 'series.rollback', `series/${seriesId}`, { stable: from }, { stable: version })
  return { kind: 'moved', from, to: version }
}

const remove = async (trx: Knex.Transaction, seriesId: string, by: Author): Promise<number | null> => {
  const series = await hold(trx, seriesId)
  if (!series) return null
  const versions = await trx('model_versions').where({ series_id: seriesId }).delete()
  await trx('series_stats').where({ series_id: seriesId }).delete()
  await trx('drift_sketches').where({ series_id: seriesId }).delete()
  await trx('series')
    .where({ id: seriesId })
    .update({
      deleted_at: trx.fn.now(),
      updated_at: trx.fn.now(),
      generation: series.generation + 1,
      channels: null,
      drift: null,
      drift_level: null,
    })
  await audit(trx, by, 'series.delete', `series/${seriesId}`, { versions, ...wireSettings(series) }, null)
  return versions
}

interface FileRow {
  readonly state: VersionState
  readonly artifact_uri: string
  readonly tail_uri: string | null
}

export const seriesRegistryStore = (db: Knex): SeriesRegistryStore => ({
  cursorSecret: async () => {
    const row = (await db('signing_keys').where({ name: 'cursors' }).first('secret')) as
      | { secret: string }
      | undefined
    if (!row) throw new Error('the key that signs cursors is gone from signing_keys')
    return row.secret
  },

  searchSeries: (search) => searchSeries(db, search),

  searchVersions: (search) => searchVersions(db, search),

  overview: async (seriesId) => {
    const [row] = (await db('series as s')
      .where('s.id', seriesId)
      .whereNull('s.deleted_at')
      .select(db.raw(OVERVIEW))) as OverviewRow[]
    return row ? fromOverviewRow(row) : null
  },

  settle: async (seriesId, by, plan) => {
    for (;;) {
      const made = await db.transaction(async (trx) => {
        const known = await hold(trx, seriesId)
        const settings = plan(known)
        // Null: a rival made it meanwhile.
        if (!known && !(await beginSeries(trx, seriesId, settings))) return null
        if (known)
          await trx('series')
            .where({ id: seriesId })
            .update({ ...settingsColumns(settings), updated_at: trx.fn.now() })
        await audit(
          trx,
          by,
          known ? 'series.change' : 'series.create',
          `series/${seriesId}`,
          known && wireSettings(known),
          wireSettings(settings),
        )
        return !known
      })
      if (made !== null) return made
    }
  },

  remove: (seriesId, by) => db.transaction((trx) => remove(trx, seriesId, by)),

  tag: (seriesId, version, by, plan) =>
    db.transaction(async (trx) => {
      const row = (await trx('model_versions')
        .where({ series_id: seriesId, version })
        .forUpdate()
        .first('tags')) as { tags: Tags } | undefined
      if (!row) return false
      const tags = plan(row.tags)
      await trx('model_versions')
        .where({ series_id: seriesId, version })
        .update({ tags: JSON.stringify(tags) })
      await audit(trx, by, 'series.tag', `series/${seriesId}/v${version}`, row.tags, tags)
      return true
    }),

  moveStable: (seriesId, to, by) => db.transaction((trx) => moveStable(trx, seriesId, to, by)),

  restore: (seriesId, version, by, moveBack) =>
    db.transaction(async (trx) => {
      const where = { series_id: seriesId, version, state: 'archived' }
      const row = (await trx('model_versions').where(where).forUpdate().first('artifact_uri', 'tail_uri')) as
        | FileRow
        | undefined
      if (!row) return false
      const uris = [row.artifact_uri, ...(row.tail_uri === null ? [] : [row.tail_uri])]
      if (!(await moveBack(uris))) return false
      await trx('model_versions').where(where).update({ state: 'ready', restored_at: trx.fn.now() })
      const target = `series/${seriesId}/v${version}`
      await audit(trx, by, 'series.restore', target, { state: 'archived' }, { state: 'ready' })
      return true
    }),

  archiveOld: async (keep) => {
    const { rows } = (await db.raw(archiveBeyond(''), [keep])) as { rows: ArchivedRow[] }
    return rows.flatMap((row) => filesOf(row).map((file) => ({ ...file, seriesId: row.series_id })))
  },

  filesOf: async (seriesIds) => {
    const rows = (await db('model_versions')
      .whereRaw('series_id = any(cast(? as text[]))', [[...seriesIds]])
      // What several versions share stays where a live one needs it.
      .orderByRaw(`state <> 'archived'`)
      .select('state', 'artifact_uri', 'tail_uri')) as FileRow[]
    return new Map(
      rows.flatMap(({ state, artifact_uri, tail_uri }) => {
        const place: FilePlace = state === 'archived' ? 'archive' : 'live'
        return [artifact_uri, tail_uri].flatMap((uri): [string, FilePlace][] =>
          uri === null ? [] : [[uri, place]],
        )
      }),
    )
  },

  forgetActivity: async (before, sketchesBefore) => {
    const dropped = await Promise.all([
      db('series_stats').where('hour', '<', before).delete(),
      db('drift_sketches').where('hour', '<', sketchesBefore).delete(),
    ])
    return dropped.reduce((sum, count) => sum + count, 0)
  },

  openTrainings: async () => {
    const rows = (await db('runs')
      .where({ job: 'train.series' })
      .whereIn('status', ['queued', 'running'])
      .select(db.raw(`payload->>'upload' as upload`))) as { upload: string }[]
    return new Set(rows.map(({ upload }) => upload))
  },
})
