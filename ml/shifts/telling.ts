/** Tells of what is rare enough of an entity on a day: of single figures, of silence, of all figures together. */
import { sumOfDays } from './account.ts'
import type { AccountEntity } from './account.ts'
import { CONVERSION, FIGURE_COUNT, FIGURE_TABLE, FIGURES, SPEND, USES_LEADS } from './figures.ts'
import type { Figure, FigureName } from './figures.ts'
import type { Holding } from './holding.ts'
import type { Judged, Known } from './known.ts'
import { LASTING_DAYS } from './lasting.ts'
import type { Lasting } from './lasting.ts'
import { FEWEST_DAYS } from './level.ts'
import type { FoundShift, Part } from './shift.ts'
import { jointDeviate } from './tails.ts'
import { FEWEST_TOGETHER } from './thresholds.ts'
import type { Thresholds } from './thresholds.ts'
import { childrenOf } from './tree.ts'
import { WINDOWS } from './windows.ts'
import type { Windows } from './windows.ts'

/** The least amount of money. */
export const CENT = 0.01
/** Impressions a day from which none at all is no chance. */
const FEWEST_SHOWN = 30
/** How rare silence counts as, of who never was silent. */
const SILENCE = -6
/** Log of the odds from which more clicks are taken to bring leads as clicks did before. */
const SURELY_REAL = 1.5
/** Growth of the click rate, as a log, that may be junk. */
const LEAST_JUNK = 0.25

/** What a figure of leads is borne out by: all count leads, against clicks, money or the calendar. */
const WITNESSES: Readonly<Partial<Record<FigureName, readonly FigureName[]>>> = {
  conversion_rate: ['cpl'],
  cpl: ['conversion_rate', 'ctr'],
  leads: ['cpl', 'spend'],
}

/** Figures that say different things, for the joint test. */
const INDEPENDENT_NAMES: ReadonlySet<FigureName> = new Set([
  'spend',
  'cpm',
  'ctr',
  'conversion_rate',
  'frequency',
])
export const INDEPENDENT = FIGURES.flatMap((name, j) => (INDEPENDENT_NAMES.has(name) ? [j] : []))

const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0)

export class Telling {
  /** What was found on the day. */
  readonly newest: FoundShift[] = []
  readonly #known: Known
  readonly #judged: Judged
  readonly #holding: Holding
  readonly #lasting: Lasting
  readonly #windows: Windows
  readonly #thresholds: Thresholds
  /** By place, then figure: deviates by which thresholds are raised. */
  readonly #tolerances: Float64Array

