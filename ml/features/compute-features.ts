/**
 * The features of entities on a day D from their days [D-29, D] (ads-domain section 4). Stages: what each
 * entity's own days say; what the children of a parent add up to; what each is among them.
 */
import {
  densify,
  frameAt,
  isActiveOn,
  lowerBound,
  type DailyFrame,
  type DayNumber,
  type Totals,
} from '../frame.ts'
import { conversionRateOf, cpcOf, cplOf, ctrOf, frequencyOf } from '../ratios.ts'
import { reachWindowAt } from '../reach-window.ts'
import { audienceOverlap, audienceTokens, type Audience } from './audience-overlap.ts'
import { creativeFatigue } from './creative-fatigue.ts'
import type { EntityFeatures } from './entity-features.ts'
import type { FeatureBatch, FeatureHead } from './feature-batch.ts'
import { NO_FAMILY, siblingFeatures, WITHOUT_SIBLINGS, withChild, type Family } from './siblings.ts'
import { sampleStd, trendOf, windowTotals } from './windows.ts'

/** Days features look back, D included. */
export const FEATURE_DAYS = 30
const WEEK = 7
/** Leads each of two windows needs before their costs per lead are compared. */
const TREND_LEADS = 2
/** Days with impressions below which ratios stand on little. */
const SUFFICIENT_DAYS = 7

export type FeatureLevel = 'campaign' | 'adset' | 'ad'

const known = (value: number): number | null => (Number.isNaN(value) ? null : value)

const ratioTrend = (now: number, before: number): number | null =>
  Number.isNaN(now) || Number.isNaN(before) ? null : trendOf(now, before)

type FamilyFeatures = keyof typeof WITHOUT_SIBLINGS | 'audienceOverlapScore'
type OwnFeatures = Omit<EntityFeatures, FamilyFeatures>

const reachOf = (
  frame: DailyFrame,
  delivered: number,
  day: DayNumber,
): Pick<EntityFeatures, 'reach7d' | 'reachEstimated' | 'frequency7d'> => {
  const { impressions, summed } = reachWindowAt(frame, day)
  const reach = Number.isNaN(delivered) ? summed : delivered
  return {
    reach7d: known(reach),
    reachEstimated: Number.isNaN(delivered) && !Number.isNaN(summed),
    frequency7d: known(frequencyOf(impressions, reach)),
  }
}

/** What the 7 days vary. */
const weekOf = (
  frame: DailyFrame,
  day: DayNumber,
): Pick<EntityFeatures, 'cplStd7d' | 'leadsStd7d' | 'daysWithLeads7d'> => {
  const costs: number[] = []
  const leads: number[] = []
  for (let row = lowerBound(frame.days, day - WEEK + 1); row < frame.days.length; row++) {
    const got = frame.leads[row] as number
    leads.push(got)
    if (got > 0) costs.push((frame.spend[row] as number) / got)
  }
  return { cplStd7d: sampleStd(costs), leadsStd7d: sampleStd(leads), daysWithLeads7d: costs.length }
}

const daysWithImpressions = ({ impressions }: DailyFrame): number => {
  let days = 0
  for (const seen of impressions) if (seen > 0) days++
  return days
}

const costTrend = (now: Totals, before: Totals): number | null =>
  now.leads < TREND_LEADS || before.leads < TREND_LEADS
    ? null
    : ratioTrend(cplOf(now.spend, now.leads), cplOf(before.spend, before.leads))

/** @param frame densified, of [D-29, D] */
const ownFeatures = (
  level: FeatureLevel,
  head: FeatureHead,
  frame: DailyFrame,
  day: DayNumber,
): OwnFeatures => {
  const week = windowTotals(frame, day - WEEK + 1, day)
  const weekBefore = windowTotals(frame, day - 2 * WEEK + 1, day - WEEK)
  const fortnight = windowTotals(frame, day - 2 * WEEK + 1, day)
  const month = windowTotals(frame, day - FEATURE_DAYS + 1, day)
  const reach = reachOf(frame, head.reach7, day)
  return {
    spend7d: week.spend,
    impressions7d: week.impressions,
    clicks7d: week.clicks,
    leads7d: week.leads,
    cpl7d: known(cplOf(week.spend, week.leads)),
    cpc7d: known(cpcOf(week.spend, week.clicks)),
    ctr7d: known(ctrOf(week.clicks, week.impressions)),
    conversionRate7d: known(conversionRateOf(week.leads, week.clicks)),
    spendTrend: trendOf(week.spend, weekBefore.spend),
    leadsTrend: trendOf(week.leads, weekBefore.leads),
    cplTrend: costTrend(week, weekBefore),
    ctrTrend: ratioTrend(
      ctrOf(week.clicks, week.impressions),
      ctrOf(weekBefore.clicks, weekBefore.impressions),
    ),
    leads14d: fortnight.leads,
    cpl14d: known(cplOf(fortnight.spend, fortnight.leads)),
    spend30d: month.spend,
    leads30d: month.leads,
    cpl30d: known(cplOf(month.spend, month.leads)),
    avgDailySpend30d: frame.days.length > 0 ? month.spend / frame.days.length : null,
    ...weekOf(frame, day),
    daysActive: daysWithImpressions(frame),
    ...reach,
    isActive: isActiveOn(head.activeRanges, day),
    budgetOwner: head.budgetOwner,
    creativeFatigueScore:
      level === 'ad'
        ? creativeFatigue({ ...week, frequency: reach.frequency7d }, head.firstWeek, day - WEEK + 1)
        : null,
  }
}

