/**
 * How much the levels of an account wander from day to day, per figure: what a filter expects too much of shows in
 * gaps that take turns in sign from one day to the next, too little in gaps that stay on one side (Mehra 1970,
 * "On the identification of variances and adaptive Kalman filtering"). The variance is moved a little every day
 * until neighbouring gaps have nothing in common.
 */

/** Gaps beyond so many standard deviations count as this far. */
const FURTHEST = 2.5
/** Weight of no correlation at all, in days of one entity. */
const PRIOR_DAYS = 300
/** Weight that is left a day later. */
const MEMORY = 0.97
/** What a correlation of 1 moves the logarithm of the variance by in a day. */
const GAIN = 0.3
/** Of the variance that is taken for usual. */
const LEAST = 1 / 16
const MOST = 2

export class Drift {
  readonly #usual: Float64Array
  readonly #factors: Float64Array
  readonly #products: Float64Array
  readonly #squares: Float64Array
  /** By entity and figure: yesterday's gap in standard deviations; NaN: there is none. */
  readonly #gaps: Float64Array

  /** @param wanders usual standard deviation of a day's wandering, per figure */
  constructor(entities: number, wanders: readonly number[]) {
    const n = wanders.length
    this.#usual = Float64Array.from(wanders, (wander) => wander ** 2)
    this.#factors = new Float64Array(n).fill(1)
    this.#products = new Float64Array(n)
    this.#squares = new Float64Array(n)
    this.#gaps = new Float64Array(entities * n).fill(Number.NaN)
  }

  /** Variance of a day's wandering. */
  variance(figure: number): number {
    return (this.#usual[figure] as number) * (this.#factors[figure] as number)
  }

  /** @param gap of the day, in standard deviations; NaN: of a day that says nothing */
  note(entity: number, figure: number, gap: number): void {
    const at = entity * this.#factors.length + figure
    const before = this.#gaps[at] as number
    const clipped = Math.max(-FURTHEST, Math.min(FURTHEST, gap))
    this.#gaps[at] = clipped
    if (Number.isNaN(before) || Number.isNaN(clipped)) return
    ;(this.#products[figure] as number) += before * clipped
    ;(this.#squares[figure] as number) += (before * before + clipped * clipped) / 2
  }

  /** A day went by. */
  learn(): void {
    for (let j = 0; j < this.#factors.length; j++) {
      const correlation = (this.#products[j] as number) / ((this.#squares[j] as number) + PRIOR_DAYS)
      const factor = (this.#factors[j] as number) * Math.exp(GAIN * correlation)
      this.#factors[j] = Math.max(LEAST, Math.min(MOST, factor))
      this.#products[j] = MEMORY * (this.#products[j] as number)
      this.#squares[j] = MEMORY * (this.#squares[j] as number)
    }
  }
}
