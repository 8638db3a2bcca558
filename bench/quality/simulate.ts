/**
 * Made-up advertising accounts with faults whose place, time and cause are known. Budgets belong to ad sets;
 * the days of an ad come from its share of the budget, a weekday pattern, a slow drift, holidays, known
 * changes and over-dispersed counts:
 *
 *   spend = budget x share x weekday x drift x noise; impressions = 1000 spend / cpm
 *   clicks ~ binomial(impressions, ctr x beta noise); leads ~ binomial(clicks, cvr x beta noise)
 *   reach = impressions / frequency, no more people than impressions
 *
 * What is seen of an account on a day before its end is made of the whole one by `asSeen`.
 *
 * Same seed, same account, on every machine.
 */
import { between, normal, poisson, randomOf } from '../random.ts'
import type { Random } from '../random.ts'

export type Level = 'campaign' | 'adset' | 'ad'

export const FAULT_TYPES = [
  'zero_spend',
  'spend_spike',
  'spend_drop',
  'cpm_rise',
  'ctr_drop',
  'cvr_drop',
  'leads_stop',
  'frequency_rise',
  'saturation',
  'junk_clicks',
  'joint',
] as const
export type FaultType = (typeof FAULT_TYPES)[number]

/** What a fault multiplies. */
export interface Effect {
  readonly spend: number
  readonly cpm: number
  readonly ctr: number
  readonly cvr: number
  readonly frequency: number
}

export interface Label {
  readonly id: string
  readonly accountId: string
  readonly level: Level
  readonly entityId: string
  readonly type: FaultType
  /** Days since the first; both inclusive. */
  readonly start: number
  readonly end: number
  readonly metric: string
  readonly direction: 'up' | 'down'
  /** Log-likelihood ratio an ideal test expects over the fault: clear from 9. */
  readonly evidence: number
  readonly effect: Effect
  /** What the metric is multiplied with. */
  readonly factor: number
  readonly lasting: boolean
  /** Expected a day, without the fault. */
  readonly leadsPerDay: number
}

export interface SimulatedAd {
  readonly campaignId: string
  readonly adsetId: string
  readonly adId: string
  readonly start: number
  readonly end: number
  /** Per day from day 0; zero before start and after end. */
  readonly spend: Float64Array
  readonly impressions: Float64Array
  readonly clicks: Float64Array
  readonly leads: Float64Array
  readonly reach: Float64Array
}

export interface Change {
  readonly entityId: string
  readonly kind: 'budget' | 'mix_start' | 'mix_end'
  readonly day: number
  readonly factor: number
}

export interface Account {
  readonly id: string
  readonly days: number
  readonly ads: readonly SimulatedAd[]
  readonly changes: readonly Change[]
  readonly holidays: readonly { readonly day: number; readonly days: number }[]
  readonly labels: readonly Label[]
  /** Of whose days rows are given; all when absent. */
  readonly levels?: readonly Level[]
}

export interface AccountOptions {
  readonly seed: number
  readonly index: number
  readonly days: number
  /** Half the distance between the strongest and the weakest weekday, 0..0.4. */
  readonly weekdayAmplitude: number
  /** Leads a day an ad is expected to bring, about. */
  readonly leadsPerAd: number
  readonly campaigns: number
  /** Faults per account; 0: clean. */
  readonly faults: number
  /** Delivery of the last day, and leads of the last three, are not all there yet. */
  readonly partialEnd: boolean
  /** Of these types only; all when absent. */
  readonly types?: readonly FaultType[]
  /** Rise of the cost per lead in a cvr_drop, as a factor; 1.5 to 2.6 when absent. */
  readonly cplRise?: readonly [number, number]
  /** Faults hit entities of this level only. */
  readonly faultLevel?: Level
  /** Share of those faults that can last which do, to the end of the account; a quarter when absent. */
  readonly lastingShare?: number
  /** Shortest and longest fault; each type's own when absent. */
  readonly faultDays?: readonly [number, number]
}

/** A fault before it is known what its entity would have brought without it. */
interface Fault extends Omit<Label, 'evidence' | 'leadsPerDay'> {
  /** Standard deviation of a day's spend, as a log. */
  readonly noise: number
  /** Days of it that its evidence is made of, and what they would have brought without it. */
  readonly counted: number
  readonly expected: { leads: number; clicks: number }
}
/** The effect of a fault on a day of it: an audience is used up bit by bit, all else comes at once. */
export const effectOn = (
  { type, start, end, effect }: Pick<Label, 'type' | 'start' | 'end' | 'effect'>,
  day: number,
): Effect => {
  if (type !== 'saturation') return effect
  const part = (day - start + 1) / (end - start + 1)
  return { ...effect, ctr: effect.ctr ** part, frequency: effect.frequency ** part }
}

