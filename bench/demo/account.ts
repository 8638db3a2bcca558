/**
 * The account of `vigia demo`: a gym with four campaigns, 120 days of them, the last of which still runs. Nearly all
 * of it is ordinary; BREAKS are what there is to find. The files of the demo come from here:
 * `node dist/bench/demo/account.js cli/demo/data`.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { normal, poisson, randomOf } from '../random.ts'
import type { Random } from '../random.ts'

export const DEMO_DAYS = 120
/** The newest complete day. */
const D = DEMO_DAYS - 2
const FIRST_DAY_MS = Date.UTC(2026, 0, 5)
const DAY_MS = 86_400_000

interface Effect {
  readonly spend?: number
  readonly costPerThousand?: number
  readonly ctr?: number
  readonly conversionRate?: number
}

/** What happens to an ad set or ad, on days counted from the first; inclusive. */
export interface Break extends Effect {
  readonly entityId: string
  readonly from: number
  readonly to: number
}

export const BREAKS: readonly Break[] = [
  // An ad stops: refused by the platform, say.
  { entityId: '1020101', from: D - 1, to: D + 1, spend: 0 },
  // The form behind one ad loses people: dear leads in its ad set. Leads of the newest days are still arriving.
  { entityId: '1010102', from: D - 6, to: D + 1, costPerThousand: 2.2 },
  // An audience is tired of all that it is shown.
  { entityId: '10301', from: D - 2, to: D + 1, ctr: 0.55 },
  // Over since: one day of far too much money.
  { entityId: '10401', from: D - 4, to: D - 4, spend: 2.8 },
  // Told by changes.csv, and no reason for an alarm.
  { entityId: '10102', from: D - 4, to: D + 1, spend: 1.5 },
]

const CHANGES: readonly { readonly entityId: string; readonly day: number; readonly factor: number }[] = [
  { entityId: '10202', day: 41, factor: 1.25 },
  { entityId: '10301', day: 66, factor: 0.8 },
  { entityId: '10102', day: D - 4, factor: 1.5 },
]

interface Ad {
  readonly name: string
  /** On an ordinary day, in the account's currency. */
  readonly spend: number
  readonly costPerThousand: number
  readonly ctr: number
  readonly conversionRate: number
}

interface AdSet {
  readonly name: string
  readonly ads: readonly Ad[]
}

const ad = (
  name: string,
  spend: number,
  costPerThousand: number,
  ctr: number,
  conversionRate: number,
): Ad => ({
  name,
  spend,
  costPerThousand,
  ctr,
  conversionRate,
})

const CAMPAIGNS: readonly { readonly name: string; readonly adSets: readonly AdSet[] }[] = [
  {
    name: 'Spring offer | Leads',
    adSets: [
      {
        name: 'Lookalike 2%',
        ads: [
          ad('Video: first visit', 120, 21, 0.016, 0.11),
          ad('Carousel: prices', 180, 22, 0.015, 0.12),
          ad('Photo: team', 70, 19, 0.014, 0.1),
        ],
      },
      {
        name: 'Interests: fitness',
        ads: [ad('Video: first visit', 95, 18, 0.015, 0.09), ad('Photo: pool', 80, 17, 0.013, 0.1)],
      },
    ],
  },
  {
    name: 'Retargeting | 30 days',
    adSets: [
      {
        name: 'Site visitors',
        ads: [ad('First month free', 110, 30, 0.022, 0.14), ad('What members say', 60, 29, 0.019, 0.12)],
      },
      {
        name: 'Video viewers',
        ads: [ad('First month free', 70, 26, 0.018, 0.11), ad('Photo: classes', 50, 25, 0.017, 0.1)],
      },
    ],
  },
  {
    name: 'New gym | Centro',
    adSets: [
      {
        name: 'Neighbours 5 km',
        ads: [
          ad('Video: opening day', 130, 16, 0.017, 0.08),
          ad('Map and hours', 60, 15, 0.015, 0.09),
          ad('Photo: machines', 75, 16, 0.016, 0.08),
        ],
      },
      {
        name: 'Broad',
        ads: [ad('Video: opening day', 85, 12, 0.012, 0.07), ad('Carousel: classes', 65, 12, 0.013, 0.07)],
      },
    ],
  },
  {
    name: 'Newsletter',
    adSets: [
      {
        name: 'Lookalike members',
        ads: [ad('Guide: sleep better', 45, 14, 0.014, 0.16), ad('Guide: ten recipes', 55, 14, 0.015, 0.17)],
      },
    ],
  },
]

/** Monday to Sunday. */
const WEEKDAYS = [1.08, 1.12, 1.06, 1.02, 0.96, 0.84, 0.92] as const
/** So much of the newest day is there when the report is made. */
const PARTIAL_DAY = 0.6
/** Of the leads of the newest days, today first: the others arrive later. */
const ARRIVED = [0.5, 0.6, 0.82, 0.94] as const

