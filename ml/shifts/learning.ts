/** What an entity's day teaches: its levels, how they scatter and wander. Odd days teach nothing. */
import { FIGURE_COUNT, IS_COUNT, IS_VOLUME } from './figures.ts'
import type { Holding } from './holding.ts'
import type { Judged, Known } from './known.ts'
import type { Lasting } from './lasting.ts'
import { FEWEST_DAYS } from './level.ts'

export class Learning {
  readonly #known: Known
  readonly #judged: Judged
  readonly #holding: Holding
  readonly #lasting: Lasting

  constructor(known: Known, judged: Judged, holding: Holding, lasting: Lasting) {
    this.#known = known
    this.#judged = judged
    this.#holding = holding
    this.#lasting = lasting
  }

  /** @param lasts whether what is odd has lasted */
  learn(lasts: boolean): void {
    const { levels, promises, drift } = this.#known
    const { i, day, start, present, oddWindow } = this.#judged
    for (let j = 0; j < FIGURE_COUNT; j++) {
      if (present[j] === 0) continue
      const k = levels.of(i, j)
      levels.days[k] = (levels.days[k] as number) + 1
      if (lasts) {
        drift.note(i, j, Number.NaN)
        this.#lasting.settle(j)
      } else if (oddWindow > 0) {
        drift.note(i, j, Number.NaN)
        const from = Math.max(start, levels.floor[k] as number, day - oddWindow + 1)
        levels.rollBack(k, from, day, drift.variance(j))
        promises.forget(i, j, from)
      } else this.#learnFigure(j, k)
    }
  }

  /** Learns of a figure on a day that is not odd. */
  #learnFigure(j: number, k: number): void {
    const { tree, observed, levels, calendar, scatter, drift } = this.#known
    const { i, at, day, isSum, isConfirmed } = this.#judged
    const { today } = this.#holding
    const isCount = IS_COUNT[j] === 1
    const isSeen = !isConfirmed && this.#holding.look(j)
    const isSettled = (levels.days[k] as number) > FEWEST_DAYS
    if (!isSum && isSettled) drift.note(i, j, isSeen ? levels.gapOf(k, today, isCount) : Number.NaN)
    levels.wander(k, drift.variance(j), isSum)
    if (!isSeen || calendar.isHoliday(day)) return
    const isVolume = IS_VOLUME[j] === 1
    // Of a day on which somebody came or went the children learn all that moved: above them it would count twice.
    if (isSum && isVolume && observed.mixed[at] === 1) return
    if (!isCount) {
      levels.learnGaussian(k, today)
      const own = levels.ownNoise(k)
      if (!Number.isNaN(own)) scatter.noteNoise(j, tree.levels[i] as number, own)
      return
    }
    if (!isSum) {
      if ((levels.days[k] as number) >= FEWEST_DAYS) scatter.learnDispersion(j, levels, k, today)
      if (!isVolume) scatter.learnRate(j, today)
    }
    levels.learnCount(k, today)
  }
}
