/**
 * The catalogue of model versions: which there are, which one answers, and what becomes of old ones.
 * Files follow the record: a version's file is there before its row, and is removed after it.
 */
import type { DayNumber } from '../../ml/frame.ts'
import { lastCompleteDay } from '../core/days.ts'
import { AppError, messageOf } from '../core/errors.ts'
import type { Page, PageRequest } from '../core/page.ts'
import type { Fence } from '../core/work.ts'
import type { Logger } from '../platform/logger.ts'
import type { ArtifactStore } from './artifact-store.ts'
import type { ArtifactRef, ModelVersion } from './model-version.ts'
import type { Appended, ModelVersions, TrainedBatch, VersionFilter } from './model-versions.ts'

const INACTIVE_DAYS = 30
/** Files nobody knows may belong to a training under way; none takes this long. */
const ORPHAN_AGE_MS = 24 * 3_600_000
/** Topic on which processes tell each other which models to drop: `{ models: [...] }` or `{ config_id }`. */
export const MODELS_CHANGED = 'models.changed'
/** A message has to stay under 8 kB; beyond this many names one for the whole config is sent. */
const NAMES_PER_MESSAGE = 50

/** Short messages between processes; best effort. */
export interface Announcements {
  publish(topic: string, payload: unknown): Promise<void>
  subscribe(topic: string, handler: (payload: unknown) => void): () => void
}

export interface ModelDetail {
  readonly version: ModelVersion
  /** All versions of its model, newest first. */
  readonly versions: readonly ModelVersion[]
}

export interface Retired {
  readonly archived: number
  readonly unpublished: number
  readonly orphans: number
}

export interface ModelRegistry {
  /**
   * For each of `days` per model the newest ready version, not newer than `stable`, whose training ended before
   * the day. Models without one are absent. One query.
   */
  versionsBefore(
    models: readonly string[],
    days: readonly DayNumber[],
  ): Promise<readonly ReadonlyMap<string, ArtifactRef>[]>
  /** Newest first. */
  list(filter: VersionFilter, page: PageRequest): Promise<Page<ModelVersion>>
  /** @throws AppError MODEL_NOT_FOUND */
  get(id: number): Promise<ModelDetail>
  /** The newest version first; empty for an unknown model. */
  versionsOf(model: string): Promise<readonly ModelVersion[]>
  /** metadata.json of the config. @throws AppError MODEL_NOT_FOUND before the first training */
  metadata(configId: number): Promise<unknown>
  /**
   * Moves `stable` to the version, `previous` to where it was, and republishes; repeating is harmless.
   * @throws AppError MODEL_NOT_FOUND, VERSION_ARCHIVED; CONFLICT for a broken version
   */
  activate(id: number): Promise<ModelVersion>
  /** The same by name; `to` is a version number, or the alias `previous`. */
  rollback(model: string, to: number | 'previous'): Promise<ModelVersion>
  /** The file of a version. @throws AppError MODEL_NOT_FOUND, VERSION_ARCHIVED; CONFLICT when it is damaged */
  artifact(id: number): Promise<{ readonly version: ModelVersion; readonly bytes: Uint8Array }>
  /** Numbers and records what was trained. @throws FenceLost, with nothing written */
  append(batch: TrainedBatch): Promise<Appended>
  fingerprints: ModelVersions['fingerprints']
  pooledFingerprints: ModelVersions['pooledFingerprints']
  /** Quarantines the file and takes the version out of service. */
  markBroken(ref: ArtifactRef, reason: string): Promise<void>
  /** Takes a model out of service: no version answers until one is trained or activated. Repeating is harmless. @throws FenceLost */
  retract(model: string, fence: Fence): Promise<void>
  /** Nightly: archives old versions, unpublishes what no longer delivers, removes files nobody knows. */
  retire(asOf: Date, signal: AbortSignal): Promise<Retired>
}

export interface ModelRegistryParts {
  readonly versions: ModelVersions
  readonly artifacts: ArtifactStore
  readonly announcements: Announcements
  readonly logger: Logger
}

