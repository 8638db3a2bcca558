/**
 * What children promise their parent for a day, at levels that were known before. Asked for most of all that the
 * judge computes: each child is looked at once a day, for all figures and all days whose levels promise, and what is
 * gathered is kept as long as the levels it is made of stay.
 */
import { FIGURE_COUNT, SIGNS } from './figures.ts'
import { KEPT_DAYS } from './level.ts'
import type { Levels } from './level.ts'
import { LEVELS_UP } from './level-name.ts'
import type { Observed } from './observed.ts'
import { isSumOf } from './tree.ts'
import type { Tree } from './tree.ts'

/** Bits of the k from the `nearest` to the `furthest`. */
const bitsOf = (nearest: number, furthest: number): number => (2 << furthest) - (1 << nearest)

export class Promises {
  readonly #tree: Tree
  readonly #levels: Levels
  readonly #owed: Float64Array
  // A row is a day of a parent's figure: what its children promise for it at their levels before the k-th day before
  // it, by k. Rows of the last days of one figure lie beside each other; the last rows are of former levels.
  /** Sum over the children. */
  readonly sums: Float64Array
  /** Variance of that sum. */
  readonly variances: Float64Array
  /** Sum of the squares of what each leaf promises. */
  readonly squares: Float64Array
  /** By row: the day, and the k of which it stays known, as bits. */
  readonly #rowDays: Int32Array
  readonly #known: Uint8Array
  /** First row of a parent's first figure, by place in the tree. */
  readonly #rows: Int32Array
  /** First row of former levels. */
  readonly #formerRows: number
  // What a child promises by, and how far off that may be, by k.
  readonly #factors: Float64Array
  readonly #unsure: Float64Array
  // Of what was gathered last: the first row of the figure, and the first day.
  #row = 0
  #from = 0

  constructor(tree: Tree, levels: Levels, { owed }: Pick<Observed, 'owed'>) {
    const n = tree.entities.length
    this.#tree = tree
    this.#levels = levels
    this.#owed = owed
    this.#rows = new Int32Array(n)
    let rows = 0
    for (let i = 0; i < n; i++) {
      this.#rows[i] = rows
      if (isSumOf(tree, i)) rows += FIGURE_COUNT * KEPT_DAYS
    }
    this.#formerRows = rows
    const all = rows + LEVELS_UP.length * KEPT_DAYS
    this.sums = new Float64Array(all * KEPT_DAYS)
    this.variances = new Float64Array(all * KEPT_DAYS)
    this.squares = new Float64Array(all * KEPT_DAYS)
    this.#factors = new Float64Array(KEPT_DAYS)
    this.#unsure = new Float64Array(KEPT_DAYS)
    this.#rowDays = new Int32Array(all).fill(-1)
    this.#known = new Uint8Array(all)
  }

  /**
   * What the children of i promise for the days [from, to] at their levels before `from`, or the ones they had
   * formerly: `at` says where each day is, until the next are gathered.
   */
  gather(i: number, j: number, from: number, to: number, former: boolean): void {
    this.#row = this.#firstRow(i, j, former)
    this.#from = from
    for (let day = from; day <= to; day++) {
      const row = this.#row + (day & (KEPT_DAYS - 1))
      const k = day - from
      const isKnown = this.#rowDays[row] === day && (((this.#known[row] as number) >> k) & 1) === 1
      if (former || !isKnown) this.#fill(i, j, day, k, k, former)
    }
  }

  /** Gathers `day` of all figures at all levels that it may be asked for by. What `gather` is asked for it then finds. */
  extend(i: number, day: number): void {
    const furthest = Math.min(KEPT_DAYS - 1, day)
    for (let j = 0; j < FIGURE_COUNT; j++) this.#begin(this.#firstRow(i, j, false), day, 0, furthest, false)
    this.#addUp(i, 0, FIGURE_COUNT, day, 0, furthest, false)
  }

