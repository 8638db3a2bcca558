/**
 * What becomes of what is odd: whether it goes on, whether it has lasted and is the level now, and whether what had
 * lasted is over.
 */
import type { AccountEntity } from './account.ts'
import { FIGURE_COUNT, FIGURE_TABLE, USES_LEADS } from './figures.ts'
import type { Figure } from './figures.ts'
import type { Holding } from './holding.ts'
import type { Judged, Known } from './known.ts'
import { REMEMBERED_DAYS } from './level.ts'
import { deviateOf, sizeOf } from './windows.ts'

/** Odd days in a row that make a new level. */
export const LASTING_DAYS = 4
/** Days that a shift is taken to have lasted at most when it is found. */
const SURE_DAYS = 3
/** Log of the odds at which something odd is taken to be over. */
const ENDED = -1.5
/** Within this deviate of the former level, a shift is the way back. */
const WAY_BACK = 2.5
/** Of the way from the present level: who is as near as that to the former one is back, however rare the rest is. */
const FAR_NEARER = 1 / 3
/** Log of the odds from which a figure is back at its former level, whether or not that is loud. */
const SURELY_BACK = 5
/** Standard deviation of a sum whose children have learnt a new level, as a log. */
const SETTLED_SUM = 0.08

export class Lasting {
  readonly #known: Known
  readonly #judged: Judged
  readonly #holding: Holding
  /** By figure: what was odd yesterday. */
  readonly #sizesBefore: Float64Array

  constructor(known: Known, judged: Judged, holding: Holding) {
    this.#known = known
    this.#judged = judged
    this.#holding = holding
    this.#sizesBefore = new Float64Array(FIGURE_COUNT)
  }

