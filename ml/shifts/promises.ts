/**
 * What children promise their parent for a day, at levels that were known before. Asked for most of all that the
 * judge computes: each child is looked at once a day, for all days whose levels promise, and what is gathered is kept
 * as long as the levels it is made of stay.
 */
import { FIGURE_COUNT, SIGNS } from './figures.ts'
import { KEPT_DAYS } from './level.ts'
import type { Levels } from './level.ts'
import { LEVELS_UP } from './level-name.ts'
import type { Observed } from './observed.ts'
import { isSumOf } from './tree.ts'
import type { Tree } from './tree.ts'

export class Promises {
  readonly #tree: Tree
  readonly #levels: Levels
  readonly #owed: Float64Array
  readonly #starts: Int32Array
  // A row is a day of a parent's figure: what its children promise for it at their levels before the k-th day before
  // it, by k. Rows of the last days of one figure lie beside each other; the last rows are of what is not kept.
  /** Sum over the children. */
  readonly sums: Float64Array
  /** Variance of that sum. */
  readonly variances: Float64Array
  /** Sum of the squares of what each leaf promises. */
  readonly squares: Float64Array
  /** By row: the day, and the k of which it is known, as bits. */
  readonly #rowDays: Int32Array
  readonly #known: Uint8Array
  /** First row of a parent's first figure, by place in the tree. */
  readonly #rows: Int32Array
  readonly #unkept: number
  /** Sums of who is below, by how deep. */
  readonly #below: readonly Float64Array[]
  /** The k of which a row was made of levels of today, as bits. */
  #volatile = 0
  /** Row of the first of the days that were gathered last, were it a multiple of those that are kept; and that day. */
  #row = 0
  #from = 0

  constructor(tree: Tree, levels: Levels, { owed }: Pick<Observed, 'owed'>) {
    const n = tree.entities.length
    this.#tree = tree
    this.#levels = levels
    this.#owed = owed
    this.#starts = tree.starts
    this.#rows = new Int32Array(n)
    let rows = 0
    for (let i = 0; i < n; i++) {
      this.#rows[i] = rows
      if (isSumOf(tree, i)) rows += FIGURE_COUNT * KEPT_DAYS
    }
    this.#unkept = rows
    const all = rows + KEPT_DAYS
    this.sums = new Float64Array(all * KEPT_DAYS)
    this.variances = new Float64Array(all * KEPT_DAYS)
    this.squares = new Float64Array(all * KEPT_DAYS)
    this.#rowDays = new Int32Array(all).fill(-1)
    this.#known = new Uint8Array(all)
    this.#below = LEVELS_UP.map(() => new Float64Array(KEPT_DAYS))
  }

