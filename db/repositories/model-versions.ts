/**
 * Model versions and aliases of entities in PostgreSQL. Everything about many models is one statement for all of
 * them. Versions of series share the tables and are none of ours (`series.ts`).
 */
import type { Knex } from 'knex'
import { mapBounded } from '../../shared/core/bounded.ts'
import { toLocalDate } from '../../shared/core/days.ts'
import type { Level } from '../../shared/core/entity.ts'
import { messageOf } from '../../shared/core/errors.ts'
import { numericId, toPage } from '../../shared/core/page.ts'
import type { ArtifactRef, ModelVersion, VersionState } from '../../shared/registry/model-version.ts'
import type {
  AppendOutcome,
  ArtifactMoves,
  ModelVersions,
  TrainedBatch,
  VersionDraft,
  VersionFilter,
} from '../../shared/registry/model-versions.ts'
import { assertFence } from '../fence.ts'

/** Versions kept per model, besides those an alias names. */
const KEPT_VERSIONS = 10
const FILES_IN_FLIGHT = 16
const FAMILY = 'anomaly_detector'
/** First key of the advisory locks of the registry; the second is the config. */
const LOCK_SPACE = 7_164_443

/** Writers of one config's versions and aliases take turns, so `max + 1` is the next number. */
const takeTurn = async (trx: Knex.Transaction, configId: number | null): Promise<void> => {
  await trx.raw('select pg_advisory_xact_lock(?, ?)', [LOCK_SPACE, configId ?? 0])
}

interface VersionRow {
  readonly id: number
  readonly model: string
  readonly version: number
  readonly family: string
  readonly fingerprint: string
  readonly entity_key: string
  readonly config_id: number | null
  readonly entity_type: Level | null
  readonly entity_id: string | null
  readonly params: Record<string, unknown>
  readonly stats: Record<string, unknown>
  readonly points: number
  readonly artifact_uri: string
  readonly artifact_sha256: string
  readonly artifact_bytes: number
  readonly state: VersionState
  readonly trained_at: Date
  readonly run_id: string | null
  readonly actor: string
  readonly aliases: readonly string[]
}

const fromRow = (row: VersionRow): ModelVersion => ({
  id: row.id,
  model: row.model,
  version: row.version,
  family: row.family,
  fingerprint: row.fingerprint,
  entityKey: row.entity_key,
  configId: row.config_id,
  entityType: row.entity_type,
  entityId: row.entity_id,
  params: row.params,
  stats: row.stats,
  points: row.points,
  artifactUri: row.artifact_uri,
  artifactSha256: row.artifact_sha256,
  artifactBytes: row.artifact_bytes,
  state: row.state,
  trainedAt: row.trained_at,
  runId: row.run_id,
  actor: row.actor,
  aliases: row.aliases,
})

const ALIASES = `array(
  select a.alias from model_aliases a where a.model = v.model and a.version = v.version order by a.alias desc
) as aliases`

/** What the registry knows of a model that was just trained: its last number, its twin, its stable version. */
interface Standing {
  readonly model: string
  readonly last: number
  readonly twin: number | null
  readonly twin_state: VersionState | null
  readonly twin_uri: string | null
  readonly stable: number | null
}

const STANDING = `
  select m.model,
         coalesce((select max(version) from model_versions v where v.model = m.model), 0) as last,
         twin.version as twin, twin.state as twin_state, twin.artifact_uri as twin_uri,
         stable.version as stable
  from unnest(cast(? as text[]), cast(? as text[])) as m(model, fingerprint)
  left join model_versions twin on twin.model = m.model and twin.fingerprint = m.fingerprint
  left join model_aliases stable on stable.model = m.model and stable.alias = 'stable'`

const INSERT = `
  insert into model_versions (model, version, family, fingerprint, entity_key, config_id, entity_type, entity_id,
                              params, stats, points, artifact_uri, artifact_sha256, artifact_bytes, trained_at,
                              run_id, actor)
  select d.model, d.version, d.family, d.fingerprint, d.entity_key, cast(:configId as int), d.entity_type,
         d.entity_id, d.params, d.stats, d.points, d.artifact_uri, d.artifact_sha256, d.artifact_bytes,
         d.trained_at, cast(:runId as uuid), :actor
  from jsonb_to_recordset(cast(:drafts as jsonb)) as d(
    model text, version int, family text, fingerprint text, entity_key text, entity_type text, entity_id text,
    params jsonb, stats jsonb, points int, artifact_uri text, artifact_sha256 text, artifact_bytes bigint,
    trained_at timestamptz)
  on conflict (model, fingerprint) do update
  set stats = excluded.stats, artifact_uri = excluded.artifact_uri, artifact_sha256 = excluded.artifact_sha256,
      artifact_bytes = excluded.artifact_bytes, trained_at = excluded.trained_at, run_id = excluded.run_id,
      actor = excluded.actor, state = 'ready'`

