/**
 * Where the figures of the entities stand, as logs: local levels that wander (West & Harrison 1997, chapter 2;
 * for counts the discounted gamma-Poisson of chapter 14.4). What they were before each day is kept, so that a
 * window of days can be compared with the level before them, and so that days found odd can be taken out of
 * what was learnt.
 */
import type { Figure } from './figures.ts'

/** Weight of the account's noise against the entity's own, in days. */
const POOLED_DAYS = 10
/** Of what is usual: a figure that hardly moves (a frequency to the fourth digit) is not odd when it does. */
const LEAST_NOISE = 0.1
/** Weight that is left of a day's noise a day later. */
const MEMORY = 0.98
/** Gaussian days beyond this many standard deviations, and counts beyond the other, teach no more than these. */
const FURTHEST = 3
const FURTHEST_COUNT = 4
/** Days a level has to be seen before anything is held against it. */
export const FEWEST_DAYS = 7
/** A level that was left may come back within so many days. */
export const REMEMBERED_DAYS = 28
const FEWEST_KNOWN_DAYS = 7
/** The sums of a parent wander less than it does itself: its children's levels follow already. */
const PARENT_WANDER = 0.3
/** Days with noise of its own from which that says anything. */
const FEWEST_NOISY_DAYS = 7

/** A day held against a level: what was seen, and among what. */
export interface Look {
  seen: number
  among: number
  /** Of the log of what the children promise; 0 for who has none. */
  variance: number
  /** Sum of the squared shares of who scatters alone: 1 for who has no children. */
  concentration: number
  /** Of the log of the weekday's effect. What is learnt must not be excused by it: it shrinks. */
  weekdayVariance: number
  /** Of a count: squared coefficient of variation of the rate of one that scatters alone, from day to day. */
  dispersion: number
}

/** Days of which it is known what was before: a power of two, no window reaches back further. */
export const KEPT_DAYS = 8

/** The levels of an account in columns, by entity and then figure: `of` says where. */
export class Levels {
  readonly mean: Float64Array
  readonly variance: Float64Array
  /** What a promise is multiplied with, or divided by. NaN: there is none yet. */
  readonly factor: Float64Array
  /** Days it was seen, faulty ones too. */
  readonly days: Int32Array
  /** No window reaches back before this day. */
  readonly floor: Int32Array
  /** Variance of a day of a gaussian figure about its level. */
  readonly noise: Float64Array
  readonly formerMean: Float64Array
  readonly formerVariance: Float64Array
  readonly formerUntil: Int32Array
  /** The day since which the level has been another one than before; that of the former one. */
  readonly since: Int32Array
  readonly #formerSince: Int32Array
  /** Of whom it had lasted when the former level was left: itself, or one above; -1: of nobody. */
  readonly settledBy: Int32Array
  readonly #noiseSum: Float64Array
  readonly #noiseDays: Float64Array
  // Before each of the last days, those of one level beside each other: `at` says where.
  readonly meansBefore: Float64Array
  readonly variancesBefore: Float64Array
  readonly factorsBefore: Float64Array
  readonly #noiseSumsBefore: Float64Array
  readonly #noiseDaysBefore: Float64Array
  /** What was seen (weekday apart, if gaussian) and among what. NaN: nothing usable. */
  readonly seen: Float64Array
  readonly among: Float64Array
  readonly #figures: number
  /** -1 where the factor is of a sum that the figure divides. */
  readonly #signs: Int8Array
  readonly #leastNoises: Float64Array