/** Of an effect that grows evenly as a log: how much of its squared logs counts, against one that is there at once. */
export const GROWING_SHARE = 1 / 3

export const saturated = (random: Random, low: number, high: number): Partial<Effect> => {
  const frequency = between(random, low, high)
  return { frequency, ctr: frequency ** -0.35 }
}

export const junked = (random: Random, low: number, high: number): Partial<Effect> => {
  const ctr = between(random, low, high)
  return { ctr, cvr: 1 / ctr }
}

const gamma = (random: Random, mean: number, cv: number): number => {
  // Wilson and Hilferty 1931: good enough for noise of a few percent to tens of percent.
  const c = (cv * cv) / 9
  return mean * Math.max(0.02, 1 - c + Math.sqrt(c) * normal(random)) ** 3
}

const count = (random: Random, n: number, p: number): number => {
  const mean = n * p
  if (mean <= 0) return 0
  return Math.min(
    n,
    p > 0.2 ? Math.round(mean + Math.sqrt(mean * (1 - p)) * normal(random)) : poisson(random, mean),
  )
}

interface AdsetPlan {
  readonly campaignId: string
  readonly id: string
  readonly budget: number
  readonly noise: number
  readonly start: number
  readonly ads: readonly AdPlan[]
  readonly changes: readonly Change[]
}
interface AdPlan {
  readonly id: string
  readonly share: number
  readonly shareNoise: number
  readonly cpm: number
  readonly ctr: number
  readonly cvr: number
  readonly frequency: number
  readonly start: number
  readonly end: number
}

export const NONE: Effect = { spend: 1, cpm: 1, ctr: 1, cvr: 1, frequency: 1 }

const CTR_CV = 0.08
const CVR_CV = 0.12
const CPM_SD = 0.06
const LAST_DAY_SHARE = 0.62
/** Share of the leads that are known 1, 2 and 3 days after the day. */
const LATE = [0.55, 0.8, 0.93]

/** Expected log-likelihood ratio of the fault for who knows everything but whether it happened. */
const evidenceOf = (
  effect: Effect,
  days: number,
  perDay: { leads: number; clicks: number; noise: number },
): number => {
  const gauss = (ratio: number, sd: number): number => (days * Math.log(ratio) ** 2) / (2 * sd * sd)
  const counts = (ratio: number, mean: number, cv: number): number => {
    const size = 1 / (cv * cv)
    const variance = mean + (mean * mean) / size
    return ratio === 1
      ? 0
      : days * (mean / variance) * mean * (ratio * Math.log(Math.max(ratio, 1e-3)) - ratio + 1)
  }
  return (
    (effect.spend === 1 ? 0 : gauss(Math.max(effect.spend, 0.02), perDay.noise)) +
    (effect.cpm === 1 ? 0 : gauss(effect.cpm, CPM_SD + 0.01)) +
    counts(effect.ctr, perDay.clicks, CTR_CV) +
    counts(effect.cvr, perDay.leads, CVR_CV) +
    (effect.frequency === 1 ? 0 : gauss(effect.frequency, 0.06))
  )
}

/** Those that may be the level from then on. */
export const LASTING_FAULTS: readonly FaultType[] = ['cvr_drop', 'ctr_drop', 'spend_drop', 'cpm_rise']
const LASTING_SHARE = 0.25

const FAULTS: Readonly<
  Record<
    FaultType,
    {
      metric: string
      direction: 'up' | 'down'
      effect: (r: Random) => Effect
      days: readonly [number, number]
    }
  >