const SET_ALIAS = `
  insert into model_aliases (model, alias, version)
  select m.model, ?, m.version from unnest(cast(? as text[]), cast(? as int[])) as m(model, version)
  on conflict (model, alias) do update set version = excluded.version, updated_at = now()
  where model_aliases.version <> excluded.version`

/** `which` narrows the models. An alias keeps its version, however old. */
const archive = (which: string): string => `
  with ranked as (
    select id, row_number() over (partition by model order by version desc) as place
    from model_versions where state <> 'archived' and series_id is null ${which}
  )
  update model_versions v set state = 'archived'
  from ranked
  where ranked.id = v.id and ranked.place > ?
    and not exists (select 1 from model_aliases a where a.model = v.model and a.version = v.version)
  returning v.artifact_uri`

const urisOf = (result: { rows: { artifact_uri: string }[] }): string[] =>
  result.rows.map((row) => row.artifact_uri)

interface Move {
  readonly model: string
  readonly from: number | null
  readonly to: number
}

const moveStable = async (trx: Knex.Transaction, moves: readonly Move[]): Promise<void> => {
  // A broken version that was trained anew stays where it is; what went before it does too.
  const away = moves.flatMap(({ model, from, to }) => (from === null || from === to ? [] : [{ model, from }]))
  if (away.length > 0)
    await trx.raw(SET_ALIAS, ['previous', away.map((move) => move.model), away.map((move) => move.from)])
  if (moves.length > 0)
    await trx.raw(SET_ALIAS, ['stable', moves.map((move) => move.model), moves.map((move) => move.to)])
}

const toRecord = (draft: VersionDraft, version: number, uri: string): Record<string, unknown> => ({
  model: draft.model,
  version,
  family: draft.family,
  fingerprint: draft.fingerprint,
  entity_key: draft.entityKey,
  entity_type: draft.entityType,
  entity_id: draft.entityId,
  params: draft.params,
  stats: draft.stats,
  points: draft.points,
  artifact_uri: uri,
  artifact_sha256: draft.artifactSha256,
  artifact_bytes: draft.artifactBytes,
  trained_at: draft.trainedAt.toISOString(),
})

/** What became of one model of a batch, and what has to be written for it. */
interface Placed {
  readonly outcome: AppendOutcome
  readonly record?: Record<string, unknown>
  readonly move?: Move
  readonly lost?: number
}

const placeDraft = async (draft: VersionDraft, standing: Standing, files: ArtifactMoves): Promise<Placed> => {
  const { model } = draft
  const version = standing.twin ?? standing.last + 1
  const move = { model, from: standing.stable, to: version }
  if (standing.twin_state === 'ready') {
    await files.discard(draft)
    return placeKnown(model, standing, files)
  }
  try {
    const uri = await files.settle(draft, version)
    return { outcome: { status: 'trained', model, version }, record: toRecord(draft, version, uri), move }
  } catch (error) {
    await files.discard(draft).catch(() => {})
    return { outcome: { status: 'save_failed', model, error: messageOf(error) } }
  }
}

const placeKnown = async (model: string, standing: Standing, files: ArtifactMoves): Promise<Placed> => {
  const { twin, stable } = standing
  if (twin === null || standing.twin_state !== 'ready' || standing.twin_uri === null)
    return {
      outcome: { status: 'save_failed', model, error: 'its version is no longer usable; train it again' },
    }
  try {
    const moves = stable !== twin
    if (moves || !(await files.isPublished(model))) {
      if (!(await files.publish(model, standing.twin_uri)))
        return { outcome: { status: 'save_failed', model, error: 'its artifact is missing' }, lost: twin }
    }
    const outcome = { status: 'reused', model, version: twin } as const
    return moves ? { outcome, move: { model, from: stable, to: twin } } : { outcome }
  } catch (error) {
    return { outcome: { status: 'save_failed', model, error: messageOf(error) } }
  }
}

