/**
 * Holds days of an entity against a level: of one without children its own days, of a parent what its children
 * promised for them.
 */
import type { Calibration } from './calibration.ts'
import { FIGURE_COUNT, IS_COUNT, SIGNS, USES_LEADS } from './figures.ts'
import type { Known, Judged } from './known.ts'
import { FEWEST_DAYS } from './level.ts'
import type { Look } from './level.ts'
import { noHeld, WINDOWS } from './windows.ts'
import type { Held, Windows } from './windows.ts'

/** A single day of leads says something from so many expected on. */
export const FEWEST_DAY_LEADS = 3

export class Holding {
  /** What was held last. */
  readonly held: Held = noHeld()
  /** The day itself, against the levels before it. */
  readonly today: Look = {
    seen: Number.NaN,
    among: Number.NaN,
    variance: Number.NaN,
    concentration: Number.NaN,
    weekdayVariance: Number.NaN,
    dispersion: Number.NaN,
  }
  readonly #known: Known
  readonly #judged: Judged
  // The level that days are held against. Numbers that are handed to a function are wrapped, one by one.
  #mean = Number.NaN
  #rate = Number.NaN
  #variance = Number.NaN
  // Added up over days, whatever the level. Of a gaussian figure each day is among 1.
  #seen = Number.NaN
  #among = Number.NaN
  /** Of what scatters alone. */
  #squares = Number.NaN
  /** Of what is not known of weekdays, as a variance. */
  #ofWeekdays = Number.NaN
  /** Of what children promise: how far all days may be off together. */
  #common = Number.NaN

  constructor(known: Known, judged: Judged) {
    this.#known = known
    this.#judged = judged
  }

  /** Fills `today`. @returns whether figure j says anything */
  look(j: number): boolean {
    const { levels, promises, calendar, scatter } = this.#known
    const { i, day, isSum } = this.#judged
    const { today } = this
    const at = levels.at(levels.of(i, j), day)
    const among = levels.among[at] as number
    if (Number.isNaN(among)) return false
    const date = calendar.at(j, day)
    today.weekdayVariance = calendar.variances[date] as number
    today.dispersion = scatter.dispersion(j)
    if (!isSum) {
      today.seen = levels.seen[at] as number
      today.among = among
      today.variance = 0
      today.concentration = 1
      return true
    }
    promises.gather(i, j, day, day, false)
    const row = promises.at(day)
    const sum = promises.sums[row] as number
    if (!(sum > 0)) return false
    const base = sum * (calendar.factors[date] as number)
    today.variance = (promises.variances[row] as number) / (sum * sum)
    today.concentration = (promises.squares[row] as number) / (sum * sum)
    if (IS_COUNT[j] === 1) {
      today.seen = levels.seen[at] as number
      today.among = base
    } else {
      const log = (SIGNS[j] as number) * Math.log((levels.seen[at] as number) / base)
      today.seen = log - (calendar.moves[date] as number)
      today.among = 1
    }
    return true
  }

