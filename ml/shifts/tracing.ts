/** Traces what was found on a day to where in its campaign it began. */
import type { AccountEntity } from './account.ts'
import { FIGURE_TABLE, FIGURES, SPEND } from './figures.ts'
import type { Figure } from './figures.ts'
import type { Holding } from './holding.ts'
import type { Judged, Known } from './known.ts'
import { FEWEST_DAYS } from './level.ts'
import { Scan } from './origins.ts'
import type { Origins } from './origins.ts'
import type { FoundShift, Shift } from './shift.ts'
import { INDEPENDENT } from './telling.ts'
import { topOf } from './tree.ts'

export class Tracing {
  readonly #known: Known
  readonly #judged: Judged
  readonly #holding: Holding

  constructor(known: Known, judged: Judged, holding: Holding) {
    this.#known = known
    this.#judged = judged
    this.#holding = holding
  }

  /** What was found on the day, with where it began: one answer for what moved one way in one campaign. */
  trace(newest: readonly FoundShift[]): Shift[] {
    const { tree, standings } = this.#known
    const known = new Map<string, Origins>()
    return newest.map((found) => {
      const { at, ...shift } = found
      if (!shift.bad) return { ...shift, origins: null }
      const { day, figure, size, window } = shift
      const from = Math.max(0, day - Math.max(window, standings.span[at] as number) + 1)
      const key = figure === 'joint' ? `${at}` : `${topOf(tree, at)} ${figure} ${Math.sign(size)} ${from}`
      const origins = known.get(key) ?? this.#originsOf(found, from)
      known.set(key, origins)
      return { ...shift, origins }
    })
  }

  /** What each entity of the campaign explains of the days since `from` of a shift. */
  #originsOf({ at, day, figure, size }: FoundShift, from: number): Origins {
    const { tree, levels, standings } = this.#known
    const isJoint = figure === 'joint'
    const scan = new Scan(tree, topOf(tree, at))
    for (const j of isJoint ? INDEPENDENT : [FIGURES.indexOf(figure)]) {
      scan.begin((FIGURE_TABLE[j] as Figure).kind === 'count')
      for (const leaf of scan.leaves) this.#scanLeaf(scan, leaf, j, from)
      scan.addUp(isJoint ? (standings.sizes[levels.of(at, j)] as number) : size)
    }
    return scan.origins(day - from + 1, !isJoint)
  }

  /** What a leaf shows of figure j over the days since `from`, for the scan. */
  #scanLeaf(scan: Scan, leaf: number, j: number, from: number): void {
    const { tree, levels, drift } = this.#known
    const { day } = this.#judged
    const { spend, start } = tree.entities[leaf] as AccountEntity
    const k = levels.of(leaf, j)
    const floor = levels.floor[k] as number
    // Days before the floor tell of something else.
    const first = floor <= day ? Math.max(from, floor) : from
    if (first < start || (levels.days[k] as number) < FEWEST_DAYS) return
    const mean = levels.meanBefore(k, first)
    if (Number.isNaN(mean)) return
    const variance = levels.varianceBefore(k, first) + (drift.variance(j) * (day - first)) / 3
    this.#judged.turnTo(leaf)
    const held = this.#holding.judge(j, first, mean, variance, false)
    if (held) scan.see(leaf, held)
    // Who stopped shows nothing, and tells most.
    else if (j === SPEND && this.#known.runsAt(leaf, day) && (spend[first - 1] as number) > 0)
      scan.seeLog(leaf, -Infinity, (levels.noise[k] as number) + variance)
  }
}