  /** The levels of c before the days from `day` on have become others. */
  forget(c: number, j: number, day: number): void {
    const { parent, starts } = this.#tree
    // Before it starts it promises what it started with.
    const first = day <= (starts[c] as number) ? 0 : day
    for (let i = parent[c] as number; i >= 0; i = parent[i] as number) {
      const rows = this.#firstRow(i, j, false)
      for (let row = rows; row < rows + KEPT_DAYS; row++) {
        const since = Math.min((this.#rowDays[row] as number) - first, KEPT_DAYS - 1)
        if (since >= 0) this.#known[row] = (this.#known[row] as number) & ~bitsOf(0, since)
      }
    }
  }

  /** Where `day` of what was gathered is. */
  at(day: number): number {
    return (this.#row + (day & (KEPT_DAYS - 1))) * KEPT_DAYS + day - this.#from
  }

  /** What a leaf, or the children of c, promise for `day` at the levels before `from`; NaN: nothing is owed. */
  of(c: number, j: number, from: number, day: number): number {
    const owed = this.owedBy(c, j, day)
    if (owed === 0) return Number.NaN
    const levels = this.#levels
    const before = levels.at(levels.of(c, j), Math.max(from, this.#tree.starts[c] as number))
    const factor = levels.factorsBefore[before] as number
    if (!isSumOf(this.#tree, c)) return (SIGNS[j] as number) > 0 ? owed * factor : owed / factor
    const row = this.#fill(c, j, day, day - from, day - from, false)
    return (this.sums[row * KEPT_DAYS + day - from] as number) * factor
  }

  /** What the promise of a leaf is made of; of who has children, 1. 0: nothing is owed. */
  owedBy(i: number, j: number, day: number): number {
    return this.#owed[(day * this.#rows.length + i) * FIGURE_COUNT + j] as number
  }

  #firstRow(i: number, j: number, former: boolean): number {
    return former
      ? this.#formerRows + (this.#tree.levels[i] as number) * KEPT_DAYS
      : (this.#rows[i] as number) + j * KEPT_DAYS
  }

  /** Sees to it that the row of `day` knows all from the `nearest` to the `furthest` k. @returns the row */
  #fill(i: number, j: number, day: number, nearest: number, furthest: number, former: boolean): number {
    const first = this.#firstRow(i, j, former)
    const row = first + (day & (KEPT_DAYS - 1))
    const asked = bitsOf(nearest, furthest)
    const known = former || this.#rowDays[row] !== day ? 0 : (this.#known[row] as number)
    if ((known & asked) === asked) return row
    this.#begin(first, day, nearest, furthest, former)
    this.#addUp(i, j, j + 1, day, nearest, furthest, former)
    return row
  }

  /** Nothing is promised yet. */
  #begin(first: number, day: number, nearest: number, furthest: number, former: boolean): void {
    const row = first + (day & (KEPT_DAYS - 1))
    const others = former || this.#rowDays[row] !== day ? 0 : (this.#known[row] as number)
    this.#rowDays[row] = day
    this.#known[row] = others | bitsOf(nearest, furthest)
    for (let at = row * KEPT_DAYS + nearest; at <= row * KEPT_DAYS + furthest; at++) {
      this.sums[at] = 0
      this.variances[at] = 0
      this.squares[at] = 0
    }
  }

  /** Adds what the children of i promise of the figures from j up to, without, `end`. */
  #addUp(
    i: number,
    j: number,
    end: number,
    day: number,
    nearest: number,
    furthest: number,
    former: boolean,
  ): void {
    const { first, end: ends } = this.#tree
    for (let c = first[i] as number; c < (ends[i] as number); c++) {
      const isSum = isSumOf(this.#tree, c)
      for (let figure = j; figure < end; figure++) {
        if (this.owedBy(c, figure, day) === 0) continue
        const row = this.#firstRow(i, figure, former) + (day & (KEPT_DAYS - 1))
        const below = isSum ? this.#fill(c, figure, day, nearest, furthest, former) : -1
        this.#add(row, below, c, figure, day, nearest, furthest, former)
      }
    }
  }

  /**
   * Adds what c promises to a row.
   * @param below row of what is promised to it; -1: it has no children
   */
  #add(
    row: number,
    below: number,
    c: number,
    j: number,
    day: number,
    nearest: number,
    furthest: number,
    former: boolean,
  ): void {
    const { sums, variances, squares } = this
    const factors = this.#factors
    const unsure = this.#unsure
    const divides = (SIGNS[j] as number) < 0
    const owed = this.owedBy(c, j, day)
    this.#lookUp(row, c, j, day, nearest, furthest, former)
    for (let k = nearest; k <= furthest; k++) {
      const at = row * KEPT_DAYS + k
      const factor = factors[k] as number
      if (Number.isNaN(factor)) continue
      if (below >= 0) {
        // The level of a sum corrects what its own children promise.
        const from = below * KEPT_DAYS + k
        const part = (sums[from] as number) * factor
        sums[at] = (sums[at] as number) + part
        squares[at] = (squares[at] as number) + (squares[from] as number)
        const ofChildren = (variances[at] as number) + (variances[from] as number)
        variances[at] = ofChildren + part * part * (unsure[k] as number)
      } else {
        const part = divides ? owed / factor : owed * factor
        const square = part * part
        sums[at] = (sums[at] as number) + part
        squares[at] = (squares[at] as number) + square
        variances[at] = (variances[at] as number) + square * (unsure[k] as number)
      }
    }
    // What is made of it stays no longer than what it is made of.
    if (below >= 0)
      this.#known[row] =
        (this.#known[row] as number) & ~(bitsOf(nearest, furthest) & ~(this.#known[below] as number))
  }

  /** Looks up what c promises by, into `#factors` and `#unsure`; NaN: nothing. */
  #lookUp(
    row: number,
    c: number,
    j: number,
    day: number,
    nearest: number,
    furthest: number,
    former: boolean,
  ): void {
    const levels = this.#levels
    const level = levels.of(c, j)
    const began = this.#tree.starts[c] as number
    const isFormer = former && (levels.formerUntil[level] as number) >= day
    for (let k = nearest; k <= furthest; k++) {
      const before = levels.at(level, Math.max(day - k, began))
      this.#factors[k] = levels.factorsBefore[before] as number
      this.#unsure[k] = levels.variancesBefore[before] as number
      if (isFormer) {
        this.#factors[k] = levels.factorOf(level, levels.formerMean[level] as number)
        this.#unsure[k] = levels.formerVariance[level] as number
      } else if (Number.isNaN(this.#factors[k])) {
        // Made of a level of today.
        this.#known[row] = (this.#known[row] as number) & ~(1 << k)
        this.#factors[k] = levels.factor[level] as number
        this.#unsure[k] = levels.variance[level] as number
      }
    }
  }
}
