/**
 * Holds days of an entity against a level: of one without children its own days, of a parent what its children
 * promised for them. What is added up over the days does not depend on the level: of who has no children the windows,
 * each longer than the one before, are added up on the way.
 */
import type { Calibration } from './calibration.ts'
import { FIGURE_COUNT, IS_COUNT, SIGNS, USES_LEADS } from './figures.ts'
import type { Judged, Known } from './known.ts'
import { FEWEST_DAYS } from './level.ts'
import type { Look } from './level.ts'
import { WINDOWS } from './windows.ts'
import type { Held, Windows } from './windows.ts'

/** A single day of leads says something from so many expected on. */
export const FEWEST_DAY_LEADS = 3

export class Holding {
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
  readonly #windows: Windows
  // By place in the windows. The first of the days, and the level that they are held against:
  readonly #froms: Int32Array
  readonly #means: Float64Array
  readonly #rates: Float64Array
  readonly #variances: Float64Array
  // And what is added up over the days. Of a gaussian figure each day is among 1.
  readonly #seen: Float64Array
  readonly #among: Float64Array
  /** Of what scatters alone. */
  readonly #squares: Float64Array
  /** Of what is not known of weekdays, as a variance. */
  readonly #ofWeekdays: Float64Array
  /** Of what children promise: how far all days may be off together. */
  readonly #common: Float64Array

  constructor(known: Known, judged: Judged, windows: Windows) {
    const column = (): Float64Array => new Float64Array(windows.alone + 1)
    this.#known = known
    this.#judged = judged
    this.#windows = windows
    this.#froms = new Int32Array(windows.alone + 1)
    this.#means = column()
    this.#rates = column()
    this.#variances = column()
    this.#seen = column()
    this.#among = column()
    this.#squares = column()
    this.#ofWeekdays = column()
    this.#common = column()
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

  /** The days from `from` on against a level; null: they say nothing. */
  judge(j: number, from: number, mean: number, variance: number, former: boolean): Held | null {
    const windows = this.#windows
    const at = windows.alone
    this.#means[at] = mean
    this.#rates[at] = Math.exp(mean)
    this.#variances[at] = variance
    this.#froms[at] = from
    this.#addUp(j, at, at + 1, former)
    this.#evaluate(j, at, at + 1)
    return windows.says[at] === 1 ? windows.heldAt(at) : null
  }

  /** The day against the level as it is now. */
  judgeToday(j: number): Held | null {
    const { levels } = this.#known
    const { i, day } = this.#judged
    const k = levels.of(i, j)
    return this.judge(j, day, levels.mean[k] as number, levels.variance[k] as number, false)
  }

  /** Days against the level that was left; null: there is none to say it of. */
  judgeFormer(j: number, from: number): Held | null {
    const { levels } = this.#known
    const { i, day, isSum } = this.#judged
    const k = levels.of(i, j)
    if (isSum) return this.judge(j, from, levels.meanBefore(k, from), levels.varianceBefore(k, from), true)
    if (day > (levels.formerUntil[k] as number)) return null
    return this.judge(j, from, levels.formerMean[k] as number, levels.formerVariance[k] as number, false)
  }

  /** Log of the odds that what is held of figure j is `apart` from its level, as a log, rather than at it. */
  oddsOf(j: number, { isCount, seen, expected, spread, size }: Held, apart: number): number {
    if (isCount) return (seen * apart - expected * Math.expm1(apart)) / (spread / expected)
    const { levels } = this.#known
    const k = levels.of(this.#judged.i, j)
    return ((size - apart / 2) * apart) / ((levels.noise[k] as number) + (levels.variance[k] as number))
  }

  /** Holds the last days against the levels before them. @returns whether there is a figure to do so with */
  hold(calibration: Calibration): boolean {
    let isHeld = false
    for (let j = 0; j < FIGURE_COUNT; j++) isHeld ||= this.#isKnown(j)
    if (isHeld) this.#holdFigures(calibration)
    return isHeld
  }

  /** Whether figure j says anything of the day, and its level was seen for long enough. */
  #isKnown(j: number): boolean {
    const { levels } = this.#known
    const { i, present } = this.#judged
    return present[j] === 1 && (levels.days[levels.of(i, j)] as number) >= FEWEST_DAYS
  }

  #holdFigures(calibration: Calibration): void {
    const { promises } = this.#known
    const { i, day, isSum, steadyVariances, wasOdd, isConfirmed } = this.#judged
    const windows = this.#windows
    const learns = !wasOdd && !isConfirmed
    windows.clear()
    if (isSum) promises.extend(i, day)
    for (let j = 0; j < FIGURE_COUNT; j++) {
      if (!this.#isKnown(j)) continue
      const first = windows.at(j, 0)
      const end = first + this.#readyWindows(j)
      this.#addUp(j, first, end, false)
      this.#evaluate(j, first, end)
      if (this.#isUnexplained(j, first)) {
        this.#variances[first] = steadyVariances[j] as number
        this.#evaluate(j, first, end)
      }
      if (IS_COUNT[j] === 1) {
        if (USES_LEADS[j] === 1 && (windows.expected[first] as number) < FEWEST_DAY_LEADS)
          windows.says[first] = 0
        calibration.applyToCounts(j, isSum, windows, learns)
        windows.keepCounts(j)
      } else {
        calibration.applyToLogs(j, isSum, windows, learns)
        windows.keepLogs(j)
      }
    }
  }

  /** Whether today moved where those who came or went do not move it. */
  #isUnexplained(j: number, at: number): boolean {
    const { steadyVariances, explainsRise, explainsFall } = this.#judged
    if (Number.isNaN(steadyVariances[j])) return false
    const { isCount, seen, expected, sizes } = this.#windows
    const gap = isCount[at] === 1 ? (seen[at] as number) - (expected[at] as number) : (sizes[at] as number)
    return gap > 0 ? !explainsRise : gap < 0 && !explainsFall
  }