  /**
   * What the children of i promise for the days [from, to] at their levels before `from`, or the ones they had
   * formerly: `at` says where each day is, until the next are gathered.
   */
  gather(i: number, j: number, from: number, to: number, former: boolean): void {
    const first = former ? this.#unkept : this.#firstRow(i, j)
    this.#row = first
    this.#from = from
    for (let day = from; day <= to; day++) {
      const row = first + (day & (KEPT_DAYS - 1))
      const k = day - from
      const bit = 1 << k
      if (former) this.#gatherDay(row, i, j, day, k, k, true)
      else {
        if (this.#rowDays[row] !== day) this.#beginRow(row, day)
        if (((this.#known[row] as number) & bit) !== 0) continue
        this.#gatherDay(row, i, j, day, k, k, false)
        this.#known[row] = (this.#known[row] as number) | (bit & ~this.#volatile)
      }
    }
  }

  /** Gathers `day` at all levels that it may be asked for by. What `gather` is asked for it then finds. */
  extend(i: number, j: number, day: number): void {
    const row = this.#firstRow(i, j) + (day & (KEPT_DAYS - 1))
    this.#beginRow(row, day)
    const furthest = Math.min(KEPT_DAYS - 1, day)
    this.#gatherDay(row, i, j, day, 0, furthest, false)
    this.#known[row] = ((1 << (furthest + 1)) - 1) & ~this.#volatile
  }

  /** The levels of c before the days from `day` on have become others. */
  forget(c: number, j: number, day: number): void {
    // Before it starts it promises what it started with.
    const first = day <= (this.#starts[c] as number) ? 0 : day
    const { parent } = this.#tree
    for (let i = parent[c] as number; i >= 0; i = parent[i] as number) {
      const rows = this.#firstRow(i, j)
      for (let row = rows; row < rows + KEPT_DAYS; row++) {
        const others = (this.#rowDays[row] as number) - first + 1
        if (others > 0)
          this.#known[row] = (this.#known[row] as number) & ~((1 << Math.min(others, KEPT_DAYS)) - 1)
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
    if (Number.isNaN(owed)) return Number.NaN
    const levels = this.#levels
    const before = levels.at(levels.of(c, j), Math.max(from, this.#starts[c] as number))
    const factor = levels.factorsBefore[before] as number
    if (!isSumOf(this.#tree, c)) return (SIGNS[j] as number) > 0 ? owed * factor : owed / factor
    const k = day - from
    const row = this.#unkept + (day & (KEPT_DAYS - 1))
    this.#gatherDay(row, c, j, day, k, k, false)
    return (this.sums[row * KEPT_DAYS + k] as number) * factor
  }

  /** What the promise of a leaf is made of; of who has children, 1. NaN: nothing is owed. */
  owedBy(i: number, j: number, day: number): number {
    return this.#owed[(day * this.#starts.length + i) * FIGURE_COUNT + j] as number
  }

  #firstRow(i: number, j: number): number {
    return (this.#rows[i] as number) + j * KEPT_DAYS
  }

  #beginRow(row: number, day: number): void {
    this.#rowDays[row] = day
    this.#known[row] = 0
  }

  /** Fills a row with what the children of i promise for `day`, from the `nearest` to the `furthest` k. */
  #gatherDay(
    row: number,
    i: number,
    j: number,
    day: number,
    nearest: number,
    furthest: number,
    former: boolean,
  ): void {
    const at = row * KEPT_DAYS
    for (let k = nearest; k <= furthest; k++) {
      this.variances[at + k] = 0
      this.squares[at + k] = 0
    }
    this.#volatile = 0
    this.#addUp(0, this.sums, at, at, i, j, day, nearest, furthest, former)
  }

  /**
   * @param sums of this depth, from `start` on
   * @param at where variances and squares of the row are
   */
  #addUp(
    depth: number,
    sums: Float64Array,
    start: number,
    at: number,
    i: number,
    j: number,
    day: number,
    nearest: number,
    furthest: number,
    former: boolean,
  ): void {
    const levels = this.#levels
    const { factorsBefore, variancesBefore } = levels
    const { variances, squares } = this
    const divides = (SIGNS[j] as number) < 0
    const below = this.#below[depth] as Float64Array
    for (let k = nearest; k <= furthest; k++) sums[start + k] = 0
    const end = this.#tree.end[i] as number
    for (let c = this.#tree.first[i] as number; c < end; c++) {
      const base = this.owedBy(c, j, day)
      if (Number.isNaN(base)) continue
      const began = this.#starts[c] as number
      const isSum = isSumOf(this.#tree, c)
      if (isSum) this.#addUp(depth + 1, below, 0, at, c, j, day, nearest, furthest, former)
      const level = levels.of(c, j)
      const isFormer = former && (levels.formerUntil[level] as number) >= day
      for (let k = nearest; k <= furthest; k++) {
        const before = levels.at(level, Math.max(day - k, began))
        let factor = factorsBefore[before] as number
        let variance = variancesBefore[before] as number
        if (isFormer) {
          factor = levels.factorOf(level, levels.formerMean[level] as number)
          variance = levels.formerVariance[level] as number
        } else if (Number.isNaN(factor)) {
          this.#volatile |= 1 << k
          factor = levels.factor[level] as number
          variance = levels.variance[level] as number
          if (Number.isNaN(factor)) continue
        }
        let part: number
        // The level of a sum corrects what its own children promise.
        if (isSum) part = (below[k] as number) * factor
        else {
          part = divides ? base / factor : base * factor
          squares[at + k] = (squares[at + k] as number) + part * part
        }
        sums[start + k] = (sums[start + k] as number) + part
        variances[at + k] = (variances[at + k] as number) + part * part * variance
      }
    }
  }
}
