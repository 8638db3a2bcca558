/**
 * Made-up accounts of another make than those of simulate.ts, to see whether the judge holds where its
 * assumptions do not: money belongs to campaigns and moves freely between their ads, noise lasts from day to
 * day and has heavy tails, rates scatter more than counts do, everything has a trend, holidays cost two fifths
 * of the spend, weekends differ from campaign to campaign. 20 to 800 entities.
 */
import { between, normal, poisson, randomOf } from '../random.ts'
import type { Random } from '../random.ts'
import { asSeen, effectOn, GROWING_SHARE, junked, NONE, saturated } from './simulate.ts'
import type { Account, Change, Effect, FaultType, Label, Level, SimulatedAd } from './simulate.ts'

const DAYS = 120
/** Ads of the accounts, about. */
const SIZES = [12, 40, 110, 260] as const
const LARGEST = 560
const ADS_PER_FAULT = 4
const DOUBLED_DAYS = 0.003
const HOLIDAY = 0.6

/** How accounts differ from those of simulate.ts. */
export interface RoughStyle {
  /** Ads of the accounts, about, in turn. */
  readonly sizes: readonly number[]
  /** What a log of money or a price is like tomorrow, by what it is today. */
  readonly memory: number
  readonly campaignNoise: number
  readonly adNoise: number
  readonly priceNoise: number
  readonly ctrCv: number
  readonly cvrCv: number
  /** Degrees of freedom of all noise; normal when absent. */
  readonly freedom?: number
  /** Standard deviation of what a log of price, click and conversion rate walks in a day, instead of a trend. */
  readonly walk?: number
  /** Money an ad spends in a day, from and to, about. */
  readonly spend: readonly [number, number]
  /** Shortest and longest life of an ad, days; most live all the time when absent. */
  readonly life?: readonly [number, number]
  readonly holidayDays: number
  readonly levels?: readonly Level[]
  readonly hasReach?: false
}

const OTHER: RoughStyle = {
  sizes: SIZES,
  memory: 0.4,
  campaignNoise: 0.08,
  adNoise: 0.25,
  priceNoise: 0.07,
  ctrCv: 0.15,
  cvrCv: 0.2,
  spend: [4, 120],
  holidayDays: 1,
}

export const ROUGH_STYLES = {
  other: OTHER,
  /** Far-out days are common, and what is odd today is so tomorrow. */
  heavy: { ...OTHER, sizes: [12, 40], memory: 0.5, freedom: 4, ctrCv: 0.2, cvrCv: 0.3, spend: [10, 200] },
  /** Prices and rates never stay. */
  walking: { ...OTHER, sizes: [12, 60], memory: 0.1, adNoise: 0.12, ctrCv: 0.08, cvrCv: 0.1, walk: 0.025 },
  /** A shop's account: few ads of short lives that spend little and bring a lead now and then. */
  small: { ...OTHER, sizes: [4, 8, 14], spend: [2, 15], life: [14, 60], holidayDays: 4, hasReach: false },
  /** Rows of campaigns alone. */
  campaigns: { ...OTHER, sizes: [20, 50], adNoise: 0.12, spend: [10, 80], levels: ['campaign'] },
  /** Much money: counts are large, and rates scatter more than counts do. */
  rich: { ...OTHER, sizes: [10, 30], memory: 0.3, adNoise: 0.15, spend: [200, 2000], holidayDays: 2 },
} as const satisfies Record<string, RoughStyle>
export type RoughName = keyof typeof ROUGH_STYLES

const EFFECTS: Readonly<
  Record<FaultType, { metric: string; direction: 'up' | 'down'; of: (random: Random) => Partial<Effect> }>
