/**
 * A simulated account by the hour: a curve over the day that comes early or late, weekdays 40% up and down, days on
 * which the whole account is slow, ads that wander, clicks bought one by one, leads rougher than Poisson's.
 */
import type { HourlyFrame, HourlyHead } from '../../../../ml/detectors/intraday.ts'
import { Mt19937 } from '../../../../ml/rng/mt19937.ts'

export const HOURS = 24

export interface HourlyAccount {
  readonly days: number
  readonly heads: readonly HourlyHead[]
  /** Ads x days x 24, of each hour. */
  readonly spend: Float64Array
  readonly leads: Float64Array
}

export interface AccountShape {
  readonly campaigns: number
  readonly adsPerCampaign: number
  readonly days: number
}

interface Draws {
  uniform(): number
  normal(): number
  poisson(mean: number): number
  /** Mean 1. */
  gamma(shape: number): number
}

const drawsOf = (seed: number): Draws => {
  const source = new Mt19937(seed)
  const uniform = (): number => (source.u32() + 0.5) / 4_294_967_296
  const normal = (): number => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform())
  const poisson = (mean: number): number => {
    if (mean > 60) return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal()))
    const limit = Math.exp(-mean)
    let count = 0
    for (let product = uniform(); product > limit; product *= uniform()) count += 1
    return count
  }
  /** Marsaglia and Tsang 2000; shape >= 1. */
  const gamma = (shape: number): number => {
    const d = shape - 1 / 3
    for (;;) {
      const x = normal()
      const v = (1 + x / Math.sqrt(9 * d)) ** 3
      if (v > 0 && Math.log(uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return (d * v) / shape
    }
  }
  return { uniform, normal, poisson, gamma }
}

/** Share of a day's people awake, by hour. */
const CURVE = [
  2, 1.2, 0.8, 0.6, 0.7, 1.2, 2.4, 3.6, 4.4, 4.9, 5.1, 5.3, 5.6, 5.2, 5, 5, 5.1, 5.4, 5.9, 6.3, 6.5, 6.1, 4.8,
  3.4,
]
const CURVE_SUM = CURVE.reduce((sum, part) => sum + part, 0)
const ACCOUNT_SD = 0.12
const AD_SD = 0.18
const TILT_SD = 0.12
const WEEKDAY_AMPLITUDE = 0.4
/** Shape of the gamma that roughens the leads of an ad's day. */
const LEADS_SHAPE = 8

export const simulateHours = (
  seed: number,
  { campaigns, adsPerCampaign, days }: AccountShape,
): HourlyAccount => {
  const draws = drawsOf(seed)
  const ads = campaigns * adsPerCampaign
  const spend = new Float64Array(ads * days * HOURS)
  const leads = new Float64Array(ads * days * HOURS)
  const slow = Array.from({ length: days }, () => Math.exp(ACCOUNT_SD * draws.normal()))
  const tilts = Array.from({ length: days }, () => TILT_SD * draws.normal())
  const phase = draws.uniform() * 7
  const heads: HourlyHead[] = []
  for (let ad = 0; ad < ads; ad++) {
    const campaign = Math.floor(ad / adsPerCampaign)
    heads.push({
      id: `a${ad}`,
      parentId: `s${campaign}`,
      campaignId: `c${campaign}`,
      activeRanges: [[0, days]],
      budgetChanges: [],
    })
    const budget = Math.exp(Math.log(60) + 0.9 * draws.normal())
    const perClick = 0.6 + 2 * draws.uniform()
    const perLead = 8 + 40 * draws.uniform()
    let wander = 0
    for (let day = 0; day < days; day++) {
      wander = 0.6 * wander + 0.8 * AD_SD * draws.normal()
      const weekday = 1 + WEEKDAY_AMPLITUDE * Math.sin((2 * Math.PI * (day + phase)) / 7)
      const level = budget * weekday * (slow[day] as number) * Math.exp(wander)
      const lateness = Math.exp((tilts[day] as number) + TILT_SD * draws.normal())
      const luck = draws.gamma(LEADS_SHAPE)
      let before = 0
      let passed = 0
      for (let hour = 0; hour < HOURS; hour++) {
        passed += (CURVE[hour] as number) / CURVE_SUM
        const share = passed ** lateness
        const due = level * (share - before)
        before = share
        const cell = (ad * days + day) * HOURS + hour
        const clicks = draws.poisson(due / perClick)
        spend[cell] = Math.round(100 * clicks * perClick) / 100
        leads[cell] = draws.poisson((due / perLead) * luck)
      }
    }
  }
  return { days, heads, spend, leads }
}

/** The account as it is on `day` after so many hours, with the 56 days before. */
export const frameOn = (account: HourlyAccount, day: number, hours: number): HourlyFrame => {
  const back = Math.min(56, day)
  const width = back + 1
  const { heads } = account
  const cut = (column: Float64Array): Float64Array => {
    const cells = new Float64Array(heads.length * width)
    heads.forEach((_, ad) => {
      for (let i = 0; i < width; i++) {
        const start = (ad * account.days + day - back + i) * HOURS
        let sum = 0
        for (let hour = 0; hour < hours; hour++) sum += column[start + hour] as number
        cells[ad * width + i] = sum
      }
    })
    return cells
  }
  return {
    today: day,
    hours,
    days: Int32Array.from({ length: back }, (_, i) => day - back + i),
    heads,
    spend: cut(account.spend),
    leads: cut(account.leads),
  }
}

/** The same account one level up: its campaigns. */
export const campaignsOf = (account: HourlyAccount): HourlyAccount => {
  const ids = [...new Set(account.heads.map(({ campaignId }) => campaignId))]
  const size = account.days * HOURS
  const sums = (column: Float64Array): Float64Array => {
    const cells = new Float64Array(ids.length * size)
    account.heads.forEach(({ campaignId }, ad) => {
      const at = ids.indexOf(campaignId) * size
      for (let i = 0; i < size; i++) (cells[at + i] as number) += column[ad * size + i] as number
    })
    return cells
  }
  return {
    days: account.days,
    heads: ids.map((id) => ({
      id,
      parentId: null,
      campaignId: id,
      activeRanges: [[0, account.days]],
      budgetChanges: [],
    })),
    spend: sums(account.spend),
    leads: sums(account.leads),
  }
}
