/** Models: what was trained, training on demand, and which version answers. */
import { z } from 'zod'
import { LocalDate } from '../../shared/core/days.ts'
import { ConfigId, EntityId, Level, LEVELS, RowId } from '../../shared/core/entity.ts'
import { AppError } from '../../shared/core/errors.ts'
import { PageQuery, PageReply, toPageRequest } from '../../shared/core/page.ts'
import { wireNumber } from '../../shared/core/wire.ts'
import { trainClassifier, trainConfig } from '../../shared/jobs/training.ts'
import { ALIASES } from '../../shared/registry/model-version.ts'
import type { ModelVersion } from '../../shared/registry/model-version.ts'
import { toTrainPayload } from '../../shared/training/train-request.ts'
import { route } from '../route.ts'
import type { Route } from '../route.ts'

const TAG = 'Models'

const Version = z.object({
  id: z.int(),
  model: z.string(),
  version: z.int(),
  family: z.string(),
  config_id: z.int().nullable(),
  entity_type: Level.nullable(),
  entity_id: z.string().nullable(),
  state: z.enum(['ready', 'archived', 'broken']),
  aliases: z.array(z.string()),
  samples: z.int().describe('Days it was trained on'),
  features: z.array(z.string()),
  train_start: z.string().nullable(),
  train_end: z.string().nullable(),
  metrics: z.record(z.string(), z.number().nullable()),
  params: z.record(z.string(), z.unknown()),
  fingerprint: z.string(),
  artifact_uri: z.string().describe('Below MODELS_STORAGE_PATH'),
  artifact_sha256: z.string(),
  artifact_bytes: z.int(),
  trained_at: z.iso.datetime(),
  run_id: z.string().nullable(),
  actor: z.string(),
})

/** What training puts into `stats`; other families may lack parts of it. */
const Stats = z
  .object({
    features: z.array(z.string()).catch([]),
    train_start: z.string().nullable().catch(null),
    train_end: z.string().nullable().catch(null),
    metrics: z.record(z.string(), z.number()).catch({}),
  })
  .partial()

export const toWire = (version: ModelVersion): z.infer<typeof Version> => {
  const stats = Stats.parse(version.stats)
  const metrics = Object.entries(stats.metrics ?? {}).map(
    ([name, value]) => [name, wireNumber(value)] as const,
  )
  return {
    id: version.id,
    model: version.model,
    version: version.version,
    family: version.family,
    config_id: version.configId,
    entity_type: version.entityType,
    entity_id: version.entityId,
    state: version.state,
    aliases: [...version.aliases],
    samples: version.points,
    features: stats.features ?? [],
    train_start: stats.train_start ?? null,
    train_end: stats.train_end ?? null,
    metrics: Object.fromEntries(metrics),
    params: { ...version.params },
    fingerprint: version.fingerprint,
    artifact_uri: version.artifactUri,
    artifact_sha256: version.artifactSha256,
    artifact_bytes: version.artifactBytes,
    trained_at: version.trainedAt.toISOString(),
    run_id: version.runId,
    actor: version.actor,
  }
}

const PerLevel = z.object({ campaign: z.int(), adset: z.int(), ad: z.int() })
const Metadata = z.object({
  format_version: z.literal(1),
  config_id: z.int(),
  last_training: z.iso.datetime(),
  models_count: PerLevel,
  skipped_count: PerLevel,
  failed_count: PerLevel,
  training_duration_seconds: z.number(),
})

const VersionPath = z.object({ id: RowId })

/** A version of a config the caller may not see is a version that does not exist. */
const requireVisible = (version: ModelVersion, sees: (configId: number) => void): void => {
  if (version.configId === null) return
  try {
    sees(version.configId)
  } catch {
    throw new AppError('MODEL_NOT_FOUND', `There is no model version ${version.id}`)
  }
}

const list = route({
  method: 'get',
  path: '/api/v1/ml/models',
  role: 'viewer',
  tag: TAG,
  summary: 'Model versions of a config, newest first',
  query: PageQuery.extend({
    config_id: ConfigId,
    family: z.string().max(50).optional(),
    entity_type: Level.optional(),
    entity_id: EntityId.optional(),
    alias: z.enum(ALIASES).optional().describe('Only the versions that alias names'),
  }),
  reply: { 200: PageReply(Version) },
  handle: async ({ query, seesConfig }, services) => {
    seesConfig(query.config_id)
    await services.configs.get(query.config_id)
    const page = await services.models.list(
      {
        configId: query.config_id,
        ...(query.family ? { family: query.family } : {}),
        ...(query.entity_type ? { entityType: query.entity_type } : {}),
        ...(query.entity_id ? { entityId: query.entity_id } : {}),
        ...(query.alias ? { alias: query.alias } : {}),
      },
      toPageRequest(query),
    )
    return { status: 200, body: { ...page, data: page.data.map(toWire) } }
  },
})