> = {
  zero_spend: { metric: 'spend', direction: 'down', of: () => ({ spend: 0 }) },
  spend_spike: { metric: 'spend', direction: 'up', of: (r) => ({ spend: between(r, 2.5, 5) }) },
  spend_drop: { metric: 'spend', direction: 'down', of: (r) => ({ spend: between(r, 0.1, 0.4) }) },
  cpm_rise: { metric: 'cpl', direction: 'up', of: (r) => ({ cpm: between(r, 1.5, 2.5) }) },
  ctr_drop: { metric: 'ctr', direction: 'down', of: (r) => ({ ctr: between(r, 0.3, 0.6) }) },
  cvr_drop: { metric: 'cpl', direction: 'up', of: (r) => ({ cvr: between(r, 0.3, 0.6) }) },
  leads_stop: { metric: 'leads', direction: 'down', of: () => ({ cvr: 0 }) },
  frequency_rise: { metric: 'frequency', direction: 'up', of: (r) => ({ frequency: between(r, 1.5, 2.5) }) },
  saturation: { metric: 'frequency', direction: 'up', of: (r) => saturated(r, 1.8, 4) },
  junk_clicks: { metric: 'ctr', direction: 'up', of: (r) => junked(r, 2, 4) },
  joint: {
    metric: 'multivariate',
    direction: 'up',
    // A dearer, less clicked audience that converts better: what a lead costs hardly moves.
    of: (r) => ({
      spend: between(r, 0.84, 0.88),
      cpm: between(r, 1.14, 1.18),
      ctr: between(r, 0.82, 0.86),
      cvr: between(r, 1.14, 1.18),
      frequency: between(r, 1.12, 1.18),
    }),
  },
}
const TYPES = Object.keys(EFFECTS) as FaultType[]

interface Plan {
  readonly campaign: string
  readonly adset: string
  readonly id: string
  readonly spend: number
  readonly cpm: number
  readonly ctr: number
  readonly cvr: number
  readonly frequency: number
  readonly start: number
  readonly end: number
}

/** Log-normal with mean 1. */
const scatter = (random: Random, cv: number): number => {
  const sd = Math.sqrt(Math.log1p(cv * cv))
  return Math.exp(sd * normal(random) - (sd * sd) / 2)
}

/** Of variance 1: normal, or Student's by a normal over the root of a gamma (of squared normals). */
const noiseOf = (random: Random, freedom: number | undefined): number => {
  const x = normal(random)
  if (freedom === undefined) return x
  let squares = 0
  for (let k = 0; k < freedom; k++) squares += normal(random) ** 2
  return x * Math.sqrt((freedom - 2) / squares)
}

const autocorrelated = (random: Random, sd: number, { memory, freedom }: RoughStyle): Float64Array => {
  const path = new Float64Array(DAYS)
  let x = sd * normal(random)
  for (let t = 0; t < DAYS; t++) {
    path[t] = x
    x = memory * x + sd * Math.sqrt(1 - memory * memory) * noiseOf(random, freedom)
  }
  return path
}

/** A trend of up to `size` a month either way, or a walk. */
const course = (random: Random, size: number, walk: number | undefined): Float64Array => {
  const slope = size * between(random, -1, 1)
  if (walk === undefined) return Float64Array.from({ length: DAYS }, (_, t) => slope * (t / 30 - 2))
  let x = 0
  return Float64Array.from({ length: DAYS }, () => (x += walk * normal(random)))
}

const planAds = (random: Random, size: number, style: RoughStyle): Plan[] => {
  const plans: Plan[] = []
  for (let c = 1; plans.length < size; c++) {
    const scale = Math.exp(between(random, Math.log(style.spend[0]), Math.log(style.spend[1])))
    const adsets = 1 + Math.floor(random() * 5)
    for (let s = 1; s <= adsets; s++) {
      const ads = 1 + Math.floor(random() ** 2 * 7)
      for (let a = 1; a <= ads; a++) {
        const shortLived = style.life !== undefined && a > 1
        const start = random() < (shortLived ? 0.7 : 0.15) && a > 1 ? Math.floor(random() * 80) : 0
        plans.push({
          campaign: `c${c}`,
          adset: `c${c}s${s}`,
          id: `c${c}s${s}a${a}`,
          spend: scale * scatter(random, 0.9),
          cpm: between(random, 6, 40),
          ctr: between(random, 0.006, 0.03),
          cvr: between(random, 0.01, 0.12),
          frequency: between(random, 1.1, 2.2),
          start,
          end: shortLived
            ? Math.min(DAYS - 1, start + Math.floor(between(random, ...(style.life ?? [0, 0]))))
            : random() < 0.1 && a > 1
              ? Math.floor(between(random, start + 30, DAYS))
              : DAYS - 1,
        })
      }
    }
  }
  return plans
}

const idOf = (plan: Plan, level: Level): string =>
  level === 'campaign' ? plan.campaign : level === 'adset' ? plan.adset : plan.id