> = {
  zero_spend: { metric: 'spend', direction: 'down', effect: () => ({ ...NONE, spend: 0 }), days: [1, 4] },
  spend_spike: {
    metric: 'spend',
    direction: 'up',
    effect: (r) => ({ ...NONE, spend: between(r, 2, 3.5) }),
    days: [1, 4],
  },
  spend_drop: {
    metric: 'spend',
    direction: 'down',
    effect: (r) => ({ ...NONE, spend: between(r, 0.15, 0.5) }),
    days: [1, 5],
  },
  cpm_rise: {
    metric: 'cpl',
    direction: 'up',
    effect: (r) => ({ ...NONE, cpm: between(r, 1.3, 2) }),
    days: [2, 7],
  },
  ctr_drop: {
    metric: 'ctr',
    direction: 'down',
    effect: (r) => ({ ...NONE, ctr: between(r, 0.35, 0.75) }),
    days: [2, 7],
  },
  cvr_drop: {
    metric: 'cpl',
    direction: 'up',
    effect: (r) => ({ ...NONE, cvr: 1 / between(r, 1.5, 2.6) }),
    days: [2, 8],
  },
  leads_stop: { metric: 'leads', direction: 'down', effect: () => ({ ...NONE, cvr: 0.01 }), days: [2, 5] },
  frequency_rise: {
    metric: 'frequency',
    direction: 'up',
    effect: (r) => ({ ...NONE, frequency: between(r, 1.6, 2.4) }),
    days: [3, 7],
  },
  saturation: {
    metric: 'frequency',
    direction: 'up',
    effect: (r) => ({ ...NONE, ...saturated(r, 2, 5) }),
    days: [6, 10],
  },
  junk_clicks: {
    metric: 'ctr',
    direction: 'up',
    effect: (r) => ({ ...NONE, ...junked(r, 1.8, 3.5) }),
    days: [2, 6],
  },
  joint: {
    metric: 'multivariate',
    direction: 'up',
    // Each metric moves a little, together they are unlike any day before.
    effect: (r) => ({
      spend: between(r, 0.84, 0.9),
      cpm: between(r, 1.1, 1.17),
      ctr: between(r, 0.84, 0.9),
      cvr: between(r, 0.84, 0.92),
      frequency: between(r, 1.08, 1.17),
    }),
    days: [4, 8],
  },
}

const labelOf = ({ noise, counted, expected, ...fault }: Fault): Label => {
  const leads = expected.leads / counted
  const days = fault.type === 'saturation' ? counted * GROWING_SHARE : counted
  return {
    ...fault,
    evidence: evidenceOf(fault.effect, days, { leads, clicks: expected.clicks / counted, noise }),
    leadsPerDay: leads,
  }
}

const planAdsets = (options: AccountOptions): AdsetPlan[] => {
  const random = randomOf(options.seed, 1, options.index)
  const adsets: AdsetPlan[] = []
  for (let c = 0; c < options.campaigns; c++) {
    const campaignId = `${options.index + 1}0${c + 1}`
    const howMany = 1 + Math.floor(random() * 4)
    for (let s = 0; s < howMany; s++) {
      const id = `${campaignId}0${s + 1}`
      const start = random() < 0.25 ? Math.floor(random() * options.days * 0.4) : 0
      const ads: AdPlan[] = []
      const n = 1 + Math.floor(random() * 4)
      for (let a = 0; a < n; a++) {
        const later = a > 0 && random() < 0.2
        const sooner = a > 0 && random() < 0.1
        ads.push({
          id: `${id}0${a + 1}`,
          share: gamma(random, 1, 0.6),
          shareNoise: between(random, 0.02, 0.06),
          cpm: between(random, 10, 32),
          ctr: between(random, 0.008, 0.025),
          cvr: between(random, 0.02, 0.08),
          frequency: between(random, 1.2, 1.8),
          start: later ? Math.min(options.days - 20, start + 10 + Math.floor(random() * 60)) : start,
          end: sooner ? Math.floor(options.days * between(random, 0.6, 0.95)) : options.days - 1,
        })
      }
      const changes: Change[] = []
      for (let day = start + 14; day < options.days - 2; day += 1)
        if (random() < 0.012)
          changes.push({
            entityId: id,
            kind: 'budget',
            day,
            factor: random() < 0.5 ? between(random, 0.6, 0.85) : between(random, 1.2, 1.6),
          })
      // The budget brings about so many leads from each ad.
      const cpl = ads.reduce((sum, ad) => sum + ad.cpm / 1000 / ad.ctr / ad.cvr, 0) / ads.length
      adsets.push({
        campaignId,
        id,
        budget: cpl * options.leadsPerAd * n * gamma(random, 1, 0.5),
        noise: between(random, 0.05, 0.14),
        start,
        ads,
        changes,
      })
    }
  }
  return adsets
}

