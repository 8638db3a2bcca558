/**
 * What children promise their parent for a day, at levels that were known before. Asked for most of all that the
 * judge computes: everything lies day by day, and the children of one parent beside each other.
 */
import type { AccountEntity } from './account.ts'
import { FIGURE_TABLE } from './figures.ts'
import type { Figure } from './figures.ts'
import type { Level, Past } from './level.ts'
import type { Tree } from './tree.ts'

/**
 * Per figure, day and entity: what its promise is made of; of who has children, 1. NaN on days on which it owes
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
        owed[(j * days + t) * n + i] = isSum ? 1 : ((bases[i] as Float64Array)[t] as number)
      }
    }
  })
  return owed
}

export class Promises {
  /** Of what was gathered last: the variance of the log. */
  variance = Number.NaN
  /** Sum of the squared shares of the leaves. */
  concentration = Number.NaN
  #variances = Number.NaN
  #squares = Number.NaN
  readonly #tree: Tree
  readonly #past: Past
  readonly #levels: readonly Level[]
  readonly #owed: Float64Array
  readonly #starts: Int32Array

  /**
   * @param runs whether each entity is to be running, day by day
   * @param levels by entity, then figure
   */
  constructor(tree: Tree, days: number, runs: Uint8Array, past: Past, levels: readonly Level[]) {
    this.#tree = tree
    this.#past = past
    this.#levels = levels
    this.#owed = owedOf(tree, days, runs)
    this.#starts = Int32Array.from(tree.entities, ({ start }) => start)
  }

  /** What the children of i promise for `day` at their levels before `from`, or the ones they had formerly. */
  gather(i: number, j: number, from: number, day: number, former: boolean): number {
    this.#variances = 0
    this.#squares = 0
    const sum = this.#gather(i, j, from, day, former)
    this.variance = this.#variances / (sum * sum)
    this.concentration = this.#squares / (sum * sum)
    return sum
  }

  /** What a leaf, or the children of c, promise for `day` at the levels before `from`; NaN: nothing is owed. */
  of(c: number, j: number, from: number, day: number): number {
    const known = Math.max(from, this.#starts[c] as number)
    const start = this.#past.startOf(c, j)
    const { stride } = this.#past
    const factor = this.#past.factor[start + known * stride] as number
    const owed = this.#owed[start + day * stride] as number
    if (Number.isNaN(owed)) return Number.NaN
    if ((this.#tree.end[c] as number) > (this.#tree.first[c] as number))
      return this.gather(c, j, from, day, false) * factor
    return (FIGURE_TABLE[j] as Figure).sign > 0 ? owed * factor : owed / factor
  }

  /** What a leaf's promise is made of. */
  owedBy(leaf: number, j: number, day: number): number {
    return this.#owed[this.#past.startOf(leaf, j) + day * this.#past.stride] as number
  }

  #gather(i: number, j: number, from: number, day: number, former: boolean): number {
    const { first, end } = this.#tree
    const { factor: factors, variance: variances, stride } = this.#past
    const owed = this.#owed
    const starts = this.#starts
    const start = this.#past.startOf(0, j)
    const owedAt = start + day * stride
    const divides = (FIGURE_TABLE[j] as Figure).sign < 0
    const last = end[i] as number
    let sum = 0
    let gathered = this.#variances
    let squares = this.#squares
    for (let c = first[i] as number; c < last; c++) {
      const base = owed[owedAt + c] as number
      if (Number.isNaN(base)) continue
      const began = starts[c] as number
      const known = start + (from > began ? from : began) * stride + c
      let factor = factors[known] as number
      let variance = variances[known] as number
      if (former || Number.isNaN(factor)) {
        const level = this.#levels[c * FIGURE_TABLE.length + j] as Level
        if (former && day <= level.formerUntil) {
          factor = level.factorOf(level.formerMean)
          variance = level.formerVariance
        }
        if (Number.isNaN(factor)) {
          factor = level.factorOf(level.mean)
          variance = level.variance
          if (Number.isNaN(factor)) continue
        }
      }
      let part: number
      // The level of a sum corrects what its own children promise.
      if ((end[c] as number) > (first[c] as number)) {
        this.#variances = gathered
        this.#squares = squares
        part = this.#gather(c, j, from, day, former) * factor
        gathered = this.#variances
        squares = this.#squares
      } else {
        part = divides ? base / factor : base * factor
        squares += part * part
      }
      sum += part
      gathered += part * part * variance
    }
    this.#variances = gathered
    this.#squares = squares
    return sum
  }
}
