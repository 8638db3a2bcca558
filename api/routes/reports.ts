/** The morning report, for machines and for people. */
import { z } from 'zod'
import { SEVERITIES, POLARITIES } from '../../ml/detectors/signal.ts'
import { TIERS } from '../../ml/classify/tier.ts'
import { RECOMMENDATION_TYPES } from '../../ml/recommend/matrix.ts'
import { LocalDate } from '../../shared/core/days.ts'
import { ConfigId, Level } from '../../shared/core/entity.ts'
import { renderHtml } from '../../shared/report/html.ts'
import { REPORT_PARTS } from '../../shared/report/report.ts'
import { renderText } from '../../shared/report/text.ts'
import { route } from '../route.ts'
import type { Route } from '../route.ts'
import { Incident } from './incidents.ts'

const number = z.number().nullable()
const Tier = z.enum(TIERS)
const Figures = z.object({ spend: z.number(), leads: z.number(), cpl: number })
const Change = z
  .object({ spend: number, leads: number, cpl: number })
  .describe('Percent, the week against the one before; null where that was 0 or is not known in full')
const Interval = z.object({ predicted: z.number(), lower: z.number(), upper: z.number() })

const Anomalies = z.object({
  open: z.int(),
  alerted: z.int().describe('Of those, worth an alarm'),
  campaigns: z.int().describe('With open findings'),
  groups: z
    .array(
      z.object({
        campaign_id: z.string(),
        campaign_name: z.string(),
        findings: z.int(),
        id: z.int(),
        entity_type: Level,
        entity_id: z.string(),
        entity_name: z.string(),
        type: z.string(),
        metric: z.string(),
        severity: z.enum(SEVERITIES),
        polarity: z.enum(POLARITIES),
        alerted: z.boolean(),
        partial: z.boolean().describe('Of the day that still runs, by its hours so far'),
        date: LocalDate,
        observed: number,
        expected: number,
        sentence: z.string(),
      }),
    )
    .describe(
      'One per campaign, with its worst finding: what is worth an alarm first, the worst, the newest',
    ),
})

const Incidents = z.object({
  total: z.int(),
  top: z
    .array(
      Incident.pick({
        id: true,
        campaign_id: true,
        campaign_name: true,
        root: true,
        metric: true,
        direction: true,
        polarity: true,
        severity: true,
        date_from: true,
        date_to: true,
        sentence: true,
        money: true,
        main_cause: true,
        findings: true,
        status: true,
      }),
    )
    .describe('The loudest first, then what costs most'),
})

const Advice = z.object({
  active: z.int(),
  top: z
    .array(
      z.object({
        id: z.int(),
        type: z.enum(RECOMMENDATION_TYPES),
        priority: z.int(),
        title: z.string(),
        entity_type: Level,
        entity_id: z.string(),
        entity_name: z.string(),
        campaign_name: z.string().nullable(),
        expected_leads: number.describe('More a week'),
        expected_saving: number.describe('A week, in the currency of the account'),
        sentence: z.string(),
      }),
    )
    .describe('The largest expected effect first'),
})

const NextWeek = z
  .object({
    from: LocalDate,
    to: LocalDate,
    forecast_date: LocalDate,
    campaigns: z.int(),
    left_out: z.int().describe('Campaigns with too little history to forecast; in no sum'),
    spend: Interval,
    leads: Interval,
    cpl: number,
    days: z.array(z.object({ date: LocalDate, spend: Interval, leads: Interval })),
  })
  .describe(
    'Of all campaigns together: predictions add up, half-widths of the 95% intervals add as the root of the sum of squares',
  )

const Report = z
  .object({
    config: z.object({ id: z.int(), name: z.string(), currency: z.string(), timezone: z.string() }),
    date: LocalDate,
    data_as_of: z.iso.datetime().nullable(),
    notices: z
      .array(z.object({ part: z.enum(REPORT_PARTS), text: z.string() }))
      .describe('What to know of a part before reading it, and what to run'),
    totals: z.object({ day: Figures, week: Figures, week_before: Figures, change: Change }),
    history: z.array(z.object({ date: LocalDate, spend: z.number(), leads: z.number() })),
    incidents: z.object({
      open: Incidents.describe('Told of, and going on'),
      quiet: Incidents.describe('Going on, and not told of: muted, or beyond the alarms of a day'),
      over: Incidents.describe('Told of, and over'),
    }),
    anomalies: Anomalies.describe('Findings that belong to no incident, such as good news'),
    advice: Advice,
    campaigns: z.object({
      total: z.int(),
      top: z
        .array(
          z.object({
            campaign_id: z.string(),
            campaign_name: z.string(),
            tier: Tier.nullable(),
            days_in_tier: z.int().nullable(),
            week: Figures,
            change: Change,
          }),
        )
        .describe('Most spent first'),
    }),
    tiers: z.array(z.object({ entity_type: Level, date: LocalDate, counts: z.record(Tier, z.int()) })),
    tier_changes: z.array(
      z.object({
        entity_type: Level,
        entity_id: z.string(),
        entity_name: z.string(),
        from: Tier,
        to: Tier,
        direction: z.enum(['improved', 'declined']),
      }),
    ),
    tier_changes_total: z.int(),
    next_week: NextWeek.nullable(),
  })
  .meta({ id: 'DailyReport' })

const FORMATS = ['json', 'text', 'html'] as const
type Format = (typeof FORMATS)[number]

const FORMAT_OF: Readonly<Record<string, Format>> = {
  'application/json': 'json',
  'text/plain': 'text',
  'text/html': 'html',
}

/** What a caller that names no format would rather have, by the weights of its Accept header (RFC 9110, 12.5.1). */
const accepted = (header: string | string[] | undefined): Format => {
  const [best] = (Array.isArray(header) ? header.join(',') : (header ?? ''))
    .split(',')
    .flatMap((range) => {
      const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase())
      const weight = Number(parameters.find((one) => one.startsWith('q='))?.slice(2) ?? 1)
      const format = FORMAT_OF[type]
      return format !== undefined && weight > 0 ? [{ format, weight }] : []
    })
    .toSorted((a, b) => b.weight - a.weight)
  return best?.format ?? 'json'
}

const daily = route({
  method: 'get',
  path: '/api/v1/reports/daily',
  role: 'viewer',
  tag: 'Reports',
  summary: 'The morning report: how it went, what is odd, what to do, what comes next',
  query: z.object({
    config_id: ConfigId,
    date: LocalDate.optional().describe('Default: the newest complete day that has rows'),
    format: z.enum(FORMATS).optional().describe('Default: as the Accept header says, else json'),
  }),
  reply: { 200: Report },
  texts: ['text/html', 'text/plain'],
  codes: ['INSUFFICIENT_DATA'],
  handle: async ({ query, seesConfig, stream }, { reports }) => {
    seesConfig(query.config_id)
    const report = await reports.daily(query.config_id, query.date ?? null)
    const format = query.format ?? accepted(stream.headers['accept'])
    if (format === 'html') {
      return {
        status: 200,
        body: renderHtml(report),
        headers: { 'content-type': 'text/html; charset=utf-8', vary: 'Accept' },
      }
    }
    if (format === 'text') {
      return {
        status: 200,
        body: renderText(report),
        headers: { 'content-type': 'text/plain; charset=utf-8', vary: 'Accept' },
      }
    }
    return { status: 200, body: report, headers: { vary: 'Accept' } }
  },
})

export const reportRoutes: readonly Route[] = [daily]
