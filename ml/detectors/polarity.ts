/** Whether a change is good or bad for who pays (ads-domain section 2). */
import type { BudgetChange, DayNumber } from '../frame.ts'
import type { Polarity } from './signal.ts'

export type Direction = 'up' | 'down'

export const directionOf = (change: number): Direction => (change < 0 ? 'down' : 'up')

/** What else moved in the days a detector looked at. */
export interface Circumstances {
  /** Leads cost no more than expected: spending more is then a choice, not a loss. */
  readonly cplHeld: boolean
  /** Fewer clicks became leads than expected: more clicks are then junk. */
  readonly conversionFell: boolean
  readonly budgetRaised: boolean
  readonly budgetCut: boolean
}

/** A change that size shows in the spend of the day and the two after it. */
const BUDGET_RAISE_RATIO = 1.2
const BUDGET_CUT_RATIO = 0.8
const BUDGET_DAYS = 2

export const budgetMoves = (
  changes: readonly BudgetChange[],
  day: DayNumber,
): Pick<Circumstances, 'budgetRaised' | 'budgetCut'> => {
  const recent = changes.filter((change) => change.day <= day && day - change.day <= BUDGET_DAYS)
  return {
    budgetRaised: recent.some(({ ratio }) => ratio >= BUDGET_RAISE_RATIO),
    budgetCut: recent.some(({ ratio }) => ratio <= BUDGET_CUT_RATIO),
  }
}

/** More of these is good, less is bad; the rest are costs or wear, where less is good. */
const WELCOME: ReadonlySet<string> = new Set(['ctr', 'leads', 'conversion_rate'])

/**
 * @param metric a baseline metric or a feature of the forest (`cpl` stands for its smoothed form too);
 * what is neither welcome nor spend counts as a cost
 */
export const polarityOf = (metric: string, direction: Direction, circumstances: Circumstances): Polarity => {
  if (metric === 'spend') {
    const wanted =
      direction === 'up' ? circumstances.budgetRaised || circumstances.cplHeld : circumstances.budgetCut
    return wanted ? 'neutral' : 'bad'
  }
  if (metric === 'ctr' && direction === 'up' && circumstances.conversionFell) return 'bad'
  return WELCOME.has(metric) === (direction === 'up') ? 'good' : 'bad'
}