/** Expected log-likelihood ratio, noise and rates known. */
const evidenceOf = (
  effect: Effect,
  days: number,
  inside: readonly Plan[],
  { memory, campaignNoise, adNoise, priceNoise, ctrCv, cvrCv }: RoughStyle,
): number => {
  const spend = inside.reduce((sum, ad) => sum + ad.spend, 0)
  const concentration = inside.reduce((sum, ad) => sum + (ad.spend / spend) ** 2, 0)
  // Days that are alike say less than as many days that are not.
  const inflation = (1 + memory) / (1 - memory)
  const gauss = (ratio: number, variance: number): number =>
    ratio === 1 ? 0 : (days * Math.log(Math.max(ratio, 0.02)) ** 2) / (2 * variance)
  const clicks = inside.reduce((sum, ad) => sum + (ad.spend / ad.cpm) * 1000 * ad.ctr, 0)
  const leads = inside.reduce((sum, ad) => sum + (ad.spend / ad.cpm) * 1000 * ad.ctr * ad.cvr, 0)
  const counts = (ratio: number, mean: number, cv: number): number =>
    ratio === 1
      ? 0
      : ((days * mean) / (1 + mean * cv * cv * concentration)) *
        (ratio * Math.log(Math.max(ratio, 1e-3)) - ratio + 1)
  return (
    gauss(effect.spend, (campaignNoise ** 2 + adNoise ** 2 * concentration) * inflation) +
    gauss(effect.cpm, priceNoise ** 2 * concentration * inflation) +
    gauss(effect.frequency, 0.05 ** 2 * concentration) +
    counts(effect.ctr, clicks, ctrCv) +
    counts(effect.cvr, leads, cvrCv)
  )
}

const planFaults = (
  random: Random,
  accountId: string,
  plans: readonly Plan[],
  howMany: number,
  style: RoughStyle,
): Label[] => {
  const faults: Label[] = []
  const busy = new Map<string, number>()
  for (let tries = 0; faults.length < howMany && tries < 40 * howMany; tries++) {
    const plan = plans[Math.floor(random() * plans.length)] as Plan
    const type = TYPES[Math.floor(random() * TYPES.length)] as FaultType
    const dice = (['ad', 'ad', 'adset', 'campaign'] as const)[Math.floor(random() * 4)] as Level
    const level = style.levels?.[0] ?? dice
    if (style.hasReach === false && (type === 'saturation' || type === 'frequency_rise')) continue
    const start = Math.floor(between(random, 40, DAYS - 14))
    const days = (type === 'saturation' ? 6 : 2) + Math.floor(random() * 6)
    const end = start + days - 1
    const inside = plans.filter((one) => idOf(one, level) === idOf(plan, level))
    if (inside.every((one) => one.start > start - 25) || plan.start > start - 25 || plan.end < end) continue
    if (start < (busy.get(plan.campaign) ?? 0)) continue
    busy.set(plan.campaign, end + 16)
    const { metric, direction, of } = EFFECTS[type]
    const effect = { ...NONE, ...of(random) }
    faults.push({
      id: `${faults.length + 1}`,
      accountId,
      level,
      entityId: idOf(plan, level),
      type,
      start,
      end,
      metric,
      direction,
      evidence: evidenceOf(effect, type === 'saturation' ? days * GROWING_SHARE : days, inside, style),
      factor: Math.max(...Object.values(effect).map((f) => (f >= 1 ? f : 1 / Math.max(f, 0.01)))),
      lasting: false,
      leadsPerDay: inside.reduce((sum, ad) => sum + (ad.spend / ad.cpm) * 1000 * ad.ctr * ad.cvr, 0),
      effect,
    })
  }
  return faults
}