const append = (db: Knex, batch: TrainedBatch, files: ArtifactMoves) =>
  db.transaction(async (trx) => {
    await assertFence(trx, batch.fence)
    await takeTurn(trx, batch.configId)
    const all = [...batch.drafts, ...batch.known]
    const models = all.map((item) => item.model)
    const { rows } = (await trx.raw(STANDING, [models, all.map((item) => item.fingerprint)])) as {
      rows: Standing[]
    }
    const standings = new Map(rows.map((row) => [row.model, row]))
    const standingOf = (model: string): Standing =>
      standings.get(model) ?? { model, last: 0, twin: null, twin_state: null, twin_uri: null, stable: null }
    const placed = [
      ...(await mapBounded(batch.drafts, FILES_IN_FLIGHT, (draft) =>
        placeDraft(draft, standingOf(draft.model), files),
      )),
      ...(await mapBounded(batch.known, FILES_IN_FLIGHT, ({ model }) =>
        placeKnown(model, standingOf(model), files),
      )),
    ]
    const moves = placed.flatMap(({ move }) => move ?? [])
    const records = placed.flatMap(({ record }) => record ?? [])
    const lost = placed.flatMap(({ lost: version, outcome }) =>
      version === undefined ? [] : [{ model: outcome.model, version }],
    )
    if (moves.length > 0) await files.flush(moves.map((move) => move.model))
    if (records.length > 0) {
      await trx.raw(INSERT, {
        configId: batch.configId,
        runId: batch.fence.runId,
        actor: batch.actor,
        drafts: JSON.stringify(records),
      })
    }
    if (lost.length > 0) {
      await trx.raw(
        `update model_versions v set state = 'broken'
         from unnest(cast(? as text[]), cast(? as int[])) as m(model, version)
         where v.model = m.model and v.version = m.version`,
        [lost.map((item) => item.model), lost.map((item) => item.version)],
      )
    }
    await moveStable(trx, moves)
    const archivedUris =
      records.length > 0
        ? urisOf(await trx.raw(archive('and model = any(cast(? as text[]))'), [models, KEPT_VERSIONS]))
        : []
    return { outcomes: placed.map(({ outcome }) => outcome), archivedUris }
  })

const NEWEST = `
  select asked.place::int, v.model, v.version, v.artifact_uri, v.artifact_sha256, v.artifact_bytes
  from unnest(cast(? as text[])) as m(model) join model_aliases a on a.model = m.model
  cross join unnest(cast(? as text[])) with ordinality as asked(day, place)
  cross join lateral (
    select * from model_versions v
    where v.model = a.model and v.version <= a.version and v.state = 'ready' and v.stats->>'train_end' < asked.day
    order by v.version desc limit 1
  ) v
  where a.alias = 'stable'`

const narrow = (
  query: Knex.QueryBuilder,
  { configId, alias, ...filter }: VersionFilter,
): Knex.QueryBuilder => {
  query.where('v.config_id', configId)
  if (filter.family) query.where('v.family', filter.family)
  if (filter.entityType) query.where('v.entity_type', filter.entityType)
  if (filter.entityId) query.where('v.entity_id', filter.entityId)
  if (alias) {
    query.whereRaw(
      'exists (select 1 from model_aliases a where a.model = v.model and a.version = v.version and a.alias = ?)',
      [alias],
    )
  }
  return query
}

/** An entity has rows when an ad of it has; a pooled model lives as long as its ancestor. */
const INACTIVE = `
  with delivering as (
    select ad.config_id, ad.ad_id, ad.adset_id, ad.campaign_id from ads_ads ad
    where exists (
      select 1 from ads_insights_daily i
      where i.config_id = ad.config_id and i.ad_id = ad.ad_id and i.date >= cast(? as date))
  ), alive as (
    select config_id, 'ad' as entity_type, ad_id as entity_id from delivering
    union select config_id, 'adset', adset_id from delivering
    union select config_id, 'campaign', campaign_id from delivering
    union select config_id, 'account', config_id::text from delivering
  )
  select v.model from model_aliases a
  join model_versions v on v.model = a.model and v.version = a.version
  left join alive l
    on l.config_id = v.config_id
    and l.entity_type = coalesce(v.params->>'ancestor_type', v.entity_type)
    and l.entity_id = coalesce(v.params->>'ancestor_id', v.entity_id)
  where a.alias = 'stable' and v.family = '${FAMILY}' and v.series_id is null and l.entity_id is null
  order by v.model`