export interface DemoRow {
  readonly campaignId: string
  readonly campaign: string
  readonly adSetId: string
  readonly adSet: string
  readonly adId: string
  readonly ad: string
  readonly day: number
  readonly spend: number
  readonly impressions: number
  readonly reach: number
  readonly clicks: number
  readonly leads: number
}

const effectOn = (day: number, ids: readonly string[]): Required<Effect> =>
  BREAKS.filter(({ entityId, from, to }) => ids.includes(entityId) && from <= day && day <= to).reduce(
    (all, { spend = 1, costPerThousand = 1, ctr = 1, conversionRate = 1 }) => ({
      spend: all.spend * spend,
      costPerThousand: all.costPerThousand * costPerThousand,
      ctr: all.ctr * ctr,
      conversionRate: all.conversionRate * conversionRate,
    }),
    { spend: 1, costPerThousand: 1, ctr: 1, conversionRate: 1 },
  )

/** Budgets as told by CHANGES; the last of them is a break as well. */
const budgetOn = (day: number, adSetId: string): number =>
  CHANGES.filter(({ entityId, day: from }) => entityId === adSetId && from <= day && from < D - 4).reduce(
    (all, { factor }) => all * factor,
    1,
  )

const noisy = (random: Random, mean: number, sd: number): number => mean * Math.exp(sd * normal(random))

/** An ad set's days differ from each other by what all its ads share, an ad's by a little more. */
const SHARED_NOISE = 0.06
const OWN_NOISE = 0.04

export const demoRows = (seed = 5): DemoRow[] => {
  const rows: DemoRow[] = []
  CAMPAIGNS.forEach(({ name: campaign, adSets }, c) => {
    const campaignId = `10${c + 1}`
    adSets.forEach(({ name: adSet, ads }, s) => {
      const adSetId = `${campaignId}0${s + 1}`
      const random = randomOf(seed, 1, c * 10 + s)
      const shared = Array.from({ length: DEMO_DAYS }, () => noisy(random, 1, SHARED_NOISE))
      ads.forEach((one, a) => {
        const adId = `${adSetId}0${a + 1}`
        const own = randomOf(seed, 2, (c * 10 + s) * 10 + a)
        for (let day = 0; day < DEMO_DAYS; day += 1) {
          const effect = effectOn(day, [adSetId, adId])
          const isToday = day === DEMO_DAYS - 1
          const weekday = WEEKDAYS[day % 7] ?? 1
          const delivered =
            (isToday ? PARTIAL_DAY : 1) * weekday * (shared[day] ?? 1) * budgetOn(day, adSetId)
          const spend = Math.round(100 * noisy(own, one.spend * delivered * effect.spend, OWN_NOISE)) / 100
          const impressions = Math.round(
            (1000 * spend) / noisy(own, one.costPerThousand * effect.costPerThousand, 0.04),
          )
          const clicks = poisson(own, impressions * one.ctr * effect.ctr)
          const leads = poisson(
            own,
            clicks * one.conversionRate * effect.conversionRate * (ARRIVED[DEMO_DAYS - 1 - day] ?? 1),
          )
          const reach = Math.round(impressions / noisy(own, 1.4, 0.04))
          // An export has no row of what was not delivered.
          if (impressions > 0)
            rows.push({
              campaignId,
              campaign,
              adSetId,
              adSet,
              adId,
              ad: one.name,
              day,
              spend,
              impressions,
              reach,
              clicks,
              leads,
            })
        }
      })
    })
  })
  return rows
}

const dateOf = (day: number): string => new Date(FIRST_DAY_MS + day * DAY_MS).toISOString().slice(0, 10)

/** As Ads Manager exports it: nothing in place of no leads. */
export const demoCsv = (rows: readonly DemoRow[]): string =>
  [
    'Campaign name,Ad set name,Ad name,Day,Campaign ID,Ad set ID,Ad ID,Amount spent (BRL),Impressions,Reach,Clicks (all),Results,Result indicator,Reporting starts,Reporting ends',
    ...rows.map((row) => {
      const date = dateOf(row.day)
      const results = row.leads > 0 ? `${row.leads},actions:lead` : ','
      return `${row.campaign},${row.adSet},${row.ad},${date},${row.campaignId},${row.adSetId},${row.adId},${row.spend.toFixed(2)},${row.impressions},${row.reach},${row.clicks},${results},${date},${date}`
    }),
    '',
  ].join('\n')

export const demoChanges = (): string =>
  [
    'account_id,entity_id,kind,date,factor',
    ...CHANGES.map(({ entityId, day, factor }) => `demo-account,${entityId},budget,${dateOf(day)},${factor}`),
    '',
  ].join('\n')

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = process.argv[2] ?? '.'
  await writeFile(join(folder, 'account.csv'), demoCsv(demoRows()))
  await writeFile(join(folder, 'changes.csv'), demoChanges())
}
