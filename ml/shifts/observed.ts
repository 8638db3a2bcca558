/** What the entities of an account show, laid out as it is read: day by day, all figures of an entity together. */
import { runsOn } from './account.ts'
import type { AccountEntity } from './account.ts'
import { FIGURE_COUNT, FIGURE_TABLE } from './figures.ts'
import type { Figure } from './figures.ts'
import { isSumOf } from './tree.ts'
import type { Tree } from './tree.ts'

export interface Observed {
  // By day, then place in the tree.
  /** Whether it is to be running. */
  readonly runs: Uint8Array
  /** Whether somebody came or went whom it shares money with. */
  readonly mixed: Uint8Array
  /** Whether people called the day odd. */
  readonly confirmed: Uint8Array
  // The same, then figure; of days on which it runs.
  /** Of a count, the events. Else the log of the figure; of who has children, its total. */
  readonly values: Float64Array
  /** Count: what the events are among. Gaussian: 1. 0: the figure says nothing that day. */
  readonly among: Float64Array
  /**
   * What its promise is made of; of who has children, 1. 0 on days on which it owes nothing. A figure of volume is
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
  isSum: boolean,
  { runs, values, among, owed }: Observed,
  place: Place,
): void => {
  const isCount = kind === 'count'
  const entities = place.step / FIGURE_COUNT
  const entity = Math.floor(place.first / FIGURE_COUNT)
  for (let t = 0, at = place.first; t < whole.length; t++, at += place.step) {
    if (runs[t * entities + entity] !== 1) continue
    const total = whole[t] as number
    const part = base[t] as number
    let exposure = 0
    if (isCount) {
      values[at] = total
      // A budget brings events only while it is spent.
      if (part > 0 && (!volume || (spend[t] as number) > 0)) exposure = part
    } else {
      const log = sign > 0 ? Math.log(total / part) : Math.log(part / total)
      values[at] = isSum ? total : log
      if (Number.isFinite(log) && total >= fewest) exposure = 1
    }
    among[at] = exposure
    if (volume || exposure > 0) owed[at] = isSum ? 1 : part
  }
}

export const observedOf = (tree: Tree, days: number): Observed => {
  const { entities } = tree
  const n = entities.length
  const observed: Observed = {
    runs: new Uint8Array(days * n),
    mixed: new Uint8Array(days * n),
    confirmed: new Uint8Array(days * n),
    values: new Float64Array(days * n * FIGURE_COUNT),
    among: new Float64Array(days * n * FIGURE_COUNT),
    owed: new Float64Array(days * n * FIGURE_COUNT),
  }
  for (let i = 0; i < n; i++) {
    const entity = entities[i] as AccountEntity
    for (let t = 0; t < days; t++) {
      observed.runs[t * n + i] = runsOn(entity, t) ? 1 : 0
      observed.mixed[t * n + i] = entity.mixed[t] as number
    }
    for (const day of entity.confirmed) if (day >= 0 && day < days) observed.confirmed[day * n + i] = 1
    const scale = entity.budget.map((log) => Math.exp(log))
    for (let j = 0; j < FIGURE_COUNT; j++) {
      const figure = FIGURE_TABLE[j] as Figure
      const base = figure.base === 'scale' ? scale : entity[figure.base]
      const place = { first: i * FIGURE_COUNT + j, step: n * FIGURE_COUNT }
      layOut(figure, entity[figure.whole], base, entity.spend, isSumOf(tree, i), observed, place)
    }
  }
  return observed
}
