/** What a store of limits has to do: count what one name has spent of one rule. */
import type { LimitName, LimitRule } from './limits.ts'

export interface Spent {
  /** Otherwise nothing was spent. */
  readonly granted: boolean
  /** Tokens left, whole ones. */
  readonly remaining: number
  /** Granted: until everything is there again. Refused: until the same may succeed. */
  readonly waitMs: number
  /** Where it was spent, and where it has to be given back. */
  readonly counter: Counter
}

/** Of one rule: at most 2 * points in any `seconds`, in the long run at most points / seconds. */
export interface Counter {
  readonly rule: LimitRule
  /** @param cost whole, 1 to the points of the rule */
  spend(key: string, cost: number): Promise<Spent>
  /** Gives back what was spent; never more than there was. */
  refund(key: string, cost: number): Promise<void>
}

export type MakeCounter = (name: LimitName, rule: LimitRule) => Counter

/** Where each kind of request is counted. */
export interface LimitCounters {
  readonly trainings: MakeCounter
  readonly predictions: MakeCounter
}