/** AR(1) around 0 that wanders slowly. */
const drift = (random: Random, days: number, sd: number): Float64Array => {
  const path = new Float64Array(days)
  const memory = 0.96
  let x = sd * normal(random)
  for (let t = 0; t < days; t++) {
    path[t] = x
    x = memory * x + sd * Math.sqrt(1 - memory * memory) * normal(random)
  }
  return path
}

const planFaults = (options: AccountOptions, adsets: readonly AdsetPlan[]): Fault[] => {
  const random = randomOf(options.seed, 2, options.index)
  const faults: Fault[] = []
  const busy = new Map<string, (readonly [number, number])[]>()
  for (let tries = 0; faults.length < options.faults && tries < options.faults * 30; tries++) {
    const types = options.types ?? FAULT_TYPES
    const type = types[Math.floor(random() * types.length)] as FaultType
    const { metric, direction, effect } = FAULTS[type]
    const days = options.faultDays ?? FAULTS[type].days
    const adset = adsets[Math.floor(random() * adsets.length)] as AdsetPlan
    const dice = random()
    const level: Level = options.faultLevel ?? (dice < 0.25 ? 'campaign' : dice < 0.6 ? 'adset' : 'ad')
    const ad = adset.ads[Math.floor(random() * adset.ads.length)] as AdPlan
    const entityId = level === 'campaign' ? adset.campaignId : level === 'adset' ? adset.id : ad.id
    const born = level === 'ad' ? ad.start : adset.start
    const lasting = LASTING_FAULTS.includes(type) && random() < (options.lastingShare ?? LASTING_SHARE)
    const length = days[0] + Math.floor(random() * (days[1] - days[0] + 1))
    const start = Math.floor(between(random, Math.max(35, born + 28), options.days - 10))
    const end = lasting ? options.days - 1 : start + length - 1
    if (end >= options.days || start <= born + 20 || (level === 'ad' && ad.end < end)) continue
    // One fault at a time in a campaign, with room before and after, so that a finding has one label.
    const others = busy.get(adset.campaignId) ?? []
    if (others.some(([from, to]) => start <= to + 14 && end + 14 >= from)) continue
    const chosen =
      type === 'cvr_drop' && options.cplRise
        ? { ...NONE, cvr: 1 / between(random, ...options.cplRise) }
        : effect(random)
    busy.set(adset.campaignId, [...others, [start, end]])
    faults.push({
      id: `${options.index + 1}-${faults.length + 1}`,
      accountId: `act_${options.index + 1}`,
      level,
      entityId,
      type,
      start,
      end,
      metric,
      direction,
      factor: Math.max(...Object.values(chosen).map((f) => (f >= 1 ? f : 1 / Math.max(f, 0.01)))),
      lasting,
      effect: chosen,
      noise: Math.hypot(adset.noise, 0.05),
      counted: lasting ? 7 : length,
      expected: { leads: 0, clicks: 0 },
    })
  }
  return faults
}

