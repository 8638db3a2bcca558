/** How much days scatter about their levels, as all entities of an account show it: what one alone knows little of. */
import { selectRank } from '../stats/robust.ts'
import { FIGURE_COUNT, FIGURE_TABLE } from './figures.ts'
import type { Figure } from './figures.ts'
import type { Levels, Look } from './level.ts'
import { LEVELS_UP } from './level-name.ts'

/** Weight of the first guess of a dispersion, in days. */
const DISPERSION_DAYS = 200
const LEAST_DISPERSION = 0.2
/** Days beyond this many times their variance count as this far. */
const FURTHEST_SQUARE = 12
/** Weight that is left of a rate after a day of one entity, and of the noise after a day. */
const RATE_MEMORY = 0.999
const NOISE_MEMORY = 0.8

export class Scatter {
  /** Variance of a day's noise, by figure and level of the tree. */
  readonly #noises: Float64Array
  /** Noise of who learnt from today, likewise, and how many. */
  readonly #today: readonly Float64Array[]
  readonly #counts: Uint32Array
  readonly #dispersionSums: Float64Array
  readonly #dispersionDays: Float64Array
  readonly #seen: Float64Array
  readonly #among: Float64Array

  constructor(entities: number) {
    this.#noises = Float64Array.from(FIGURE_TABLE.flatMap(({ noise }) => LEVELS_UP.map(() => noise ** 2)))
    this.#today = Array.from(this.#noises, () => new Float64Array(entities))
    this.#counts = new Uint32Array(this.#noises.length)
    this.#dispersionSums = Float64Array.from(FIGURE_TABLE, ({ noise }) => DISPERSION_DAYS * noise ** 2)
    this.#dispersionDays = new Float64Array(FIGURE_COUNT).fill(DISPERSION_DAYS)
    this.#seen = new Float64Array(FIGURE_COUNT)
    this.#among = new Float64Array(FIGURE_COUNT)
  }

  /** Variance of a day's noise. @param level index of that in the tree, from the ads up */
  noise(figure: number, level: number): number {
    return this.#noises[figure * LEVELS_UP.length + level] as number
  }

  /** Squared coefficient of variation of the rate of a count from day to day. */
  dispersion(figure: number): number {
    return (this.#dispersionSums[figure] as number) / (this.#dispersionDays[figure] as number)
  }

  /** Events among what they are among; NaN before anything is known. */
  rate(figure: number): number {
    const among = this.#among[figure] as number
    return among > 0 ? ((this.#seen[figure] as number) + 0.5) / among : Number.NaN
  }

  /** An entity's own noise; it counts from the next day on. */
  noteNoise(figure: number, level: number, noise: number): void {
    const at = figure * LEVELS_UP.length + level
    const n = this.#counts[at] as number
    this.#counts[at] = n + 1
    ;(this.#today[at] as Float64Array)[n] = noise
  }

  /** What the day of an entity without children tells of the rate of a count. */
  learnRate(figure: number, { seen, among }: Readonly<Look>): void {
    this.#seen[figure] = (this.#seen[figure] as number) * RATE_MEMORY + seen
    this.#among[figure] = (this.#among[figure] as number) * RATE_MEMORY + among
  }

  /** What it tells of how counts scatter. @param k its level */
  learnDispersion(figure: number, levels: Levels, k: number, look: Readonly<Look>): void {
    const expected = look.among * (levels.factor[k] as number)
    if (!(expected > 0)) return
    const square = expected * expected
    const unsure = (levels.variance[k] as number) + look.variance
    const variance = expected + square * (look.dispersion + unsure)
    // Weighted moments, so that days with many events say more.
    const weight = square / (variance * variance)
    const away = look.seen - expected
    const excess = Math.min(away * away, FURTHEST_SQUARE * variance) - expected - square * unsure
    const known = (this.#dispersionDays[figure] as number) + weight * square
    this.#dispersionDays[figure] = known
    this.#dispersionSums[figure] = Math.max(
      (this.#dispersionSums[figure] as number) + weight * excess,
      LEAST_DISPERSION * (FIGURE_TABLE[figure] as Figure).noise ** 2 * known,
    )
  }

  /** A day went by. */
  learn(): void {
    this.#today.forEach((values, at) => {
      const n = this.#counts[at] as number
      this.#counts[at] = 0
      if (n === 0) return
      selectRank(values, n, n >> 1)
      const median = values[n >> 1] as number
      this.#noises[at] = NOISE_MEMORY * (this.#noises[at] as number) + (1 - NOISE_MEMORY) * median
    })
  }
}
