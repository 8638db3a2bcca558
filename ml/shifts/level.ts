/**
 * Where a figure of an entity stands, as a log: a local level that wanders (West & Harrison 1997, chapter 2;
 * for counts the discounted gamma-Poisson of chapter 14.4). What it was before each day is kept, so that a
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
/** A level that was left may come back within so many days. */
const REMEMBERED_DAYS = 28
/** The sums of a parent wander less than it does itself: its children's levels follow already. */
const PARENT_WANDER = 0.3

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
}

export class Level {
  mean = Number.NaN
  variance = 1
  /** Days it was seen, faulty ones too. */
  days = 0
  /** No window reaches back before this day. */
  floor = 0
  formerMean = Number.NaN
  formerVariance = 0
  formerUntil = -1
  /** Variance of a day of a gaussian figure about its level. */
  noise = Number.NaN
  #noiseSum = 0
  #noiseDays = 0
  readonly meanBefore: Float64Array
  readonly varianceBefore: Float64Array
  /** What a promise is multiplied with, or divided by, at the level before each day. */
  readonly factorBefore: Float64Array
  readonly #sign: 1 | -1
  readonly #leastNoise: number
  /** Of each day: what was seen (weekday apart, if gaussian) and among what. NaN: nothing usable. */
  readonly seen: Float64Array
  readonly among: Float64Array

  /** @param sign of the factor: -1 where it is of a sum that the figure divides */
  constructor(days: number, sign: 1 | -1, figure: Figure) {
    this.#sign = sign
    this.#leastNoise = (LEAST_NOISE * figure.noise) ** 2
    this.factorBefore = new Float64Array(days).fill(Number.NaN)
    this.meanBefore = new Float64Array(days).fill(Number.NaN)
    this.varianceBefore = new Float64Array(days).fill(1)
    this.seen = new Float64Array(days).fill(Number.NaN)
    this.among = new Float64Array(days).fill(Number.NaN)
  }

  /** Degrees of freedom of the noise. */
  get freedom(): number {
    return POOLED_DAYS + this.#noiseDays
  }

  /** Its own noise; null before it has seen enough of it. */
  get ownNoise(): number | null {
    return this.#noiseDays > 7 ? this.#noiseSum / this.#noiseDays : null
  }

  shareNoise(pooled: number): void {
    const noise = (this.#noiseSum + POOLED_DAYS * pooled) / (this.#noiseDays + POOLED_DAYS)
    this.noise = Math.max(this.#leastNoise, noise)
  }

  startAt(day: number, mean: number, variance: number): void {
    this.mean = mean
    this.variance = variance
    this.days = 1
    this.mark(day)
  }

  /** Keeps what it is before `day` is learnt. */
  mark(day: number): void {
    this.meanBefore[day] = this.mean
    this.varianceBefore[day] = this.variance
    this.factorBefore[day] = this.factorOf(this.mean)
  }

  factorOf(mean: number): number {
    return Math.exp(this.#sign * mean)
  }

  /** A day went by. */
  wander(figure: Figure, ofParent: boolean): void {
    this.variance = Math.min(1, this.variance + (ofParent ? PARENT_WANDER : 1) * figure.wander ** 2)
  }

  learnGaussian(look: Readonly<Look>): void {
    const variance = this.noise + this.variance + look.variance
    const reach = FURTHEST * Math.sqrt(variance)
    const gap = Math.max(-reach, Math.min(reach, look.seen - this.mean))
    if (this.days > 3) {
      // Days whose weekday is little known say little of the noise.
      const weight = (variance / (variance + look.weekdayVariance)) ** 2
      this.#noiseSum = MEMORY * this.#noiseSum + (weight * gap * gap * this.noise) / variance
      this.#noiseDays = MEMORY * this.#noiseDays + weight
    }
    const gain = this.variance / variance
    this.mean += gain * gap
    this.variance *= 1 - gain
  }

  /** @param dispersion squared coefficient of variation of the rate from day to day */
  learnCount(look: Readonly<Look>, dispersion: number): void {
    const expected = look.among * Math.exp(this.mean)
    const weight = 1 / (1 + expected * (dispersion + look.variance))
    const variance = expected + expected * expected * (dispersion + this.variance + look.variance)
    const seen = Math.min(look.seen, expected + FURTHEST_COUNT * Math.sqrt(variance) + 1)
    const shape = 1 / this.variance
    const newShape = shape + weight * seen
    this.mean = Math.log(newShape / (shape / Math.exp(this.mean) + weight * look.among))
    this.variance = Math.min(1, 1 / newShape)
  }

  /** The days [from, day] were odd: nothing is learnt of them. */
  rollBack(from: number, day: number, figure: Figure): void {
    const mean = this.meanBefore[from] as number
    const variance = this.varianceBefore[from] as number
    if (!Number.isFinite(mean)) return
    this.mean = mean
    this.variance = variance + figure.wander ** 2 * (day - from + 1)
    this.meanBefore.fill(mean, from, day + 1)
    this.varianceBefore.fill(variance, from, day + 1)
    this.factorBefore.fill(this.factorOf(mean), from, day + 1)
  }

  /** What was odd has lasted: the days [from, day] are the level now, and the former one is remembered. */
  settle(from: number, day: number, kind: Figure['kind'], dispersion: number): void {
    const former = this.meanBefore[from] as number
    if (!Number.isFinite(former)) return
    let seen = 0
    let among = 0
    let days = 0
    for (let d = from; d <= day; d++) {
      if (!Number.isFinite(this.among[d])) continue
      seen += this.seen[d] as number
      among += this.among[d] as number
      days++
    }
    if (days === 0) return
    this.formerMean = former
    this.formerVariance = (this.varianceBefore[from] as number) + 0.005
    this.formerUntil = day + REMEMBERED_DAYS
    if (kind === 'count') {
      // One event at the former rate keeps an empty count from being a rate of nothing.
      this.mean = Math.log((seen + 1) / (among + Math.exp(-former)))
      this.variance = 1 / (seen + 1) + dispersion / days
    } else {
      this.mean = seen / days
      this.variance = this.noise / days
    }
    // It may still be on its way.
    this.variance += (0.3 * (this.mean - former)) ** 2
    this.floor = day + 1
  }

  /** Back at the level before the last one, from `day` on. */
  recall(day: number): void {
    if (day > this.formerUntil) return
    this.mean = this.formerMean
    this.variance = this.formerVariance + 0.01
    this.formerUntil = -1
    this.floor = day + 1
    this.mark(day)
  }
}
