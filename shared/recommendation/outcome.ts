/** What came of advice: the week after it was applied against the week before, less what moved anyway. */
import type { LocalDate } from '../core/days.ts'
import type { Outcome, OutcomeWindows, WeekPair } from './recommendations.ts'

/** Percent that counts as a change. */
const NOTABLE = 10

type Week = WeekPair['before']
type WeekMetric = (week: Week) => number | null

const cplOf: WeekMetric = ({ spend, leads }) => (leads > 0 ? spend / leads : null)
const leadsOf: WeekMetric = ({ leads }) => leads

/** Percent; null where there is nothing to compare with. */
const changeOf = (pair: WeekPair | null, metric: WeekMetric): number | null => {
  const before = pair && metric(pair.before)
  const after = pair && metric(pair.after)
  if (before === null || after === null || before === 0) return null
  return (100 * (after - before)) / before
}

/** From no leads to some is all of it, as in the trends of features. */
const leadsChange = (own: WeekPair): number => changeOf(own, leadsOf) ?? (own.after.leads > 0 ? 100 : 0)

/** @param day the newest complete day, on which it was looked at */
export const outcomeOf = ({ own, siblings, account }: OutcomeWindows, day: LocalDate): Outcome => {
  const costChange = changeOf(own, cplOf)
  const byCost = costChange !== null
  const metric = byCost ? cplOf : leadsOf
  const change = costChange ?? leadsChange(own)
  const ofSiblings = changeOf(siblings, metric)
  const ofAccount = changeOf(account, metric)
  // Fewer costs and more leads are better.
  const gain = (change - (ofSiblings ?? ofAccount ?? 0)) * (byCost ? -1 : 1)
  return {
    verdict: gain > NOTABLE ? 'improved' : gain < -NOTABLE ? 'worsened' : 'neutral',
    metric: byCost ? 'cpl' : 'leads',
    before: metric(own.before),
    after: metric(own.after),
    change_pct: change,
    baseline_pct: ofSiblings ?? ofAccount,
    baseline: ofSiblings !== null ? 'siblings' : ofAccount !== null ? 'account' : null,
    evaluated_on: day,
  }
}
