/**
 * Advice on a config's entities: made from a day's features and tiers, listed, applied or dismissed by people,
 * and looked at again a week after it was applied. Nothing is sent to the advertising platform.
 */
import { candidatesFor } from '../../ml/recommend/matrix.ts'
import type { Candidate } from '../../ml/recommend/matrix.ts'
import { settle } from '../../ml/recommend/conflicts.ts'
import type { Ranked } from '../../ml/recommend/conflicts.ts'
import { sentenceOf, titleOf } from '../../ml/recommend/sentences.ts'
import type { Clock } from '../core/clock.ts'
import { toDayNumber } from '../core/days.ts'
import type { LocalDate } from '../core/days.ts'
import type { Level } from '../core/entity.ts'
import { AppError } from '../core/errors.ts'
import type { Page, PageRequest } from '../core/page.ts'
import type { WorkContext, WorkOutcome } from '../core/work.ts'
import type { Configs } from '../entities/configs.ts'
import type { FeatureReader, FeatureRow } from '../features/feature-store.ts'
import type { StepPayload } from '../jobs/step.ts'
import { outcomeOf } from './outcome.ts'
import { RecommendationDraft } from './recommendations.ts'
import type {
  AdviceChanges,
  BudgetTree,
  Decision,
  EntityTier,
  KnownAdvice,
  RecommendationFilter,
  RecommendationRow,
  RecommendationStore,
  SuggestedAction,
} from './recommendations.ts'

const DAY_MS = 86_400_000
const COOL_DOWN_DAYS = { dismissed: 14, applied: 7 } as const

export interface RecommendationService {
  /** Makes and renews the advice of a level by the features and tiers of the payload's day. */
  recommendLevel(level: Level, payload: StepPayload, context: WorkContext): Promise<WorkOutcome>
  list(filter: RecommendationFilter, page: PageRequest): Promise<Page<RecommendationRow>>
  /** @throws AppError NOT_FOUND */
  get(id: number): Promise<RecommendationRow>
  /** @throws AppError NOT_FOUND; CONFLICT unless it is active */
  apply(id: number, decision: Omit<Decision, 'at'>): Promise<RecommendationRow>
  /** @throws AppError NOT_FOUND; CONFLICT unless it is active */
  dismiss(id: number, decision: Omit<Decision, 'at'>): Promise<RecommendationRow>
}

export interface RecommendationParts {
  readonly clock: Clock
  readonly store: RecommendationStore
  readonly features: Pick<FeatureReader, 'ofLevel' | 'accountReference'>
  readonly configs: Pick<Configs, 'get'>
}

type Target = SuggestedAction['target'] & { readonly unknown: boolean }

/** Whose budget, status, audience or creative is meant. */
const targetOf = (level: Level, row: FeatureRow, candidate: Candidate, tree: BudgetTree): Target => {
  const itself = { entity_type: level, entity_ids: [row.entityId], unknown: false }
  if (candidate.changePct === null) return itself
  const owner = row.features.budgetOwner
  const adset = (id: string): Target => ({ entity_type: 'adset', entity_ids: [id], unknown: false })
  const campaign = (id: string): Target => ({ entity_type: 'campaign', entity_ids: [id], unknown: false })
  if (level === 'campaign') {
    if (owner === null) return { ...itself, unknown: true }
    if (owner === 'campaign') return itself
    return { ...itself, entity_type: 'adset', entity_ids: [...(tree.activeAdsets.get(row.entityId) ?? [])] }
  }
  const adsetId = level === 'adset' ? row.entityId : (row.parentId ?? '')
  if (owner === null) return { ...adset(adsetId), unknown: true }
  if (owner === 'adset') return adset(adsetId)
  return campaign(tree.campaignOfAdset.get(adsetId) ?? '')
}