const metadata = route({
  method: 'get',
  path: '/api/v1/ml/models/metadata',
  role: 'viewer',
  tag: TAG,
  summary: 'metadata.json of the config: what its last training did',
  query: z.object({ config_id: ConfigId }),
  reply: { 200: Metadata },
  handle: async ({ query, seesConfig }, services) => {
    seesConfig(query.config_id)
    await services.configs.get(query.config_id)
    return { status: 200, body: await services.models.metadata(query.config_id) }
  },
})

const detail = route({
  method: 'get',
  path: '/api/v1/ml/models/:id',
  role: 'viewer',
  tag: TAG,
  summary: 'One model version, and all versions of its model, newest first',
  params: VersionPath,
  reply: { 200: Version.extend({ versions: z.array(Version) }) },
  handle: async ({ params, seesConfig }, services) => {
    const { version, versions } = await services.models.get(params.id)
    requireVisible(version, seesConfig)
    return { status: 200, body: { ...toWire(version), versions: versions.map(toWire) } }
  },
})

const train = route({
  method: 'post',
  path: '/api/v1/ml/models/train',
  role: 'trainer',
  tag: TAG,
  summary: 'Trains the models of a config, or of some of its entities',
  body: z.object({
    config_id: ConfigId,
    // Callers from before ad sets and ads existed send no entity_type.
    entity_type: z.enum([...LEVELS, 'all']).default('campaign'),
    entity_ids: z.array(EntityId).min(1).max(500).optional(),
    date: LocalDate.optional().describe(
      'The analysed day; the days before it are trained on. Default: the newest complete day that has rows',
    ),
    family: z
      .enum(['anomaly_detector', 'classifier'])
      .default('anomaly_detector')
      .describe('classifier: of tiers, one per level; kept only where it beats the rules'),
  }),
  reply: { 202: z.object({ run_id: z.string(), status: z.string() }) },
  handle: async ({ body, principal, seesConfig, traceId }, services) => {
    seesConfig(body.config_id)
    if (body.entity_type === 'all' && body.entity_ids) {
      const message = 'needs the entity_type of the ids, not all'
      throw new AppError('INVALID_REQUEST', `entity_ids: ${message}`, {
        errors: [{ field: 'body.entity_ids', message }],
      })
    }
    const payload = await toTrainPayload(
      {
        configId: body.config_id,
        entityType: body.entity_type === 'all' ? null : body.entity_type,
        entityIds: body.entity_ids ?? null,
        day: body.date ?? null,
      },
      services,
    )
    const options = { actor: principal.actor, traceId }
    if (body.family === 'classifier' && body.entity_ids) {
      const message = 'a classifier is trained on a whole level; leave them out'
      throw new AppError('INVALID_REQUEST', `entity_ids: ${message}`, {
        errors: [{ field: 'body.entity_ids', message }],
      })
    }
    const run =
      body.family === 'classifier'
        ? await services.enqueue(trainClassifier, payload, options)
        : await services.enqueue(trainConfig, payload, options)
    return {
      status: 202,
      body: { run_id: run.id, status: run.status },
      headers: { location: `/api/v1/runs/${run.id}` },
      audit: { target: `config/${body.config_id}`, after: { run_id: run.id } },
    }
  },
})

const activate = route({
  method: 'post',
  path: '/api/v1/ml/models/:id/activate',
  role: 'admin',
  tag: TAG,
  summary: 'Makes a version the one that answers (`stable`); repeating is harmless',
  params: VersionPath,
  reply: { 200: Version },
  handle: async ({ params, seesConfig }, services) => {
    const { version, versions } = await services.models.get(params.id)
    requireVisible(version, seesConfig)
    const stable = versions.find(({ aliases }) => aliases.includes('stable'))
    const active = await services.models.activate(params.id)
    return {
      status: 200,
      body: toWire(active),
      audit: {
        target: active.model,
        before: { stable: stable?.version ?? null },
        after: { stable: active.version },
      },
    }
  },
})

export const modelRoutes: readonly Route[] = [list, metadata, train, detail, activate]