  /** Whether what was odd yesterday goes on. */
  followUp(): void {
    const { levels, standings } = this.#known
    const { i, day, present } = this.#judged
    // Log of the odds that today is like what was odd, rather than like the levels before.
    let odds = 0
    let ofLeads = 0
    for (let j = 0; j < FIGURE_COUNT; j++) {
      const size = standings.sizes[levels.of(i, j)] as number
      const held = size === 0 || present[j] === 0 ? null : this.#holding.judgeToday(j)
      if (!held) continue
      const own = this.#holding.oddsOf(j, held, size)
      // Figures of leads all count the same leads.
      if (USES_LEADS[j] === 0) odds += own
      else if (Math.abs(own) > Math.abs(ofLeads)) ofLeads = own
    }
    const all = Math.min(0, (standings.odds[i] as number) + odds + ofLeads)
    standings.odds[i] = all
    this.#judged.ended = all < ENDED
    if (!this.#judged.ended) return
    for (let j = 0; j < FIGURE_COUNT; j++) {
      const k = levels.of(i, j)
      if (standings.sizes[k] !== 0) levels.floor[k] = day
    }
  }

  /** Whether what had lasted is over: a level that is left quietly would else be followed slowly. */
  lookBack(): void {
    const { levels, standings } = this.#known
    const { i, day, isSum, present } = this.#judged
    if (day > (standings.rememberedUntil[i] as number)) return
    for (let j = 0; j < FIGURE_COUNT; j++) {
      if (present[j] === 0 || day > (standings.formerUntil[levels.of(i, j)] as number)) continue
      // Of a parent whose children left their levels one by one, each knows for itself.
      if (!isSum || !this.#isLeftByOthers(j)) this.#lookBackOn(j)
    }
  }

  /** Whether what had lasted of figure j is over. */
  #lookBackOn(j: number): void {
    const { levels, standings } = this.#known
    const { i, day } = this.#judged
    const holding = this.#holding
    const k = levels.of(i, j)
    const former = holding.judgeFormer(j, day)
    const now = holding.judgeToday(j)
    if (!former || !now) return
    const formerSize = sizeOf(former)
    const size = sizeOf(now)
    // What is far from both is nearer to one of them by chance.
    const isClose = Math.abs(deviateOf(former)) < WAY_BACK
    const isNear = isClose || Math.abs(formerSize) < FAR_NEARER * Math.abs(size)
    const odds = (standings.backOdds[k] as number) + holding.oddsOf(j, now, size - formerSize)
    standings.backOdds[k] = isNear ? Math.max(0, odds) : 0
    if (standings.backOdds[k] > SURELY_BACK) this.goBack(j)
  }

  /** Whether the days from `from` on are the way back to the level that was left. */
  isWayBack(j: number, from: number): boolean {
    const held = this.#holding.judgeFormer(j, from)
    return held !== null && Math.abs(deviateOf(held)) < WAY_BACK
  }

  /** The level before what has lasted is the level again. */
  goBack(j: number): void {
    const { tree, levels, promises, standings, drift } = this.#known
    const { i, day, isSum, present } = this.#judged
    for (const leaf of tree.leaves[i] as Int32Array) {
      const own = levels.of(leaf, j)
      if (levels.settledBy[own] !== i) continue
      levels.recall(own, day, drift.variance(j))
      promises.forget(leaf, j, day)
    }
    const k = levels.of(i, j)
    levels.floor[k] = day + 1
    if (isSum) this.#closeBelow(j)
    standings.formerUntil[k] = -1
    standings.backOdds[k] = 0
    present[j] = 0
  }

  /** What was odd yesterday is kept, and nothing is yet of today. */
  begin(): void {
    const { sizes } = this.#known.standings
    const first = this.#known.levels.of(this.#judged.i, 0)
    for (let j = 0; j < FIGURE_COUNT; j++) {
      this.#sizesBefore[j] = sizes[first + j] as number
      sizes[first + j] = 0
    }
  }

  /** @returns whether what is odd has lasted */
  lastsNow(): boolean {
    const { standings } = this.#known
    const { i, day, wasOdd, ended } = this.#judged
    const first = this.#known.levels.of(i, 0)
    if (this.#judged.oddWindow === 0 && wasOdd && !ended) {
      // Neither told again nor over.
      this.#judged.oddWindow = (standings.run[i] as number) + 1
      standings.sizes.set(this.#sizesBefore, first)
    }
    const { oddWindow } = this.#judged
    if (oddWindow === 0) {
      if (wasOdd) this.#leaveFault()
      standings.span[i] = 0
      return false
    }
    // What was found late began earlier; what is found again has gone on since.
    const away = day - (standings.lastOdd[i] as number)
    const goesOn = wasOdd || (away <= LASTING_DAYS && this.#isToldAgain())
    const run = goesOn ? (standings.run[i] as number) + away : Math.min(oddWindow, SURE_DAYS)
    for (let k = first; k < first + FIGURE_COUNT; k++) standings.told[k] = standings.sizes[k] as number
    if (!wasOdd) standings.odds[i] = 0
    standings.span[i] = Math.max(oddWindow, run)
    const lasts = run >= LASTING_DAYS
    standings.run[i] = lasts ? 0 : run
    standings.lastOdd[i] = lasts ? -9 : day
    return lasts
  }

  /** What has lasted is the level now. */
  settle(j: number): void {
    const { tree, levels, standings, scatter } = this.#known
    const { i, day, isSum } = this.#judged
    const { kind } = FIGURE_TABLE[j] as Figure
    const dispersion = scatter.dispersion(j)
    let settled = 0
    for (const leaf of tree.leaves[i] as Int32Array) {
      const { start, confirmed } = tree.entities[leaf] as AccountEntity
      const own = levels.of(leaf, j)
      if (!this.#known.runsAt(leaf, day) || (levels.floor[own] as number) > day) continue
      const from = Math.max(start, day - LASTING_DAYS + 1)
      if (levels.settle(own, from, day, kind, dispersion, confirmed, i)) settled++
    }
    if (settled === 0) return
    const k = levels.of(i, j)
    standings.formerUntil[k] = day + REMEMBERED_DAYS
    standings.rememberedUntil[i] = day + REMEMBERED_DAYS
    standings.backOdds[k] = 0
    // What is above has had its days of telling too: it does not look back on the former level either.
    for (let p = tree.parent[i] as number; p >= 0; p = tree.parent[p] as number)
      levels.floor[levels.of(p, j)] = day + 1
    if (!isSum) return
    levels.variance[k] = Math.max(levels.variance[k] as number, SETTLED_SUM ** 2)
    levels.floor[k] = day + 1
    this.#closeBelow(j)
  }

  /** Whether one below left a level that is remembered by itself, or with another one above it. */
  #isLeftByOthers(j: number): boolean {
    const { tree, levels } = this.#known
    const { i, day } = this.#judged
    return (tree.leaves[i] as Int32Array).some((leaf) => {
      const own = levels.of(leaf, j)
      return day <= (levels.formerUntil[own] as number) && levels.settledBy[own] !== i
    })
  }

  /** Nothing below looks back beyond today. */
  #closeBelow(j: number): void {
    const { tree, levels } = this.#known
    const { i, day } = this.#judged
    for (const c of tree.below[i] as Int32Array) levels.floor[levels.of(c, j)] = day + 1
  }

  /** Whether a figure is odd in the way it was on the last odd day. */
  #isToldAgain(): boolean {
    const { levels, standings } = this.#known
    const first = levels.of(this.#judged.i, 0)
    for (let k = first; k < first + FIGURE_COUNT; k++)
      if ((standings.sizes[k] as number) * (standings.told[k] as number) > 0) return true
    return false
  }

  /** Days of a fault that is over are not looked back on. */
  #leaveFault(): void {
    const { levels } = this.#known
    const { i, day } = this.#judged
    for (let j = 0; j < FIGURE_COUNT; j++) {
      const k = levels.of(i, j)
      levels.floor[k] = Math.max(levels.floor[k] as number, day)
    }
  }
}
