/**
 * Tiers by a table of rules (ads-domain section 5): the cost per lead of 7 days against the account's, how
 * steadily leads come, and where the cost is heading.
 */
import type { AccountReference, EntityFeatures } from '../features/entity-features.ts'
import { asDecimal } from '../ratios.ts'
import { TIERS } from './tier.ts'
import type { Classified, Tier } from './tier.ts'

export const RULES_VERSION = 'rules@1'

/** Account currency: what may be spent without a lead before that says something. */
const SPEND_WITHOUT_LEADS = 50
const FALLING_BACK = 20
const COMING_ON = -15
/** What a shift by the trend costs in confidence. */
const SHIFTED = 0.9

/** Too little to say anything: no leads, and not much spent on none. */
export const saysNothing = ({ leads7d, spend7d }: EntityFeatures): boolean =>
  leads7d === 0 && spend7d <= SPEND_WITHOUT_LEADS

/** `confidence` on `tier`, the rest in equal parts on the others. */
export const spread = (tier: Tier, confidence: number): Classified => {
  const rest = (1 - confidence) / (TIERS.length - 1)
  const probabilities = Object.fromEntries(
    TIERS.map((one) => [one, one === tier ? confidence : rest]),
  ) as Record<Tier, number>
  return { tier, confidence, probabilities }
}

/** The table without the shift by the trend; null where it has nothing to say. */
export const tierOfTable = (
  features: Pick<EntityFeatures, 'leads7d' | 'spend7d' | 'cpl7d' | 'daysWithLeads7d'>,
  avgCpl: number | null,
): { readonly tier: Tier; readonly confidence: number } | null => {
  const { leads7d, spend7d, cpl7d, daysWithLeads7d } = features
  if (leads7d === 0) {
    return spend7d > SPEND_WITHOUT_LEADS ? { tier: 'UNDERPERFORMER', confidence: 0.9 } : null
  }
  // The account's cost is null or 0 only when nothing was paid for leads; nobody is dearer than that average.
  const ratio = cpl7d === null || avgCpl === null || avgCpl === 0 ? 1 : asDecimal(cpl7d / avgCpl)
  if (ratio <= 0.7 && daysWithLeads7d >= 4) return { tier: 'HIGH_PERFORMER', confidence: 0.85 }
  if (ratio <= 1 && leads7d >= 2) return { tier: 'MODERATE', confidence: 0.75 }
  if (ratio <= 1.5) return { tier: 'LOW', confidence: 0.7 }
  return { tier: 'UNDERPERFORMER', confidence: 0.7 }
}

/** @returns null for an entity that says nothing */
export const classifyByRules = (
  features: EntityFeatures,
  { avgCpl }: AccountReference,
): Classified | null => {
  const found = tierOfTable(features, avgCpl)
  if (found === null) return null
  const trend = asDecimal(features.cplTrend ?? 0)
  const step = trend > FALLING_BACK ? -1 : trend < COMING_ON ? 1 : 0
  const from = TIERS.indexOf(found.tier)
  const to = Math.min(TIERS.length - 1, Math.max(0, from + step))
  const tier = TIERS[to] ?? found.tier
  return spread(tier, to === from ? found.confidence : found.confidence * SHIFTED)
}
