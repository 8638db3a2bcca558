/**
 * How far the deviates of an account are from what they claim to be, learnt from its own days before: noise that
 * lasts from day to day makes windows of several days wider than independent days would be. Per figure, window
 * and whether it is a sum, the variance beyond the chance of counting is multiplied by what was found, shrunk
 * to 1. It is never made narrower: what seems too wide is mostly what is not known of levels, and that is not
 * the same for all.
 */
import { WINDOWS } from './windows.ts'
import type { Windows } from './windows.ts'

/** What is further out, in standard deviations, counts as this far: faults are not to excuse themselves. */
const FURTHEST = 2.5
/** What the squares of a normal deviate clipped so are on average. */
const CLIPPED_SQUARE = 0.9776
/** Weight of 1, in days of one entity per day of the window. */
const PRIOR_DAYS = 60
/** Weight that is left a day later. */
const MEMORY = 0.99
const LEAST = 1
const MOST = 9

export class Calibration {
  readonly #found: Float64Array
  readonly #expected: Float64Array
  readonly #foundToday: Float64Array
  readonly #expectedToday: Float64Array
  readonly #factors: Float64Array
  /** What a statistic is multiplied with. */
  readonly #shrinks: Float64Array

  constructor(figures: number) {
    const n = figures * WINDOWS.length * 2
    this.#found = new Float64Array(n)
    this.#expected = new Float64Array(n)
    this.#foundToday = new Float64Array(n)
    this.#expectedToday = new Float64Array(n)
    this.#factors = new Float64Array(n).fill(1)
    this.#shrinks = new Float64Array(n).fill(1)
  }

  /** Puts right what is held of a count, by the days before. @param learns whether it tells of chance */
  applyToCounts(figure: number, isSum: boolean, windows: Windows, learns: boolean): void {
    const { says, seen, expected, spreads } = windows
    for (let w = 0; w < WINDOWS.length; w++) {
      const at = windows.at(figure, w)
      if (says[at] === 0) continue
      const k = at * 2 + (isSum ? 1 : 0)
      const factor = this.#factors[k] as number
      const mean = expected[at] as number
      const spread = spreads[at] as number
      const away = (seen[at] as number) - mean
      const certainty = 1 / spread
      // Beyond the chance of counting.
      if (learns) this.#note(k, away * away * certainty, 1 - mean * certainty)
      spreads[at] = mean + factor * (spread - mean)
    }
  }

  /** Likewise, of a gaussian figure. */
  applyToLogs(figure: number, isSum: boolean, windows: Windows, learns: boolean): void {
    const { says, statistics } = windows
    for (let w = 0; w < WINDOWS.length; w++) {
      const at = windows.at(figure, w)
      if (says[at] === 0) continue
      const k = at * 2 + (isSum ? 1 : 0)
      const statistic = statistics[at] as number
      if (learns) this.#note(k, statistic * statistic, 1)
      statistics[at] = statistic * (this.#shrinks[k] as number)
    }
  }

  /** A day went by. */
  learn(): void {
    for (let k = 0; k < this.#factors.length; k++) {
      this.#found[k] = MEMORY * (this.#found[k] as number) + (this.#foundToday[k] as number)
      this.#expected[k] = MEMORY * (this.#expected[k] as number) + (this.#expectedToday[k] as number)
      this.#foundToday[k] = 0
      this.#expectedToday[k] = 0
      const prior = PRIOR_DAYS * (WINDOWS[(k >> 1) % WINDOWS.length] as number)
      const found = ((this.#found[k] as number) + prior) / ((this.#expected[k] as number) + prior)
      const factor = Math.min(MOST, Math.max(LEAST, found))
      this.#factors[k] = factor
      this.#shrinks[k] = 1 / Math.sqrt(factor)
    }
  }

  #note(k: number, square: number, share: number): void {
    const most = FURTHEST ** 2 * (1 + share * ((this.#factors[k] as number) - 1))
    const clipped = Math.min(square, most) / CLIPPED_SQUARE
    this.#foundToday[k] = (this.#foundToday[k] as number) + (clipped - 1 + share) * share
    this.#expectedToday[k] = (this.#expectedToday[k] as number) + share * share
  }
}

/** Deviates that count as far out. What is beyond has a cause, mostly. */
export const FAR = 2.5
const TOO_FAR = 4
/** How often a normal deviate lies between. */
const FAR_SHARE = 0.01236
/** Weight of what is usual, in expected days, and what that is. */
const PRIOR_FAR = 10
const USUAL_SHARE = 0.5

/** How often single days of an account are far out, against what their deviates claim: heavy tails show here. */
export class Tail {
  // Not as small integers: what begins as one and becomes a fraction changes the shape of its object.
  #found = Number.NaN
  #expected = Number.NaN
  #today = 0
  #days = 0

  constructor() {
    this.#found = PRIOR_FAR * USUAL_SHARE
    this.#expected = PRIOR_FAR
  }

  /** A day of one entity; it counts from the next day on. */
  note(deviate: number): void {
    const size = Math.abs(deviate)
    this.#days++
    if (size > FAR && size < TOO_FAR) this.#today++
  }

  /** 1: as often as of a normal deviate. */
  get weight(): number {
    return this.#found / this.#expected
  }

  /** A day went by. */
  learn(): void {
    this.#found = MEMORY * this.#found + this.#today + (1 - MEMORY) * PRIOR_FAR * USUAL_SHARE
    this.#expected = MEMORY * this.#expected + this.#days * FAR_SHARE + (1 - MEMORY) * PRIOR_FAR
    this.#today = 0
    this.#days = 0
  }
}
