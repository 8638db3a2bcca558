/** Advice as it is remembered: what stands, what people made of it, and what came of that. */
import { z } from 'zod'
import { RECOMMENDATION_TYPES, RULES } from '../../ml/recommend/matrix.ts'
import type { RecommendationType, Rule } from '../../ml/recommend/matrix.ts'
import type { Tier } from '../../ml/classify/tier.ts'
import type { LocalDate } from '../core/days.ts'
import { Level } from '../core/entity.ts'
import type { Page, PageRequest } from '../core/page.ts'
import type { Fence } from '../core/work.ts'

export const RECOMMENDATION_STATUSES = ['active', 'applied', 'dismissed', 'expired', 'superseded'] as const
export type RecommendationStatus = (typeof RECOMMENDATION_STATUSES)[number]

export const SuggestedAction = z.object({
  action: z.string(),
  target: z.object({ entity_type: Level, entity_ids: z.array(z.string()) }),
  change_pct: z.number().nullable(),
  /** Of all targets together, where every one is known. */
  current_daily_budget: z.number().nullable(),
  suggested_daily_budget: z.number().nullable(),
  /** Leads a week more, and what one will cost. */
  expected: z.object({ leads: z.number().nullable(), cpl: z.number().nullable() }),
  budget_unknown: z.boolean(),
})
export type SuggestedAction = z.infer<typeof SuggestedAction>

export const Reasoning = z.object({
  rule: z.enum(RULES),
  inputs: z.record(z.string(), z.union([z.number(), z.string(), z.null()])),
  thresholds: z.record(z.string(), z.number()),
  sentence: z.string(),
})
export type Reasoning = z.infer<typeof Reasoning>

/** Audiences belong to ad sets, creatives to ads. */
export const fitsLevel = (type: RecommendationType, level: Level): boolean =>
  type.startsWith('AUDIENCE_') ? level === 'adset' : type.startsWith('CREATIVE_') ? level === 'ad' : true

export const RecommendationDraft = z
  .object({
    entityType: Level,
    entityId: z.string(),
    parentId: z.string().nullable(),
    type: z.enum(RECOMMENDATION_TYPES),
    rule: z.enum(RULES),
    priority: z.int().min(1).max(10),
    confidence: z.number().min(0).max(1),
    title: z.string(),
    suggestedAction: SuggestedAction,
    reasoning: Reasoning,
    /** From the instant of the run. */
    days: z.int().min(1),
  })
  .refine(({ type, entityType }) => fitsLevel(type, entityType), {
    error: 'AUDIENCE_* is for ad sets and CREATIVE_* for ads only',
    path: ['type'],
  })
export type RecommendationDraft = z.infer<typeof RecommendationDraft>

/** What is known of an entity's advice before a run. */
export interface KnownAdvice {
  readonly id: number
  readonly entityId: string
  readonly type: RecommendationType
  readonly rule: Rule
  readonly priority: number
  readonly confidence: number
  readonly status: 'active' | 'applied' | 'dismissed'
  readonly actedAt: Date | null
  readonly expiresAt: Date
}

export interface EntityTier {
  readonly tier: Tier
  readonly since: LocalDate
}

/** Ad sets and budgets of a config: who can be given more or less. */
export interface BudgetTree {
  /** Active ad sets by campaign. */
  readonly activeAdsets: ReadonlyMap<string, readonly string[]>
  readonly campaignOfAdset: ReadonlyMap<string, string>
  /** Daily budgets by `level id`, where set. */
  readonly dailyBudgets: ReadonlyMap<string, number>
}

/** Sums of a week before and a week after advice was applied. */
export interface OutcomeWindows {
  readonly id: number
  readonly own: WeekPair
  /** The entity's siblings together, all 0 without any; null on campaigns. */
  readonly siblings: WeekPair | null
  readonly account: WeekPair
}
export interface WeekPair {
  readonly before: { readonly spend: number; readonly leads: number }
  readonly after: { readonly spend: number; readonly leads: number }
}

