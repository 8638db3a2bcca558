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
import type { SeriesRecord, ServedLookup, ServedVersion } from './series.ts'

const MOST_REMEMBERED = 100_000
/** A series of one channel takes 2 KB, a waveform of 16 channels 70. */
const MOST_BYTES = 128 * 1024 * 1024
const MOST_MISSING = 10_000
/** What is not there now may be a moment later, and so may a record that is away. */
const RETRY_MS = 1000
/** A change whose announcement was lost is known after so long, however seldom the series is asked for. */
const MOST_STALE_MS = 300_000
const TIMEOUT_MS = 1000

export interface Wanted {
  readonly seriesId: string
  /** Null: the one `stable` names. */
  readonly version: number | null
}

/** `away`: the record does not answer, and what it said before is not remembered. */
export type Lookup = ServedLookup | { readonly away: AppError }

export interface ServedVersions {
  /** In the order asked, one query for all that is not remembered. Never rejects. */
  find(wanted: readonly Wanted[]): Promise<readonly Lookup[]>
  /** Synchronous, when it is remembered. */
  known(wanted: Wanted): ServedLookup | null
  /**
   * Remembers what `read` finds as the stable versions, but for those that changed while it was read and those
   * known already. @returns all that was read
   */
  learn(read: () => Promise<readonly ServedVersion[]>): Promise<readonly ServedVersion[]>
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
  readonly seriesId: string
  readonly lookup: { readonly found: ServedVersion }
  /** From then on it is looked up again behind the back of who asks. */
  freshUntilMs: number
  /** From then on it answers only while the record is away. */
  trustedUntilMs: number
}

interface Missing {
  readonly lookup: ServedLookup
  readonly untilMs: number
}

/** What somebody waits for. */
interface Asking {
  readonly seriesId: string
  readonly answer: Promise<Lookup>
}

/** A question to the record that has not been answered yet. */
interface Question {
  /** Series that changed since it was asked: what it answers about them may be old. */
  readonly overtaken: Set<string>
}

const keyOf = ({ seriesId, version }: Wanted): string => `${seriesId}@${version ?? 'stable'}`

