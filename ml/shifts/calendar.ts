/** What days do to the figures of a whole account, as known before each day: weekdays, and holidays. */
import { WEEK } from '../frame.ts'
import type { AccountDays } from './account.ts'
import { FIGURE_COUNT, FIGURE_TABLE, IS_VOLUME, SIGNS, SPEND } from './figures.ts'
import type { AccountSums } from './figures.ts'
import { FEWEST_DAYS } from './level.ts'
import type { Levels } from './level.ts'
import { gapsOf, weekdayEffects, weekdayOf } from './weekday.ts'
import { LONGEST } from './windows.ts'

/** What holidays do to money, as a log, before any ad tells; and how it differs from ad to ad. */
const HOLIDAY_MOVE = -0.2
const HOLIDAY_SD = 0.35
const HOLIDAY_SCATTER = 0.1
/** How far prices and rates may be off on a holiday, as a log. */
const HOLIDAY_RATE_SD = 0.25

const sumsOf = ({ days, entities }: AccountDays): AccountSums => {
  const sums = {
    spend: new Float64Array(days),
    impressions: new Float64Array(days),
    clicks: new Float64Array(days),
    leads: new Float64Array(days),
  }
  for (const entity of entities) {
    if (entity.parent >= 0) continue
    for (const name of ['spend', 'impressions', 'clicks', 'leads'] as const)
      for (let t = 0; t < days; t++) (sums[name][t] as number) += entity[name][t] as number
  }
  return sums
}

export class Calendar {
  readonly #account: AccountDays
  readonly #weekdays: Uint8Array
  /** By figure: how far each day is from the week around it; null: no pattern is known. */
  readonly #gaps: readonly (Float64Array | null)[]
  // By figure and weekday: what is added to the log, how far off, and the factor on a sum.
  readonly #weekdayEffects: Float64Array
  readonly #weekdayVariances: Float64Array
  readonly #weekdayFactors: Float64Array
  // By day: what a holiday does to money, as a log, and how far off: shown by what all ads have in common.
  readonly #holidayMoves: Float64Array
  readonly #holidayVariances: Float64Array
  // Laid out by figure and day, of the days a window reaches back over: `at` says where.
  /** What weekday and holiday add to a log. */
  readonly effects: Float64Array
  /** Of that, what a holiday does. */
  readonly moves: Float64Array
  /** What a weekday multiplies a sum with. */
  readonly factors: Float64Array
  /** Of weekday and holiday together, as logs. */
  readonly variances: Float64Array

  constructor(account: AccountDays) {
    const { days } = account
    const sums = sumsOf(account)
    this.#account = account
    this.#weekdays = Uint8Array.from({ length: days }, (_, t) => weekdayOf(account, t))
    this.#gaps = FIGURE_TABLE.map(({ ofAccount }) =>
      ofAccount ? gapsOf(account, (t) => ofAccount(sums, t)) : null,
    )
    this.#weekdayEffects = new Float64Array(FIGURE_COUNT * WEEK)
    this.#weekdayVariances = new Float64Array(FIGURE_COUNT * WEEK)
    this.#weekdayFactors = new Float64Array(FIGURE_COUNT * WEEK).fill(1)
    this.#holidayMoves = new Float64Array(days)
    this.#holidayVariances = new Float64Array(days)
    this.effects = new Float64Array(FIGURE_COUNT * days)
    this.moves = new Float64Array(FIGURE_COUNT * days)
    this.factors = new Float64Array(FIGURE_COUNT * days)
    this.variances = new Float64Array(FIGURE_COUNT * days)
  }

  /** Where a day of a figure is. */
  at(figure: number, day: number): number {
    return figure * this.#account.days + day
  }

  isHoliday(day: number): boolean {
    return this.#account.holiday[day] === 1
  }

  /** Learns what is known of weekdays before `day`. */
  learnWeekdays(day: number): void {
    this.#gaps.forEach((gaps, j) => {
      if (!gaps) return
      const { effect, variance } = weekdayEffects(this.#account, day, gaps)
      const sign = SIGNS[j] as number
      for (let w = 0; w < WEEK; w++) {
        const at = j * WEEK + w
        this.#weekdayEffects[at] = effect[w] as number
        this.#weekdayVariances[at] = variance[w] as number
        this.#weekdayFactors[at] = Math.exp(sign * (effect[w] as number))
      }
    })
  }

  /**
   * Learns what the holiday `day` does to money, of all without children.
   * @param logOf of the money of one; not finite: it says nothing
   */
  learnHoliday(
    day: number,
    levels: Levels,
    leaves: readonly number[],
    logOf: (leaf: number) => number,
  ): void {
    const effect = this.#weekdayEffects[SPEND * WEEK + (this.#weekdays[day] as number)] as number
    const gaps: number[] = []
    let noise = 0
    for (const leaf of leaves) {
      const k = levels.of(leaf, SPEND)
      const gap = logOf(leaf) - (levels.mean[k] as number)
      if ((levels.days[k] as number) < FEWEST_DAYS || !Number.isFinite(gap)) continue
      gaps.push(gap - effect)
      noise += (levels.noise[k] as number) + (levels.variance[k] as number)
    }
    gaps.sort((a, b) => a - b)
    const n = gaps.length
    // A median of normal values has the variance of pi / 2 as many means.
    const shown = n === 0 ? 0 : 1 / ((Math.PI / 2) * (noise / n / n) + HOLIDAY_SCATTER ** 2)
    const known = 1 / HOLIDAY_SD ** 2
    const median = n === 0 ? 0 : ((gaps[(n - 1) >> 1] as number) + (gaps[n >> 1] as number)) / 2
    this.#holidayMoves[day] = (shown * median + known * HOLIDAY_MOVE) / (shown + known)
    this.#holidayVariances[day] = 1 / (shown + known) + HOLIDAY_SCATTER ** 2
  }

  /** Lays out what is known of the days up to `day`. */
  spread(day: number): void {
    for (let j = 0; j < FIGURE_COUNT; j++) {
      for (let d = Math.max(0, day - LONGEST + 1); d <= day; d++) {
        const of = j * WEEK + (this.#weekdays[d] as number)
        const at = this.at(j, d)
        const isVolume = IS_VOLUME[j] === 1
        const ofRate = this.isHoliday(d) ? HOLIDAY_RATE_SD ** 2 : 0
        const ofHoliday = isVolume ? (this.#holidayVariances[d] as number) : ofRate
        this.moves[at] = isVolume ? (this.#holidayMoves[d] as number) : 0
        this.effects[at] = (this.#weekdayEffects[of] as number) + this.moves[at]
        this.factors[at] = this.#weekdayFactors[of] as number
        this.variances[at] = (this.#weekdayVariances[of] as number) + ofHoliday
      }
    }
  }
}
