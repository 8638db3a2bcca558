/**
 * Which version answers for a series, remembered. What is remembered answers on while the record is away; it is
 * looked up again after a while, and as soon as somebody says that the series changed.
 */
import CircuitBreaker from 'opossum'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../core/clock.ts'
import { AppError } from '../core/errors.ts'
import type { Announcements } from '../registry/model-registry.ts'
import type { BreakerState } from '../platform/series-metrics.ts'
import { SERIES_CHANGED } from './series.ts'
import type { SeriesRecord, ServedLookup } from './series.ts'

const MOST_REMEMBERED = 100_000
/** What is not there now may be a moment later. */
const MISSING_MS = 1000
const TIMEOUT_MS = 1000

export interface Wanted {
  readonly seriesId: string
  /** Null: the one `stable` names. */
  readonly version: number | null
}

export interface ServedVersions {
  /** In the order asked. @throws STORAGE_UNAVAILABLE when the record is away and one of them is not remembered */
  find(wanted: readonly Wanted[]): Promise<readonly ServedLookup[]>
  /** Synchronous, when it is remembered and fresh. */
  known(wanted: Wanted): ServedLookup | null
  /** Takes in what was looked up otherwise. */
  remember(wanted: Wanted, found: ServedLookup): void
  close(): void
}

export interface ServedVersionsParts {
  readonly record: Pick<SeriesRecord, 'served'>
  readonly announcements: Pick<Announcements, 'subscribe'>
  readonly clock: Clock
  readonly refreshMs: number
  readonly onBreaker: (state: BreakerState) => void
  /** How long after a change this process knew of it. */
  readonly onDropped?: (lagSeconds: number) => void
}

interface Remembered {
  readonly lookup: ServedLookup
  /** From then on it is looked up again before it is used. */
  expiresMs: number
  /** From then on it is looked up again behind its back. */
  readonly freshUntilMs: number
}

const keyOf = ({ seriesId, version }: Wanted): string => `${seriesId}@${version ?? 'stable'}`

/** Half open and open at 50 % of ten calls in ten seconds, tried again after thirty. */
export const createBreaker = <I extends unknown[], O>(
  name: string,
  work: (...input: I) => Promise<O>,
  timeoutMs: number,
  onState: (state: BreakerState) => void,
): CircuitBreaker<I, O> => {
  const breaker = new CircuitBreaker<I, O>(work, {
    name,
    timeout: timeoutMs,
    errorThresholdPercentage: 50,
    volumeThreshold: 10,
    rollingCountTimeout: 10_000,
    rollingCountBuckets: 10,
    resetTimeout: 30_000,
  })
  onState('closed')
  breaker.on('open', () => onState('open'))
  breaker.on('halfOpen', () => onState('half_open'))
  breaker.on('close', () => onState('closed'))
  return breaker
}

export const createServedVersions = (parts: ServedVersionsParts): ServedVersions => {
  const { record, clock, refreshMs } = parts
  const remembered = new LRUCache<string, Remembered>({ max: MOST_REMEMBERED })
  const asking = new Map<string, Promise<ServedLookup>>()
  /** Counts changes, so that an answer from before one is not remembered after it. */
  let changes = 0
  const breaker = createBreaker(
    'registry',
    (wanted: readonly Wanted[]) => record.served(wanted),
    TIMEOUT_MS,
    parts.onBreaker,
  )
  const unsubscribe = parts.announcements.subscribe(SERIES_CHANGED, (payload) => {
    const { series, at_ms: atMs } = (payload ?? {}) as { series?: unknown; at_ms?: unknown }
    changes++
    if (!Array.isArray(series)) return
    const ids = new Set(series.filter((id): id is string => typeof id === 'string'))
    for (const [key, entry] of remembered.entries())
      if (ids.has(key.slice(0, key.indexOf('@')))) entry.expiresMs = 0
    if (typeof atMs === 'number') parts.onDropped?.(Math.max(0, clock.now().getTime() - atMs) / 1000)
  })

  const keep = (wanted: Wanted, lookup: ServedLookup): void => {
    const nowMs = clock.now().getTime()
    const lifeMs = 'found' in lookup ? refreshMs : MISSING_MS
    remembered.set(keyOf(wanted), {
      lookup,
      freshUntilMs: nowMs + lifeMs,
      // What is there is served on while it is looked up again; what is not, is asked for.
      expiresMs: 'found' in lookup ? Infinity : nowMs + MISSING_MS,
    })
  }

  const ask = async (wanted: readonly Wanted[]): Promise<readonly ServedLookup[]> => {
    const before = changes
    const lookups = await breaker.fire(wanted)
    if (changes === before) wanted.forEach((one, i) => keep(one, lookups[i] as ServedLookup))
    return lookups
  }

  const askOnce = (wanted: Wanted): Promise<ServedLookup> => {
    const key = keyOf(wanted)
    let pending = asking.get(key)
    if (!pending) {
      pending = ask([wanted])
        .then(([lookup]) => lookup as ServedLookup)
        .finally(() => asking.delete(key))
      asking.set(key, pending)
    }
    return pending
  }

  const known = (wanted: Wanted): ServedLookup | null => {
    const entry = remembered.get(keyOf(wanted))
    const nowMs = clock.now().getTime()
    if (!entry || entry.expiresMs <= nowMs) return null
    // Behind its back, and not again before that has ended.
    if (entry.freshUntilMs <= nowMs) askOnce(wanted).catch(() => {})
    return entry.lookup
  }

  const away = (cause: unknown): AppError =>
    new AppError(
      'STORAGE_UNAVAILABLE',
      'the registry does not answer, and this series was not asked for lately; try again shortly',
      { retryAfterS: 5 },
      { cause },
    )

  const find: ServedVersions['find'] = async (wanted) => {
    const found = wanted.map(known)
    const missing = wanted.filter((_, i) => found[i] === null)
    if (missing.length === 0) return found as ServedLookup[]
    let asked: readonly ServedLookup[]
    try {
      asked = missing.length === 1 ? [await askOnce(missing[0] as Wanted)] : await ask(missing)
    } catch (error) {
      // A warm series answers on, with what was true last.
      asked = missing.map((one) => {
        const stale = remembered.get(keyOf(one))
        if (!stale || !('found' in stale.lookup)) throw away(error)
        return stale.lookup
      })
    }
    let next = 0
    return found.map((lookup) => lookup ?? (asked[next++] as ServedLookup))
  }

  return {
    find,
    known,
    remember: keep,
    close: () => {
      unsubscribe()
      breaker.shutdown()
      remembered.clear()
    },
  }
}
