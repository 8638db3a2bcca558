/** What is known of how an entity does on a day D, beyond the day itself (ads-domain section 4). */

/** Who holds the budget: the campaign (CBO) or its ad sets (ABO). */
export type BudgetOwner = 'campaign' | 'adset'

/**
 * Features of one entity on one day. `7d` is [D-6, D], `14d` [D-13, D], `30d` [D-29, D]; the trends compare
 * with [D-13, D-7]. Money in account currency, ctr and conversion rates in percent, trends in percent within
 * -/+100; null where a denominator is 0 or too little is known.
 */
export interface EntityFeatures {
  readonly spend7d: number
  readonly impressions7d: number
  readonly clicks7d: number
  readonly leads7d: number
  readonly cpl7d: number | null
  readonly cpc7d: number | null
  readonly ctr7d: number | null
  readonly conversionRate7d: number | null
  readonly spendTrend: number
  readonly leadsTrend: number
  readonly cplTrend: number | null
  readonly ctrTrend: number | null
  readonly leads14d: number
  readonly cpl14d: number | null
  readonly spend30d: number
  readonly leads30d: number
  readonly cpl30d: number | null
  /** Per densified day of [D-29, D]; null without any. */
  readonly avgDailySpend30d: number | null
  /** Sample deviation of the cost per lead over the days of 7 that had leads. */
  readonly cplStd7d: number | null
  readonly leadsStd7d: number | null
  readonly daysWithLeads7d: number
  /** Days of [D-29, D] with impressions. */
  readonly daysActive: number
  readonly reach7d: number | null
  /** Whether `reach7d` is a sum of days, because the source delivered no window. */
  readonly reachEstimated: boolean
  readonly frequency7d: number | null
  readonly isActive: boolean
  readonly budgetOwner: BudgetOwner | null
  /** Fractions of the parent's 7 days; null on campaigns and where the parent has none. */
  readonly shareOfParentSpend: number | null
  readonly shareOfParentLeads: number | null
  /** -1 (far worse) to 1; null on campaigns and where nothing can be compared. */
  readonly performanceVsSiblings: number | null
  /** S: the siblings' pooled spend / leads of 7 days; null on campaigns and where they had no leads. */
  readonly siblingsCpl7d: number | null
  /** Siblings that had leads in the 7 days; 0 on campaigns. */
  readonly siblingsWithLeads7d: number
  /** 0..1, ad sets only. */
  readonly audienceOverlapScore: number | null
  /** 0..1, ads only. */
  readonly creativeFatigueScore: number | null
}

/** Sums of [D-13, D] over all campaigns of the account as ratios; null where a denominator is 0. */
export interface AccountReference {
  readonly avgCpl: number | null
  /** Percent. */
  readonly avgCtr: number | null
  /** Percent. */
  readonly avgConversionRate: number | null
}
