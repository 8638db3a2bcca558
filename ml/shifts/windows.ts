/**
 * The newest days of an entity held against the level before them, per figure over windows of several lengths
 * (a generalised likelihood ratio over windows; Lai 1995). Exact tail probabilities are dear and seldom
 * needed: until it is asked for its deviate, a verdict is known by how large that can be.
 */
import { countDeviate, countDeviateBound, roughCountBound, studentDeviate } from './tails.ts'

/** Their lengths, in days. */
export const WINDOWS = [1, 2, 3, 4, 6, 8] as const
export const LONGEST = Math.max(...WINDOWS)

/** Added to a count before its logarithm is taken: none is not infinitely few. */
export const COUNT_START = 0.25

/** Log of a count over what was expected of it. */
export const countSize = (seen: number, expected: number): number => Math.log((seen + COUNT_START) / expected)

/** Days held against a level. */
export interface Held {
  readonly isCount: boolean
  // Of a gaussian figure: Student's t, and the mean gap of the logs.
  readonly statistic: number
  readonly freedom: number
  readonly size: number
  // Of a count, with the variance of what is seen.
  readonly seen: number
  readonly expected: number
  readonly spread: number
}

/** Signed: how rare. */
export const deviateOf = ({ isCount, statistic, freedom, seen, expected, spread }: Held): number =>
  isCount ? countDeviate(seen, expected, spread) : studentDeviate(statistic, freedom)

/** Log of seen / expected. */
export const sizeOf = ({ isCount, seen, expected, size }: Held): number =>
  isCount ? countSize(seen, expected) : size

/** What is held of an entity on a day. */
export class Windows {
  // As `Held`, in columns, by figure and then window: `at` says where. The last of all is of days held by themselves.
  readonly isCount: Uint8Array
  readonly statistics: Float64Array
  readonly freedoms: Float64Array
  readonly sizes: Float64Array
  readonly seen: Float64Array
  readonly expected: Float64Array
  readonly spreads: Float64Array
  /** Whether the days say anything. */
  readonly says: Uint8Array
  /** Where days are that are held by themselves. */
  readonly alone: number
  /** Squared: what the deviate's size does not exceed by far. */
  readonly #roughBounds: Float64Array
  /** The largest of a figure's. */
  readonly #roughest: Float64Array
  // NaN: not asked for yet.
  readonly #bounds: Float64Array
  readonly #deviates: Float64Array

  constructor(figures: number) {
    this.alone = figures * WINDOWS.length
    const column = (): Float64Array => new Float64Array(this.alone + 1)
    this.isCount = new Uint8Array(this.alone + 1)
    this.statistics = column()
    this.freedoms = column()
    this.sizes = column()
    this.seen = column()
    this.expected = column()
    this.spreads = column()
    this.says = new Uint8Array(this.alone + 1)
    this.#roughBounds = column()
    this.#roughest = new Float64Array(figures)
    this.#bounds = column()
    this.#deviates = column()
  }

  /** Where a window of a figure is. */
  at(figure: number, window: number): number {
    return figure * WINDOWS.length + window
  }

  /** A copy. */
  heldAt(k: number): Held {
    return {
      isCount: this.isCount[k] === 1,
      statistic: this.statistics[k] as number,
      freedom: this.freedoms[k] as number,
      size: this.sizes[k] as number,
      seen: this.seen[k] as number,
      expected: this.expected[k] as number,
      spread: this.spreads[k] as number,
    }
  }

  /** Nothing says anything. */
  clear(): void {
    for (let k = 0; k < this.alone; k++) this.says[k] = 0
    for (let j = 0; j < this.#roughest.length; j++) this.#roughest[j] = 0
  }

  /** The windows of a count are held: they are what they will be asked for. */
  keepCounts(figure: number): void {
    const { says, seen, expected, spreads } = this
    const first = this.at(figure, 0)
    let roughest = 0
    for (let k = first; k < first + WINDOWS.length; k++) {
      if (says[k] === 0) continue
      const bound = roughCountBound(seen[k] as number, expected[k] as number, spreads[k] as number)
      if (bound > roughest) roughest = bound
      this.#roughBounds[k] = bound
      this.#bounds[k] = Number.NaN
      this.#deviates[k] = Number.NaN
    }
    this.#roughest[figure] = roughest
  }

  /** Likewise, of a gaussian figure. */
  keepLogs(figure: number): void {
    const { says, statistics } = this
    const first = this.at(figure, 0)
    let roughest = 0
    for (let k = first; k < first + WINDOWS.length; k++) {
      if (says[k] === 0) continue
      const bound = (statistics[k] as number) * (statistics[k] as number)
      if (bound > roughest) roughest = bound
      this.#roughBounds[k] = bound
      this.#bounds[k] = Number.NaN
      this.#deviates[k] = Number.NaN
    }
    this.#roughest[figure] = roughest
  }

  /** Squared: what the deviate's size does not exceed, from far above; negative where nothing was judged. */
  roughBound(figure: number, window: number): number {
    const k = this.at(figure, window)
    return this.says[k] === 1 ? (this.#roughBounds[k] as number) : -1
  }

  /** What the deviate's size does not exceed, from closer; of what was judged. */
  bound(figure: number, window: number): number {
    const k = this.at(figure, window)
    const known = this.#bounds[k] as number
    if (!Number.isNaN(known)) return known
    return (this.#bounds[k] =
      this.isCount[k] === 1
        ? countDeviateBound(this.seen[k] as number, this.expected[k] as number, this.spreads[k] as number)
        : // Student's tails are no lighter than the normal's.
          Math.abs(this.statistics[k] as number))
  }

  deviate(figure: number, window: number): number {
    const k = this.at(figure, window)
    const known = this.#deviates[k] as number
    if (!Number.isNaN(known)) return known
    return (this.#deviates[k] = deviateOf(this.heldAt(k)))
  }

  /** Log of seen / expected. */
  size(figure: number, window: number): number {
    return sizeOf(this.heldAt(this.at(figure, window)))
  }

  /** The window with the largest deviate, if that exceeds `least`; -1: none does. */
  loudest(figure: number, least: number): number {
    if (!((this.#roughest[figure] as number) > least * least)) return -1
    let best = -1
    let most = least
    for (let w = 0; w < WINDOWS.length; w++) {
      if (this.roughBound(figure, w) <= most * most || this.bound(figure, w) <= most) continue
      const size = Math.abs(this.deviate(figure, w))
      if (size <= most) continue
      best = w
      most = size
    }
    return best
  }
}
