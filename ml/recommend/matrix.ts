/**
 * What to do about an entity: a table of rules over its week (ads-domain section 6). A number that is not known
 * fails the condition it stands in.
 */
import poissonCdf from '@stdlib/stats-base-dists-poisson-cdf'
import type { FeatureLevel } from '../features/compute-features.ts'
import type { AccountReference, EntityFeatures } from '../features/entity-features.ts'
import type { Tier } from '../classify/tier.ts'
import { asDecimal } from '../ratios.ts'

/** In the order of the table, which breaks ties. */
export const RECOMMENDATION_TYPES = [
  'SCALE_UP',
  'BUDGET_DECREASE',
  'PAUSE',
  'BUDGET_INCREASE',
  'REACTIVATE',
  'AUDIENCE_REVIEW',
  'AUDIENCE_EXPANSION',
  'AUDIENCE_NARROWING',
  'CREATIVE_REFRESH',
  'CREATIVE_TEST',
  'CREATIVE_WINNER',
] as const
export type RecommendationType = (typeof RECOMMENDATION_TYPES)[number]

export const RULES = [
  'scale_up',
  'budget_decrease',
  'no_leads',
  'worse_than_siblings',
  'high_cpl',
  'underperformer',
  'budget_increase',
  'reactivate',
  'audience_review',
  'audience_expansion',
  'audience_narrowing',
  'creative_refresh',
  'creative_test',
  'creative_winner',
] as const
export type Rule = (typeof RULES)[number]

/** What the rules see of an entity. */
export interface Situation {
  readonly level: FeatureLevel
  readonly features: EntityFeatures
  readonly reference: AccountReference
  readonly tier: Tier | null
  /** 0 without a tier. */
  readonly daysInTier: number
}

export interface Candidate {
  readonly type: RecommendationType
  readonly rule: Rule
  /** 1 to 10, 10 first. */
  readonly priority: number
  readonly confidence: number
  readonly action: string
  /** Of the daily budget, in percent; null where the budget stays. */
  readonly changePct: number | null
  /** Leads a week more or less, and cost per lead, as far as the rule says. */
  readonly expected: { readonly leads: number | null; readonly cpl: number | null }
  /** How long it stands. */
  readonly days: number
  /** The numbers that led to it, and what they were held against. */
  readonly inputs: Readonly<Record<string, number | string | null>>
  readonly thresholds: Readonly<Record<string, number>>
}

/** Of a new entity nothing can be said yet. */
const MIN_DAYS_ACTIVE = 3
const SIGNIFICANT = 0.05

interface Context extends Situation {
  /** cpl_7d / the account's. */
  readonly r: number | null
}

type Draft = Omit<Candidate, 'rule' | 'changePct' | 'expected'> &
  Partial<Pick<Candidate, 'changePct' | 'expected'>>

interface RuleRow {
  readonly rule: Rule
  readonly levels: readonly FeatureLevel[]
  readonly propose: (context: Context) => Draft | null
}

const EVERY: readonly FeatureLevel[] = ['campaign', 'adset', 'ad']
const BUDGETED: readonly FeatureLevel[] = ['campaign', 'adset']

const known = (value: number | null): value is number => value !== null && Number.isFinite(value)
const atMost = (value: number | null, limit: number): value is number => known(value) && value <= limit
const atLeast = (value: number | null, limit: number): value is number => known(value) && value >= limit
const above = (value: number | null, limit: number): value is number => known(value) && value > limit
const below = (value: number | null, limit: number): value is number => known(value) && value < limit

const ratio = (value: number | null, base: number | null): number | null =>
  known(value) && known(base) && base > 0 ? asDecimal(value / base) : null

/** The quotients among the features, as the decimals they stand for: a limit that is met exactly is met. */
const exact = (features: EntityFeatures): EntityFeatures => {
  const decimal = (value: number | null): number | null => (value === null ? null : asDecimal(value))
  return {
    ...features,
    cplTrend: decimal(features.cplTrend),
    ctrTrend: decimal(features.ctrTrend),
    leadsTrend: asDecimal(features.leadsTrend),
    frequency7d: decimal(features.frequency7d),
    performanceVsSiblings: decimal(features.performanceVsSiblings),
    shareOfParentSpend: decimal(features.shareOfParentSpend),
  }
}

