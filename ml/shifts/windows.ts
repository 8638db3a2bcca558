/**
 * The newest days of an entity held against the level before them, per figure over windows of several lengths
 * (a generalised likelihood ratio over windows; Lai 1995). Exact tail probabilities are dear and seldom
 * needed: until it is asked for its deviate, a verdict is known by how large that can be.
 */
import { countDeviate, countDeviateBound, roughCountBound, studentDeviate } from './tails.ts'

/** Their lengths, in days. */
export const WINDOWS = [1, 2, 3, 5, 8] as const
export const LONGEST = Math.max(...WINDOWS)

/** Added to a count before its logarithm is taken: none is not infinitely few. */
export const COUNT_START = 0.25

/** Log of a count over what was expected of it. */
export const countSize = (seen: number, expected: number): number => Math.log((seen + COUNT_START) / expected)

/** Days held against a level. */
export interface Held {
  isCount: boolean
  // Of a gaussian figure: Student's t, and the mean gap of the logs.
  statistic: number
  freedom: number
  size: number
  // Of a count, with the variance of what is seen.
  seen: number
  expected: number
  spread: number
}

export const noHeld = (): Held => ({
  isCount: false,
  statistic: Number.NaN,
  freedom: Number.NaN,
  seen: Number.NaN,
  expected: Number.NaN,
  spread: Number.NaN,
  size: Number.NaN,
})

/** Signed: how rare. */
export const deviateOf = ({ isCount, statistic, freedom, seen, expected, spread }: Held): number =>
  isCount ? countDeviate(seen, expected, spread) : studentDeviate(statistic, freedom)

/** Log of seen / expected. */
export const sizeOf = ({ isCount, seen, expected, size }: Held): number =>
  isCount ? countSize(seen, expected) : size

export class Windows {
  // As `Held`, in columns.
  readonly #isCount: Uint8Array
  readonly #statistics: Float64Array
  readonly #freedoms: Float64Array
  readonly #sizes: Float64Array
  readonly #seen: Float64Array
  readonly #expected: Float64Array
  readonly #spreads: Float64Array
  /** Squared: what the deviate's size does not exceed by far. Negative: nothing was judged. */
  readonly #roughBounds: Float64Array
  // NaN: not asked for yet.
  readonly #bounds: Float64Array
  readonly #deviates: Float64Array

  constructor(figures: number) {
    const n = figures * WINDOWS.length
    const column = (): Float64Array => new Float64Array(n)
    this.#isCount = new Uint8Array(n)
    this.#statistics = column()
    this.#freedoms = column()
    this.#sizes = column()
    this.#seen = column()
    this.#expected = column()
    this.#spreads = column()
    this.#roughBounds = column()
    this.#bounds = column()
    this.#deviates = column()
  }

  clear(): void {
    this.#roughBounds.fill(-1)
    this.#bounds.fill(Number.NaN)
    this.#deviates.fill(Number.NaN)
  }

  /** Keeps a copy. */
  set(figure: number, window: number, held: Held): void {
    const k = figure * WINDOWS.length + window
    if (held.isCount) {
      const { seen, expected, spread } = held
      this.#isCount[k] = 1
      this.#seen[k] = seen
      this.#expected[k] = expected
      this.#spreads[k] = spread
      this.#roughBounds[k] = roughCountBound(seen, expected, spread)
    } else {
      this.#isCount[k] = 0
      this.#statistics[k] = held.statistic
      this.#freedoms[k] = held.freedom
      this.#sizes[k] = held.size
      this.#roughBounds[k] = held.statistic * held.statistic
    }
  }

  /** Squared: what the deviate's size does not exceed, from far above; negative where nothing was judged. */
  roughBound(figure: number, window: number): number {
    return this.#roughBounds[figure * WINDOWS.length + window] as number
  }

  /** What the deviate's size does not exceed, from closer; of what was judged. */
  bound(figure: number, window: number): number {
    const k = figure * WINDOWS.length + window
    const known = this.#bounds[k] as number
    if (!Number.isNaN(known)) return known
    return (this.#bounds[k] =
      this.#isCount[k] === 1
        ? countDeviateBound(this.#seen[k] as number, this.#expected[k] as number, this.#spreads[k] as number)
        : // Student's tails are no lighter than the normal's.
          Math.abs(this.#statistics[k] as number))
  }

  deviate(figure: number, window: number): number {
    const k = figure * WINDOWS.length + window
    const known = this.#deviates[k] as number
    if (!Number.isNaN(known)) return known
    return (this.#deviates[k] =
      this.#isCount[k] === 1
        ? countDeviate(this.#seen[k] as number, this.#expected[k] as number, this.#spreads[k] as number)
        : studentDeviate(this.#statistics[k] as number, this.#freedoms[k] as number))
  }

  /** Of a count. */
  expected(figure: number, window: number): number {
    return this.#expected[figure * WINDOWS.length + window] as number
  }

  /** Log of seen / expected. */
  size(figure: number, window: number): number {
    const k = figure * WINDOWS.length + window
    return this.#isCount[k] === 1
      ? countSize(this.#seen[k] as number, this.#expected[k] as number)
      : (this.#sizes[k] as number)
  }

  /** The window with the largest deviate, if any can exceed `least`; -1: none can. */
  loudest(figure: number, least: number): number {
    let possible = false
    for (let w = 0; w < WINDOWS.length; w++)
      possible ||= this.roughBound(figure, w) > least * least && this.bound(figure, w) > least
    if (!possible) return -1
    let best = -1
    let most = 0
    for (let w = 0; w < WINDOWS.length; w++) {
      if (this.roughBound(figure, w) < 0 || this.bound(figure, w) <= most) continue
      const size = Math.abs(this.deviate(figure, w))
      if (size <= most) continue
      best = w
      most = size
    }
    return best
  }
}