  /** Fills `held` with the days from `from` on against a level. @returns whether they say anything */
  judge(j: number, from: number, mean: number, variance: number, former: boolean): boolean {
    this.#mean = mean
    this.#rate = Math.exp(mean)
    this.#variance = variance
    this.#clear()
    if (this.#judged.isSum) this.#addSums(j, from, former)
    else this.#addDays(j, from, this.#judged.day)
    return this.#evaluate(j)
  }

  /** Likewise, the day against the level as it is now. */
  judgeToday(j: number): boolean {
    const { levels } = this.#known
    const k = levels.of(this.#judged.i, j)
    return this.judge(j, this.#judged.day, levels.mean[k] as number, levels.variance[k] as number, false)
  }

  /** Likewise, against the level that was left. @returns whether there is one to say it of */
  judgeFormer(j: number, from: number): boolean {
    const { levels } = this.#known
    const { i, day, isSum } = this.#judged
    const k = levels.of(i, j)
    if (isSum) return this.judge(j, from, levels.meanBefore(k, from), levels.varianceBefore(k, from), true)
    if (day > (levels.formerUntil[k] as number)) return false
    return this.judge(j, from, levels.formerMean[k] as number, levels.formerVariance[k] as number, false)
  }

  /** Log of the odds that what is held of figure j is `apart` from its level, as a log, rather than at it. */
  oddsOf(j: number, apart: number): number {
    const { isCount, seen, expected, spread, size } = this.held
    if (isCount) return (seen * apart - expected * Math.expm1(apart)) / (spread / expected)
    const { levels } = this.#known
    const k = levels.of(this.#judged.i, j)
    return ((size - apart / 2) * apart) / ((levels.noise[k] as number) + (levels.variance[k] as number))
  }

  /** Holds the last days against the levels before them. */
  hold(windows: Windows, calibration: Calibration): void {
    const { levels, promises, drift } = this.#known
    const { i, day, start, isSum, present, wasOdd, isConfirmed } = this.#judged
    const { held } = this
    for (let j = 0; j < FIGURE_COUNT; j++) {
      const k = levels.of(i, j)
      if (present[j] === 0 || (levels.days[k] as number) < FEWEST_DAYS) continue
      if (isSum) promises.extend(i, j, day)
      const first = Math.max(levels.floor[k] as number, start)
      const wander = drift.variance(j)
      let newest = day
      this.#clear()
      for (let w = 0; w < WINDOWS.length; w++) {
        const window = WINDOWS[w] as number
        const from = day - window + 1
        if (from < first) break
        const before = levels.at(k, from)
        this.#mean = levels.meansBefore[before] as number
        if (Number.isNaN(this.#mean)) break
        this.#rate = levels.factorsBefore[before] as number
        this.#variance = (levels.variancesBefore[before] as number) + (wander * (window - 1)) / 3
        if (isSum) {
          // What children promise differs with the levels they promise by.
          this.#clear()
          this.#addSums(j, from, false)
        } else {
          this.#addDays(j, from, newest)
          newest = from - 1
        }
        if (!this.#evaluate(j)) continue
        if (USES_LEADS[j] === 1 && window === 1 && held.expected < FEWEST_DAY_LEADS) continue
        calibration.apply(j, w, isSum, held, !wasOdd && !isConfirmed)
        windows.set(j, w, held)
      }
    }
  }

  #clear(): void {
    this.#seen = 0
    this.#among = 0
    this.#squares = 0
    this.#ofWeekdays = 0
    this.#common = 0
  }

  /** Adds the days [from, to] of who has no children. */
  #addDays(j: number, from: number, to: number): void {
    const { levels, calendar } = this.#known
    const k = levels.of(this.#judged.i, j)
    let seen = 0
    let among = 0
    let squares = 0
    let ofWeekdays = 0
    for (let d = from; d <= to; d++) {
      const at = levels.at(k, d)
      const amongThem = levels.among[at] as number
      if (Number.isNaN(amongThem)) continue
      const square = amongThem * amongThem
      seen += levels.seen[at] as number
      among += amongThem
      squares += square
      ofWeekdays += square * (calendar.variances[calendar.at(j, d)] as number)
    }
    this.#seen += seen
    this.#among += among
    this.#squares += squares
    this.#ofWeekdays += ofWeekdays
  }

  /** Adds the days from `from` on of a parent, among what its children promise at their levels before them. */
  #addSums(j: number, from: number, former: boolean): void {
    const { levels, promises, calendar } = this.#known
    const { i, day } = this.#judged
    promises.gather(i, j, from, day, former)
    const { sums, variances, squares } = promises
    const k = levels.of(i, j)
    const isCount = IS_COUNT[j] === 1
    let seen = 0
    let among = 0
    let alone = 0
    let common = 0
    let ofWeekdays = 0
    let ratio = 1
    for (let d = from; d <= day; d++) {
      const row = promises.at(d)
      const at = levels.at(k, d)
      const sum = sums[row] as number
      if (Number.isNaN(levels.among[at]) || !(sum > 0)) continue
      const date = calendar.at(j, d)
      const factor = calendar.factors[date] as number
      const base = sum * factor
      const unsure = Math.sqrt(variances[row] as number)
      if (isCount) {
        seen += levels.seen[at] as number
        among += base
        alone += factor * factor * (squares[row] as number)
        common += factor * unsure
        ofWeekdays += base * base * (calendar.variances[date] as number)
      } else {
        ratio *= (levels.seen[at] as number) / base
        seen += calendar.moves[date] as number
        among += 1
        common += unsure / sum
        ofWeekdays += calendar.variances[date] as number
      }
    }
    // One logarithm of all days: their product is far from what a number can hold.
    this.#seen = isCount ? seen : (SIGNS[j] as number) * Math.log(ratio) - seen
    this.#among = among
    this.#squares = alone
    this.#common = common
    this.#ofWeekdays = ofWeekdays
  }

  /** Fills `held` with what was added up against the level. @returns whether it says anything */
  #evaluate(j: number): boolean {
    const { held } = this
    const among = this.#among
    if (IS_COUNT[j] === 1) {
      const rate = this.#rate
      const expected = among * rate
      if (!(expected > 0)) return false
      const alone = this.#known.scatter.dispersion(j) * this.#squares + this.#ofWeekdays
      const common = rate * this.#common
      held.isCount = true
      held.seen = this.#seen
      held.expected = expected
      held.spread =
        expected + rate * rate * alone + expected * expected * Math.expm1(this.#variance) + common * common
      return true
    }
    if (among === 0) return false
    const { levels } = this.#known
    const k = levels.of(this.#judged.i, j)
    const size = this.#seen / among - this.#mean
    const common = this.#common / among
    const noise = (levels.noise[k] as number) / among
    const sd = Math.sqrt(noise + this.#variance + common * common + this.#ofWeekdays / (among * among))
    held.isCount = false
    held.statistic = size / sd
    held.freedom = levels.freedom(k)
    held.expected = 0
    held.size = size
    return true
  }
}
