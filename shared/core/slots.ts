/**
 * How this process did over the last five minutes: latency of inference and hits of the model cache, in
 * thirty slots of ten seconds. Figures of processes can be added up.
 */

export const SLOT_MS = 10_000
export const SLOTS = 30

/** Upper ends of bins of latency: 0.1 ms to 17 s, each 1.2 times the one before; one more is open. */
const FIRST_MS = 0.1
const GROWTH = 1.2
const BINS = 67
const LOG_GROWTH = Math.log(GROWTH)

export interface Slot {
  /** Start, Unix ms / SLOT_MS. */
  readonly slot: number
  requests: number
  totalMs: number
  hits: number
  misses: number
  /** Requests per bin of latency. */
  readonly bins: Float64Array
}

export interface Recent {
  inference(seconds: number): void
  /** Models in memory now. */
  entries(count: number): void
  cached(): number
  cache(result: 'hit' | 'miss'): void
  /** The last five minutes, slots without anything left out. */
  slots(): readonly Slot[]
  /** The number of the slot that is being filled. */
  current(): number
}

export const emptySlot = (slot: number): Slot => ({
  slot,
  requests: 0,
  totalMs: 0,
  hits: 0,
  misses: 0,
  bins: new Float64Array(BINS),
})

const binOf = (ms: number): number =>
  ms <= FIRST_MS ? 0 : Math.min(BINS - 1, Math.ceil(Math.log(ms / FIRST_MS) / LOG_GROWTH))

/** @param now Unix ms */
export const createRecent = (now: () => number): Recent => {
  const ring: (Slot | undefined)[] = Array.from({ length: SLOTS }, () => undefined)
  const current = (): Slot => {
    const slot = Math.floor(now() / SLOT_MS)
    const known = ring[slot % SLOTS]
    if (known?.slot === slot) return known
    return (ring[slot % SLOTS] = emptySlot(slot))
  }
  let cached = 0
  return {
    entries: (count) => {
      cached = count
    },
    cached: () => cached,
    inference: (seconds) => {
      const slot = current()
      const ms = seconds * 1000
      slot.requests += 1
      slot.totalMs += ms
      const bin = binOf(ms)
      slot.bins[bin] = (slot.bins[bin] ?? 0) + 1
    },
    cache: (result) => {
      if (result === 'hit') current().hits += 1
      else current().misses += 1
    },
    current: () => Math.floor(now() / SLOT_MS),
    slots: () => {
      const oldest = Math.floor(now() / SLOT_MS) - SLOTS
      return ring.filter((slot): slot is Slot => slot !== undefined && slot.slot > oldest)
    },
  }
}

export interface RecentFigures {
  /** Null without any request. */
  readonly averageMs: number | null
  /** To within a fifth. */
  readonly p95Ms: number | null
  readonly hits: number
  readonly misses: number
}

const rounded = (ms: number): number => Math.round(ms * 1000) / 1000

export const addUp = (slots: readonly Omit<Slot, 'slot'>[]): RecentFigures => {
  const bins = new Float64Array(BINS)
  let [requests, totalMs, hits, misses] = [0, 0, 0, 0]
  for (const slot of slots) {
    requests += slot.requests
    totalMs += slot.totalMs
    hits += slot.hits
    misses += slot.misses
    slot.bins.forEach((count, bin) => {
      bins[bin] = (bins[bin] ?? 0) + count
    })
  }
  if (requests === 0) return { averageMs: null, p95Ms: null, hits, misses }
  let seen = 0
  const bin = bins.findIndex((count) => (seen += count) >= 0.95 * requests)
  return {
    averageMs: rounded(totalMs / requests),
    p95Ms: rounded(FIRST_MS * GROWTH ** Math.max(0, bin)),
    hits,
    misses,
  }
}
