/** An entity among the children of its parent (ads-domain section 4). */
import type { EntityFeatures } from './entity-features.ts'
import { clamp, fromCents, toCents } from './windows.ts'

/** Of the 7 days. */
export interface Delivered {
  readonly spend: number
  readonly leads: number
}

/** What all children of a parent add up to. */
export interface Family {
  readonly cents: number
  readonly leads: number
  /** Children that had leads. */
  readonly withLeads: number
}

export const NO_FAMILY: Family = { cents: 0, leads: 0, withLeads: 0 }

export const withChild = (family: Family, { spend, leads }: Delivered): Family => ({
  cents: family.cents + toCents(spend),
  leads: family.leads + leads,
  withLeads: family.withLeads + (leads > 0 ? 1 : 0),
})

export type SiblingFeatures = Pick<
  EntityFeatures,
  | 'shareOfParentSpend'
  | 'shareOfParentLeads'
  | 'performanceVsSiblings'
  | 'siblingsCpl7d'
  | 'siblingsWithLeads7d'
>

/** Of campaigns, which have no parent. */
export const WITHOUT_SIBLINGS: SiblingFeatures = {
  shareOfParentSpend: null,
  shareOfParentLeads: null,
  performanceVsSiblings: null,
  siblingsCpl7d: null,
  siblingsWithLeads7d: 0,
}

/**
 * How much less a lead costs than at the siblings, as a fraction of theirs. Money without a lead counts as if
 * the next lead cost as much more as the siblings'.
 */
const performance = ({ spend, leads }: Delivered, siblingsCpl: number | null): number | null => {
  // Leads that cost nothing are no measure.
  if (siblingsCpl === null || siblingsCpl === 0 || spend === 0) return null
  const own = leads > 0 ? spend / leads : spend + siblingsCpl
  return clamp((siblingsCpl - own) / siblingsCpl, -1, 1)
}

/** @param family all children of the parent, `own` among them */
export const siblingFeatures = (own: Delivered, family: Family): SiblingFeatures => {
  const cents = toCents(own.spend)
  const leads = family.leads - own.leads
  const siblingsCpl7d = leads > 0 ? fromCents(family.cents - cents) / leads : null
  return {
    shareOfParentSpend: family.cents > 0 ? cents / family.cents : null,
    shareOfParentLeads: family.leads > 0 ? own.leads / family.leads : null,
    performanceVsSiblings: performance(own, siblingsCpl7d),
    siblingsCpl7d,
    siblingsWithLeads7d: family.withLeads - (own.leads > 0 ? 1 : 0),
  }
}