  constructor(
    known: Known,
    judged: Judged,
    holding: Holding,
    lasting: Lasting,
    windows: Windows,
    thresholds: Thresholds,
  ) {
    this.#known = known
    this.#judged = judged
    this.#holding = holding
    this.#lasting = lasting
    this.#windows = windows
    this.#thresholds = thresholds
    this.#tolerances = Float64Array.from(
      known.tree.entities.flatMap(({ tolerance }) => FIGURES.map((name) => tolerance[name] ?? 0)),
    )
  }

  /** Tells of what single figures show. */
  tell(): void {
    const windows = this.#windows
    const { leasts, witness } = this.#thresholds
    const { sizes } = this.#known.standings
    const first = this.#known.levels.of(this.#judged.i, 0)
    let told = false
    for (let j = 0; j < FIGURE_COUNT; j++) {
      const tolerance = this.#tolerances[first + j] as number
      const w = windows.loudest(j, (leasts[j] as number) + tolerance)
      if (w < 0) continue
      const verdict = this.#tellFigure(j, w, tolerance)
      // A leap of today may be beyond its threshold where a longer window is louder, but not beyond its own.
      if (verdict === null && j === SPEND && w > 0 && windows.roughBound(j, 0) >= 0)
        this.#tellFigure(j, 0, tolerance)
      told ||= USES_LEADS[j] === 1 && verdict === 'bad'
    }
    // What is told of one figure of leads is told of the others that show it.
    if (!told) return
    for (let j = 0; j < FIGURE_COUNT; j++) {
      if (USES_LEADS[j] === 0 || sizes[first + j] !== 0) continue
      const threshold = witness + (this.#tolerances[first + j] as number)
      const w = windows.loudest(j, threshold)
      const { bad } = FIGURE_TABLE[j] as Figure
      if (w >= 0 && windows.deviate(j, w) * bad > threshold) this.#raise(j, w, true)
    }
  }

  /** Tells of who stopped delivering. */
  tellSilence(): void {
    const { levels, promises, standings } = this.#known
    const { i, day, isSum } = this.#judged
    const silent = this.#silentDays()
    if (silent === 0 || silent > LASTING_DAYS) return
    const k = levels.of(i, SPEND)
    if (isSum) promises.gather(i, SPEND, day, day, false)
    const owed = isSum ? (promises.sums[promises.at(day)] as number) : promises.owedBy(i, SPEND, day)
    const promised = owed * levels.factorOf(k, levels.mean[k] as number)
    const size = Math.log(CENT / promised)
    if (!(size < 0)) return
    this.#judged.oddWindow = Math.max(this.#judged.oddWindow, 1)
    standings.sizes[k] = size
    this.#find('spend', SILENCE, 1, size, true, this.#partsOf(SPEND, day))
  }

  /** Tells of what shows in no single figure. */
  tellTogether(): void {
    const windows = this.#windows
    const w = this.#rarestTogether()
    if (w < 0) return
    const { tree, levels, standings } = this.#known
    const { i } = this.#judged
    const judged = this.#judgedTogether(w)
    const squares = judged.map((j) => windows.deviate(j, w) ** 2)
    const total = sumOf(squares)
    const deviate = jointDeviate(total, judged.length)
    const { tolerance } = tree.entities[i] as AccountEntity
    if (deviate <= this.#thresholds.joint + (tolerance.joint ?? 0)) return
    let cost = 0
    for (const j of judged) {
      standings.sizes[levels.of(i, j)] = windows.size(j, w)
      cost += (FIGURE_TABLE[j] as Figure).bad * windows.deviate(j, w)
    }
    const shares = judged.map((j, n) => [FIGURES[j], (squares[n] as number) / total] as const)
    const window = WINDOWS[w] as number
    this.#judged.oddWindow = window
    this.#find('joint', deviate, window, 0, cost >= 0, [], Object.fromEntries(shares))
  }

  /** Tells of what figure j shows over window w. @returns whether there was something to tell, and whether it is bad */
  #tellFigure(j: number, w: number, tolerance: number): 'good' | 'bad' | null {
    const figure = FIGURE_TABLE[j] as Figure
    const deviate = this.#windows.deviate(j, w)
    const size = this.#windows.size(j, w)
    const from = this.#judged.day - (WINDOWS[w] as number) + 1
    const bad =
      figure.bad === 0 ||
      Math.sign(deviate) === figure.bad ||
      (figure.name === 'ctr' && size > LEAST_JUNK && this.#isJunk(from, size))
    const threshold = tolerance + (bad ? this.#thresholds.bad(this.#windows, j, w) : this.#thresholds.good)
    if (Math.abs(deviate) <= threshold || (figure.usesLeads && !this.#isBorneOut(figure, deviate)))
      return null
    this.#raise(j, w, bad)
    return bad ? 'bad' : 'good'
  }

  /** Tells of what a figure shows over window w, unless it is the way back. */
  #raise(j: number, w: number, bad: boolean): void {
    const { levels, standings } = this.#known
    const { i, day } = this.#judged
    const deviate = this.#windows.deviate(j, w)
    const size = this.#windows.size(j, w)
    const window = WINDOWS[w] as number
    const from = day - window + 1
    if (this.#lasting.isWayBack(j, from)) {
      this.#lasting.goBack(j)
      return
    }
    this.#judged.oddWindow = Math.max(this.#judged.oddWindow, window)
    standings.sizes[levels.of(i, j)] = size
    this.#find((FIGURE_TABLE[j] as Figure).name, deviate, window, size, bad, this.#partsOf(j, from))
  }

  #find(
    figure: FoundShift['figure'],
    deviate: number,
    window: number,
    size: number,
    bad: boolean,
    parts: readonly Part[],
    shares: FoundShift['shares'] = null,
  ): void {
    const { i, day } = this.#judged
    const entity = this.#known.tree.indices[i] as number
    this.newest.push({ at: i, day, entity, figure, deviate, window, size, bad, shares, parts })
  }

  /** What each child's total was beyond its promise since `from`. */
  #partsOf(j: number, from: number): Part[] {
    const { tree, promises, calendar } = this.#known
    const { i, day } = this.#judged
    const { whole } = FIGURE_TABLE[j] as Figure
    return childrenOf(tree, i).map((c) => {
      const column = (tree.entities[c] as AccountEntity)[whole]
      let gap = 0
      let promised = 0
      for (let d = from; d <= day; d++) {
        const owed = promises.of(c, j, from, d)
        if (Number.isNaN(owed)) continue
        const promise = owed * (calendar.factors[calendar.at(j, d)] as number)
        promised += promise
        gap += (column[d] as number) - promise
      }
      return { entity: tree.indices[c] as number, gap, promised }
    })
  }

  /** Whether `name` shows the same in any window. */
  #shows(name: FigureName, sign: number): boolean {
    const other = FIGURES.indexOf(name)
    const { witness } = this.#thresholds
    const w = this.#windows.loudest(other, witness)
    return w >= 0 && this.#windows.deviate(other, w) * sign > witness
  }

  /** A figure of leads moves because another does: alone it is chance. */
  #isBorneOut({ name }: Figure, deviate: number): boolean {
    return (
      (WITNESSES[name] ?? []).some((witness) => this.#shows(witness, Math.sign(deviate))) ||
      (name === 'conversion_rate' && deviate < 0 && this.#shows('ctr', 1))
    )
  }

  /**
   * More clicks that bring no more leads are junk. Whether the leads since `from` leave that open: where hardly any are
   * expected, they do.
   */
  #isJunk(from: number, size: number): boolean {
    const { account, levels } = this.#known
    const { i, day } = this.#judged
    if (day >= account.leadsUntil) return false
    const k = levels.of(i, CONVERSION)
    const mean = levels.meanBefore(k, from)
    const held = this.#holding.judge(CONVERSION, from, mean, levels.variance[k] as number, false)
    return held !== null && held.expected * Math.expm1(-size) + held.seen * size <= SURELY_REAL
  }

  /** Days in a row on which nothing was delivered by who had delivered every day; 0: it delivers. */
  #silentDays(): number {
    const { observed, standings } = this.#known
    const { delivered, silent } = standings
    const { i, at } = this.#judged
    const before = silent[i] as number
    if ((observed.among[at * FIGURE_COUNT + SPEND] as number) > 0) {
      delivered[i] = (delivered[i] as number) + 1
      silent[i] = 0
      return 0
    }
    if (before === 0) {
      const isSure = (delivered[i] as number) >= FEWEST_DAYS && this.#shownBefore() >= FEWEST_SHOWN
      delivered[i] = 0
      if (!isSure) return 0
    }
    silent[i] = before + 1
    return before + 1
  }

  /** Impressions a day in the week before. */
  #shownBefore(): number {
    const { i, day } = this.#judged
    const { impressions } = this.#known.tree.entities[i] as AccountEntity
    return sumOfDays(impressions, Math.max(0, day - FEWEST_DAYS), day - 1) / FEWEST_DAYS
  }

  /** The independent figures that were judged over window w. */
  #judgedTogether(w: number): number[] {
    return INDEPENDENT.filter((j) => this.#windows.roughBound(j, w) >= 0)
  }

  /** The sum of the squared deviates over window w; if that does not exceed `least`, what it does not exceed. */
  #squaresTogether(w: number, least: number): number {
    const windows = this.#windows
    const judged = this.#judgedTogether(w)
    const squares = judged.map((j) => windows.bound(j, w) ** 2)
    // Exact tails are dear: of one figure after the other, as long as it matters.
    for (let n = 0; n < judged.length && sumOf(squares) > least; n++)
      squares[n] = windows.deviate(judged[n] as number, w) ** 2
    return sumOf(squares)
  }

  /** The window over which all independent figures together are rarest; -1: none is rare. */
  #rarestTogether(): number {
    const windows = this.#windows
    const { quiet } = this.#thresholds
    let rarest = -1
    let most = 0
    for (let w = 1; w < WINDOWS.length; w++) {
      let n = 0
      let bound = 0
      for (let k = 0; k < INDEPENDENT.length; k++) {
        const square = windows.roughBound(INDEPENDENT[k] as number, w)
        if (square < 0) continue
        n++
        bound += square
      }
      if (n < FEWEST_TOGETHER || bound <= (quiet[n] as number)) continue
      const squares = this.#squaresTogether(w, quiet[n] as number)
      if (squares <= (quiet[n] as number)) continue
      const deviate = jointDeviate(squares, n)
      if (deviate <= most) continue
      rarest = w
      most = deviate
    }
    return rarest
  }
}
