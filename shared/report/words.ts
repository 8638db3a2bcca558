/** Words and figures the report's text and page share. */
import type { Tier } from '../../ml/classify/tier.ts'
import type { Level } from '../core/entity.ts'
import { clip, printable } from '../core/columns.ts'
import type { LocalDate } from '../core/days.ts'
import type { DailyReport, Figures, Interval, ReportIncident, ReportPart } from './report.ts'

export const LEVEL_WORDS: Readonly<Record<Level, readonly [one: string, many: string]>> = {
  campaign: ['campaign', 'Campaigns'],
  adset: ['ad set', 'Ad sets'],
  ad: ['ad', 'Ads'],
}

export const TIER_WORDS: Readonly<Record<Tier, string>> = {
  HIGH_PERFORMER: 'great',
  MODERATE: 'good',
  LOW: 'weak',
  UNDERPERFORMER: 'poor',
}
/** As people read them: the best first. */
export const TIERS_SHOWN: readonly Tier[] = ['HIGH_PERFORMER', 'MODERATE', 'LOW', 'UNDERPERFORMER']

export const JUDGED_BY =
  "Great, good, weak or poor: by what a lead cost in 7 days next to the account's average, and where that is heading."
export const SUMMED_BY =
  'The ranges hold 95 of 100 such weeks, if things go on as they are: campaigns add up, and what they may be off by ' +
  'evens out in part (root of the sum of squares).'

const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })
const oneDigit = new Intl.NumberFormat('en-US', { maximumFractionDigits: 1 })
const amountFormats = new Map<string, Intl.NumberFormat>()

const amountFormatOf = (currency: string): Intl.NumberFormat => {
  let format = amountFormats.get(currency)
  if (!format) {
    // As many decimals as the currency has: 2, and none for JPY.
    const digits = new Intl.NumberFormat('en-US', { style: 'currency', currency }).resolvedOptions()
      .maximumFractionDigits
    format = new Intl.NumberFormat('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
    amountFormats.set(currency, format)
  }
  return format
}

/** `12.50`, `1,250`: without cents from a thousand on. */
export const amount = (value: number, currency: string): string =>
  (Math.abs(value) < 999.995 ? amountFormatOf(currency) : whole).format(value)

/** `BRL 12.50`. */
export const money = (value: number, currency: string): string => `${currency} ${amount(value, currency)}`

export const count = (value: number): string => whole.format(value)
/** Forecasts of counts: a tenth of a lead still says something below ten. */
export const about = (value: number): string => (value < 9.95 ? oneDigit : whole).format(value)

/** `9 leads`, `1 lead`. */
export const many = (value: number, one: string, several = `${one}s`): string =>
  `${count(value)} ${value === 1 ? one : several}`

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
const weekdayFormat = new Intl.DateTimeFormat('en-GB', { weekday: 'short', timeZone: 'UTC' })

const instantOf = (date: LocalDate): Date => new Date(`${date}T00:00:00Z`)
/** `Tuesday, 10 March 2026`. */
export const longDay = (date: LocalDate): string =>
  dayFormat.format(instantOf(date)).replace(/^(\w+),? /, '$1, ')
/** `10 Mar`. */
export const shortDay = (date: LocalDate): string => shortFormat.format(instantOf(date))
/** `Tue`. */
export const weekday = (date: LocalDate): string => weekdayFormat.format(instantOf(date))

/** `11 March 2026, 04:00`, on the clocks of the account. */
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

export const range = ({ lower, upper }: Interval, format: (value: number) => string): string =>
  `${format(lower)} to ${format(upper)}`

/** Longer ones push what is said of them out of sight. */
const NAME_WIDTH = 120

/** A name as the report calls it; one of nothing but blanks would leave a sentence without its subject. */
export const called = (name: string, width = NAME_WIDTH): string =>
  clip(printable(name), width) || '(no name)'

/** What advice would bring in a week. */
export const effectOf = (
  {
    expected_leads: leads,
    expected_saving: saving,
  }: Pick<DailyReport['advice']['top'][number], 'expected_leads' | 'expected_saving'>,
  currency: string,
): string | null => {
  const more = about(leads ?? 0)
  if (leads !== null && leads > 0 && more !== '0') return `+${more} ${more === '1' ? 'lead' : 'leads'} a week`
  if (saving !== null && saving > 0) return `saves ${money(saving, currency)} a week`
  return null
}

/** What to know of one part. */
export const noticesOn = ({ notices }: DailyReport, part: ReportPart): readonly string[] =>
  notices.flatMap((notice) => (notice.part === part ? [notice.text] : []))

/** A campaign by its name; by its id when it has none. */
export const campaignOf = ({
  campaign_id: id,
  campaign_name: label,
}: Pick<ReportIncident, 'campaign_id' | 'campaign_name'>): string => label ?? id

/** Findings that tell of no incident and that nobody has to hear of. */
export const quietFindings = ({ anomalies }: DailyReport): number => anomalies.open - anomalies.alerted

const brought = ({ spend, leads, cpl }: Figures, currency: string): string =>
  spend === 0 && leads === 0
    ? 'nothing was spent'
    : `${money(spend, currency)} brought ${
        cpl === null ? 'no leads' : `${many(leads, 'lead')} at ${money(cpl, currency)} each`
      }`

/** `5% less than the week before`. */
const against = (percent: number | null): string => {
  if (percent === null) return ''
  const rounded = Math.round(percent)
  if (rounded === 0) return ', as in the week before'
  return `, ${count(Math.abs(rounded))}% ${rounded > 0 ? 'more' : 'less'} than in the week before`
}

/** The report in two or three sentences. */
export const summaryOf = (report: DailyReport): string => {
  const { config, date, totals, incidents, anomalies, advice } = report
  const day = brought(totals.day, config.currency)
  const week = brought(totals.week, config.currency)
  const odd = [
    ...(incidents.open.total > 0 ? [many(incidents.open.total, 'incident')] : []),
    ...(anomalies.alerted > 0 ? [many(anomalies.alerted, 'odd finding')] : []),
  ]
  const findings =
    odd.length > 0
      ? `${odd.join(' and ')} ${incidents.open.total + anomalies.alerted === 1 ? 'is' : 'are'} open`
      : noticesOn(report, 'anomalies').length > 0
        ? ''
        : 'Nothing odd is open'
  const todo =
    advice.active === 0
      ? noticesOn(report, 'advice').length > 0
        ? ''
        : 'there is nothing to do'
      : `there ${advice.active === 1 ? 'is' : 'are'} ${many(advice.active, 'thing')} to do`
  const last = [findings, todo].filter((one) => one !== '').join(', and ')
  return (
    `On ${shortDay(date)} ${day}. In the 7 days up to then ${week}${against(totals.change.cpl)}.` +
    (last === '' ? '' : ` ${last.charAt(0).toUpperCase()}${last.slice(1)}.`)
  )
}