  /** Looks up the levels before the windows. @returns how many windows, from the shortest on, have one */
  #readyWindows(j: number): number {
    const { levels, drift } = this.#known
    const { i, day, start } = this.#judged
    const k = levels.of(i, j)
    const first = Math.max(levels.floor[k] as number, start)
    const wander = drift.variance(j) / 3
    let w = 0
    for (; w < WINDOWS.length; w++) {
      const window = WINDOWS[w] as number
      const from = day - window + 1
      const before = levels.at(k, from)
      const mean = levels.meansBefore[before] as number
      if (from < first || Number.isNaN(mean)) break
      const at = this.#windows.at(j, w)
      this.#froms[at] = from
      this.#means[at] = mean
      this.#rates[at] = levels.factorsBefore[before] as number
      this.#variances[at] = (levels.variancesBefore[before] as number) + wander * (window - 1)
    }
    return w
  }

  /** Adds up the days of the windows from place `first` up to, without, `end`. */
  #addUp(j: number, first: number, end: number, former: boolean): void {
    if (!this.#judged.isSum) this.#addDays(j, first, end)
    else if (IS_COUNT[j] === 1) this.#addCountsOfSum(j, first, end, former)
    else this.#addLogsOfSum(j, first, end, former)
  }

  /** Of who has no children: each window goes on where the one before it ended. */
  #addDays(j: number, first: number, end: number): void {
    const { levels, calendar } = this.#known
    const { i, day } = this.#judged
    const k = levels.of(i, j)
    let seen = 0
    let among = 0
    let squares = 0
    let ofWeekdays = 0
    let d = day
    for (let at = first; at < end; at++) {
      for (const from = this.#froms[at] as number; d >= from; d--) {
        const past = levels.at(k, d)
        const amongThem = levels.among[past] as number
        if (Number.isNaN(amongThem)) continue
        const square = amongThem * amongThem
        seen += levels.seen[past] as number
        among += amongThem
        squares += square
        ofWeekdays += square * (calendar.variances[calendar.at(j, d)] as number)
      }
      this.#seen[at] = seen
      this.#among[at] = among
      this.#squares[at] = squares
      this.#ofWeekdays[at] = ofWeekdays
      this.#common[at] = 0
    }
  }

  /** Of the counts of a parent, among what its children promise at their levels before each window. */
  #addCountsOfSum(j: number, first: number, end: number, former: boolean): void {
    const { levels, promises, calendar } = this.#known
    const { i, day } = this.#judged
    const { sums, variances, squares } = promises
    const k = levels.of(i, j)
    for (let at = first; at < end; at++) {
      const from = this.#froms[at] as number
      promises.gather(i, j, from, day, former)
      let seen = 0
      let among = 0
      let alone = 0
      let common = 0
      let ofWeekdays = 0
      for (let d = from; d <= day; d++) {
        const row = promises.at(d)
        const past = levels.at(k, d)
        const sum = sums[row] as number
        if (Number.isNaN(levels.among[past]) || !(sum > 0)) continue
        const date = calendar.at(j, d)
        const factor = calendar.factors[date] as number
        const base = sum * factor
        seen += levels.seen[past] as number
        among += base
        alone += factor * factor * (squares[row] as number)
        common += factor * Math.sqrt(variances[row] as number)
        ofWeekdays += base * base * (calendar.variances[date] as number)
      }
      this.#seen[at] = seen
      this.#among[at] = among
      this.#squares[at] = alone
      this.#ofWeekdays[at] = ofWeekdays
      this.#common[at] = common
    }
  }

  /** Likewise, of logs of amounts and ratios: how far each is from what the children promise. */
  #addLogsOfSum(j: number, first: number, end: number, former: boolean): void {
    const { levels, promises, calendar } = this.#known
    const { i, day } = this.#judged
    const { sums, variances } = promises
    const k = levels.of(i, j)
    for (let at = first; at < end; at++) {
      const from = this.#froms[at] as number
      promises.gather(i, j, from, day, former)
      let ratio = 1
      let moves = 0
      let days = 0
      let common = 0
      let ofWeekdays = 0
      for (let d = from; d <= day; d++) {
        const row = promises.at(d)
        const past = levels.at(k, d)
        const sum = sums[row] as number
        if (Number.isNaN(levels.among[past]) || !(sum > 0)) continue
        const date = calendar.at(j, d)
        ratio *= (levels.seen[past] as number) / (sum * (calendar.factors[date] as number))
        moves += calendar.moves[date] as number
        days++
        common += Math.sqrt(variances[row] as number) / sum
        ofWeekdays += calendar.variances[date] as number
      }
      // One logarithm of all days: their product is far from what a number can hold.
      this.#seen[at] = (SIGNS[j] as number) * Math.log(ratio) - moves
      this.#among[at] = days
      this.#squares[at] = days
      this.#ofWeekdays[at] = ofWeekdays
      this.#common[at] = common
    }
  }

  /** Holds what was added up against the levels. */
  #evaluate(j: number, first: number, end: number): void {
    if (IS_COUNT[j] === 1) this.#evaluateCounts(j, first, end)
    else this.#evaluateLogs(j, first, end)
  }

  /** Of a count. */
  #evaluateCounts(j: number, first: number, end: number): void {
    const { says, isCount, seen, expected, spreads } = this.#windows
    const dispersion = this.#known.scatter.dispersion(j)
    for (let at = first; at < end; at++) {
      const rate = this.#rates[at] as number
      const mean = (this.#among[at] as number) * rate
      says[at] = mean > 0 ? 1 : 0
      const alone = dispersion * (this.#squares[at] as number) + (this.#ofWeekdays[at] as number)
      const common = this.#common[at] as number
      isCount[at] = 1
      seen[at] = this.#seen[at] as number
      expected[at] = mean
      spreads[at] =
        mean +
        rate * rate * (alone + common * common) +
        mean * mean * Math.expm1(this.#variances[at] as number)
    }
  }

  /** Of logs of amounts and ratios. */
  #evaluateLogs(j: number, first: number, end: number): void {
    const { tree, levels, scatter } = this.#known
    const { i } = this.#judged
    const { says, isCount, statistics, freedoms, sizes } = this.#windows
    const k = levels.of(i, j)
    const pooled = scatter.noise(j, tree.levels[i] as number)
    for (let at = first; at < end; at++) {
      const days = this.#among[at] as number
      says[at] = days > 0 ? 1 : 0
      const size = (this.#seen[at] as number) / days - (this.#means[at] as number)
      const common = this.#common[at] as number
      // What is judged must not excuse itself: the noise is that of the days before.
      const from = this.#froms[at] as number
      const noise = levels.noiseBefore(k, from, pooled)
      const ofDays = noise * days + common * common + (this.#ofWeekdays[at] as number)
      isCount[at] = 0
      statistics[at] = size / Math.sqrt(ofDays / (days * days) + (this.#variances[at] as number))
      freedoms[at] = levels.freedomBefore(k, from)
      sizes[at] = size
    }
  }
}
