/** What is known of an account while its days are judged, and what is judged of it. */
import type { AccountDays, AccountEntity } from './account.ts'
import { Calendar } from './calendar.ts'
import { Drift } from './drift.ts'
import { FIGURE_COUNT, FIGURE_TABLE } from './figures.ts'
import { Levels } from './level.ts'
import { observedOf } from './observed.ts'
import type { Observed } from './observed.ts'
import { Promises } from './promises.ts'
import { Scatter } from './scatter.ts'
import { Standings } from './standings.ts'
import { isSumOf, runsOf, treeOf } from './tree.ts'
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
  /** Whether each is to be running, by day, then place. */
  readonly #runs: Uint8Array

  constructor(account: AccountDays) {
    const { days } = account
    const tree = treeOf(account.entities)
    const n = tree.entities.length
    this.account = account
    this.tree = tree
    this.#runs = runsOf(tree, days)
    this.observed = observedOf(tree, days, this.#runs)
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
    return this.#runs[day * this.tree.entities.length + i] === 1
  }

  /** Where what was observed of i is, its first figure. */
  observedAt(i: number, day: number): number {
    return (day * this.tree.entities.length + i) * FIGURE_COUNT
  }
}

/** What is judged: an entity on a day. */
export class Judged {
  day = 0
  /** Its place in the tree. */
  i = 0
  entity: AccountEntity
  isSum = false
  wasOdd = false
  /** People called the day odd: it teaches nothing. */
  isConfirmed = false
  /** What was odd yesterday is over. */
  ended = false
  /** Days that are odd, the last of them `day`; 0: none. */
  oddWindow = 0
  /** By figure: whether it says anything of the day. */
  readonly present: Uint8Array
  readonly #known: Known

  constructor(known: Known) {
    this.entity = known.tree.entities[0] as AccountEntity
    this.present = new Uint8Array(FIGURE_COUNT)
    this.#known = known
  }

  /** Turns to i. */
  turnTo(i: number): void {
    const { tree, standings } = this.#known
    this.i = i
    this.entity = tree.entities[i] as AccountEntity
    this.isSum = isSumOf(tree, i)
    this.wasOdd = standings.lastOdd[i] === this.day - 1
    this.isConfirmed = this.entity.confirmed.has(this.day)
    this.ended = false
    this.oddWindow = 0
    for (let j = 0; j < FIGURE_COUNT; j++) this.present[j] = 0
  }
}