  /**
   * @param figures in their order
   * @param isSum whether an entity has children
   */
  constructor(
    entities: number,
    figures: readonly Pick<Figure, 'noise' | 'sign'>[],
    isSum: (entity: number) => boolean,
  ) {
    const n = entities * figures.length
    const column = (value: number, days = 1): Float64Array => new Float64Array(n * days).fill(value)
    this.mean = column(Number.NaN)
    this.variance = column(Number.NaN)
    this.factor = column(Number.NaN)
    this.days = new Int32Array(n)
    this.floor = new Int32Array(n)
    this.noise = column(Number.NaN)
    this.formerMean = column(Number.NaN)
    this.formerVariance = column(Number.NaN)
    this.formerUntil = new Int32Array(n).fill(-1)
    this.since = new Int32Array(n)
    this.#formerSince = new Int32Array(n)
    this.settledBy = new Int32Array(n).fill(-1)
    this.#noiseSum = column(0)
    this.#noiseDays = column(0)
    this.meansBefore = column(Number.NaN, KEPT_DAYS)
    this.variancesBefore = column(0, KEPT_DAYS)
    this.factorsBefore = column(Number.NaN, KEPT_DAYS)
    this.#noiseSumsBefore = column(0, KEPT_DAYS)
    this.#noiseDaysBefore = column(0, KEPT_DAYS)
    this.seen = column(0, KEPT_DAYS)
    this.among = column(Number.NaN, KEPT_DAYS)
    this.#figures = figures.length
    this.#signs = new Int8Array(n)
    for (let i = 0; i < entities; i++)
      figures.forEach(({ sign }, j) => (this.#signs[this.of(i, j)] = isSum(i) ? sign : 1))
    this.#leastNoises = Float64Array.from(figures, ({ noise }) => (LEAST_NOISE * noise) ** 2)
  }

  /** Where the level of a figure of an entity is. */
  of(entity: number, figure: number): number {
    return entity * this.#figures + figure
  }

  /** Where `day` of level k is. */
  at(k: number, day: number): number {
    return k * KEPT_DAYS + (day & (KEPT_DAYS - 1))
  }

  /** `day` begins: nothing is known of it, and what was known of the one before the kept ones is forgotten. */
  begin(day: number): void {
    for (let at = this.at(0, day); at < this.meansBefore.length; at += KEPT_DAYS) {
      this.meansBefore[at] = Number.NaN
      this.variancesBefore[at] = 0
      this.factorsBefore[at] = Number.NaN
      this.among[at] = Number.NaN
    }
  }

  meanBefore(k: number, day: number): number {
    return this.meansBefore[this.at(k, day)] as number
  }

  varianceBefore(k: number, day: number): number {
    return this.variancesBefore[this.at(k, day)] as number
  }

  /** Variance of a day's noise as it was known before `day`. @param pooled that of the account */
  noiseBefore(k: number, day: number, pooled: number): number {
    const at = this.at(k, day)
    return this.#noiseOf(k, this.#noiseSumsBefore[at] as number, this.#noiseDaysBefore[at] as number, pooled)
  }

  /** Degrees of freedom of the noise before `day`. */
  freedomBefore(k: number, day: number): number {
    return POOLED_DAYS + (this.#noiseDaysBefore[this.at(k, day)] as number)
  }

  /** Its own noise; NaN before it has seen enough of it. */
  ownNoise(k: number): number {
    const days = this.#noiseDays[k] as number
    return days > FEWEST_NOISY_DAYS ? (this.#noiseSum[k] as number) / days : Number.NaN
  }

  shareNoise(k: number, pooled: number): void {
    this.noise[k] = this.#noiseOf(k, this.#noiseSum[k] as number, this.#noiseDays[k] as number, pooled)
  }

  #noiseOf(k: number, sum: number, days: number, pooled: number): number {
    const noise = (sum + POOLED_DAYS * pooled) / (days + POOLED_DAYS)
    return Math.max(this.#leastNoises[k % this.#figures] as number, noise)
  }

  startAt(k: number, day: number, mean: number, variance: number): void {
    this.mean[k] = mean
    this.variance[k] = variance
    this.factor[k] = this.factorOf(k, mean)
    this.days[k] = 1
    this.since[k] = day
    this.mark(k, day)
  }

  /** Keeps what it is before `day` is learnt. */
  mark(k: number, day: number): void {
    const at = this.at(k, day)
    this.meansBefore[at] = this.mean[k] as number
    this.variancesBefore[at] = this.variance[k] as number
    this.factorsBefore[at] = this.factor[k] as number
    this.#noiseSumsBefore[at] = this.#noiseSum[k] as number
    this.#noiseDaysBefore[at] = this.#noiseDays[k] as number
  }

  /** Keeps what was seen on `day`, and among what. */
  see(k: number, day: number, seen: number, among: number): void {
    const at = this.at(k, day)
    this.seen[at] = seen
    this.among[at] = among
  }

  factorOf(k: number, mean: number): number {
    return Math.exp((this.#signs[k] as number) * mean)
  }

  /** A day went by. @param wander variance of a day's wandering */
  wander(k: number, wander: number, ofParent: boolean): void {
    this.variance[k] = Math.min(1, (this.variance[k] as number) + (ofParent ? PARENT_WANDER : 1) * wander)
  }

  /** How far a day is from the level, in standard deviations. */
  gapOf(k: number, look: Readonly<Look>, isCount: boolean): number {
    const unsure = (this.variance[k] as number) + look.variance
    if (!isCount)
      return (look.seen - (this.mean[k] as number)) / Math.sqrt((this.noise[k] as number) + unsure)
    const expected = look.among * (this.factor[k] as number)
    return (look.seen - expected) / Math.sqrt(expected + expected * expected * (look.dispersion + unsure))
  }

  learnGaussian(k: number, look: Readonly<Look>): void {
    const before = this.variance[k] as number
    const noise = this.noise[k] as number
    const variance = noise + before + look.variance
    const reach = FURTHEST * Math.sqrt(variance)
    const gap = Math.max(-reach, Math.min(reach, look.seen - (this.mean[k] as number)))
    if ((this.days[k] as number) > 3) {
      // Days whose weekday is little known say little of the noise.
      const known = variance / (variance + look.weekdayVariance)
      const weight = known * known
      this.#noiseSum[k] = MEMORY * (this.#noiseSum[k] as number) + (weight * gap * gap * noise) / variance
      this.#noiseDays[k] = MEMORY * (this.#noiseDays[k] as number) + weight
    }
    const gain = before / variance
    const mean = (this.mean[k] as number) + gain * gap
    this.mean[k] = mean
    this.variance[k] = before * (1 - gain)
    this.factor[k] = this.factorOf(k, mean)
  }

  learnCount(k: number, look: Readonly<Look>): void {
    const rate = this.factor[k] as number
    const before = this.variance[k] as number
    const expected = look.among * rate
    const scatter = look.dispersion * look.concentration + look.variance
    const weight = 1 / (1 + expected * scatter)
    const variance = expected + expected * expected * (scatter + before)
    const seen = Math.min(look.seen, expected + FURTHEST_COUNT * Math.sqrt(variance) + 1)
    const shape = 1 / before
    const newShape = shape + weight * seen
    const newRate = newShape / (shape / rate + weight * look.among)
    this.mean[k] = Math.log(newRate)
    this.variance[k] = Math.min(1, 1 / newShape)
    this.factor[k] = newRate
  }

  /** The days [from, day] were odd: nothing is learnt of them. */
  rollBack(k: number, from: number, day: number, wander: number): void {
    const before = this.at(k, from)
    const mean = this.meansBefore[before] as number
    const variance = this.variancesBefore[before] as number
    const factor = this.factorsBefore[before] as number
    const noiseSum = this.#noiseSumsBefore[before] as number
    const noiseDays = this.#noiseDaysBefore[before] as number
    if (!Number.isFinite(mean)) return
    this.mean[k] = mean
    this.variance[k] = variance + wander * (day - from + 1)
    this.factor[k] = factor
    this.#noiseSum[k] = noiseSum
    this.#noiseDays[k] = noiseDays
    for (let d = from; d <= day; d++) {
      const at = this.at(k, d)
      this.meansBefore[at] = mean
      this.variancesBefore[at] = variance
      this.factorsBefore[at] = factor
      this.#noiseSumsBefore[at] = noiseSum
      this.#noiseDaysBefore[at] = noiseDays
    }
  }

  /**
   * What was odd has lasted: the days [from, day] are the level now, and the former one is remembered.
   * @param dispersion of a count, as that of a look
   * @param without days that teach nothing
   * @param by index of the entity that it was odd for: itself, or one above
   * @returns whether there was a former level, and days to learn the new one of
   */
  settle(
    k: number,
    from: number,
    day: number,
    kind: Figure['kind'],
    dispersion: number,
    without: ReadonlySet<number>,
    by: number,
  ): boolean {
    const former = this.meanBefore(k, from)
    if (!Number.isFinite(former)) return false
    let seen = 0
    let among = 0
    let days = 0
    for (let d = from; d <= day; d++) {
      const at = this.at(k, d)
      const amongThem = this.among[at] as number
      if (!Number.isFinite(amongThem) || without.has(d)) continue
      seen += this.seen[at] as number
      among += amongThem
      days++
    }
    if (days === 0) return false
    // A level that was hardly known is none to come back to.
    const since = this.since[k] as number
    this.formerUntil[k] = from - since >= FEWEST_KNOWN_DAYS ? day + REMEMBERED_DAYS : -1
    this.formerMean[k] = former
    this.formerVariance[k] = this.varianceBefore(k, from)
    this.#formerSince[k] = since
    this.settledBy[k] = by
    this.since[k] = from
    const isCount = kind === 'count'
    // One event at the former rate keeps an empty count from being a rate of nothing.
    const mean = isCount ? Math.log((seen + 1) / (among + Math.exp(-former))) : seen / days
    const variance = isCount ? 1 / (seen + 1) + dispersion / days : (this.noise[k] as number) / days
    this.mean[k] = mean
    // It may still be on its way.
    this.variance[k] = variance + (0.3 * (mean - former)) ** 2
    this.factor[k] = this.factorOf(k, mean)
    this.floor[k] = day + 1
    return true
  }

  /** Back at the level before the last one, from `day` on. @param wander variance of a day's wandering */
  recall(k: number, day: number, wander: number): void {
    if (day > (this.formerUntil[k] as number)) return
    const mean = this.formerMean[k] as number
    this.mean[k] = mean
    this.variance[k] = Math.min(
      1,
      (this.formerVariance[k] as number) + wander * (day - (this.since[k] as number)),
    )
    this.factor[k] = this.factorOf(k, mean)
    this.since[k] = this.#formerSince[k] as number
    this.formerUntil[k] = -1
    this.floor[k] = day + 1
    this.mark(k, day)
  }
}
