/** What is known of an account while its days are judged, and what is judged of it. */
import type { AccountDays } from './account.ts'
import { Calendar } from './calendar.ts'
import { Drift } from './drift.ts'
import { FIGURE_COUNT, FIGURE_TABLE } from './figures.ts'
import { Levels } from './level.ts'
import { observedOf } from './observed.ts'
import type { Observed } from './observed.ts'
import { Promises } from './promises.ts'
import { Scatter } from './scatter.ts'
import { Standings } from './standings.ts'
import { isSumOf, treeOf } from './tree.ts'
import type { Tree } from './tree.ts'

/** What was learnt of the days before. */
export class Known {
  readonly account: AccountDays
  readonly tree: Tree
  readonly observed: Observed
  readonly levels: Levels
  readonly promises: Promises
  readonly calendar: Calendar
  readonly scatter: Scatter
  readonly drift: Drift
  readonly standings: Standings

  constructor(account: AccountDays) {
    const tree = treeOf(account.entities)
    const n = tree.entities.length
    this.account = account
    this.tree = tree
    this.observed = observedOf(tree, account.days)
    this.levels = new Levels(n, FIGURE_TABLE, (i) => isSumOf(tree, i))
    this.promises = new Promises(tree, this.levels, this.observed)
    this.calendar = new Calendar(account)
    this.scatter = new Scatter(n)
    this.drift = new Drift(
      n,
      FIGURE_TABLE.map(({ wander }) => wander),
    )
    this.standings = new Standings(n)
  }

  runsAt(i: number, day: number): boolean {
    return this.observed.runs[day * this.tree.entities.length + i] === 1
  }

  /** Where a day of i is among what was observed. */
  observedAt(i: number, day: number): number {
    return day * this.tree.entities.length + i
  }
}

/** What is judged: an entity on a day. */
export class Judged {
  day = 0
  /** Its place in the tree. */
  i = 0
  /** Where the day of it is among what was observed. */
  at = 0
  isSum = false
  /** First day it runs. */
  start = 0
  wasOdd = false
  /** People called the day odd: it teaches nothing. */
  isConfirmed = false
  /** What was odd yesterday is over. */
  ended = false
  /** Days that are odd, the last of them `day`; 0: none. */
  oddWindow = 0
  /** By figure: whether it says anything of the day. */
  readonly present: Uint8Array
  /** By figure: variance of its level if nobody had come or gone today; NaN: nobody has. */
  readonly steadyVariances: Float64Array
  /** What those who came or went today explain. */
  explainsRise = true
  explainsFall = true
  readonly #known: Known

  constructor(known: Known) {
    this.present = new Uint8Array(FIGURE_COUNT)
    this.steadyVariances = new Float64Array(FIGURE_COUNT)
    this.#known = known
  }

  /** Turns to i. */
  turnTo(i: number): void {
    const { tree, observed, standings } = this.#known
    const at = this.#known.observedAt(i, this.day)
    this.i = i
    this.at = at
    this.start = tree.starts[i] as number
    this.isSum = isSumOf(tree, i)
    this.wasOdd = standings.lastOdd[i] === this.day - 1
    this.isConfirmed = observed.confirmed[at] === 1
    this.ended = false
    this.oddWindow = 0
    for (let j = 0; j < FIGURE_COUNT; j++) {
      this.present[j] = 0
      this.steadyVariances[j] = Number.NaN
    }
    this.explainsRise = true
    this.explainsFall = true
  }
}