export const OUTCOMES = ['improved', 'worsened', 'neutral'] as const
export interface Outcome {
  readonly verdict: (typeof OUTCOMES)[number]
  readonly metric: 'cpl' | 'leads'
  readonly before: number | null
  readonly after: number | null
  /** Percent. */
  readonly change_pct: number
  /** Percent: how the siblings, or else the account, moved meanwhile. */
  readonly baseline_pct: number | null
  readonly baseline: 'siblings' | 'account' | null
  readonly evaluated_on: LocalDate
}

/** What a run changes. */
export interface AdviceChanges {
  readonly expired: readonly number[]
  readonly superseded: readonly number[]
  readonly added: readonly RecommendationDraft[]
  /** Active ones with new numbers. */
  readonly renewed: readonly { readonly id: number; readonly draft: RecommendationDraft }[]
  readonly outcomes: readonly { readonly id: number; readonly outcome: Outcome }[]
}

/** A row as it goes over the wire. */
export interface RecommendationRow {
  readonly id: number
  readonly config_id: number
  readonly entity_type: Level
  readonly entity_id: string
  readonly entity_name: string | null
  readonly parent_id: string | null
  readonly type: RecommendationType
  readonly rule: Rule
  readonly priority: number
  readonly confidence: number
  readonly title: string
  readonly suggested_action: SuggestedAction
  readonly reasoning: Reasoning
  readonly status: RecommendationStatus
  readonly recommendation_date: LocalDate
  readonly acted_at: string | null
  readonly actor: string | null
  readonly reason: string | null
  readonly outcome: Outcome | null
  readonly expires_at: string
  readonly created_at: string
  readonly run_id: string | null
}

export interface RecommendationFilter {
  readonly configId: number
  readonly entityType: Level
  readonly entityId?: string
  readonly type?: RecommendationType
  readonly status?: RecommendationStatus
  readonly priorityMin?: number
  /** Inclusive days of the features it was made from. */
  readonly from?: LocalDate
  readonly to?: LocalDate
}

/** Why advice was followed or put aside. */
export const DecisionReason = z.string().trim().min(1, 'must not be empty').max(500)

export interface Decision {
  readonly actor: string
  readonly reason: string | null
  readonly at: Date
}

/** Whose advice a run revises, and by what. */
export interface Revision {
  readonly configId: number
  readonly level: Level
  /** D. */
  readonly day: LocalDate
  /** What the run answers for: the life of what it adds or renews begins here. */
  readonly asOf: Date
  /** Decisions older than this no longer matter. */
  readonly decidedSince: Date
}

/** Advice whose time is over counts as expired at `at`, also where no run has come by to note it. */
export interface RecommendationStore {
  list(filter: RecommendationFilter, page: PageRequest, at: Date): Promise<Page<RecommendationRow>>
  find(id: number, at: Date): Promise<RecommendationRow | null>
  /** Moves an active one; false when it is not active. */
  decide(id: number, status: 'applied' | 'dismissed', decision: Decision): Promise<boolean>
  tiers(configId: number, level: Level, day: LocalDate): Promise<ReadonlyMap<string, EntityTier>>
  /** @param day that ad sets are to be active on */
  budgets(configId: number, day: LocalDate): Promise<BudgetTree>
  /**
   * Applied advice without outcome whose week after ended by `day` with the figures of all its days in, as days
   * of the config's zone.
   */
  dueOutcomes(configId: number, level: Level, day: LocalDate): Promise<readonly OutcomeWindows[]>
  /**
   * Reads what stands or was decided, asks `plan` what to change, and changes it: one transaction, in which runs
   * of the same config and level take turns, so that none plans by what another has changed since.
   * @returns what was changed @throws FenceLost
   */
  revise(
    fence: Fence,
    revision: Revision,
    plan: (known: readonly KnownAdvice[]) => AdviceChanges,
  ): Promise<AdviceChanges>
}
