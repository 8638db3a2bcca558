/**
 * The newest days of an entity held against the level before them, per figure over windows of several lengths
 * (a generalised likelihood ratio over windows; Lai 1995). Exact tail probabilities are dear and seldom
 * needed: until it is asked for its deviate, a verdict is known by how large that can be.
 */
import { countDeviate, countDeviateBound, studentDeviate } from './tails.ts'

/** Their lengths, in days. */
export const WINDOWS = [1, 2, 3, 5, 7] as const

/** Days held against a level. Of a gaussian figure `statistic` and `freedom` count, of a count the rest. */
export interface Held {
  isCount: boolean
  /** Student's t. */
  statistic: number
  freedom: number
  seen: number
  expected: number
  /** Variance of what is seen. */
  spread: number
  /** Log of seen / expected. */
  size: number
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

const boundOf = ({ isCount, statistic, seen, expected, spread }: Held): number =>
  // Student's tails are no lighter than the normal's.
  isCount ? countDeviateBound(seen, expected, spread) : Math.abs(statistic)

export class Windows {
  readonly #held: Held[]
  /** Negative: nothing was judged. */
  readonly #bounds: Float64Array
  /** NaN: not asked for yet. */
  readonly #deviates: Float64Array

  constructor(figures: number) {
    const n = figures * WINDOWS.length
    this.#held = Array.from({ length: n }, noHeld)
    this.#bounds = new Float64Array(n)
    this.#deviates = new Float64Array(n)
  }

  clear(): void {
    this.#bounds.fill(-1)
    this.#deviates.fill(Number.NaN)
  }

  /** Keeps a copy. */
  set(figure: number, window: number, held: Held): void {
    const k = figure * WINDOWS.length + window
    const mine = this.#held[k] as Held
    mine.isCount = held.isCount
    mine.statistic = held.statistic
    mine.freedom = held.freedom
    mine.seen = held.seen
    mine.expected = held.expected
    mine.spread = held.spread
    mine.size = held.size
    this.#bounds[k] = boundOf(held)
  }

  /** What the deviate's size does not exceed; negative where nothing was judged. */
  bound(figure: number, window: number): number {
    return this.#bounds[figure * WINDOWS.length + window] as number
  }

  deviate(figure: number, window: number): number {
    const k = figure * WINDOWS.length + window
    const known = this.#deviates[k] as number
    if (!Number.isNaN(known)) return known
    return (this.#deviates[k] = deviateOf(this.#held[k] as Held))
  }

  size(figure: number, window: number): number {
    return (this.#held[figure * WINDOWS.length + window] as Held).size
  }

  /** The window with the largest deviate, if any can exceed `least`; -1: none can. */
  loudest(figure: number, least: number): number {
    let possible = false
    for (let w = 0; w < WINDOWS.length; w++) possible ||= this.bound(figure, w) > least
    if (!possible) return -1
    let best = -1
    let most = 0
    for (let w = 0; w < WINDOWS.length; w++) {
      if (this.bound(figure, w) <= most) continue
      const size = Math.abs(this.deviate(figure, w))
      if (size <= most) continue
      best = w
      most = size
    }
    return best
  }
}
