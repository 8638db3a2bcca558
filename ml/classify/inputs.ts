/** What the trained classifier looks at, in the specification's order (ads-domain section 5). */
import type { AccountReference, EntityFeatures } from '../features/entity-features.ts'

export const CLASSIFIER_INPUTS = [
  'cpl_ratio',
  'ctr_ratio',
  'leads_per_100_spend',
  'cpl_trend',
  'leads_trend',
  'cpl_std_ratio',
  'conversion_rate',
  'lead_days_share',
  'frequency_score',
  'consistency',
] as const

const RATIO_CAP = 5
const WITHOUT_LEADS_SPEND = 50
const WEEK = 7
const LEADS_PER_100_CAP = 10

const capped = (value: number, cap: number): number => (Number.isFinite(value) ? Math.min(value, cap) : cap)

/** 10 finite numbers, not yet standardised. */
export const classifierInputs = (
  features: EntityFeatures,
  { avgCpl, avgCtr }: AccountReference,
): Float64Array => {
  const { spend7d, leads7d, cpl7d, ctr7d, cplTrend, leadsTrend, cplStd7d, conversionRate7d, frequency7d } =
    features
  const cplRatio =
    cpl7d === null
      ? spend7d > WITHOUT_LEADS_SPEND
        ? RATIO_CAP
        : 1
      : avgCpl === null || avgCpl === 0
        ? 1
        : capped(cpl7d / avgCpl, RATIO_CAP)
  const ctrRatio = ctr7d === null || avgCtr === null || avgCtr === 0 ? 1 : capped(ctr7d / avgCtr, RATIO_CAP)
  const frequencyScore = frequency7d === null ? 1 : Math.min(1, Math.max(0, 1 - (frequency7d - 1) / 3))
  const leadDays = features.daysWithLeads7d / WEEK
  const steadiness = 1 - Math.min(Math.abs(cplTrend ?? 0) / 50, 1)
  return Float64Array.of(
    cplRatio,
    ctrRatio,
    // Leads for nothing are as many as can be.
    leads7d === 0 ? 0 : capped((100 * leads7d) / spend7d, LEADS_PER_100_CAP),
    cplTrend ?? 0,
    leadsTrend,
    cplStd7d === null || avgCpl === null || avgCpl === 0 ? 0 : capped(cplStd7d / avgCpl, 2),
    capped(conversionRate7d ?? 0, 50),
    leadDays,
    frequencyScore,
    0.5 * leadDays + 0.3 * steadiness + 0.2 * frequencyScore,
  )
}