/** Leads a week more when the budget grows by `pct` percent; `yieldOf` of what proportion would bring. */
const leadsMore = (leads: number, pct: number, yieldOf: number): number =>
  // The product of decimals may fall a hair below a whole number.
  Math.floor((leads * pct * yieldOf) / 100 + 1e-9)

const pause = (priority: number, inputs: Draft['inputs'], thresholds: Draft['thresholds']): Draft => ({
  type: 'PAUSE',
  priority,
  confidence: 0.7,
  action: 'PAUSED',
  days: 3,
  inputs,
  thresholds,
})

const TABLE: readonly RuleRow[] = [
  {
    rule: 'scale_up',
    levels: EVERY,
    propose: ({ r, features: f, reference }) => {
      if (!atMost(r, 0.7) || f.leads7d < 3 || f.daysWithLeads7d < 4) return null
      if (f.cplTrend !== null && !(f.cplTrend <= 10)) return null
      const [priority, confidence, changePct] =
        r <= 0.5 ? [9, 0.9, 100] : r <= 0.6 ? [8, 0.85, 75] : [7, 0.8, 50]
      return {
        type: 'SCALE_UP',
        priority,
        confidence,
        action: 'daily_budget',
        changePct,
        expected: {
          leads: leadsMore(f.leads7d, changePct, 0.8),
          cpl: f.cpl7d === null ? null : f.cpl7d * 1.1,
        },
        days: 7,
        inputs: {
          cpl_7d: f.cpl7d,
          avg_cpl: reference.avgCpl,
          leads_7d: f.leads7d,
          days_with_leads_7d: f.daysWithLeads7d,
          cpl_trend: f.cplTrend,
        },
        thresholds: { cpl_ratio: 0.7, leads_7d: 3, days_with_leads_7d: 4, cpl_trend: 10 },
      }
    },
  },
  {
    rule: 'budget_decrease',
    levels: BUDGETED,
    propose: ({ r, features: f, reference }) => {
      if (f.spend7d < 50 || !atLeast(r, 1.5) || !above(f.cplTrend, 0)) return null
      const [priority, confidence, changePct] = r >= 2 ? [8, 0.85, -50] : [6, 0.75, -30]
      return {
        type: 'BUDGET_DECREASE',
        priority,
        confidence,
        action: 'daily_budget',
        changePct,
        days: 5,
        inputs: {
          cpl_7d: f.cpl7d,
          avg_cpl: reference.avgCpl,
          spend_7d: f.spend7d,
          cpl_trend: f.cplTrend,
        },
        thresholds: { cpl_ratio: 1.5, spend_7d: 50, cpl_trend: 0 },
      }
    },
  },
  {
    rule: 'no_leads',
    levels: EVERY,
    propose: ({ features: f }) =>
      f.leads7d === 0 && f.spend7d > 100
        ? pause(7, { spend_7d: f.spend7d, leads_7d: f.leads7d }, { spend_7d: 100 })
        : null,
  },
  {
    rule: 'worse_than_siblings',
    levels: ['adset', 'ad'],
    propose: ({ features: f }) => {
      if (!atMost(f.performanceVsSiblings, -0.5) || f.siblingsWithLeads7d < 2 || f.daysActive < 7) return null
      if (!above(f.siblingsCpl7d, 0)) return null
      const chance = poissonCdf(f.leads7d, f.spend7d / f.siblingsCpl7d)
      if (!(chance <= SIGNIFICANT)) return null
      return pause(
        6,
        {
          cpl_7d: f.cpl7d,
          spend_7d: f.spend7d,
          leads_7d: f.leads7d,
          siblings_cpl_7d: f.siblingsCpl7d,
          siblings_with_leads_7d: f.siblingsWithLeads7d,
          performance_vs_siblings: f.performanceVsSiblings,
          chance,
        },
        { performance_vs_siblings: -0.5, siblings_with_leads_7d: 2, days_active: 7, chance: SIGNIFICANT },
      )
    },
  },
  {
    rule: 'high_cpl',
    levels: EVERY,
    propose: ({ r, features: f, reference }) =>
      atLeast(r, 2.5) && f.daysActive >= 7
        ? pause(
            6,
            { cpl_7d: f.cpl7d, avg_cpl: reference.avgCpl, days_active: f.daysActive },
            { cpl_ratio: 2.5, days_active: 7 },
          )
        : null,
  },
  {
    rule: 'underperformer',
    levels: EVERY,
    propose: ({ tier, daysInTier, features: f, reference }) =>
      tier === 'UNDERPERFORMER' && daysInTier >= 7
        ? pause(
            5,
            { tier, days_in_tier: daysInTier, cpl_7d: f.cpl7d, avg_cpl: reference.avgCpl },
            { days_in_tier: 7 },
          )
        : null,
  },
  {
    rule: 'budget_increase',
    levels: BUDGETED,
    propose: ({ r, features: f, reference }) => {
      if (!atLeast(r, 0.7) || r > 1 || f.leads7d < 2 || f.daysWithLeads7d < 3) return null
      if (!known(f.cplTrend) || Math.abs(f.cplTrend) > 15) return null
      const changePct = r <= 0.85 ? 25 : 15
      return {
        type: 'BUDGET_INCREASE',
        priority: 4,
        confidence: 0.7,
        action: 'daily_budget',
        changePct,
        expected: { leads: leadsMore(f.leads7d, changePct, 0.9), cpl: null },
        days: 7,
        inputs: {
          cpl_7d: f.cpl7d,
          avg_cpl: reference.avgCpl,
          leads_7d: f.leads7d,
          days_with_leads_7d: f.daysWithLeads7d,
          cpl_trend: f.cplTrend,
        },
        thresholds: { cpl_ratio: 1, leads_7d: 2, days_with_leads_7d: 3, cpl_trend: 15 },
      }
    },
  },
  {
    rule: 'reactivate',
    levels: EVERY,
    propose: ({ features: f, reference }) =>
      !f.isActive && atMost(ratio(f.cpl30d, reference.avgCpl), 1.1) && f.leads30d >= 5
        ? {
            type: 'REACTIVATE',
            priority: 3,
            confidence: 0.6,
            action: 'ACTIVE',
            days: 14,
            inputs: { cpl_30d: f.cpl30d, avg_cpl: reference.avgCpl, leads_30d: f.leads30d },
            thresholds: { cpl_ratio: 1.1, leads_30d: 5 },
          }
        : null,
  },
  {
    rule: 'audience_review',
    levels: ['adset'],
    propose: ({ features: f }) =>
      f.leads7d >= 2 && above(f.cplTrend, 20) && f.leadsTrend < -15 && atLeast(f.ctrTrend, -5)
        ? {
            type: 'AUDIENCE_REVIEW',
            priority: 5,
            confidence: 0.7,
            action: 'review_targeting',
            days: 7,
            inputs: {
              leads_7d: f.leads7d,
              cpl_trend: f.cplTrend,
              leads_trend: f.leadsTrend,
              ctr_trend: f.ctrTrend,
            },
            thresholds: { leads_7d: 2, cpl_trend: 20, leads_trend: -15, ctr_trend: -5 },
          }
        : null,
  },
  {
    rule: 'audience_expansion',
    levels: ['adset'],
    propose: ({ r, features: f, reference }) =>
      atMost(r, 0.9) && f.leads7d >= 1 && f.leads7d <= 5 && below(f.shareOfParentSpend, 0.3)
        ? {
            type: 'AUDIENCE_EXPANSION',
            priority: 5,
            confidence: 0.7,
            action: 'expand_audience',
            days: 7,
            inputs: {
              cpl_7d: f.cpl7d,
              avg_cpl: reference.avgCpl,
              leads_7d: f.leads7d,
              share_of_parent_spend: f.shareOfParentSpend,
            },
            thresholds: { cpl_ratio: 0.9, leads_7d: 5, share_of_parent_spend: 0.3 },
          }
        : null,
  },
  {
    rule: 'audience_narrowing',
    levels: ['adset'],
    propose: ({ r, features: f, reference }) =>
      atLeast(r, 1.3) &&
      known(reference.avgCtr) &&
      atLeast(f.ctr7d, reference.avgCtr) &&
      known(reference.avgConversionRate) &&
      below(f.conversionRate7d, 0.7 * reference.avgConversionRate)
        ? {
            type: 'AUDIENCE_NARROWING',
            priority: 5,
            confidence: 0.7,
            action: 'narrow_audience',
            days: 7,
            inputs: {
              cpl_7d: f.cpl7d,
              avg_cpl: reference.avgCpl,
              ctr_7d: f.ctr7d,
              avg_ctr: reference.avgCtr,
              conversion_rate_7d: f.conversionRate7d,
              avg_conversion_rate: reference.avgConversionRate,
            },
            thresholds: { cpl_ratio: 1.3, ctr_ratio: 1, conversion_ratio: 0.7 },
          }
        : null,
  },
  {
    rule: 'creative_refresh',
    levels: ['ad'],
    propose: ({ features: f }) => {
      const fewerClicks = below(f.ctrTrend, -10)
      const dearer = above(f.cplTrend, 15)
      if (!atLeast(f.frequency7d, 3) || (!fewerClicks && !dearer)) return null
      return {
        type: 'CREATIVE_REFRESH',
        priority: fewerClicks && dearer ? 6 : 5,
        confidence: 0.75,
        action: 'create_new_creatives',
        days: 7,
        inputs: { frequency_7d: f.frequency7d, ctr_trend: f.ctrTrend, cpl_trend: f.cplTrend },
        thresholds: { frequency_7d: 3, ctr_trend: -10, cpl_trend: 15 },
      }
    },
  },
  {
    rule: 'creative_test',
    levels: ['ad'],
    propose: ({ r, features: f, reference }) =>
      atLeast(r, 0.9) && r <= 1.2 && f.impressions7d >= 1000 && above(f.cplStd7d, 0)
        ? {
            type: 'CREATIVE_TEST',
            priority: 4,
            confidence: 0.65,
            action: 'create_variations',
            days: 7,
            inputs: {
              cpl_7d: f.cpl7d,
              avg_cpl: reference.avgCpl,
              impressions_7d: f.impressions7d,
              cpl_std_7d: f.cplStd7d,
            },
            thresholds: { cpl_ratio_from: 0.9, cpl_ratio_to: 1.2, impressions_7d: 1000, cpl_std_7d: 0 },
          }
        : null,
  },
  {
    rule: 'creative_winner',
    levels: ['ad'],
    propose: ({ features: f }) =>
      atLeast(f.performanceVsSiblings, 0.3) && f.leads7d >= 3 && known(f.cpl7d) && known(f.siblingsCpl7d)
        ? {
            type: 'CREATIVE_WINNER',
            priority: 7,
            confidence: 0.8,
            action: 'scale_winner',
            days: 7,
            inputs: {
              cpl_7d: f.cpl7d,
              siblings_cpl_7d: f.siblingsCpl7d,
              performance_vs_siblings: f.performanceVsSiblings,
              leads_7d: f.leads7d,
            },
            thresholds: { performance_vs_siblings: 0.3, leads_7d: 3 },
          }
        : null,
  },
]

/**
 * Everything the table says about an entity, in its order, before conflicts are settled. Under CBO an ad set's
 * budget is not its own, so it gets no BUDGET_*.
 */
export const candidatesFor = (situation: Situation): readonly Candidate[] => {
  const { level, features, reference } = situation
  if (features.daysActive < MIN_DAYS_ACTIVE) return []
  const context: Context = {
    ...situation,
    features: exact(features),
    r: ratio(features.cpl7d, reference.avgCpl),
  }
  const budgetElsewhere = level === 'adset' && features.budgetOwner === 'campaign'
  return TABLE.flatMap(({ rule, levels, propose }) => {
    if (!levels.includes(level)) return []
    if (!features.isActive && rule !== 'reactivate') return []
    const draft = propose(context)
    if (!draft || (budgetElsewhere && draft.type.startsWith('BUDGET_'))) return []
    return [{ changePct: null, expected: { leads: null, cpl: null }, ...draft, rule }]
  })
}