/** Account `index` of the seed: its sizes come in turn, the hundredth is the largest. */
export const roughAccount = (
  seed: number,
  index: number,
  faulty: boolean,
  name: RoughName = 'other',
): Account => {
  const style: RoughStyle = ROUGH_STYLES[name]
  const random = randomOf(seed, 11, index)
  const id = `act_${index + 1}`
  const plans = planAds(
    random,
    index === 99 ? LARGEST : (style.sizes[index % style.sizes.length] as number),
    style,
  )
  const planned = planFaults(
    randomOf(seed, 12, index),
    id,
    plans,
    faulty ? Math.ceil(plans.length / ADS_PER_FAULT) : 0,
    style,
  )
  const week = Array.from({ length: 7 }, (_, w) =>
    w >= 5 ? between(random, -0.45, 0.05) : 0.08 * normal(random),
  )
  const holidays = [0, 1, 2].map(() => ({
    day: 10 + Math.floor(random() * 105),
    days: style.holidayDays,
  }))
  const changes: Change[] = []
  const campaigns = new Map<
    string,
    { noise: Float64Array; trend: number; week: number[]; budget: Float64Array }
  >()
  const ads = plans.map((plan, index2): SimulatedAd => {
    let campaign = campaigns.get(plan.campaign)
    if (!campaign) {
      const budget = new Float64Array(DAYS).fill(1)
      for (let day = 15; day < DAYS - 3; day++) {
        if (random() > 0.015) continue
        const factor = random() < 0.5 ? between(random, 0.5, 0.85) : between(random, 1.2, 2)
        changes.push({ entityId: plan.campaign, kind: 'budget', day, factor })
        for (let t = day; t < DAYS; t++) (budget[t] as number) *= factor
      }
      campaign = {
        noise: autocorrelated(random, style.campaignNoise, style),
        // Up to 30% a month.
        trend: Math.log(1.3) * between(random, -1, 1),
        week: week.map((effect) => effect + 0.03 * normal(random)),
        budget,
      }
      campaigns.set(plan.campaign, campaign)
    }
    if (plan.start > 0) changes.push({ entityId: plan.adset, kind: 'mix_start', day: plan.start, factor: 1 })
    if (plan.end < DAYS - 1)
      changes.push({ entityId: plan.adset, kind: 'mix_end', day: plan.end + 1, factor: 1 })
    const own = randomOf(seed, 13, index * 10_000 + index2)
    const noise = autocorrelated(own, style.adNoise, style)
    const price = autocorrelated(own, style.priceNoise, style)
    const courses = [0.2, 0.25, 0.25].map((size) => course(own, size, style.walk)) as [
      Float64Array,
      Float64Array,
      Float64Array,
    ]
    const frequencyTrend = 0.08 * between(own, -1, 1)
    const column = (): Float64Array => new Float64Array(DAYS)
    const days = {
      spend: column(),
      impressions: column(),
      clicks: column(),
      leads: column(),
      reach: column(),
    }
    for (let t = plan.start; t <= plan.end; t++) {
      const fault = planned.find(
        ({ level, entityId, start, end }) => t >= start && t <= end && idOf(plan, level) === entityId,
      )
      const effect = fault ? effectOn(fault, t) : NONE
      const months = t / 30 - 2
      const spend =
        plan.spend *
        (campaign.budget[t] as number) *
        Math.exp(
          (campaign.noise[t] as number) +
            (noise[t] as number) +
            campaign.trend * months +
            (campaign.week[t % 7] as number),
        ) *
        (holidays.some(({ day, days: n }) => t >= day && t < day + n) ? HOLIDAY : 1) *
        (own() < DOUBLED_DAYS ? 2 : 1) *
        effect.spend
      const cpm = plan.cpm * Math.exp((price[t] as number) + (courses[0][t] as number)) * effect.cpm
      const impressions = Math.round((1000 * spend) / cpm)
      const ctr = Math.min(
        0.3,
        plan.ctr * Math.exp(courses[1][t] as number) * scatter(own, style.ctrCv) * effect.ctr,
      )
      const clicks = Math.min(impressions, poisson(own, impressions * ctr))
      const cvr = Math.min(
        0.9,
        plan.cvr * Math.exp(courses[2][t] as number) * scatter(own, style.cvrCv) * effect.cvr,
      )
      const frequency =
        plan.frequency * Math.exp(0.05 * normal(own) + frequencyTrend * months) * effect.frequency
      days.spend[t] = Math.round(spend * 100) / 100
      days.impressions[t] = impressions
      days.clicks[t] = clicks
      days.leads[t] = Math.min(clicks, poisson(own, clicks * cvr))
      days.reach[t] = style.hasReach === false ? Number.NaN : Math.round(impressions / Math.max(1, frequency))
    }
    return {
      campaignId: plan.campaign,
      adsetId: plan.adset,
      adId: plan.id,
      start: plan.start,
      end: plan.end,
      ...days,
    }
  })
  const account = { id, days: DAYS, ads, changes, holidays, labels: planned }
  return asSeen(style.levels ? { ...account, levels: style.levels } : account, DAYS, seed)
}