const sizeOf = ({ lookup: { found } }: Remembered): number => {
  let bytes = 1000 + 300 * found.members.length
  for (const { edges, counts } of Object.values(found.driftBins))
    bytes += 200 + 8 * (edges.length + counts.length)
  return bytes
}

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
  /** Keys of what is remembered of a series, so that a change need not look through all. */
  const keysOf = new Map<string, Set<string>>()
  const found = new LRUCache<string, Remembered>({
    max: MOST_REMEMBERED,
    maxSize: MOST_BYTES,
    sizeCalculation: sizeOf,
    dispose: ({ seriesId }, key, reason) => {
      // Replaced, it is still remembered.
      if (reason === 'set') return
      const keys = keysOf.get(seriesId)
      keys?.delete(key)
      if (keys?.size === 0) keysOf.delete(seriesId)
    },
  })
  /** Apart, so that asking for what there is not never pushes out what there is. */
  const missing = new LRUCache<string, Missing>({ max: MOST_MISSING })
  const asking = new Map<string, Asking>()
  const questions = new Set<Question>()
  const breaker = createBreaker(
    'registry',
    (wanted: readonly Wanted[]) => record.served(wanted),
    TIMEOUT_MS,
    parts.onBreaker,
  )
  const nowMs = (): number => clock.now().getTime()

  const unsubscribe = parts.announcements.subscribe(SERIES_CHANGED, (payload) => {
    const { series, at_ms: atMs } = (payload ?? {}) as { series?: unknown; at_ms?: unknown }
    if (!Array.isArray(series)) return
    missing.clear()
    for (const id of series) {
      if (typeof id !== 'string') continue
      for (const question of questions) question.overtaken.add(id)
      for (const key of keysOf.get(id) ?? []) {
        const entry = found.peek(key)
        if (entry) entry.trustedUntilMs = 0
      }
    }
    // Who asks from now on does not join a question from before.
    const changed = new Set(series)
    for (const [key, { seriesId }] of asking) if (changed.has(seriesId)) asking.delete(key)
    if (typeof atMs === 'number') parts.onDropped?.(Math.max(0, nowMs() - atMs) / 1000)
  })

  const keep = (wanted: Wanted, lookup: ServedLookup): void => {
    const key = keyOf(wanted)
    const { seriesId } = wanted
    const now = nowMs()
    if (!('found' in lookup)) {
      found.delete(key)
      missing.set(key, { lookup, untilMs: now + RETRY_MS })
      return
    }
    missing.delete(key)
    found.set(key, {
      seriesId,
      lookup,
      freshUntilMs: now + refreshMs,
      trustedUntilMs: now + MOST_STALE_MS,
    })
    const keys = keysOf.get(seriesId)
    if (keys) keys.add(key)
    else keysOf.set(seriesId, new Set([key]))
  }

  /** What was true last, for another while: a warm series answers on, without waiting every time. */
  const stale = (wanted: Wanted, error: unknown): Lookup => {
    const entry = found.get(keyOf(wanted))
    if (entry) {
      entry.freshUntilMs = nowMs() + RETRY_MS
      entry.trustedUntilMs = nowMs() + refreshMs
      return entry.lookup
    }
    return {
      away: new AppError(
        'STORAGE_UNAVAILABLE',
        'the registry does not answer, and this series was not asked for lately; try again shortly',
        { retryAfterS: 5 },
        { cause: error },
      ),
    }
  }

  const question = async <T>(work: (question: Question) => Promise<T>): Promise<T> => {
    const one: Question = { overtaken: new Set() }
    questions.add(one)
    try {
      return await work(one)
    } finally {
      questions.delete(one)
    }
  }

  const askRecord = (wanted: readonly Wanted[]): Promise<readonly Lookup[]> =>
    question(async ({ overtaken }): Promise<readonly Lookup[]> => {
      try {
        const lookups = await breaker.fire(wanted)
        wanted.forEach((one, i) => {
          if (!overtaken.has(one.seriesId)) keep(one, lookups[i] as ServedLookup)
        })
        return lookups
      } catch (error) {
        return wanted.map((one) => stale(one, error))
      }
    })

  /** One query, which who asks for the same meanwhile waits for. Never rejects. */
  const ask = async (wanted: readonly Wanted[]): Promise<readonly Lookup[]> => {
    const answers = askRecord(wanted)
    const entries = wanted.map((one, i): Asking => {
      const entry = { seriesId: one.seriesId, answer: answers.then((all) => all[i] as Lookup) }
      asking.set(keyOf(one), entry)
      return entry
    })
    const lookups = await answers
    for (const [i, one] of wanted.entries())
      if (asking.get(keyOf(one)) === entries[i]) asking.delete(keyOf(one))
    return lookups
  }

  const known = (wanted: Wanted): ServedLookup | null => {
    const key = keyOf(wanted)
    const entry = found.get(key)
    if (!entry) {
      const none = missing.get(key)
      return none && none.untilMs > nowMs() ? none.lookup : null
    }
    const now = nowMs()
    if (entry.trustedUntilMs <= now) return null
    if (entry.freshUntilMs <= now && !asking.has(key)) void ask([wanted])
    return entry.lookup
  }

  const find: ServedVersions['find'] = async (wanted) => {
    const answers = new Map<string, Lookup>()
    const pending = new Map<string, Promise<Lookup>>()
    const open = new Map<string, Wanted>()
    for (const one of wanted) {
      const key = keyOf(one)
      if (answers.has(key) || pending.has(key) || open.has(key)) continue
      const lookup = known(one)
      const asked = asking.get(key)
      if (lookup) answers.set(key, lookup)
      else if (asked) pending.set(key, asked.answer)
      else open.set(key, one)
    }
    if (open.size > 0) {
      const lookups = await ask([...open.values()])
      for (const [i, key] of [...open.keys()].entries()) answers.set(key, lookups[i] as Lookup)
    }
    for (const [key, answer] of pending) answers.set(key, await answer)
    return wanted.map((one) => answers.get(keyOf(one)) as Lookup)
  }

  return {
    find,
    known,
    learn: (read) =>
      question(async ({ overtaken }) => {
        const versions = await read()
        for (const version of versions) {
          const wanted = { seriesId: version.seriesId, version: null }
          if (!overtaken.has(version.seriesId) && !known(wanted)) keep(wanted, { found: version })
        }
        return versions
      }),
    close: () => {
      unsubscribe()
      breaker.shutdown()
      found.clear()
      missing.clear()
    },
  }
}