const actionOf = (level: Level, row: FeatureRow, candidate: Candidate, tree: BudgetTree): SuggestedAction => {
  const { unknown, ...target } = targetOf(level, row, candidate, tree)
  const { action, changePct, expected } = candidate
  const budgets = target.entity_ids.map((id) => tree.dailyBudgets.get(`${target.entity_type} ${id}`))
  const current =
    changePct === null || budgets.length === 0 || budgets.includes(undefined)
      ? null
      : budgets.reduce<number>((sum, budget) => sum + (budget ?? 0), 0)
  return {
    action,
    target,
    change_pct: changePct,
    current_daily_budget: current,
    suggested_daily_budget:
      current === null || changePct === null ? null : Math.round(current * (100 + changePct)) / 100,
    expected: { ...expected },
    budget_unknown: unknown,
  }
}

const draftOf = (
  level: Level,
  row: FeatureRow,
  candidate: Candidate,
  tree: BudgetTree,
  currency: string,
): RecommendationDraft =>
  RecommendationDraft.parse({
    entityType: level,
    entityId: row.entityId,
    parentId: row.parentId,
    type: candidate.type,
    rule: candidate.rule,
    priority: candidate.priority,
    confidence: candidate.confidence,
    title: titleOf(candidate),
    suggestedAction: actionOf(level, row, candidate, tree),
    reasoning: {
      rule: candidate.rule,
      inputs: { ...candidate.inputs },
      thresholds: { ...candidate.thresholds },
      sentence: sentenceOf(candidate, currency),
    },
    days: candidate.days,
  } satisfies RecommendationDraft)

const cools = (known: KnownAdvice, asOf: Date): boolean => {
  if (known.status === 'active' || known.actedAt === null) return false
  return asOf.getTime() - known.actedAt.getTime() < COOL_DOWN_DAYS[known.status] * DAY_MS
}

/** What a run does to the advice of one entity. */
interface EntityPlan {
  readonly expired: readonly number[]
  readonly superseded: readonly number[]
  readonly added: readonly Candidate[]
  readonly renewed: readonly { readonly id: number; readonly candidate: Candidate }[]
}

/**
 * Active advice stays as it is until it expires; with `force` it is made anew, and what is no longer true
 * expires. What is active and what is new settle their conflicts together.
 */
export const planEntity = (
  candidates: readonly Candidate[],
  known: readonly KnownAdvice[],
  asOf: Date,
  force: boolean,
): EntityPlan => {
  const expired: number[] = []
  const standing: KnownAdvice[] = []
  for (const one of known) {
    if (one.status !== 'active') continue
    const untrue = force && !candidates.some(({ type }) => type === one.type)
    if (one.expiresAt.getTime() <= asOf.getTime() || untrue) expired.push(one.id)
    else standing.push(one)
  }
  const cooling = new Set(known.filter((one) => cools(one, asOf)).map(({ type }) => type))
  const fresh = candidates.filter(
    ({ type }) => !cooling.has(type) && !standing.some((one) => one.type === type),
  )
  // Of several reasons for the same advice the table's best speaks.
  const today = new Map(
    standing.flatMap(({ type }) => {
      const [best] = settle(candidates.filter((candidate) => candidate.type === type))
      return best ? [[type, best] as const] : []
    }),
  )
  // What stands is not weaker than what would be said today: else the next run would take back what beat it.
  const rankOf = (one: KnownAdvice): Ranked => {
    const best = today.get(one.type)
    if (!best) return one
    return force ? best : (settle<Ranked>([one, best])[0] ?? best)
  }
  const contenders = [
    ...standing.map((one) => ({ ...rankOf(one), id: one.id, candidate: null })),
    ...fresh.map((candidate) => ({ ...candidate, id: null, candidate })),
  ]
  const kept = new Set(settle(contenders))
  return {
    expired,
    superseded: contenders.flatMap((one) => (one.id !== null && !kept.has(one) ? [one.id] : [])),
    added: contenders.flatMap((one) => (one.candidate && kept.has(one) ? [one.candidate] : [])),
    renewed: contenders.flatMap((one) => {
      const candidate = force && kept.has(one) ? today.get(one.type) : undefined
      return one.id !== null && candidate ? [{ id: one.id, candidate }] : []
    }),
  }
}

const daysInTier = (tier: EntityTier | undefined, day: LocalDate): number =>
  tier ? toDayNumber(day) - toDayNumber(tier.since) + 1 : 0