export const createModelRegistry = (parts: ModelRegistryParts): ModelRegistry => {
  const { versions, artifacts, announcements, logger } = parts

  const announce = async (models: readonly string[], configId: number | null): Promise<void> => {
    if (models.length === 0) return
    const whole = configId !== null && models.length > NAMES_PER_MESSAGE
    await announcements.publish(MODELS_CHANGED, whole ? { config_id: configId } : { models })
  }

  /** Only the disk gains by it, so it may fail. */
  const removeFiles = async (uris: readonly string[]): Promise<void> => {
    try {
      await artifacts.remove(uris)
    } catch (error) {
      logger.warn('files of archived versions remain until the next clean-up', { error: messageOf(error) })
    }
  }

  const found = async (id: number): Promise<ModelVersion> => {
    const version = await versions.byId(id)
    if (!version)
      throw new AppError(
        'MODEL_NOT_FOUND',
        `There is no model version ${id}; list them with GET /api/v1/ml/models`,
      )
    return version
  }

  const requireReady = (version: ModelVersion): void => {
    const name = `version ${version.version} of ${version.model}`
    if (version.state === 'archived')
      throw new AppError('VERSION_ARCHIVED', `${name} is archived, its file is gone; choose a newer one`)
    if (version.state === 'broken')
      throw new AppError('CONFLICT', `the artifact of ${name} is damaged; train it again or choose another`)
  }

  const promote = async (version: ModelVersion): Promise<ModelVersion> => {
    requireReady(version)
    const promoted = await versions.promote(version, async () => {
      if (!(await artifacts.publish(version.model, version.artifactUri)))
        throw new AppError(
          'CONFLICT',
          `the artifact of version ${version.version} of ${version.model} is missing`,
        )
      await artifacts.flush([version.model])
    })
    if (!promoted) requireReady(await found(version.id))
    await announce([version.model], version.configId)
    logger.info('model version activated', { model: version.model, version: version.version })
    return found(version.id)
  }

  return {
    versionsBefore: (models, days) => versions.newestBefore(models, days),

    list: (filter, page) => versions.list(filter, page),

    get: async (id) => {
      const version = await found(id)
      return { version, versions: await versions.ofModel(version.model) }
    },

    versionsOf: (model) => versions.ofModel(model),

    metadata: async (configId) => {
      const metadata = await artifacts.readMetadata(configId)
      if (metadata === null)
        throw new AppError(
          'MODEL_NOT_FOUND',
          `Nothing was trained for config ${configId} yet; start with POST /api/v1/ml/models/train`,
        )
      return metadata
    },

    activate: async (id) => promote(await found(id)),

    rollback: async (model, to) => {
      const all = await versions.ofModel(model)
      const wanted = all.find(({ version, aliases }) =>
        to === 'previous' ? aliases.includes(to) : version === to,
      )
      if (!wanted) {
        const which = to === 'previous' ? 'previous version' : `version ${to}`
        throw new AppError('MODEL_NOT_FOUND', `There is no ${which} of ${model}`)
      }
      return promote(wanted)
    },

    artifact: async (id) => {
      const version = await found(id)
      requireReady(version)
      const file = await artifacts.read(version.artifactUri, version.artifactBytes)
      if (file.status !== 'read')
        throw new AppError(
          'CONFLICT',
          `the artifact of version ${version.version} of ${version.model} is damaged`,
        )
      return { version, bytes: new Uint8Array(file.bytes) }
    },

    append: async (batch) => {
      const appended = await versions.append(batch, {
        settle: (draft, version) => artifacts.settle(draft.staged, version),
        discard: (draft) => artifacts.discard(draft.staged),
        publish: (model, uri) => artifacts.publish(model, uri),
        isPublished: (model) => artifacts.isPublished(model),
        flush: (models) => artifacts.flush(models),
      })
      await removeFiles(appended.archivedUris)
      await announce(
        appended.outcomes.flatMap((outcome) => (outcome.status === 'trained' ? [outcome.model] : [])),
        batch.configId,
      )
      return appended
    },

    fingerprints: (configId, level, entityIds) => versions.fingerprints(configId, level, entityIds),
    pooledFingerprints: (configId, level) => versions.pooledFingerprints(configId, level),

    markBroken: async (ref, reason) => {
      const marked = await versions.markBroken(ref, () => artifacts.quarantine(ref.model, ref.artifactUri))
      if (!marked) return
      logger.error('a model artifact is damaged; its version is out of service until the next training', {
        model: ref.model,
        version: ref.version,
        reason,
      })
      await announce([ref.model], null)
    },

    retract: async (model, fence) => {
      if (!(await versions.retract(model, fence, () => artifacts.unpublish([model])))) return
      logger.info('model taken out of service', { model })
      await announce([model], null)
    },

    retire: async (asOf, signal) => {
      const archived = await versions.archiveOld()
      await removeFiles(archived)
      signal.throwIfAborted()
      const inactive = await versions.inactiveSince(lastCompleteDay(asOf, 'UTC') - INACTIVE_DAYS + 1)
      await artifacts.unpublish(inactive)
      let orphans = 0
      for (const configId of await versions.configIds()) {
        signal.throwIfAborted()
        const before = new Date(asOf.getTime() - ORPHAN_AGE_MS)
        orphans += await artifacts.removeOrphans(configId, await versions.uris(configId), before)
      }
      return { archived: archived.length, unpublished: inactive.length, orphans }
    },
  }
}
