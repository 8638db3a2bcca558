/**
 * Models in memory: the bytes of artifacts, checked, shared between threads, and held as long as useful.
 * Bytes are known by their sha256, so an entry can be old but never wrong; messages and age only free memory
 * and have damage on disk noticed.
 */
import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { mapBounded } from '../core/bounded.ts'
import { messageOf } from '../core/errors.ts'
import type { Clock } from '../core/clock.ts'
import type { Logger } from '../platform/logger.ts'
import type { ArtifactStore } from './artifact-store.ts'
import { MODELS_CHANGED } from './model-registry.ts'
import type { Announcements, ModelRegistry } from './model-registry.ts'
import type { ArtifactRef } from './model-version.ts'

const READS_IN_FLIGHT = 16
const TTL_MS = 5 * 60_000

export type LoadedModel =
  | {
      readonly status: 'ready'
      readonly ref: ArtifactRef
      /** The whole artifact file; reaches threads without being copied. Read only. */
      readonly bytes: SharedArrayBuffer
    }
  /** The file was missing, cut, changed or foreign: it is quarantined and its version marked broken. */
  | { readonly status: 'broken'; readonly ref: ArtifactRef; readonly reason: string }

export interface ModelLoader {
  /** @throws when the storage as a whole cannot be read */
  load(ref: ArtifactRef): Promise<LoadedModel>
  /** In the order of `refs`; a bounded number of files is read at once. */
  loadMany(refs: readonly ArtifactRef[]): Promise<readonly LoadedModel[]>
  /** Stops listening and drops everything held. */
  close(): void
}

export interface ModelLoaderParts {
  readonly artifacts: Pick<ArtifactStore, 'read'>
  readonly registry: Pick<ModelRegistry, 'markBroken'>
  readonly announcements: Pick<Announcements, 'subscribe'>
  readonly logger: Logger
  readonly maxBytes: number
  readonly maxEntries: number
  readonly clock: Clock
  /** Counts for the metrics. */
  readonly onRequest?: (result: 'hit' | 'miss') => void
}

interface Held {
  readonly model: string
  readonly bytes: SharedArrayBuffer
}

/** What a message names; anything else is not for us. */
const dropsModel = (payload: unknown): ((model: string) => boolean) => {
  const { models, config_id: configId } = (payload ?? {}) as { models?: unknown; config_id?: unknown }
  if (Array.isArray(models)) return (model) => models.includes(model)
  return (model) => model.split('/')[1] === `config_${String(configId)}`
}

export const createModelLoader = (parts: ModelLoaderParts): ModelLoader => {
  const { artifacts, registry, logger } = parts
  const held = new LRUCache<string, Held>({
    max: parts.maxEntries,
    maxSize: parts.maxBytes,
    sizeCalculation: ({ bytes }) => Math.max(1, bytes.byteLength),
    ttl: TTL_MS,
    ttlResolution: 0,
    perf: { now: () => parts.clock.now().getTime() },
  })
  const reading = new Map<string, Promise<LoadedModel>>()
  const unsubscribe = parts.announcements.subscribe(MODELS_CHANGED, (payload) => {
    const drops = dropsModel(payload)
    for (const [sha256, { model }] of held.entries()) if (drops(model)) held.delete(sha256)
  })

  const broken = async (ref: ArtifactRef, reason: string): Promise<LoadedModel> => {
    try {
      await registry.markBroken(ref, reason)
    } catch (error) {
      // Not marked: the next load finds the same and tries again.
      logger.error('a damaged artifact could not be quarantined', {
        model: ref.model,
        version: ref.version,
        error: messageOf(error),
      })
    }
    return { status: 'broken', ref, reason }
  }

  const read = async (ref: ArtifactRef): Promise<LoadedModel> => {
    const file = await artifacts.read(ref.artifactUri, ref.artifactBytes)
    if (file.status !== 'read')
      return broken(ref, file.status === 'missing' ? 'the file is missing' : 'the file has another length')
    const sha256 = createHash('sha256').update(new Uint8Array(file.bytes)).digest('hex')
    if (sha256 !== ref.artifactSha256) return broken(ref, 'the file has other bytes than were written')
    held.set(ref.artifactSha256, { model: ref.model, bytes: file.bytes })
    return { status: 'ready', ref, bytes: file.bytes }
  }

  const load = (ref: ArtifactRef): Promise<LoadedModel> => {
    const hit = held.get(ref.artifactSha256)
    parts.onRequest?.(hit ? 'hit' : 'miss')
    if (hit) return Promise.resolve({ status: 'ready', ref, bytes: hit.bytes })
    const key = `${ref.model} ${ref.version} ${ref.artifactSha256}`
    let pending = reading.get(key)
    if (!pending) {
      pending = read(ref).finally(() => reading.delete(key))
      reading.set(key, pending)
    }
    return pending
  }

  return {
    load,
    loadMany: (refs) => mapBounded(refs, READS_IN_FLIGHT, load),
    close: () => {
      unsubscribe()
      held.clear()
    },
  }
}
