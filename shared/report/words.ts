/** Words and figures the report's text and page share. */
import type { Tier } from '../../ml/classify/tier.ts'
import type { Level } from '../core/entity.ts'
import type { LocalDate } from '../core/days.ts'
import { clip, printable } from '../core/columns.ts'
import type { DailyReport, Interval } from './daily-report.ts'

export const LEVEL_WORDS: Readonly<Record<Level, readonly [one: string, many: string]>> = {
  campaign: ['campaign', 'Campaigns'],
  adset: ['ad set', 'Ad sets'],
  ad: ['ad', 'Ads'],
}

export const TIER_WORDS: Readonly<Record<Tier, string>> = {
  HIGH_PERFORMER: 'doing great',
  MODERATE: 'doing well',
  LOW: 'weak',
  UNDERPERFORMER: 'doing badly',
}
/** As people read them: the best first. */
export const TIERS_SHOWN: readonly Tier[] = ['HIGH_PERFORMER', 'MODERATE', 'LOW', 'UNDERPERFORMER']

const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })
const oneDigit = new Intl.NumberFormat('en-US', { maximumFractionDigits: 1 })
const moneyFormats = new Map<string, Intl.NumberFormat>()

/** `BRL 12.50`, `BRL 1,250`: without cents from a thousand on. */
export const money = (value: number | null, currency: string): string => {
  if (value === null) return 'unknown'
  const cents = Math.abs(value) < 1000
  const key = `${currency} ${cents}`
  let format = moneyFormats.get(key)
  if (!format) {
    format = new Intl.NumberFormat('en-US', {
      style: 'currency',
      currency,
      currencyDisplay: 'code',
      ...(cents ? {} : { maximumFractionDigits: 0 }),
    })
    moneyFormats.set(key, format)
  }
  // A space that does not break is only in the way of a terminal.
  return format.format(value).replaceAll('\u00A0', ' ')
}

export const count = (value: number): string => whole.format(value)
/** Forecasts of counts: a tenth of a lead still says something below ten. */
export const about = (value: number): string => (value < 10 ? oneDigit : whole).format(value)

/** `+12%`, `-3%`, `no change`; null where there is nothing to compare with. */
export const change = (percent: number | null): string | null => {
  if (percent === null) return null
  const rounded = Math.round(percent)
  return rounded === 0 ? 'no change' : `${rounded > 0 ? '+' : '-'}${count(Math.abs(rounded))}%`
}

const dayFormat = new Intl.DateTimeFormat('en-GB', {
  weekday: 'long',
  day: 'numeric',
  month: 'long',
  year: 'numeric',
  timeZone: 'UTC',
})
const shortFormat = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' })

const instantOf = (date: LocalDate): Date => new Date(`${date}T00:00:00Z`)
/** `Tuesday, 10 March 2026`. */
export const longDay = (date: LocalDate): string =>
  dayFormat.format(instantOf(date)).replace(/^(\w+) /, '$1, ')
/** `10 Mar`. */
export const shortDay = (date: LocalDate): string => shortFormat.format(instantOf(date))

export const range = ({ lower, upper }: Interval, format: (value: number) => string): string =>
  `${format(lower)} to ${format(upper)}`

/** `9 instants`, `1 instant`. */
export const many = (value: number, one: string, several = `${one}s`): string =>
  `${count(value)} ${value === 1 ? one : several}`

/** `11 March 2026, 04:00`, in the account's zone. */
export const instant = (iso: string, timeZone: string): string =>
  new Intl.DateTimeFormat('en-GB', {
    day: 'numeric',
    month: 'long',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    timeZone,
  })
    .format(new Date(iso))
    .replace(' at ', ', ')

/** Where the figures come from, in one sentence. */
export const sourceOf = ({ config, data_as_of: asOf }: DailyReport): string =>
  `Days are those of ${config.timezone}` +
  (asOf === null ? '.' : `; figures as of ${instant(asOf, config.timezone)}.`)

/** Longer ones push what is said of them out of sight. */
const NAME_WIDTH = 120

/** A name as the report calls it; one of nothing but blanks would leave a sentence without its subject. */
export const called = (name: string): string => clip(printable(name), NAME_WIDTH) || '(no name)'

/** What advice would bring in a week. */
export const effectOf = (
  { expected_leads: leads, expected_saving: saving }: DailyReport['advice']['top'][number],
  currency: string,
): string | null => {
  const more = about(leads ?? 0)
  if (leads !== null && leads > 0 && more !== '0') return `+${more} ${more === '1' ? 'lead' : 'leads'} a week`
  if (saving !== null && saving > 0) return `saves ${money(saving, currency)} a week`
  return null
}

/** The report in one sentence. */
export const summaryOf = ({ config, date, totals, anomalies, advice }: DailyReport): string => {
  const { week, change: moved } = totals
  const leads =
    week.cpl === null ? 'no leads' : `${many(week.leads, 'lead')}, ${money(week.cpl, config.currency)} a lead`
  const trend = change(moved.cpl)
  const findings =
    anomalies.open === 0
      ? 'Nothing odd is open'
      : `${many(anomalies.open, 'odd finding is', 'odd findings are')} open`
  const todo =
    advice.active === 0
      ? 'there is nothing to do'
      : `there ${advice.active === 1 ? 'is 1 thing' : `are ${count(advice.active)} things`} to do`
  return (
    `In the 7 days to ${shortDay(date)} ${money(week.spend, config.currency)} brought ${leads}` +
    `${trend === null ? '' : ` (${trend} on the week before)`}. ${findings}, and ${todo}.`
  )
}
