/**
 * Models of series in memory, opened and ready to judge: known by the hash of their bytes, so that what is held can
 * be old but never wrong. Whatever keeps a model from being loaded is a reason to answer by the baseline, not an
 * error.
 */
import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { openBundle } from '../../ml/series/bundle.ts'
import type { Bundle } from '../../ml/series/bundle.ts'
import type { Clock } from '../core/clock.ts'
import { messageOf } from '../core/errors.ts'
import type { Logger } from '../platform/logger.ts'
import type { BreakerState } from '../platform/series-metrics.ts'
import type { SeriesFiles } from './files.ts'
import { createBreaker } from './served-versions.ts'
import type { ServedVersion } from './series.ts'

/** An opened forest takes about so many times the bytes of its file. */
const OPENED_PER_BYTE = 6
const LEAST_SIZE = 4096
/** What could not be loaded is tried again after so long. */
const RETRY_MS = 5000

export const FALLBACK_REASONS = ['missing', 'corrupt', 'timeout', 'breaker', 'error'] as const
export type FallbackReason = (typeof FALLBACK_REASONS)[number]

export interface OpenModel {
  readonly bundle: Bundle
  /** The file; reaches threads without being copied. Read only. */
  readonly bytes: SharedArrayBuffer
}

export type Loaded = { readonly model: OpenModel } | { readonly failed: FallbackReason }

export interface ModelCache {
  /** Never rejects. */
  load(version: ServedVersion): Promise<Loaded>
  /** When it is held. */
  held(version: ServedVersion): OpenModel | null
  readonly size: number
  clear(): void
  close(): void
}

export interface ModelCacheParts {
  readonly clock: Clock
  readonly files: Pick<SeriesFiles, 'read'>
  /** Takes a damaged version out of service. */
  readonly markBroken: (version: ServedVersion, reason: string) => Promise<unknown>
  readonly logger: Logger
  readonly maxBytes: number
  readonly maxEntries: number
  /** Milliseconds an entry is kept; 0: until there is no room. */
  readonly ttlMs: number
  readonly timeoutMs: number
  readonly onRequest: (result: 'hit' | 'miss') => void
  readonly onLoaded: (seconds: number, entries: number) => void
  readonly onBreaker: (state: BreakerState) => void
  /** Around a load that was not held. */
  readonly span: <T>(version: ServedVersion, work: () => Promise<T>) => Promise<T>
}

const reasonOf = (error: unknown): FallbackReason => {
  const { code } = (error ?? {}) as { code?: unknown }
  if (code === 'EOPENBREAKER') return 'breaker'
  return code === 'ETIMEDOUT' ? 'timeout' : 'error'
}

export const createModelCache = (parts: ModelCacheParts): ModelCache => {
  const { logger } = parts
  // Without a resolution every look asks the clock, which tests move.
  const expiring = (ttl: number): { ttl: number; ttlResolution: 0; perf: { now: () => number } } => ({
    ttl,
    ttlResolution: 0,
    perf: { now: () => parts.clock.now().getTime() },
  })
  const held = new LRUCache<string, OpenModel>({
    max: parts.maxEntries,
    maxSize: parts.maxBytes,
    sizeCalculation: ({ bytes }) => Math.max(LEAST_SIZE, bytes.byteLength * (1 + OPENED_PER_BYTE)),
    ...(parts.ttlMs > 0 ? expiring(parts.ttlMs) : {}),
  })
  const loading = new Map<string, Promise<Loaded>>()
  const failures = new LRUCache<string, FallbackReason>({ max: 10_000, ...expiring(RETRY_MS) })
  const breaker = createBreaker(
    'artifacts',
    (version: ServedVersion) => parts.files.read(version.artifactUri, version.artifactBytes),
    parts.timeoutMs,
    parts.onBreaker,
  )

  const damaged = (version: ServedVersion, failed: FallbackReason, reason: string): Loaded => {
    // What is marked is known; it is looked at all the same, for a file may have been brought back.
    if (version.state === 'broken') return { failed }
    parts.markBroken(version, reason).catch((error: unknown) => {
      logger.error('a damaged model could not be taken out of service', {
        series_id: version.seriesId,
        version: version.version,
        error: messageOf(error),
      })
    })
    return { failed }
  }

  const read = async (version: ServedVersion): Promise<Loaded> => {
    const start = performance.now()
    const file = await breaker.fire(version)
    if (file.status === 'quarantined') return damaged(version, 'corrupt', 'the file was put aside as damaged')
    if (file.status === 'missing') return damaged(version, 'missing', 'the file is missing')
    if (file.status !== 'read') return damaged(version, 'corrupt', 'the file has another length')
    const bytes = new Uint8Array(file.bytes)
    if (createHash('sha256').update(bytes).digest('hex') !== version.artifactSha256)
      return damaged(version, 'corrupt', 'the file has other bytes than were written')
    let bundle: Bundle
    try {
      bundle = openBundle(bytes)
    } catch (error) {
      return damaged(version, 'corrupt', `the file cannot be read: ${messageOf(error)}`)
    }
    const model = { bundle, bytes: file.bytes }
    held.set(version.artifactSha256, model)
    parts.onLoaded((performance.now() - start) / 1000, held.size)
    return { model }
  }

  const load = async (version: ServedVersion): Promise<Loaded> => {
    const hit = held.get(version.artifactSha256)
    parts.onRequest(hit ? 'hit' : 'miss')
    if (hit) return { model: hit }
    const known = failures.get(version.artifactSha256)
    if (known !== undefined) return { failed: known }
    let pending = loading.get(version.artifactSha256)
    if (!pending) {
      pending = parts
        .span(version, () => read(version))
        .catch((error: unknown): Loaded => ({ failed: reasonOf(error) }))
        .then((loaded) => {
          if ('failed' in loaded) failures.set(version.artifactSha256, loaded.failed)
          return loaded
        })
        .finally(() => loading.delete(version.artifactSha256))
      loading.set(version.artifactSha256, pending)
    }
    return pending
  }

  return {
    load,
    held: (version) => held.get(version.artifactSha256) ?? null,
    get size() {
      return held.size
    },
    clear: () => {
      held.clear()
      failures.clear()
    },
    close: () => {
      breaker.shutdown()
      held.clear()
    },
  }
}
