/**
 * Where in a campaign a shift began: a scan over its entities (Kulldorff 1997, for regions of a map), each taken for
 * the one that all below it moved with, by one factor. What explains the days best, against nothing having moved, is
 * the log-likelihood ratio of that entity. One of several that moved alike explains less than what they have in
 * common, however large its own move; one that moved alone explains as much as its parent and all siblings that did
 * not, or more.
 */
import type { Tree } from './tree.ts'
import { countSize } from './windows.ts'
import type { Held } from './windows.ts'

/** What each entity of a campaign explains. */
export interface Origins {
  /** Indices among the account's entities: the campaign and all below it, parents before children. */
  readonly entities: Int32Array
  /** Log-likelihood ratio of each: 0 for who says nothing, or moved the other way. */
  readonly gains: Float64Array
  /** Log of the factor that all below it moved by; NaN where nothing is known, and of several figures together. */
  readonly sizes: Float64Array
  /** Days they are of. */
  readonly window: number
}

/** A factor of more, as a log, says no more: of who stopped, all stopped alike. */
const FURTHEST = 3

/** Gathers what is known of the leaves of a campaign, figure by figure, and adds it up. */
export class Scan {
  readonly #tree: Tree
  /** Places in the tree, parents before children. */
  readonly #nodes: readonly number[]
  readonly #at = new Map<number, number>()
  readonly #gains: Float64Array
  readonly #sizes: Float64Array
  /** Of a count: seen, and expected, each over its scatter. Of a log: the gap over its variance, and 1 over it. */
  readonly #above: Float64Array
  readonly #below: Float64Array
  #isCount = false

  /** @param top place of the campaign */
  constructor(tree: Tree, top: number) {
    this.#tree = tree
    const nodes = [top]
    for (let k = 0; k < nodes.length; k++) {
      const node = nodes[k] as number
      for (let child = tree.first[node] as number; child < (tree.end[node] as number); child++)
        nodes.push(child)
    }
    this.#nodes = nodes
    nodes.forEach((node, k) => this.#at.set(node, k))
    this.#gains = new Float64Array(nodes.length)
    this.#sizes = new Float64Array(nodes.length).fill(Number.NaN)
    this.#above = new Float64Array(nodes.length)
    this.#below = new Float64Array(nodes.length)
  }

  /** Places of those without children. */
  get leaves(): number[] {
    return this.#nodes.filter(
      (node) => (this.#tree.end[node] as number) <= (this.#tree.first[node] as number),
    )
  }

  begin(isCount: boolean): void {
    this.#isCount = isCount
    this.#above.fill(0)
    this.#below.fill(0)
  }

  #add(leaf: number, above: number, below: number): void {
    if (!Number.isFinite(above) || !Number.isFinite(below)) return
    const k = this.#at.get(leaf) as number
    this.#above[k] = above
    this.#below[k] = below
  }

  /** What a leaf shows of the figure. */
  see(leaf: number, { seen, expected, spread, size, statistic }: Readonly<Held>): void {
    if (this.#isCount) this.#add(leaf, (seen * expected) / spread, (expected * expected) / spread)
    else this.seeLog(leaf, size, (size / statistic) ** 2)
  }

  /** A gap of a log, and its variance. */
  seeLog(leaf: number, gap: number, variance: number): void {
    this.#add(leaf, Math.max(-FURTHEST, Math.min(FURTHEST, gap)) / variance, 1 / variance)
  }

  /** The figure is seen of all leaves. @param sign which way is asked for: what moved the other way explains nothing */
  addUp(sign: number): void {
    const above = this.#above
    const below = this.#below
    for (let k = this.#nodes.length - 1; k >= 0; k--) {
      const node = this.#nodes[k] as number
      for (let child = this.#tree.first[node] as number; child < (this.#tree.end[node] as number); child++) {
        const c = this.#at.get(child) as number
        ;(above[k] as number) += above[c] as number
        ;(below[k] as number) += below[c] as number
      }
      const a = above[k] as number
      const b = below[k] as number
      if (b === 0) continue
      const size = this.#isCount ? countSize(a, b) : a / b
      this.#sizes[k] = size
      if (size * sign > 0)
        (this.#gains[k] as number) += this.#isCount
          ? a === 0
            ? b
            : a * Math.log(a / b) - a + b
          : (a * size) / 2
    }
  }

  /** @param isOne whether it was of one figure: several have no size in common */
  origins(window: number, isOne: boolean): Origins {
    return {
      entities: Int32Array.from(this.#nodes, (node) => this.#tree.indices[node] as number),
      gains: this.#gains,
      sizes: isOne ? this.#sizes : this.#sizes.fill(Number.NaN),
      window,
    }
  }
}
