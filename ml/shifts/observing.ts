/** Takes in what an entity shows of a day. */
import { WEEK } from '../frame.ts'
import { sumOfDays } from './account.ts'
import type { AccountEntity } from './account.ts'
import { FIGURE_COUNT, IS_COUNT, IS_VOLUME, USES_LEADS } from './figures.ts'
import type { Judged, Known } from './known.ts'

/** What a change of mix may move, as a log: of an entity among others, and of the sum of others. */
const MIX_OF_ONE = 0.4
const MIX_OF_SUM = 0.15
/** Where a rate starts that the account knows, and one that nothing is known of. */
const KNOWN_START = 0.35
const UNKNOWN_START = 1
/** A sum starts where its children promise. */
const SUM_START = 0.1

export class Observing {
  readonly #known: Known
  readonly #judged: Judged

  constructor(known: Known, judged: Judged) {
    this.#known = known
    this.#judged = judged
  }

  /** Takes in the figures of the day. */
  observe(): void {
    const { account, tree, observed, levels, calendar, scatter, drift } = this.#known
    const { i, at, day, isSum, present } = this.#judged
    const isHoliday = calendar.isHoliday(day)
    const isMixed = observed.mixed[at] === 1
    const first = at * FIGURE_COUNT
    const up = tree.levels[i] as number
    for (let j = 0; j < FIGURE_COUNT; j++) {
      const usesLeads = USES_LEADS[j] === 1
      const isVolume = IS_VOLUME[j] === 1
      const isCount = IS_COUNT[j] === 1
      const k = levels.of(i, j)
      if (usesLeads && day >= account.leadsUntil) continue
      if (isVolume && isMixed) this.#mix(j, k)
      levels.mark(k, day)
      const exposure = observed.among[first + j] as number
      if (exposure === 0) {
        levels.wander(k, drift.variance(j), isSum)
        continue
      }
      if (isVolume && usesLeads && isHoliday) continue
      const date = calendar.at(j, day)
      const value = observed.values[first + j] as number
      if (isCount) levels.see(k, day, value, exposure * (calendar.factors[date] as number))
      else if (isSum) levels.see(k, day, value, 1)
      else levels.see(k, day, value - (calendar.effects[date] as number), 1)
      if (levels.days[k] === 0) {
        this.#start(j, k)
        if (!isSum && !isCount) continue
      }
      present[j] = 1
      if (!isCount) levels.shareNoise(k, scatter.noise(j, up))
    }
  }

  /** Level k of a figure j of volume may be another one since today: somebody came or went. */
  #mix(j: number, k: number): void {
    const { tree, levels } = this.#known
    const { i, day, isSum, steadyVariances } = this.#judged
    steadyVariances[j] = levels.variance[k] as number
    // Who has nobody above it is told of its own children.
    const ofSum = isSum || (tree.parent[i] as number) < 0
    const moved = Math.max((ofSum ? MIX_OF_SUM : MIX_OF_ONE) ** 2, this.#movedByMix() ** 2)
    if (moved > (levels.variance[k] as number)) {
      levels.variance[k] = moved
      levels.since[k] = day
    }
    levels.floor[k] = day
  }

  /**
   * What those who came or went today would move, as a log, if the money stayed what it is: of a parent by its
   * children, of a child by its siblings. Who comes takes from siblings, who goes leaves to them; both are more
   * than the children that were there promise.
   */
  #movedByMix(): number {
    const { tree } = this.#known
    const { i, day, isSum } = this.#judged
    const group = isSum ? i : (tree.parent[i] as number)
    if (group < 0) return 0
    let gone = 0
    let before = 0
    let come = 0
    let now = 0
    const end = tree.end[group] as number
    for (let c = tree.first[group] as number; c < end; c++) {
      const { spend } = tree.entities[c] as AccountEntity
      const ran = day > 0 && this.#known.runsAt(c, day - 1)
      const runs = this.#known.runsAt(c, day)
      const lately = ran ? sumOfDays(spend, Math.max(0, day - WEEK), day - 1) : 0
      before += lately
      now += spend[day] as number
      if (ran && !runs) gone += lately
      if (!ran && runs) come += spend[day] as number
    }
    if (come > 0 || gone > 0) {
      this.#judged.explainsRise = isSum || gone > 0
      this.#judged.explainsFall = !isSum && come > 0
    }
    const moved = Math.log((1 - come / now) / (1 - gone / before))
    return Number.isFinite(moved) ? moved : 0
  }

  /** Figure j is seen for the first time. */
  #start(j: number, k: number): void {
    const { tree, levels, scatter } = this.#known
    const { i, day, isSum } = this.#judged
    const noise = scatter.noise(j, tree.levels[i] as number)
    const at = levels.at(k, day)
    const seen = levels.seen[at] as number
    levels.noise[k] = noise
    if (isSum) levels.startAt(k, day, 0, SUM_START ** 2)
    else if (IS_COUNT[j] !== 1) levels.startAt(k, day, seen, noise)
    else {
      const rate = IS_VOLUME[j] === 1 ? Number.NaN : scatter.rate(j)
      if (Number.isNaN(rate))
        levels.startAt(k, day, Math.log((seen + 0.5) / (levels.among[at] as number)), UNKNOWN_START)
      else levels.startAt(k, day, Math.log(rate), KNOWN_START)
    }
  }
}
