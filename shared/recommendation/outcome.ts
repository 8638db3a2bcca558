/** What came of advice: the week after it was applied against the week before, less what moved anyway. */
import type { LocalDate } from '../core/days.ts'
import type { Outcome, OutcomeWindows, WeekPair } from './recommendations.ts'

/** Percent that counts as a change. */
const NOTABLE = 10

const cplOf = ({ spend, leads }: WeekPair['before']): number | null => (leads > 0 ? spend / leads : null)
const leadsOf = ({ leads }: WeekPair['before']): number | null => leads

const changeOf = (
  pair: WeekPair | null,
  metric: (week: WeekPair['before']) => number | null,
): number | null => {
  const before = pair && metric(pair.before)
  const after = pair && metric(pair.after)
  if (before === null || after === null || before === 0) return null
  return (100 * (after - before)) / before
}

/** @param day the newest complete day, on which it was looked at */
export const outcomeOf = ({ own, siblings, account }: OutcomeWindows, day: LocalDate): Outcome => {
  const byCost = changeOf(own, cplOf) !== null
  const metric = byCost ? cplOf : leadsOf
  const change = changeOf(own, metric)
  const ofSiblings = changeOf(siblings, metric)
  const ofAccount = changeOf(account, metric)
  const baseline = ofSiblings ?? ofAccount
  // Fewer costs and more leads are better.
  const gain = change === null ? 0 : (change - (baseline ?? 0)) * (byCost ? -1 : 1)
  return {
    verdict: gain > NOTABLE ? 'improved' : gain < -NOTABLE ? 'worsened' : 'neutral',
    metric: byCost ? 'cpl' : 'leads',
    before: metric(own.before),
    after: metric(own.after),
    change_pct: change,
    baseline_pct: baseline,
    baseline: ofSiblings !== null ? 'siblings' : ofAccount !== null ? 'account' : null,
    evaluated_on: day,
  }
}