export const modelVersions = (db: Knex): ModelVersions => {
  const one = async (where: Record<string, unknown>): Promise<readonly ModelVersion[]> => {
    const rows: VersionRow[] = await db('model_versions as v')
      .where(where)
      .whereNull('v.series_id')
      .orderBy('v.version', 'desc')
      .select('v.*', db.raw(ALIASES))
    return rows.map(fromRow)
  }
  return {
    fingerprints: async (configId, level, entityIds) => {
      const query = db('model_versions')
        .where({ config_id: configId, entity_type: level, family: FAMILY, state: 'ready' })
        .whereNotNull('entity_id')
        .groupBy('entity_id')
        .select('entity_id', db.raw('array_agg(fingerprint::text) as prints'))
      if (entityIds) query.whereRaw('entity_id = any(cast(? as text[]))', [[...entityIds]])
      const rows = (await query) as { entity_id: string; prints: string[] }[]
      return new Map(rows.map((row) => [row.entity_id, row.prints]))
    },

    pooledFingerprints: async (configId, level) => {
      const rows = (await db('model_versions')
        .where({ config_id: configId, entity_type: level, family: FAMILY, state: 'ready' })
        .whereNull('entity_id')
        .groupBy('model')
        .select('model', db.raw('array_agg(fingerprint::text) as prints'))) as {
        model: string
        prints: string[]
      }[]
      return new Map(rows.map((row) => [row.model, row.prints]))
    },

    append: (batch, files) => append(db, batch, files),

    newestBefore: async (models, days) => {
      const perDay = days.map(() => new Map<string, ArtifactRef>())
      const { rows } = (await db.raw(NEWEST, [[...models], days.map(toLocalDate)])) as {
        rows: (VersionRow & { place: number })[]
      }
      for (const row of rows) {
        perDay[row.place - 1]?.set(row.model, {
          model: row.model,
          version: row.version,
          artifactUri: row.artifact_uri,
          artifactSha256: row.artifact_sha256,
          artifactBytes: row.artifact_bytes,
        })
      }
      return perDay
    },

    list: async (filter, page) => {
      const total = await narrow(db('model_versions as v'), filter).count<{ count: number }[]>('* as count')
      const query = narrow(db('model_versions as v'), filter)
        .orderBy('v.id', 'desc')
        .limit(page.pageSize)
        .select('v.*', db.raw(ALIASES))
      if (page.afterId === null) query.offset((page.page - 1) * page.pageSize)
      else query.where('v.id', '<', numericId(page.afterId))
      const rows = (await query) as VersionRow[]
      return toPage(page, total[0]?.count ?? 0, rows.map(fromRow), (version) => version.id)
    },

    byId: async (id) => (await one({ 'v.id': id }))[0] ?? null,

    ofModel: (model) => one({ 'v.model': model }),

    promote: (version, publish) =>
      db.transaction(async (trx) => {
        await takeTurn(trx, version.configId)
        // While we waited it may have been archived, its file too.
        const { model, version: number } = version
        if (!(await trx('model_versions').where({ model, version: number, state: 'ready' }).first('id')))
          return false
        const stable: { version: number } | undefined = await trx('model_aliases')
          .where({ model: version.model, alias: 'stable' })
          .first('version')
        await publish()
        if (stable?.version === version.version) return true
        await moveStable(trx, [{ model: version.model, from: stable?.version ?? null, to: version.version }])
        return true
      }),

    markBroken: (ref, quarantine) =>
      db.transaction(async (trx) => {
        const where = {
          model: ref.model,
          version: ref.version,
          state: 'ready',
          artifact_sha256: ref.artifactSha256,
        }
        const row: { config_id: number | null } | undefined = await trx('model_versions')
          .where(where)
          .first('config_id')
        if (!row) return false
        await takeTurn(trx, row.config_id)
        const marked = await trx('model_versions').where(where).update({ state: 'broken' })
        if (marked > 0) await quarantine()
        return marked > 0
      }),

    archiveOld: async () => urisOf(await db.raw(archive(''), [KEPT_VERSIONS])),

    retract: (model, fence, unpublish) =>
      db.transaction(async (trx) => {
        await assertFence(trx, fence)
        const row: { config_id: number | null } | undefined = await trx('model_versions')
          .where({ model })
          .first('config_id')
        if (!row) return false
        await takeTurn(trx, row.config_id)
        const retracted = (await trx('model_aliases').where({ model }).delete()) > 0
        if (retracted) await unpublish()
        return retracted
      }),

    inactiveSince: async (day) => {
      const { rows } = (await db.raw(INACTIVE, [toLocalDate(day)])) as { rows: { model: string }[] }
      return rows.map((row) => row.model)
    },

    configIds: async () => {
      const rows: { config_id: number }[] = await db('model_versions')
        .whereNotNull('config_id')
        .distinct('config_id')
        .orderBy('config_id')
      return rows.map((row) => row.config_id)
    },

    uris: async (configId) => {
      const rows: { artifact_uri: string }[] = await db('model_versions')
        .where({ config_id: configId })
        .whereNot({ state: 'archived' })
        .select('artifact_uri')
      return new Set(rows.map((row) => row.artifact_uri))
    },
  }
}
