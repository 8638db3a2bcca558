/**
 * What children promise their parent for a day, at levels that were known before. Asked for most of all that the
 * judge computes: the days of a figure lie beside each other, and the children of one parent.
 */
import type { AccountEntity } from './account.ts'
import { FIGURE_TABLE } from './figures.ts'
import type { Figure } from './figures.ts'
import type { Level, Past } from './level.ts'
import { LEVELS_UP } from './level-name.ts'
import type { Tree } from './tree.ts'

/**
 * Per entity, figure and day: what its promise is made of; of who has children, 1. NaN on days on which it owes
 * nothing.
 */
const owedOf = ({ entities, first, end }: Tree, days: number, runs: Uint8Array): Float64Array => {
  const n = entities.length
  const scales = entities.map(({ budget }) => budget.map((log) => Math.exp(log)))
  const owed = new Float64Array(FIGURE_TABLE.length * days * n).fill(Number.NaN)
  FIGURE_TABLE.forEach(({ base, volume, exposure }, j) => {
    const bases = base === 'scale' ? scales : entities.map((entity) => entity[base])
    for (let t = 0; t < days; t++) {
      for (let i = 0; i < n; i++) {
        if (runs[t * n + i] !== 1) continue
        // A figure of volume is owed also by a child that gave nothing.
        if (!volume && !(exposure(entities[i] as AccountEntity, t) > 0)) continue
        const isSum = (end[i] as number) > (first[i] as number)
        owed[(i * FIGURE_TABLE.length + j) * days + t] = isSum ? 1 : ((bases[i] as Float64Array)[t] as number)
      }
    }
  })
  return owed
}

/** By the k-th day from the one whose levels promise. */
interface Gathered {
  readonly sums: Float64Array
  /** Of the sums. */
  readonly variances: Float64Array
  /** Of what each leaf promises. */
  readonly squares: Float64Array
}

const gatheredOf = (days: number): Gathered => ({
  sums: new Float64Array(days),
  variances: new Float64Array(days),
  squares: new Float64Array(days),
})

export class Promises {
  readonly #tree: Tree
  readonly #past: Past
  readonly #levels: readonly Level[]
  readonly #owed: Float64Array
  readonly #days: number
  readonly #starts: Int32Array
  /** Days that are gathered at once. */
  readonly #most: number
  // What was gathered is kept as long as the levels it is made of stay: by who has children, figure, and day before
  // which the levels are those that promise.
  readonly #places: Int32Array
  readonly #kept: Gathered
  readonly #keptFrom: Int32Array
  readonly #keptDays: Uint8Array
  readonly #unkept: Gathered
  /** Of one day, by how many days before it the levels are. */
  readonly #today: Gathered
  /** Likewise: whether it is made of levels of today. */
  readonly #isUnknown: Uint8Array
  /** Whether what is gathered is made of levels of today. */
  #isVolatile = false
  // What a child promises by. Numbers that are handed to a function are wrapped, one by one.
  #factor = Number.NaN
  #variance = Number.NaN
  /** Sums of who is below, by how deep. */
  readonly #below: readonly Float64Array[]
  // What was gathered last, and where.
  #last: Gathered
  #at = 0

