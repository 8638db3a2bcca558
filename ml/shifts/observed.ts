/** What the entities of an account show, laid out as it is read: day by day, all figures of an entity together. */
import type { AccountEntity } from './account.ts'
import { FIGURE_COUNT, FIGURE_TABLE } from './figures.ts'
import type { Figure } from './figures.ts'
import { isSumOf } from './tree.ts'
import type { Tree } from './tree.ts'

/** By day, then place in the tree, then figure. */
export interface Observed {
  /** Gaussian: the log of the figure. Count: the events. */
  readonly values: Float64Array
  /** Count: what the events are among. Gaussian: 1. NaN: the figure says nothing that day. */
  readonly among: Float64Array
  /**
   * What its promise is made of; of who has children, 1. NaN on days on which it owes nothing. A figure of volume is
   * owed also by a child that gave nothing.
   */
  readonly owed: Float64Array
}

/** Where the days of one entity's figure are. */
interface Place {
  readonly first: number
  readonly step: number
}

const layOut = (
  { kind, volume, sign, fewest }: Pick<Figure, 'kind' | 'volume' | 'sign' | 'fewest'>,
  whole: Float64Array,
  base: Float64Array,
  spend: Float64Array,
  runs: Uint8Array,
  isSum: boolean,
  observed: Observed,
  place: Place,
): void => {
  const { values, among, owed } = observed
  const isCount = kind === 'count'
  const entities = place.step / FIGURE_COUNT
  const entity = Math.floor(place.first / FIGURE_COUNT)
  for (let t = 0, at = place.first; t < whole.length; t++, at += place.step) {
    if (runs[t * entities + entity] !== 1) continue
    const total = whole[t] as number
    const part = base[t] as number
    let exposure = Number.NaN
    if (isCount) {
      values[at] = total
      // A budget brings events only while it is spent.
      if (part > 0 && (!volume || (spend[t] as number) > 0)) exposure = part
    } else {
      const log = sign > 0 ? Math.log(total / part) : Math.log(part / total)
      values[at] = log
      if (Number.isFinite(log) && total >= fewest) exposure = 1
    }
    among[at] = exposure
    if (volume || exposure > 0) owed[at] = isSum ? 1 : part
  }
}

/** @param runs whether each is to be running, by day, then place: nothing is said of other days */
export const observedOf = (tree: Tree, days: number, runs: Uint8Array): Observed => {
  const { entities } = tree
  const step = entities.length * FIGURE_COUNT
  const observed: Observed = {
    values: new Float64Array(days * step).fill(Number.NaN),
    among: new Float64Array(days * step).fill(Number.NaN),
    owed: new Float64Array(days * step).fill(Number.NaN),
  }
  for (let i = 0; i < entities.length; i++) {
    const entity = entities[i] as AccountEntity
    const scale = entity.budget.map(Math.exp)
    for (let j = 0; j < FIGURE_COUNT; j++) {
      const figure = FIGURE_TABLE[j] as Figure
      const base = figure.base === 'scale' ? scale : entity[figure.base]
      const place = { first: i * FIGURE_COUNT + j, step }
      layOut(figure, entity[figure.whole], base, entity.spend, runs, isSumOf(tree, i), observed, place)
    }
  }
  return observed
}
