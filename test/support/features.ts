/** Features of an entity of which nothing is known, with what a test says. */
import type { EntityFeatures } from '../../ml/features/entity-features.ts'

const NOTHING_KNOWN: EntityFeatures = {
  spend7d: 0,
  impressions7d: 0,
  clicks7d: 0,
  leads7d: 0,
  cpl7d: null,
  cpc7d: null,
  ctr7d: null,
  conversionRate7d: null,
  spendTrend: 0,
  leadsTrend: 0,
  cplTrend: null,
  ctrTrend: null,
  leads14d: 0,
  cpl14d: null,
  spend30d: 0,
  leads30d: 0,
  cpl30d: null,
  avgDailySpend30d: null,
  cplStd7d: null,
  leadsStd7d: null,
  daysWithLeads7d: 0,
  daysActive: 0,
  reach7d: null,
  reachEstimated: false,
  frequency7d: null,
  isActive: true,
  budgetOwner: null,
  shareOfParentSpend: null,
  shareOfParentLeads: null,
  performanceVsSiblings: null,
  siblingsCpl7d: null,
  siblingsWithLeads7d: 0,
  audienceOverlapScore: null,
  creativeFatigueScore: null,
}

export const featuresOf = (known: Partial<EntityFeatures> = {}): EntityFeatures => ({
  ...NOTHING_KNOWN,
  ...known,
})