/** Frequency of each day of [D-29, D]; NaN where unknown. */
const dailyFrequency = (frame: DailyFrame, day: DayNumber): Float64Array => {
  const frequency = new Float64Array(FEATURE_DAYS).fill(Number.NaN)
  const first = day - FEATURE_DAYS + 1
  frame.days.forEach((one, row) => {
    frequency[one - first] = frequencyOf(frame.impressions[row] as number, frame.reach[row] as number)
  })
  return frequency
}

const groupBy = (
  heads: readonly FeatureHead[],
  keyOf: (head: FeatureHead) => string,
): Map<string, number[]> => {
  const groups = new Map<string, number[]>()
  heads.forEach((head, i) => {
    const members = groups.get(keyOf(head))
    if (members) members.push(i)
    else groups.set(keyOf(head), [i])
  })
  return groups
}

/** Per entity; all null on other levels than ad sets. */
const overlaps = (
  level: FeatureLevel,
  heads: readonly FeatureHead[],
  frames: readonly DailyFrame[],
  own: readonly OwnFeatures[],
  day: DayNumber,
): readonly (number | null)[] => {
  const scores: (number | null)[] = heads.map(() => null)
  if (level !== 'adset') return scores
  for (const members of groupBy(heads, ({ campaignId }) => campaignId).values()) {
    const audiences = members.map((i): Audience => ({
      tokens: audienceTokens(heads[i]?.targeting),
      frequency: dailyFrequency(frames[i] as DailyFrame, day),
      active: own[i]?.isActive ?? false,
    }))
    members.forEach((i, member) => {
      scores[i] = audienceOverlap(audiences[member] as Audience, audiences)
    })
  }
  return scores
}

/** What the children of each parent add up to; null on campaigns. */
const familiesOf = (
  level: FeatureLevel,
  heads: readonly FeatureHead[],
  own: readonly OwnFeatures[],
): ReadonlyMap<string, Family> | null => {
  if (level === 'campaign') return null
  const families = new Map<string, Family>()
  heads.forEach(({ parentId }, i) => {
    const { spend7d, leads7d } = own[i] as OwnFeatures
    const key = parentId ?? ''
    families.set(key, withChild(families.get(key) ?? NO_FAMILY, { spend: spend7d, leads: leads7d }))
  })
  return families
}

/**
 * @param batch entities of whole campaigns in any order, with their delivered days of [D-29, D]
 * @returns per entity; null for one that neither delivered in [D-29, D] nor is active
 */
export const computeFeatures = (
  level: FeatureLevel,
  batch: FeatureBatch,
  day: DayNumber,
): readonly (EntityFeatures | null)[] => {
  const { heads } = batch
  const frames = heads.map((head, i) =>
    densify(frameAt(batch, i), head.activeRanges, day - FEATURE_DAYS + 1, day),
  )
  const own = heads.map((head, i) => ownFeatures(level, head, frames[i] as DailyFrame, day))
  const families = familiesOf(level, heads, own)
  const overlap = overlaps(level, heads, frames, own, day)
  return heads.map(({ parentId }, i): EntityFeatures | null => {
    const features = own[i] as OwnFeatures
    const delivered = batch.offsets[i] !== batch.offsets[i + 1]
    if (!delivered && !features.isActive) return null
    const family = families?.get(parentId ?? '')
    return {
      ...features,
      ...(family
        ? siblingFeatures({ spend: features.spend7d, leads: features.leads7d }, family)
        : WITHOUT_SIBLINGS),
      audienceOverlapScore: overlap[i] ?? null,
    }
  })
}

/** Whether the ratios stand on too little. */
export const isInsufficient = ({ daysActive }: EntityFeatures): boolean => daysActive < SUFFICIENT_DAYS
