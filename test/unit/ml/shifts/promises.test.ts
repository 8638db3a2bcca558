import { expect } from 'chai'
import { entityAt } from '../../../support/account-days.ts'
import { normal, randomOf } from '../../../../bench/random.ts'
import { FIGURE_COUNT, FIGURE_TABLE, SIGNS } from '../../../../ml/shifts/figures.ts'
import { KEPT_DAYS, Levels } from '../../../../ml/shifts/level.ts'
import { Promises } from '../../../../ml/shifts/promises.ts'
import { isSumOf, treeOf } from '../../../../ml/shifts/tree.ts'

const DAYS = 30
/** The day on which the last ad starts. */
const LATE = 12
/** Figures that are multiplied with, and divided by, their levels. */
const [SPEND, CPM] = [0, 1] as const

/** Campaign 0, ad sets 1 and 2, ads 3 to 5 of the first, 6 and 7 of the second. */
const tree = treeOf([
  entityAt('campaign', -1),
  entityAt('adset', 0),
  entityAt('adset', 0),
  entityAt('ad', 1),
  entityAt('ad', 1),
  entityAt('ad', 1),
  entityAt('ad', 2),
  entityAt('ad', 2, LATE),
])
const PARENTS = [0, 1, 2] as const
const ENTITIES = tree.entities.length
const AD = 4

/** What an ad, or the children of a parent, promise, added up from scratch. */
interface Promised {
  readonly sum: number
  readonly variance: number
  readonly squares: number
}

/** An account whose levels are others every day, and what some of its ads owe on each. */
class Account {
  readonly levels = new Levels(ENTITIES, FIGURE_TABLE, (i) => isSumOf(tree, i))
  readonly owed = new Float64Array(DAYS * ENTITIES * FIGURE_COUNT)
  readonly promises: Promises
  readonly #random = randomOf(1, 2, 3)

  constructor() {
    for (let at = 0; at < this.owed.length; at++) {
      const i = Math.floor(at / FIGURE_COUNT) % ENTITIES
      const day = Math.floor(at / FIGURE_COUNT / ENTITIES)
      const owes = day >= (tree.starts[i] as number) && (isSumOf(tree, i) || this.chance(0.9))
      if (owes) this.owed[at] = isSumOf(tree, i) ? 1 : 1 + 9 * this.#random()
    }
    this.promises = new Promises(tree, this.levels, this)
  }

  chance(share: number): boolean {
    return this.#random() < share
  }

  begin(day: number): void {
    this.levels.begin(day)
    for (let i = 0; i < ENTITIES; i++) {
      for (const j of [SPEND, CPM]) {
        if (day < (tree.starts[i] as number)) continue
        this.levels.startAt(this.levels.of(i, j), day, 0.3 * normal(this.#random), 0.1 * this.#random())
      }
    }
  }

  expected(i: number, j: number, from: number, day: number, former = false): Promised {
    const { levels } = this
    let [sum, variance, squares] = [0, 0, 0]
    for (let c = tree.first[i] as number; c < (tree.end[i] as number); c++) {
      const owed = this.owed[(day * ENTITIES + c) * FIGURE_COUNT + j] as number
      if (owed === 0) continue
      const k = levels.of(c, j)
      const isFormer = former && (levels.formerUntil[k] as number) >= day
      const before = levels.at(k, Math.max(from, tree.starts[c] as number))
      const past = Number(levels.factorsBefore[before])
      const present = Number.isNaN(past) ? Number(levels.factor[k]) : past
      const factor = isFormer ? levels.factorOf(k, Number(levels.formerMean[k])) : present
      const unsure = (isFormer ? levels.formerVariance[k] : levels.variancesBefore[before]) ?? 0
      const below = isSumOf(tree, c) ? this.expected(c, j, from, day, former) : null
      const part = below ? below.sum * factor : owed * factor ** (SIGNS[j] as number)
      sum += part
      variance += (below?.variance ?? 0) + part * part * unsure
      squares += below ? below.squares : part * part
    }
    return { sum, variance, squares }
  }

  /** Gathers the days [from, to] and holds them against what they are. */
  check(i: number, j: number, from: number, to: number, former = false): void {
    const { promises } = this
    promises.gather(i, j, from, to, former)
    for (let day = from; day <= to; day++) {
      const at = promises.at(day)
      const { sum, variance, squares } = this.expected(i, j, from, day, former)
      expect(promises.sums[at]).to.be.closeTo(sum, 1e-9)
      expect(promises.variances[at]).to.be.closeTo(variance, 1e-9)
      expect(promises.squares[at]).to.be.closeTo(squares, 1e-9)
    }
  }

  checkAll(day: number): void {
    for (const i of PARENTS)
      for (const j of [SPEND, CPM])
        for (let from = Math.max(0, day - KEPT_DAYS + 1); from <= day; from++) this.check(i, j, from, day)
  }
}

describe('what children promise', () => {
  it('is the same whether a day was gathered ahead for all figures, or is when it is asked for', () => {
    const account = new Account()
    for (let day = 0; day < DAYS; day++) {
      account.begin(day)
      for (const i of [...PARENTS].reverse()) if (account.chance(0.6)) account.promises.extend(i, day)
      account.checkAll(day)
    }
  })

  it('is another one once a level below is taken back', () => {
    const account = new Account()
    for (let day = 0; day < DAYS; day++) {
      account.begin(day)
      for (const i of [...PARENTS].reverse()) account.promises.extend(i, day)
      account.checkAll(day)
      for (const c of [1, AD, ENTITIES - 1]) {
        const from = day - 3
        if (from < (tree.starts[c] as number) || !account.chance(0.4)) continue
        account.levels.rollBack(account.levels.of(c, SPEND), from, day, 0.01)
        account.promises.forget(c, SPEND, from)
      }
      account.checkAll(day)
    }
  })

  it('is made of former levels as long as they are remembered', () => {
    const account = new Account()
    const k = account.levels.of(AD, SPEND)
    for (let day = 0; day < DAYS; day++) {
      account.begin(day)
      account.promises.extend(1, day)
      account.levels.formerMean[k] = 1
      account.levels.formerVariance[k] = 0.5
      account.levels.formerUntil[k] = 20
      const from = Math.max(0, day - 3)
      for (const i of PARENTS) account.check(i, SPEND, from, day, true)
      account.checkAll(day)
    }
  })

  it('of an ad alone, and of all below, is what they add to their parent', () => {
    const account = new Account()
    for (let day = 0; day < LATE; day++) account.begin(day)
    const day = LATE - 1
    const from = day - 2
    for (const [parent, j] of [
      [0, SPEND],
      [1, SPEND],
      [1, CPM],
    ] as const) {
      let sum = 0
      for (let c = tree.first[parent] as number; c < (tree.end[parent] as number); c++) {
        const promised = account.promises.of(c, j, from, day)
        if (!Number.isNaN(promised)) sum += promised
      }
      expect(sum).to.be.closeTo(account.expected(parent, j, from, day).sum, 1e-9)
    }
  })
})
