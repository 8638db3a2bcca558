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
export const REMEMBERED_DAYS = 28
const FEWEST_KNOWN_DAYS = 7
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

/** Days of which it is known what was before: a power of two, no window reaches back further. */
const KEPT_DAYS = 8

/**
 * What was known before each of the last days, of all entities and figures: those of one figure of an entity beside each
 * other, in a line of the processor's cache.
 */
export class Past {
  readonly mean: Float64Array
  readonly variance: Float64Array
  /** What a promise is multiplied with, or divided by, at the level before the day. NaN: there was none. */
  readonly factor: Float64Array
  /** What was seen (weekday apart, if gaussian) and among what. NaN: nothing usable. */
  readonly seen: Float64Array
  readonly among: Float64Array
  readonly #figures: number

  constructor(entities: number, figures: number) {
    this.#figures = figures
    const length = entities * figures * KEPT_DAYS
    this.mean = new Float64Array(length).fill(Number.NaN)
    this.variance = new Float64Array(length)
    this.factor = new Float64Array(length).fill(Number.NaN)
    this.seen = new Float64Array(length)
    this.among = new Float64Array(length).fill(Number.NaN)
  }

  /** Where the day of an entity's figure is. */
  at(entity: number, figure: number, day: number): number {
    return (entity * this.#figures + figure) * KEPT_DAYS + (day & (KEPT_DAYS - 1))
  }

  /** `day` begins: nothing is known of it, and what was known of the one before the kept ones is forgotten. */
  begin(day: number): void {
    for (let at = this.at(0, 0, day); at < this.mean.length; at += KEPT_DAYS) {
      this.mean[at] = Number.NaN
      this.variance[at] = 0
      this.factor[at] = Number.NaN
      this.among[at] = Number.NaN
    }
  }
}

/** Zero, not as a small integer: what begins as one and becomes a fraction changes the shape of all its kind. */
const ZERO = -0

export class Level {
  mean = Number.NaN
  variance = Number.NaN
  /** Days it was seen, faulty ones too. */
  days = 0
  /** No window reaches back before this day. */
  floor = 0
  formerMean = Number.NaN
  formerVariance = Number.NaN
  formerUntil = -1
  /** The day since which the level has been another one than before; that of the former one. */
  since = 0
  #formerSince = 0
  /** Of whom it had lasted when the former level was left: itself, or one above; -1: of nobody. */
  settledBy = -1
  /** Variance of a day of a gaussian figure about its level. */
  noise = Number.NaN
  #noiseSum = ZERO
  #noiseDays = ZERO
  readonly #past: Past
  readonly #entity: number
  readonly #figure: number
  readonly #sign: 1 | -1
  readonly #leastNoise: number

  /**
   * @param entity whose, and of which figure, in `past`
   * @param sign of the factor: -1 where it is of a sum that the figure divides
   */
  constructor(past: Past, entity: number, figure: number, sign: 1 | -1, { noise }: Pick<Figure, 'noise'>) {
    this.#past = past
    this.#entity = entity
    this.#figure = figure
    this.#sign = sign
    this.#leastNoise = (LEAST_NOISE * noise) ** 2
  }

  /** Where `day` is in the past. */
  at(day: number): number {
    return this.#past.at(this.#entity, this.#figure, day)
  }

  meanBefore(day: number): number {
    return this.#past.mean[this.at(day)] as number
  }

  varianceBefore(day: number): number {
    return this.#past.variance[this.at(day)] as number
  }

  /** `factorOf` what it was. */
  factorBefore(day: number): number {
    return this.#past.factor[this.at(day)] as number
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
    this.since = day
    this.mark(day)
  }

  /** Keeps what it is before `day` is learnt. */
  mark(day: number): void {
    const at = this.at(day)
    this.#past.mean[at] = this.mean
    this.#past.variance[at] = this.variance
    this.#past.factor[at] = this.factorOf(this.mean)
  }

  /** Keeps what was seen on `day`, and among what. */
  see(day: number, seen: number, among: number): void {
    const at = this.at(day)
    this.#past.seen[at] = seen
    this.#past.among[at] = among
  }

  factorOf(mean: number): number {
    return Math.exp(this.#sign * mean)
  }

  /** A day went by. @param wander variance of a day's wandering */
  wander(wander: number, ofParent: boolean): void {
    this.variance = Math.min(1, this.variance + (ofParent ? PARENT_WANDER : 1) * wander)
  }

  /** How far a day is from the level, in standard deviations. */
  gapOf(look: Readonly<Look>, isCount: boolean, dispersion: number): number {
    if (!isCount) return (look.seen - this.mean) / Math.sqrt(this.noise + this.variance + look.variance)
    const expected = look.among * Math.exp(this.mean)
    const variance = expected + expected * expected * (dispersion + this.variance + look.variance)
    return (look.seen - expected) / Math.sqrt(variance)
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
  rollBack(from: number, day: number, wander: number): void {
    const mean = this.meanBefore(from)
    const variance = this.varianceBefore(from)
    if (!Number.isFinite(mean)) return
    this.mean = mean
    this.variance = variance + wander * (day - from + 1)
    const factor = this.factorOf(mean)
    for (let d = from; d <= day; d++) {
      const at = this.at(d)
      this.#past.mean[at] = mean
      this.#past.variance[at] = variance
      this.#past.factor[at] = factor
    }
  }

  /**
   * What was odd has lasted: the days [from, day] are the level now, and the former one is remembered.
   * @param without days that teach nothing
   * @param by index of the entity that it was odd for: itself, or one above
   * @returns whether there was a former level, and days to learn the new one of
   */
  settle(
    from: number,
    day: number,
    kind: Figure['kind'],
    dispersion: number,
    without: ReadonlySet<number>,
    by: number,
  ): boolean {
    const former = this.meanBefore(from)
    if (!Number.isFinite(former)) return false
    let seen = 0
    let among = 0
    let days = 0
    for (let d = from; d <= day; d++) {
      const at = this.at(d)
      const amongThem = this.#past.among[at] as number
      if (!Number.isFinite(amongThem) || without.has(d)) continue
      seen += this.#past.seen[at] as number
      among += amongThem
      days++
    }
    if (days === 0) return false
    // A level that was hardly known is none to come back to.
    this.formerUntil = from - this.since >= FEWEST_KNOWN_DAYS ? day + REMEMBERED_DAYS : -1
    this.formerMean = former
    this.formerVariance = this.varianceBefore(from)
    this.#formerSince = this.since
    this.settledBy = by
    this.since = from
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
    return true
  }

  /** Back at the level before the last one, from `day` on. @param wander variance of a day's wandering */
  recall(day: number, wander: number): void {
    if (day > this.formerUntil) return
    this.mean = this.formerMean
    this.variance = Math.min(1, this.formerVariance + wander * (day - this.since))
    this.since = this.#formerSince
    this.formerUntil = -1
    this.floor = day + 1
    this.mark(day)
  }
}
