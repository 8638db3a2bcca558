/**
 * Made-up ad accounts of any size: the same options give the same rows, as objects or as a CSV file in
 * vigia's own columns. Everything streams, one ad after the other, so memory does not grow with the account.
 *
 * The days look like an account's: a weekday pattern, a drift per campaign, noise that lasts, counts
 * (clicks of impressions, leads of clicks), ads that start late or end early, and in the last two weeks
 * of a few ads something that a detector should find.
 */
import { type LocalDate, toDayNumber, toLocalDate } from '../shared/core/days.ts'
import { between, normal, poisson, randomOf } from './random.ts'
import type { Random } from './random.ts'

export interface AccountShape {
  readonly campaigns: number
  readonly adsets: number
  readonly ads: number
}

/** By the number of entities over the three levels together. */
export const ACCOUNT_SHAPES = {
  44: { campaigns: 2, adsets: 9, ads: 33 },
  185: { campaigns: 8, adsets: 42, ads: 135 },
  387: { campaigns: 18, adsets: 91, ads: 278 },
  10_000: { campaigns: 450, adsets: 2350, ads: 7200 },
  100_000: { campaigns: 4500, adsets: 23_500, ads: 72_000 },
} as const satisfies Record<number, AccountShape>
export type AccountSize = keyof typeof ACCOUNT_SHAPES

/** At least one adset per campaign and one ad per adset. */
export interface AccountOptions extends AccountShape {
  /** Days of history, the last of which is `endDate`. */
  readonly days: number
  readonly endDate: LocalDate
  readonly seed: number
}

/** One ad on one day; the names are those of the columns of a CSV file. */
export interface AdDayRow {
  readonly date: LocalDate
  readonly campaign_id: string
  readonly campaign_name: string
  readonly adset_id: string
  readonly adset_name: string
  readonly ad_id: string
  readonly ad_name: string
  /** Account currency, two decimals. */
  readonly spend: number
  readonly impressions: number
  readonly reach: number
  readonly clicks: number
  readonly leads: number
}

const CSV_COLUMNS = [
  'date',
  'campaign_id',
  'campaign_name',
  'adset_id',
  'adset_name',
  'ad_id',
  'ad_name',
  'spend',
  'impressions',
  'reach',
  'clicks',
  'leads',
] as const satisfies readonly (keyof AdDayRow)[]

const CHUNK_ROWS = 5000

const CAMPAIGN = 1
const AD = 2

/** Monday first. */
const WEEKDAYS = [1.06, 1.09, 1.08, 1.05, 1, 0.84, 0.88] as const
/** 1970-01-01 was a Thursday. */
const weekdayFactor = (day: number): number => WEEKDAYS[(((day + 3) % 7) + 7) % 7] as number

const FAULT_SHARE = 0.05
const FAULT_DAYS = 14

/** What a fault multiplies from the day it starts. */
interface Fault {
  readonly from: number
  readonly to: number
  readonly spend: number
  readonly ctr: number
  readonly conversion: number
}

const NO_FAULT: Fault = { from: Infinity, to: -Infinity, spend: 1, ctr: 1, conversion: 1 }

const faultOf = (random: Random, lastDay: number): Fault => {
  if (random() >= FAULT_SHARE) return NO_FAULT
  const from = lastDay - Math.floor(between(random, 0, FAULT_DAYS))
  const fault = { ...NO_FAULT, from, to: lastDay }
  switch (Math.floor(random() * 4)) {
    case 0: // delivery stops
      return { ...fault, spend: 0 }
    case 1: // one expensive day
      return { ...fault, to: from, spend: 3 }
    case 2: // the creative wears out
      return { ...fault, ctr: 0.4 }
    default: // the form breaks
      return { ...fault, conversion: 0 }
  }
}

const idOf = (level: 1 | 2 | 3, index: number): string => `${level}${String(index + 1).padStart(11, '0')}`

/** Parent of child `index` when `children` are spread evenly over `parents`. */
const parentOf = (index: number, children: number, parents: number): number =>
  Math.floor((index * parents) / children)

/** The delivered days of ad number `index`, oldest first. */
function* adDays(options: AccountOptions, index: number, dates: readonly LocalDate[]): Generator<AdDayRow> {
  const { campaigns, adsets, ads, seed } = options
  const adset = parentOf(index, ads, adsets)
  const campaign = parentOf(adset, adsets, campaigns)
  const names = {
    campaign_id: idOf(1, campaign),
    campaign_name: `Campaign ${campaign + 1}`,
    adset_id: idOf(2, adset),
    adset_name: `Ad set ${adset + 1}`,
    ad_id: idOf(3, index),
    ad_name: `Ad ${index + 1}`,
  }

  const shared = randomOf(seed, CAMPAIGN, campaign)
  const budget = Math.exp(between(shared, Math.log(20), Math.log(120)))
  const drift = between(shared, -0.004, 0.005)
  const cpm = between(shared, 8, 25)

  const random = randomOf(seed, AD, index)
  const level = budget * Math.exp(0.4 * normal(random))
  const ctr = Math.exp(Math.log(0.012) + 0.3 * normal(random))
  const conversion = between(random, 0.03, 0.12)
  const frequency = between(random, 1.08, 1.35)
  const firstDay = toDayNumber(options.endDate) - options.days + 1
  const life = random()
  const start = life < 0.08 ? Math.floor(between(random, 0, options.days * 0.9)) : 0
  const end = life > 0.95 ? Math.ceil(between(random, options.days * 0.3, options.days)) : options.days
  const fault = faultOf(random, options.days - 1)

  let mood = 0
  for (let i = start; i < end; i++) {
    const day = firstDay + i
    mood = 0.6 * mood + 0.12 * normal(random)
    const odd = i >= fault.from && i <= fault.to ? fault : NO_FAULT
    const wanted = level * weekdayFactor(day) * Math.exp(drift * i + mood) * odd.spend
    const impressions = poisson(random, (1000 * wanted) / (cpm * Math.exp(0.08 * normal(random))))
    if (impressions === 0) continue
    const clicks = Math.min(impressions, poisson(random, impressions * ctr * odd.ctr))
    const leads = Math.min(clicks, poisson(random, clicks * conversion * odd.conversion))
    yield {
      date: dates[i] as LocalDate,
      ...names,
      spend: Math.max(1, Math.round(wanted * 100)) / 100,
      impressions,
      reach: Math.max(1, Math.round(impressions / (frequency + between(random, -0.03, 0.03)))),
      clicks,
      leads,
    }
  }
}

/** The rows of the account, ad by ad, in chunks of about 5,000. */
export function* makeAccount(options: AccountOptions): Generator<readonly AdDayRow[]> {
  const firstDay = toDayNumber(options.endDate) - options.days + 1
  const dates = Array.from({ length: options.days }, (_, i) => toLocalDate(firstDay + i))
  let chunk: AdDayRow[] = []
  for (let ad = 0; ad < options.ads; ad++) {
    for (const row of adDays(options, ad, dates)) chunk.push(row)
    if (chunk.length >= CHUNK_ROWS) {
      yield chunk
      chunk = []
    }
  }
  if (chunk.length > 0) yield chunk
}

/** The same rows as text: a header line, then one line per row. No cell needs quotes. */
export function* accountToCsv(options: AccountOptions): Generator<string> {
  yield `${CSV_COLUMNS.join(',')}\n`
  for (const rows of makeAccount(options)) {
    yield rows.map((row) => `${CSV_COLUMNS.map((column) => row[column]).join(',')}\n`).join('')
  }
}