export const simulateAccount = (options: AccountOptions): Account => {
  const { days, seed, index } = options
  const adsets = planAdsets(options)
  const faults = planFaults(options, adsets)
  const random = randomOf(seed, 3, index)
  const weekday = Array.from({ length: 7 }, () => 1 + options.weekdayAmplitude * (2 * random() - 1))
  const mean = weekday.reduce((sum, f) => sum + f, 0) / 7
  const holidays = [0, 1].map(() => ({
    day: 14 + Math.floor(random() * (days - 20)),
    days: 1 + Math.floor(random() * 2),
  }))
  const holidayOn = (t: number): boolean => holidays.some(({ day, days: n }) => t >= day && t < day + n)
  const changes: Change[] = []
  const ads: SimulatedAd[] = []
  adsets.forEach((adset, s) => {
    const own = randomOf(seed, 4, index * 1000 + s)
    const spendDrift = drift(own, days, 0.1)
    const daily = Float64Array.from({ length: days }, () => Math.exp(adset.noise * normal(own)))
    changes.push(...adset.changes)
    if (adset.start > 0)
      changes.push({ entityId: adset.campaignId, kind: 'mix_start', day: adset.start, factor: 1 })
    adset.ads.forEach((ad, a) => {
      const mine = randomOf(seed, 5, (index * 1000 + s) * 10 + a)
      const [cpmDrift, ctrDrift, cvrDrift, freqDrift] = [0.05, 0.06, 0.06, 0.03].map((sd) =>
        drift(mine, days, sd),
      ) as [Float64Array, Float64Array, Float64Array, Float64Array]
      const series = {
        spend: new Float64Array(days),
        impressions: new Float64Array(days),
        clicks: new Float64Array(days),
        leads: new Float64Array(days),
        reach: new Float64Array(days),
      }
      if (ad.start > adset.start)
        changes.push({ entityId: adset.id, kind: 'mix_start', day: ad.start, factor: 1 })
      if (ad.end < days - 1) changes.push({ entityId: adset.id, kind: 'mix_end', day: ad.end + 1, factor: 1 })
      for (let t = ad.start; t <= ad.end; t++) {
        const alive = adset.ads.reduce(
          (sum, one) => sum + (one.start <= t && t <= one.end ? one.share : 0),
          0,
        )
        let effect: Effect = NONE
        const struck: Fault[] = []
        for (const fault of faults) {
          if (t < fault.start || t > fault.end) continue
          const hit =
            fault.level === 'campaign'
              ? fault.entityId === adset.campaignId
              : fault.level === 'adset'
                ? fault.entityId === adset.id
                : fault.entityId === ad.id
          if (!hit) continue
          effect = effectOn(fault, t)
          if (t < fault.start + fault.counted) struck.push(fault)
        }
        const budget = adset.changes.reduce((b, { day, factor }) => (t >= day ? b * factor : b), adset.budget)
        const holiday = holidayOn(t) ? 0.65 : 1
        const usual =
          ((budget * ad.share) / alive) *
          ((weekday[t % 7] as number) / mean) *
          Math.exp(spendDrift[t] as number) *
          holiday
        for (const { expected } of struck) {
          const clicks = (usual / ad.cpm) * 1000 * ad.ctr
          expected.clicks += clicks
          expected.leads += clicks * ad.cvr
        }
        const spend = usual * (daily[t] as number) * Math.exp(ad.shareNoise * normal(mine)) * effect.spend
        const cpm = ad.cpm * Math.exp((cpmDrift[t] as number) + CPM_SD * normal(mine)) * effect.cpm
        const impressions = Math.round((1000 * spend) / cpm)
        const clicks = count(
          mine,
          impressions,
          gamma(mine, ad.ctr * Math.exp(ctrDrift[t] as number) * effect.ctr, CTR_CV),
        )
        const leads = count(
          mine,
          clicks,
          Math.min(0.9, gamma(mine, ad.cvr * Math.exp(cvrDrift[t] as number) * effect.cvr, CVR_CV)),
        )
        const frequency = Math.max(
          1,
          ad.frequency * Math.exp((freqDrift[t] as number) + 0.05 * normal(mine)) * effect.frequency,
        )
        series.spend[t] = Math.round(spend * 100) / 100
        series.impressions[t] = impressions
        series.clicks[t] = clicks
        series.leads[t] = leads
        series.reach[t] = Math.round(impressions / frequency)
      }
      ads.push({
        campaignId: adset.campaignId,
        adsetId: adset.id,
        adId: ad.id,
        start: ad.start,
        end: ad.end,
        ...series,
      })
    })
  })
  const account = { id: `act_${index + 1}`, days, ads, changes, holidays, labels: faults.map(labelOf) }
  return options.partialEnd ? asSeen(account, days, seed) : account
}

/** What is known of the account at noon of day `days - 1`: the day is not over, and leads are still to come. */
export const asSeen = (account: Account, days: number, seed: number): Account => {
  const today = days - 1
  const ads = account.ads
    .filter(({ start }) => start < days)
    .map((ad, a): SimulatedAd => {
      const random = randomOf(seed, 6, days * 10_000 + a)
      const cut = (column: Float64Array): Float64Array => column.slice(0, days)
      const [spend, impressions, clicks, leads, reach] = [
        cut(ad.spend),
        cut(ad.impressions),
        cut(ad.clicks),
        cut(ad.leads),
        cut(ad.reach),
      ]
      for (const column of [impressions, clicks, leads, reach])
        column[today] = count(random, column[today] as number, LAST_DAY_SHARE)
      spend[today] = Math.round((spend[today] as number) * LAST_DAY_SHARE * 100) / 100
      LATE.forEach((share, ago) => {
        const t = today - ago
        if (t >= 0) leads[t] = count(random, leads[t] as number, share)
      })
      return { ...ad, spend, impressions, clicks, leads, reach }
    })
  return {
    ...account,
    days,
    ads,
    changes: account.changes.filter(({ day }) => day < days),
    holidays: account.holidays.filter(({ day }) => day < days),
    labels: account.labels.filter(({ start }) => start < days),
  }
}
