/** Accounts whose days are made by hand, as the judge of shifts reads them. */
import { normal, randomOf } from '../../bench/random.ts'
import type { Random } from '../../bench/random.ts'
import type { AccountDays, AccountEntity } from '../../ml/shifts/account.ts'

export type OfDay = (day: number) => number

/** What an ad is made of, by day. */
export interface MadeAd {
  /** Its ad set, and the campaign of that; without one it stands for itself. */
  readonly adset?: string
  readonly campaign?: string
  /** First and last day, inclusive. */
  readonly start?: number
  readonly end?: number
  /** Money; by default 100. */
  readonly spend?: OfDay
  /** Money per thousand impressions; by default 10. */
  readonly cpm?: OfDay
  /** Clicks per impression; by default 0.02. */
  readonly ctr?: OfDay
  /** Leads per click; by default 0.04: with all other defaults 8 leads a day. */
  readonly conversion?: OfDay
  readonly tolerance?: AccountEntity['tolerance']
}

const COLUMNS = ['spend', 'impressions', 'clicks', 'leads', 'reach'] as const

/** A value that is `usual`, times `factor` on the days [from, to]. */
export const during =
  (from: number, to: number, factor: number, usual: OfDay): OfDay =>
  (t) =>
    usual(t) * (t >= from && t <= to ? factor : 1)

/** By day, the same for the same seed. */
const drawn = (seed: number, kind: number, draw: (random: Random) => number): OfDay => {
  const random = randomOf(seed, kind, 0)
  const values: number[] = []
  return (t) => {
    while (values.length <= t) values.push(draw(random))
    return values[t] as number
  }
}

/** A value with log-normal noise. */
export const noisy = (usual: number, sd: number, seed: number): OfDay =>
  drawn(seed, 1, (random) => usual * Math.exp(sd * normal(random)))

/** A value evenly spread about `usual`, by at most `reach` as a log: no day is far out. */
export const even = (usual: number, reach: number, seed: number): OfDay =>
  drawn(seed, 2, (random) => usual * Math.exp(reach * (2 * random() - 1)))

/** A value with log-normal noise about a level that itself goes a step of that kind every day. */
export const wandering = (usual: number, sd: number, step: number, seed: number): OfDay => {
  let level = 0
  return drawn(seed, 3, (random) => {
    level += step * normal(random)
    return usual * Math.exp(level + sd * normal(random))
  })
}

/** The ads and all that is above them. Who comes or goes after the first day is known to siblings and parents. */
export const accountOfAds = (days: number, ads: readonly MadeAd[]): AccountDays => {
  const entities: AccountEntity[] = []
  const column = (): Float64Array => new Float64Array(days)
  const add = (id: string, level: AccountEntity['level'], parent: number, ad: MadeAd | null): number => {
    const known = entities.findIndex((one) => one.id === id && one.level === level)
    if (known >= 0) return known
    return (
      entities.push({
        id,
        level,
        parent,
        start: ad?.start ?? 0,
        end: ad?.end ?? Infinity,
        spend: column(),
        impressions: column(),
        clicks: column(),
        leads: column(),
        reach: column(),
        budget: column(),
        mixed: new Uint8Array(days),
        idle: new Uint8Array(days),
        tolerance: ad?.tolerance ?? {},
        confirmed: new Set(),
      }) - 1
    )
  }
  ads.forEach((ad, k) => {
    const { adset, campaign = 'c', start = 0, end = days - 1 } = ad
    const parent = adset === undefined ? -1 : add(adset, 'adset', add(campaign, 'campaign', -1, null), null)
    const i = add(`ad ${k}`, 'ad', parent, ad)
    const own = entities[i] as AccountEntity
    for (let t = start; t <= Math.min(end, days - 1); t++) {
      own.spend[t] = ad.spend?.(t) ?? 100
      own.impressions[t] = Math.round((1000 * (own.spend[t] as number)) / (ad.cpm?.(t) ?? 10))
      own.clicks[t] = Math.round((own.impressions[t] as number) * (ad.ctr?.(t) ?? 0.02))
      own.leads[t] = Math.round((own.clicks[t] as number) * (ad.conversion?.(t) ?? 0.04))
      own.reach[t] = Math.round((own.impressions[t] as number) / 1.25)
      for (let p = parent; p >= 0; p = (entities[p] as AccountEntity).parent)
        for (const name of COLUMNS)
          ((entities[p] as AccountEntity)[name][t] as number) += own[name][t] as number
    }
  })
  const mix = (i: number, t: number): void => {
    const { parent } = entities[i] as AccountEntity
    for (let p = parent; p >= 0; p = (entities[p] as AccountEntity).parent)
      (entities[p] as AccountEntity).mixed[t] = 1
    entities.forEach((one, k) => {
      if (one.parent === parent && k !== i) one.mixed[t] = 1
    })
  }
  entities.forEach(({ start, end }, i) => {
    if (start > 0) mix(i, start)
    if (end + 1 < days) mix(i, end + 1)
  })
  return {
    days,
    firstWeekday: 0,
    entities,
    holiday: new Uint8Array(days),
    completeUntil: days,
    leadsUntil: days,
  }
}

export const indexOf = ({ entities }: AccountDays, id: string): number =>
  entities.findIndex((one) => one.id === id)

/** An entity of one day on which nothing happened. @param parent index of what it is part of; -1: of nothing */
export const entityAt = (level: AccountEntity['level'], parent: number, start = 0): AccountEntity => ({
  id: `${level} ${parent}`,
  level,
  parent,
  start,
  end: Infinity,
  spend: new Float64Array(1),
  impressions: new Float64Array(1),
  clicks: new Float64Array(1),
  leads: new Float64Array(1),
  reach: new Float64Array(1),
  budget: new Float64Array(1),
  mixed: new Uint8Array(1),
  idle: new Uint8Array(1),
  tolerance: {},
  confirmed: new Set(),
})
