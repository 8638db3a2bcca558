/**
 * Finds shifts in the days of an account, day by day, each day by what was known before it. Per entity, from the
 * ads up:
 *
 * 1. a figure's level is forecast for the day: an ad's from its own days, a parent's from what its children
 *    promise, so that a change of mix is no shift of its own
 * 2. the last 1, 2, 3, 4, 6 and 8 days are held against the level before them (a generalised likelihood ratio
 *    over windows; Lai 1995), and all independent figures together (Fisher 1925) for shifts too small in each
 * 3. odd days teach nothing; once they have lasted four days they are the new level, and the old one is
 *    remembered, so that neither the new level nor the way back is told again
 */
import type { AccountDays } from './account.ts'
import { Calibration, FAR, Tail } from './calibration.ts'
import { FIGURE_COUNT, SPEND } from './figures.ts'
import { Holding } from './holding.ts'
import { Judged, Known } from './known.ts'
import { Lasting } from './lasting.ts'
import { Learning } from './learning.ts'
import { Observing } from './observing.ts'
import type { Shift } from './shift.ts'
import { Telling } from './telling.ts'
import { defaultShiftParams, Thresholds } from './thresholds.ts'
import type { ShiftParams } from './thresholds.ts'
import { Tracing } from './tracing.ts'
import { isSumOf } from './tree.ts'
import { Windows } from './windows.ts'

class Judge {
  readonly #known: Known
  readonly #judged: Judged
  readonly #windows: Windows
  readonly #calibration: Calibration
  readonly #tail: Tail
  readonly #thresholds: Thresholds
  readonly #observing: Observing
  readonly #holding: Holding
  readonly #lasting: Lasting
  readonly #telling: Telling
  readonly #learning: Learning
  readonly #tracing: Tracing
  /** Places of who has no children, in the account's order. */
  readonly #leaves: readonly number[]

  constructor(account: AccountDays, params: ShiftParams) {
    const known = new Known(account)
    const judged = new Judged(known)
    const { tree } = known
    this.#known = known
    this.#judged = judged
    this.#windows = new Windows(FIGURE_COUNT)
    this.#calibration = new Calibration(FIGURE_COUNT)
    this.#tail = new Tail()
    this.#thresholds = new Thresholds(params, this.#tail)
    this.#observing = new Observing(known, judged)
    this.#holding = new Holding(known, judged, this.#windows)
    this.#lasting = new Lasting(known, judged, this.#holding)
    this.#telling = new Telling(known, judged, this.#holding, this.#lasting, this.#windows, this.#thresholds)
    this.#learning = new Learning(known, judged, this.#holding, this.#lasting)
    this.#tracing = new Tracing(known, judged, this.#holding)
    this.#leaves = tree.entities
      .flatMap((_, i) => (isSumOf(tree, i) ? [] : [i]))
      .sort((a, b) => (tree.indices[a] as number) - (tree.indices[b] as number))
  }

  /** @returns what was found on `day`, the one after the last that was judged */
  judgeDay(day: number): Shift[] {
    const { tree, scatter, drift } = this.#known
    this.#judged.day = day
    this.#begin(day)
    for (const i of tree.up) if (this.#known.runsAt(i, day)) this.#judgeEntity(i)
    const shifts = this.#tracing.trace(this.#telling.newest.splice(0))
    this.#calibration.learn()
    this.#tail.learn()
    drift.learn()
    scatter.learn()
    return shifts
  }

  /** Lays out what is known before the day. */
  #begin(day: number): void {
    const known = this.#known
    const { calendar, levels, observed, tree } = known
    levels.begin(day)
    calendar.learnWeekdays(day)
    if (calendar.isHoliday(day)) {
      const logOf = (leaf: number): number => {
        const at = known.observedAt(leaf, day) * FIGURE_COUNT + SPEND
        return observed.among[at] === 0 ? Number.NaN : (observed.values[at] as number)
      }
      calendar.learnHoliday(day, levels, this.#leaves, logOf)
    }
    calendar.spread(day)
    let running = 0
    for (let i = 0; i < tree.entities.length; i++) if (known.runsAt(i, day)) running++
    this.#thresholds.begin(running)
  }

  #judgeEntity(i: number): void {
    const judged = this.#judged
    judged.turnTo(i)
    this.#observing.observe()
    if (judged.wasOdd) this.#lasting.followUp()
    else this.#lasting.lookBack()
    const isHeld = this.#holding.hold(this.#calibration)
    if (isHeld) this.#noteTail()
    this.#lasting.begin()
    if (isHeld) this.#telling.tell()
    this.#telling.tellSilence()
    if (isHeld && judged.oddWindow === 0 && !judged.ended) this.#telling.tellTogether()
    this.#learning.learn(this.#lasting.lastsNow())
  }

  /** Notes how far out the day is of the entity's money. */
  #noteTail(): void {
    const { wasOdd, isConfirmed } = this.#judged
    const bound = this.#windows.roughBound(SPEND, 0)
    if (wasOdd || isConfirmed || bound < 0) return
    this.#tail.note(bound > FAR ** 2 ? this.#windows.deviate(SPEND, 0) : 0)
  }
}

/** @returns by day; of one day from the ads up */
export const findShifts = (account: AccountDays, params: ShiftParams = defaultShiftParams): Shift[] => {
  const judge = new Judge(account, params)
  const shifts: Shift[] = []
  for (let day = 0; day < Math.min(account.days, account.completeUntil); day++)
    shifts.push(...judge.judgeDay(day))
  return shifts
}
