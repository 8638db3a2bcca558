/** Which of several pieces of advice can stand together (ads-domain section 6). */
import { RULES } from './matrix.ts'
import type { RecommendationType, Rule } from './matrix.ts'

export interface Ranked {
  readonly type: RecommendationType
  readonly rule: Rule
  readonly priority: number
  readonly confidence: number
}

const MOST = 3

const isBudget = (type: RecommendationType): boolean => type === 'SCALE_UP' || type.startsWith('BUDGET_')

const excludes = (a: RecommendationType, b: RecommendationType): boolean => {
  if (a === 'PAUSE')
    return b === 'PAUSE' || isBudget(b) || b === 'CREATIVE_WINNER' || b === 'AUDIENCE_EXPANSION'
  if (a === 'CREATIVE_WINNER') return b === 'CREATIVE_REFRESH' || b === 'CREATIVE_TEST'
  return (isBudget(a) && isBudget(b)) || (a.startsWith('AUDIENCE_') && b.startsWith('AUDIENCE_'))
}

export const inConflict = (a: RecommendationType, b: RecommendationType): boolean =>
  a === b || excludes(a, b) || excludes(b, a)

/** Rules and not types: of two reasons to pause the table's first speaks. */
const orderOf = ({ rule }: Ranked): number => RULES.indexOf(rule)

/** Of two in conflict: priority, then PAUSE, then the table's order. */
const stronger = (a: Ranked, b: Ranked): number =>
  b.priority - a.priority ||
  Number(b.type === 'PAUSE') - Number(a.type === 'PAUSE') ||
  orderOf(a) - orderOf(b)

/** Of what can stand together: priority, confidence, the table's order. */
const dearer = (a: Ranked, b: Ranked): number =>
  b.priority - a.priority || b.confidence - a.confidence || orderOf(a) - orderOf(b)

/** Those that stand, at most three, whatever the order of `advice`. */
export const settle = <T extends Ranked>(advice: readonly T[]): readonly T[] => {
  const standing: T[] = []
  for (const one of advice.toSorted(stronger)) {
    if (standing.every((other) => !inConflict(one.type, other.type))) standing.push(one)
  }
  return standing.toSorted(dearer).slice(0, MOST)
}
