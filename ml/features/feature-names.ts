/** The names the specification gives features: in `ml_features.features` and on the wire (ads-domain section 4). */
import type { EntityFeatures } from './entity-features.ts'

export const FEATURE_NAMES = {
  spend7d: 'spend_7d',
  impressions7d: 'impressions_7d',
  clicks7d: 'clicks_7d',
  leads7d: 'leads_7d',
  cpl7d: 'cpl_7d',
  cpc7d: 'cpc_7d',
  ctr7d: 'ctr_7d',
  conversionRate7d: 'conversion_rate_7d',
  spendTrend: 'spend_trend',
  leadsTrend: 'leads_trend',
  cplTrend: 'cpl_trend',
  ctrTrend: 'ctr_trend',
  leads14d: 'leads_14d',
  cpl14d: 'cpl_14d',
  spend30d: 'spend_30d',
  leads30d: 'leads_30d',
  cpl30d: 'cpl_30d',
  avgDailySpend30d: 'avg_daily_spend_30d',
  cplStd7d: 'cpl_std_7d',
  leadsStd7d: 'leads_std_7d',
  daysWithLeads7d: 'days_with_leads_7d',
  daysActive: 'days_active',
  reach7d: 'reach_7d',
  reachEstimated: 'reach_estimated',
  frequency7d: 'frequency_7d',
  isActive: 'is_active',
  budgetOwner: 'budget_owner',
  shareOfParentSpend: 'share_of_parent_spend',
  shareOfParentLeads: 'share_of_parent_leads',
  performanceVsSiblings: 'performance_vs_siblings',
  siblingsCpl7d: 'siblings_cpl_7d',
  siblingsWithLeads7d: 'siblings_with_leads_7d',
  audienceOverlapScore: 'audience_overlap_score',
  creativeFatigueScore: 'creative_fatigue_score',
} as const satisfies Record<keyof EntityFeatures, string>

export type FeatureName = (typeof FEATURE_NAMES)[keyof EntityFeatures]

/** Features under those names, e.g. `{ spend_7d: 70, cpl_7d: null }`. */
export type NamedFeatures = {
  readonly [K in keyof EntityFeatures as (typeof FEATURE_NAMES)[K]]: EntityFeatures[K]
}

const ENTRIES = Object.entries(FEATURE_NAMES) as readonly (readonly [keyof EntityFeatures, FeatureName])[]

export const toNamed = (features: EntityFeatures): NamedFeatures =>
  Object.fromEntries(ENTRIES.map(([key, name]) => [name, features[key]])) as unknown as NamedFeatures

export const fromNamed = (named: NamedFeatures): EntityFeatures =>
  Object.fromEntries(ENTRIES.map(([key, name]) => [key, named[name]])) as unknown as EntityFeatures