  /**
   * @param runs whether each entity is to be running, day by day
   * @param levels by entity, then figure
   * @param most days that are gathered at once
   */
  constructor(
    tree: Tree,
    days: number,
    runs: Uint8Array,
    past: Past,
    levels: readonly Level[],
    most: number,
  ) {
    const n = tree.entities.length
    this.#tree = tree
    this.#past = past
    this.#levels = levels
    this.#owed = owedOf(tree, days, runs)
    this.#days = days
    this.#starts = Int32Array.from(tree.entities, ({ start }) => start)
    this.#places = new Int32Array(n)
    let parents = 0
    for (let i = 0; i < n; i++) {
      if (this.#isSum(i)) this.#places[i] = parents++
    }
    this.#most = most
    const kept = parents * FIGURE_TABLE.length * most
    this.#kept = gatheredOf(kept * most)
    this.#keptFrom = new Int32Array(kept).fill(-1)
    this.#keptDays = new Uint8Array(kept)
    this.#unkept = gatheredOf(most)
    this.#today = gatheredOf(most)
    this.#isUnknown = new Uint8Array(most)
    this.#below = LEVELS_UP.map(() => new Float64Array(most))
    this.#last = this.#unkept
  }

  /**
   * What the children of i promise for the days [from, to] at their levels before `from`, or the ones they had
   * formerly: to be read by `sum`, `variance` and `concentration`, until the next are gathered.
   */
  gather(i: number, j: number, from: number, to: number, former: boolean): void {
    if (former) return this.#gatherAnew(i, j, from, 0, to - from, true)
    const place = this.#placeOf(i, j, from)
    const known = this.#keptFrom[place] === from ? (this.#keptDays[place] as number) : 0
    const asked = to - from + 1
    this.#last = this.#kept
    this.#at = place * this.#most
    if (known >= asked) return
    this.#isVolatile = false
    this.#fill(i, j, from, known, asked - 1, false)
    this.#keptFrom[place] = from
    this.#keptDays[place] = this.#isVolatile ? known : asked
  }

  /**
   * Adds `day` to all that is known of the days before it, at once: each child is looked at once, not once for every
   * day whose levels promise. What `gather` is asked for it then finds.
   */
  extend(i: number, j: number, day: number): void {
    const { sums, variances, squares } = this.#today
    for (let k = 0; k < this.#most; k++) {
      variances[k] = 0
      squares[k] = 0
      this.#isUnknown[k] = 0
    }
    this.#gatherDay(0, sums, i, j, day)
    for (let k = Math.min(this.#most - 1, day); k >= 0; k--) {
      const from = day - k
      const place = this.#placeOf(i, j, from)
      const days = this.#keptFrom[place] === from ? (this.#keptDays[place] as number) : 0
      if (days !== k || this.#isUnknown[k] === 1) continue
      const at = place * this.#most + k
      this.#kept.sums[at] = sums[k] as number
      this.#kept.variances[at] = variances[k] as number
      this.#kept.squares[at] = squares[k] as number
      this.#keptFrom[place] = from
      this.#keptDays[place] = k + 1
    }
  }

  /** The levels of c before the days from `day` on have become others. */
  forget(c: number, j: number, day: number): void {
    // Before it starts it promises what it started with.
    const first = day <= (this.#starts[c] as number) ? 0 : day
    const { parent } = this.#tree
    for (let i = parent[c] as number; i >= 0; i = parent[i] as number) {
      const place = this.#placeOf(i, j, 0)
      for (let k = place; k < place + this.#most; k++)
        if ((this.#keptFrom[k] as number) >= first) this.#keptDays[k] = 0
    }
  }

  /** Of the k-th day that was gathered. */
  sum(k: number): number {
    return this.#last.sums[this.#at + k] as number
  }

  /** Of the log of the sum of the k-th day. */
  variance(k: number): number {
    const sum = this.sum(k)
    return (this.#last.variances[this.#at + k] as number) / (sum * sum)
  }

  /** Sum of the squared shares of the leaves on the k-th day. */
  concentration(k: number): number {
    const sum = this.sum(k)
    return (this.#last.squares[this.#at + k] as number) / (sum * sum)
  }

  /** What a leaf, or the children of c, promise for `day` at the levels before `from`; NaN: nothing is owed. */
  of(c: number, j: number, from: number, day: number): number {
    const owed = this.#owed[this.#owedAt(c, j, day)] as number
    if (Number.isNaN(owed)) return Number.NaN
    const factor = this.#past.factor[this.#past.at(c, j, Math.max(from, this.#starts[c] as number))] as number
    if (!this.#isSum(c)) return (FIGURE_TABLE[j] as Figure).sign > 0 ? owed * factor : owed / factor
    this.#gatherAnew(c, j, from, day - from, day - from, false)
    return this.sum(day - from) * factor
  }

  /** What a leaf's promise is made of. */
  owedBy(leaf: number, j: number, day: number): number {
    return this.#owed[this.#owedAt(leaf, j, day)] as number
  }

  #owedAt(c: number, j: number, day: number): number {
    return (c * FIGURE_TABLE.length + j) * this.#days + day
  }

  #isSum(i: number): boolean {
    return (this.#tree.end[i] as number) > (this.#tree.first[i] as number)
  }

  #placeOf(i: number, j: number, from: number): number {
    return ((this.#places[i] as number) * FIGURE_TABLE.length + j) * this.#most + (from % this.#most)
  }

  #gatherAnew(i: number, j: number, from: number, first: number, last: number, former: boolean): void {
    this.#last = this.#unkept
    this.#at = 0
    this.#fill(i, j, from, first, last, former)
  }

  /** What the children of i promise for `day` at their levels before the k-th day before it, by k. */
  #gatherDay(depth: number, sums: Float64Array, i: number, j: number, day: number): void {
    const past = this.#past
    const { variances, squares } = this.#today
    const divides = (FIGURE_TABLE[j] as Figure).sign < 0
    const last = Math.min(this.#most - 1, day)
    for (let k = 0; k <= last; k++) sums[k] = 0
    const end = this.#tree.end[i] as number
    for (let c = this.#tree.first[i] as number; c < end; c++) {
      const began = this.#starts[c] as number
      const base = this.#owed[this.#owedAt(c, j, day)] as number
      if (began > day || Number.isNaN(base)) continue
      const isSum = this.#isSum(c)
      const below = this.#below[depth] as Float64Array
      if (isSum) this.#gatherDay(depth + 1, below, c, j, day)
      for (let k = 0; k <= last; k++) {
        const from = day - k
        const at = past.at(c, j, from > began ? from : began)
        const factor = past.factor[at] as number
        if (Number.isNaN(factor)) {
          this.#isUnknown[k] = 1
          continue
        }
        let part: number
        // The level of a sum corrects what its own children promise.
        if (isSum) part = (below[k] as number) * factor
        else {
          part = divides ? base / factor : base * factor
          squares[k] = (squares[k] as number) + part * part
        }
        sums[k] = (sums[k] as number) + part
        variances[k] = (variances[k] as number) + part * part * (past.variance[at] as number)
      }
    }
  }

  /** Gathers the days from the `first` to the `last` after `from`. */
  #fill(i: number, j: number, from: number, first: number, last: number, former: boolean): void {
    const { sums, variances, squares } = this.#last
    for (let at = this.#at + first; at <= this.#at + last; at++) {
      variances[at] = 0
      squares[at] = 0
    }
    this.#gather(0, sums, this.#at, i, j, from, first, last, former)
  }

  /** Into `sums`, where day `from` is at `start`. */
  #gather(
    depth: number,
    sums: Float64Array,
    start: number,
    i: number,
    j: number,
    from: number,
    first: number,
    last: number,
    former: boolean,
  ): void {
    const past = this.#past
    for (let k = first; k <= last; k++) sums[start + k] = 0
    const end = this.#tree.end[i] as number
    for (let c = this.#tree.first[i] as number; c < end; c++) {
      const began = this.#starts[c] as number
      if (began > from + last) continue
      const at = past.at(c, j, from > began ? from : began)
      const factor = past.factor[at] as number
      const variance = past.variance[at] as number
      this.#factor = factor
      this.#variance = variance
      if (!former && !Number.isNaN(factor)) {
        this.#add(depth, sums, start, c, j, from, first, last, false)
        continue
      }
      const level = this.#levels[c * FIGURE_TABLE.length + j] as Level
      this.#isVolatile = true
      let k = first
      if (former && level.formerUntil >= from + first) {
        k = Math.min(last, level.formerUntil - from) + 1
        this.#factor = level.factorOf(level.formerMean)
        this.#variance = level.formerVariance
        this.#add(depth, sums, start, c, j, from, first, k - 1, true)
      }
      if (Number.isNaN(factor) && Number.isNaN(level.mean)) continue
      this.#factor = Number.isNaN(factor) ? level.factorOf(level.mean) : factor
      this.#variance = Number.isNaN(factor) ? level.variance : variance
      this.#add(depth, sums, start, c, j, from, k, last, former)
    }
  }

  /** Adds what c promises, by `#factor` and `#variance`, to the sums of its parent. */
  #add(
    depth: number,
    sums: Float64Array,
    start: number,
    c: number,
    j: number,
    from: number,
    first: number,
    last: number,
    former: boolean,
  ): void {
    const factor = this.#factor
    const variance = this.#variance
    const { variances, squares } = this.#last
    const at = this.#at
    const owed = this.#owed
    const owedAt = this.#owedAt(c, j, from)
    if (!this.#isSum(c)) {
      const divides = (FIGURE_TABLE[j] as Figure).sign < 0
      for (let k = first; k <= last; k++) {
        const base = owed[owedAt + k] as number
        if (Number.isNaN(base)) continue
        const part = divides ? base / factor : base * factor
        squares[at + k] = (squares[at + k] as number) + part * part
        sums[start + k] = (sums[start + k] as number) + part
        variances[at + k] = (variances[at + k] as number) + part * part * variance
      }
      return
    }
    // The level of a sum corrects what its own children promise, on days on which it owes anything.
    const below = this.#below[depth] as Float64Array
    for (let k = first; k <= last; k++) {
      let end = k
      while (end <= last && !Number.isNaN(owed[owedAt + end])) end++
      if (end === k) continue
      this.#gather(depth + 1, below, 0, c, j, from, k, end - 1, former)
      for (; k < end; k++) {
        const part = (below[k] as number) * factor
        sums[start + k] = (sums[start + k] as number) + part
        variances[at + k] = (variances[at + k] as number) + part * part * variance
      }
    }
  }
}