export const createRecommendation = (parts: RecommendationParts): RecommendationService => {
  const { clock, store, features, configs } = parts
  const get = async (id: number): Promise<RecommendationRow> => {
    const row = await store.find(id, clock.now())
    if (!row) {
      throw new AppError(
        'NOT_FOUND',
        `there is no recommendation ${id}; list them with GET /api/v1/ml/recommendations`,
      )
    }
    return row
  }
  const decide =
    (status: 'applied' | 'dismissed') =>
    async (id: number, decision: Omit<Decision, 'at'>): Promise<RecommendationRow> => {
      const moved = await store.decide(id, status, { ...decision, at: clock.now() })
      const row = await get(id)
      if (!moved) {
        throw new AppError(
          'CONFLICT',
          `recommendation ${id} is ${row.status}; only an active one can be ${status}`,
        )
      }
      return row
    }
  return {
    recommendLevel: async (level, payload, context) => {
      const { configId, day, entityIds, force } = payload
      const [config, rows, reference, tiers, tree, due] = await Promise.all([
        configs.get(configId),
        features.ofLevel(configId, level, day, entityIds ?? undefined),
        features.accountReference(configId, day),
        store.tiers(configId, level, day),
        store.budgets(configId, day),
        entityIds ? [] : store.dueOutcomes(configId, level, day),
      ])
      context.signal.throwIfAborted()
      const asked = entityIds && new Set(entityIds)
      // Not the clock: a run that starts a second earlier than a week ago would let advice stand a day longer.
      const asOf = new Date(payload.asOf)
      const outcomes = due.map((windows) => ({ id: windows.id, outcome: outcomeOf(windows, day) }))

      const plan = (known: readonly KnownAdvice[]): AdviceChanges => {
        const knownOf = new Map<string, KnownAdvice[]>()
        for (const one of known) {
          const own = knownOf.get(one.entityId)
          if (own) own.push(one)
          else knownOf.set(one.entityId, [one])
        }
        const featuresOf = new Map(rows.map((row) => [row.entityId, row]))
        const expired: number[] = []
        const superseded: number[] = []
        const added: RecommendationDraft[] = []
        const renewed: { id: number; draft: RecommendationDraft }[] = []
        // Entities that left the features still have advice that grows old.
        for (const entityId of new Set([...featuresOf.keys(), ...knownOf.keys()])) {
          if (asked && !asked.has(entityId)) continue
          const row = featuresOf.get(entityId)
          const tier = tiers.get(entityId)
          const candidates = row
            ? candidatesFor({
                level,
                features: row.features,
                reference,
                tier: tier?.tier ?? null,
                daysInTier: daysInTier(tier, day),
              })
            : []
          const own = planEntity(candidates, knownOf.get(entityId) ?? [], asOf, force && row !== undefined)
          expired.push(...own.expired)
          superseded.push(...own.superseded)
          if (!row) continue
          const draft = (candidate: Candidate) => draftOf(level, row, candidate, tree, config.currency)
          added.push(...own.added.map(draft))
          renewed.push(...own.renewed.map(({ id, candidate }) => ({ id, draft: draft(candidate) })))
        }
        return { expired, superseded, added, renewed, outcomes }
      }

      const decidedSince = new Date(asOf.getTime() - COOL_DOWN_DAYS.dismissed * DAY_MS)
      const changes = await store.revise(context.fence, { configId, level, day, asOf, decidedSince }, plan)
      const unknown = asked ? asked.size - rows.length : 0
      return {
        status: 'succeeded',
        counts: { done: rows.length, skipped: unknown, failed: 0 },
        reasons: unknown > 0 ? { no_data: unknown } : {},
        result: {
          day,
          watermark: payload.watermark,
          added: changes.added.length,
          renewed: changes.renewed.length,
          expired: changes.expired.length,
          superseded: changes.superseded.length,
          outcomes: outcomes.length,
        },
      }
    },
    list: (filter, page) => store.list(filter, page, clock.now()),
    get,
    apply: decide('applied'),
    dismiss: decide('dismissed'),
  }
}
