/**
 * The morning report: what happened on a day, how everything does, what to do, and what comes next. Gathered
 * from what is stored; nothing is computed for it, and it says of which day each part is.
 */
import type { Severity } from '../../ml/detectors/signal.ts'
import { TIERS } from '../../ml/classify/tier.ts'
import type { Tier } from '../../ml/classify/tier.ts'
import type { RecommendationType } from '../../ml/recommend/matrix.ts'
import type { Clock } from '../core/clock.ts'
import { lastCompleteDay, localDayOf, toDayNumber, toLocalDate } from '../core/days.ts'
import type { LocalDate } from '../core/days.ts'
import { LEVELS } from '../core/entity.ts'
import type { Level } from '../core/entity.ts'
import { AppError } from '../core/errors.ts'
import { wired } from '../core/wire.ts'
import type { IncidentsService } from '../detection/incidents.ts'
import { expectedText, observedText, whatHappened } from '../detection/words.ts'
import type { Told } from '../detection/words.ts'
import { zoneOf } from '../entities/configs.ts'
import type { Configs } from '../entities/configs.ts'
import { requireCompleteDay } from '../entities/freshness.ts'
import type { DataFreshness } from '../entities/freshness.ts'
import { INCIDENT_FIELDS } from './report.ts'
import type {
  Change,
  DailyReport,
  Figures,
  Interval,
  Notice,
  ReportIncident,
  ReportIncidents,
} from './report.ts'

export const HISTORY_DAYS = 28
const WEEK = 7
const ADVICE_SHOWN = 10
const GROUPS_SHOWN = 20
const INCIDENTS_SHOWN = 10
const FOLDED_SHOWN = 20
const CAMPAIGNS_SHOWN = 20
const CHANGES_SHOWN = 30

/** Sums of the account's day. */
export interface ReportDay {
  readonly date: LocalDate
  readonly spend: number
  readonly leads: number
}

interface Sums {
  readonly spend: number
  readonly leads: number
}

export interface ReportCampaign {
  readonly campaignId: string
  readonly campaignName: string
  readonly week: Sums
  readonly weekBefore: Sums
  readonly tier: Tier | null
  readonly daysInTier: number | null
}

export interface ReportForecast {
  readonly forecastDate: LocalDate
  readonly campaigns: number
  /** Campaigns with too little history. */
  readonly leftOut: number
  /** `date` null: the whole week. */
  readonly rows: readonly {
    readonly metric: 'spend' | 'leads'
    readonly date: LocalDate | null
    readonly predicted: number
    readonly halfWidth: number
  }[]
}

export interface ReportTier {
  readonly entityType: Level
  readonly date: LocalDate
  readonly tier: Tier
  readonly count: number
}

/** The worst finding of a campaign, and how many there are. */
export interface ReportFinding extends Told {
  readonly id: number
  readonly campaignId: string
  readonly campaignName: string
  readonly findings: number
  readonly alerted: boolean
  /** Of a day that still ran. */
  readonly partial: boolean
  readonly severity: Severity
  readonly date: LocalDate
  readonly entityType: Level
  readonly entityId: string
  readonly entityName: string
}

export interface ReportAdvice {
  readonly id: number
  readonly type: RecommendationType
  readonly priority: number
  readonly title: string
  readonly entityType: Level
  readonly entityId: string
  readonly entityName: string
  readonly campaignName: string | null
  readonly expectedLeads: number | null
  readonly changePct: number | null
  /** Of the entity in the 7 days the advice was made from. */
  readonly spend7d: number | null
  readonly sentence: string
}

/** Which steps were done for a day, over all entities of a level. */
export interface ReportSteps {
  readonly classified: boolean
  readonly detected: boolean
  readonly recommended: boolean
  /** Forecasts were tried for campaigns, and there was too little history for one of them at least. */
  readonly tooLittleToForecast: boolean
}

/** The first of all there are. */
export interface Listed<Row> {
  readonly total: number
  readonly rows: readonly Row[]
}

export type ReportTierChange = DailyReport['tier_changes'][number]

/** Reads of one config; each is one statement. `day` is D. */
export interface ReportStore {
  days(configId: number, from: LocalDate, to: LocalDate): Promise<readonly ReportDay[]>
  /** The week up to `day` and the one before; most spent first. */
  campaigns(configId: number, day: LocalDate, limit: number): Promise<Listed<ReportCampaign>>
  /** Of campaigns, seven days ahead, the newest of both metrics made on `day` or before; null when there is none. */
  forecast(configId: number, day: LocalDate): Promise<ReportForecast | null>
  /** Of each level on its newest day up to `day`. */
  tiers(configId: number, day: LocalDate): Promise<readonly ReportTier[]>
  tierChanges(configId: number, day: LocalDate, limit: number): Promise<Listed<ReportTierChange>>
  /** Open, of no incident, of the days [from, to]: per campaign, what is alerted first, the worst, the newest. */
  openFindings(
    configId: number,
    from: LocalDate,
    to: LocalDate,
    limit: number,
  ): Promise<{
    readonly open: number
    readonly alerted: number
    readonly campaigns: number
    readonly groups: readonly ReportFinding[]
  }>
  /** Made of `day` or before and standing at `at`: advice expires also while no run comes by. */
  activeAdvice(configId: number, day: LocalDate, at: Date): Promise<readonly ReportAdvice[]>
  steps(configId: number, day: LocalDate): Promise<ReportSteps>
}

export interface ReportService {
  /**
   * @param day D; null: the newest complete day that has rows
   * @throws AppError CONFIG_NOT_FOUND; INVALID_REQUEST for a day that is not over; INSUFFICIENT_DATA without any figures
   */
  daily(configId: number, day: LocalDate | null): Promise<DailyReport>
}

const withCpl = ({ spend, leads }: Sums): Figures => ({ spend, leads, cpl: leads > 0 ? spend / leads : null })

const figuresOf = (days: readonly Sums[]): Figures =>
  withCpl({
    spend: days.reduce((sum, day) => sum + day.spend, 0),
    leads: days.reduce((sum, day) => sum + day.leads, 0),
  })

const percentOf = (now: number | null, before: number | null): number | null =>
  now === null || before === null || before === 0 ? null : (100 * (now - before)) / before

const changeOf = (now: Figures, before: Figures): Change => ({
  spend: percentOf(now.spend, before.spend),
  leads: percentOf(now.leads, before.leads),
  cpl: percentOf(now.cpl, before.cpl),
})

const UNKNOWN_CHANGE: Change = { spend: null, leads: null, cpl: null }

const intervalOf = (row: { predicted: number; halfWidth: number }): Interval => ({
  predicted: row.predicted,
  lower: Math.max(0, row.predicted - row.halfWidth),
  upper: row.predicted + row.halfWidth,
})

/** The week of a forecast; null when all of it is over on `day`. */
export const nextWeekOf = (forecast: ReportForecast | null, day: LocalDate): DailyReport['next_week'] => {
  if (!forecast) return null
  const find = (metric: 'spend' | 'leads', date: LocalDate | null): Interval => {
    const row = forecast.rows.find((one) => one.metric === metric && one.date === date)
    return intervalOf(row ?? { predicted: 0, halfWidth: 0 })
  }
  const dates = [...new Set(forecast.rows.flatMap(({ date }) => (date === null ? [] : [date])))].toSorted()
  const [from] = dates
  const to = dates.at(-1)
  // What is over is not to come.
  if (from === undefined || to === undefined || to <= day) return null
  const spend = find('spend', null)
  const leads = find('leads', null)
  return {
    from,
    to,
    forecast_date: forecast.forecastDate,
    campaigns: forecast.campaigns,
    left_out: forecast.leftOut,
    spend,
    leads,
    cpl: withCpl({ spend: spend.predicted, leads: leads.predicted }).cpl,
    days: dates.map((date) => ({ date, spend: find('spend', date), leads: find('leads', date) })),
  }
}

/** What was seen and what was expected, in one sentence. */
const sentenceOf = (finding: ReportFinding, currency: string): string => {
  const what = whatHappened(finding) + (finding.partial ? ' so far' : '')
  if (finding.observed === null) {
    return finding.expected === null ? what : `${what}; ${expectedText(finding, currency)} was expected`
  }
  const seen = `${what}: ${observedText(finding, currency)}`
  return finding.expected === null ? seen : `${seen}, expected ${expectedText(finding, currency)}`
}

const groupOf = (finding: ReportFinding, currency: string): DailyReport['anomalies']['groups'][number] => ({
  campaign_id: finding.campaignId,
  campaign_name: finding.campaignName,
  findings: finding.findings,
  id: finding.id,
  entity_type: finding.entityType,
  entity_id: finding.entityId,
  entity_name: finding.entityName,
  type: finding.type,
  metric: finding.metric,
  severity: finding.severity,
  polarity: finding.polarity,
  alerted: finding.alerted,
  partial: finding.partial,
  date: finding.date,
  observed: finding.observed,
  expected: finding.expected,
  sentence: sentenceOf(finding, currency),
})

const reportedOf = ({
  total,
  rows,
}: Awaited<ReturnType<IncidentsService['mostUrgent']>>): ReportIncidents => ({
  total,
  top: rows.map(
    (row) => Object.fromEntries(INCIDENT_FIELDS.map((field) => [field, row[field]])) as ReportIncident,
  ),
})

/** What a week would cost less. */
const savingOf = ({ type, changePct, spend7d }: ReportAdvice): number | null => {
  if (spend7d === null) return null
  if (type === 'PAUSE') return spend7d
  return changePct !== null && changePct < 0 ? (-changePct / 100) * spend7d : null
}

/**
 * The effects of advice in one measure, money: a lead is worth what the account pays for one. Without that, the
 * most leads first.
 */
export const rankAdvice = (
  advice: readonly ReportAdvice[],
  cpl: number | null,
): DailyReport['advice']['top'] =>
  advice
    .map((one) => {
      const saving = savingOf(one)
      const leads = one.expectedLeads ?? 0
      return { one, saving, leads, worth: Math.max(saving ?? 0, leads * (cpl ?? 0)) }
    })
    .toSorted(
      (a, b) =>
        b.worth - a.worth || b.leads - a.leads || b.one.priority - a.one.priority || a.one.id - b.one.id,
    )
    .slice(0, ADVICE_SHOWN)
    .map(({ one, saving }) => ({
      id: one.id,
      type: one.type,
      priority: one.priority,
      title: one.title,
      entity_type: one.entityType,
      entity_id: one.entityId,
      entity_name: one.entityName,
      campaign_name: one.entityType === 'campaign' ? null : one.campaignName,
      expected_leads: one.expectedLeads,
      expected_saving: saving,
      sentence: one.sentence,
    }))

/** What was read, and when it is of. */
interface Gathered {
  readonly configId: number
  readonly day: LocalDate
  /** Newest day with figures. */
  readonly newest: LocalDate
  readonly yesterday: LocalDate
  readonly asked: boolean
  readonly stale: boolean
  readonly tierDates: readonly LocalDate[]
  readonly forecastDate: LocalDate | null
  readonly hasNextWeek: boolean
  readonly hasFindings: boolean
  readonly hasAdvice: boolean
  readonly steps: ReportSteps
}

/** What to know before reading on. A part that is missing names the command that makes it. */
export const noticesOf = (gathered: Gathered): readonly Notice[] => {
  const { day, steps } = gathered
  const notices: Notice[] = []
  // Commands take the newest day unless they are told another.
  const dated = day === gathered.newest ? '' : ` --date ${day}`
  const command = (verb: string): string => `"vigia ${verb} --config ${gathered.configId}${dated}"`
  const say = (part: Notice['part'], text: string): void => void notices.push({ part, text })

  if (!gathered.asked && day < gathered.yesterday) {
    say('figures', `The figures of ${gathered.yesterday} are not in yet; this is the report of ${day}.`)
  } else if (gathered.stale) {
    say(
      'figures',
      `The figures of ${day} are not in: import them with "vigia import FILE --config ${gathered.configId}".`,
    )
  }
  if (day < gathered.newest) {
    say('figures', 'What is odd and what to do are told as they stand now, not as they stood that day.')
  } else {
    if (!gathered.hasFindings && !steps.detected)
      say('anomalies', `Nobody has looked at ${day} yet; do it with ${command('detect')}.`)
    if (!gathered.hasAdvice && !steps.recommended)
      say('advice', `There is no advice for ${day} yet; make it with ${command('recommend')}.`)
  }

  const [oldestTiers] = gathered.tierDates
  if (oldestTiers === undefined) {
    say(
      'tiers',
      steps.classified
        ? 'Too little has happened to tell how anything does: it takes leads, or money spent without any.'
        : `There are no tiers yet; find them out with ${command('classify')}.`,
    )
  } else if (oldestTiers < day) {
    say('tiers', `Some tiers are of ${oldestTiers}; bring them up to date with ${command('recommend')}.`)
  }

  if (gathered.forecastDate === null) {
    say(
      'next_week',
      steps.tooLittleToForecast
        ? 'There is too little history to forecast from: it takes 7 days.'
        : `There are no forecasts yet; make them with ${command('forecasts generate')}.`,
    )
  } else if (!gathered.hasNextWeek) {
    say(
      'next_week',
      `The forecasts are of ${gathered.forecastDate} and over; make new ones with ${command('forecasts generate')}.`,
    )
  } else if (gathered.forecastDate < day) {
    say(
      'next_week',
      `The forecasts are of ${gathered.forecastDate}; make new ones with ${command('forecasts generate')}.`,
    )
  }
  return notices
}

export const createReports = (parts: {
  readonly clock: Clock
  readonly store: ReportStore
  readonly configs: Configs
  readonly freshness: DataFreshness
  readonly incidents: Pick<IncidentsService, 'mostUrgent'>
}): ReportService => ({
  daily: async (configId, asked) => {
    const { clock, store, configs, freshness, incidents } = parts
    const config = await configs.get(configId)
    const now = clock.now()
    const zone = zoneOf(config)
    if (asked !== null) requireCompleteDay(asked, now, zone)
    const newest = await freshness.newestCompleteDayWithRows(configId, now)
    const day = asked ?? newest
    if (day === null || newest === null) {
      throw new AppError(
        'INSUFFICIENT_DATA',
        `${config.name} has no figures yet: import a report, e.g. "vigia import FILE --config ${configId}"`,
      )
    }
    const number = toDayNumber(day)
    const yesterday = toLocalDate(lastCompleteDay(now, zone))
    const from = toLocalDate(number - HISTORY_DAYS + 1)
    // What was found today, while it still runs, belongs to the newest report.
    const lastFinding = day === yesterday ? toLocalDate(localDayOf(now, zone)) : day
    const firstFinding = toLocalDate(number - WEEK + 1)
    const incidentsOf = (
      filter: { readonly isOver: boolean; readonly alerted: boolean },
      limit: number,
    ): ReturnType<IncidentsService['mostUrgent']> =>
      incidents.mostUrgent({ configId, dateFrom: firstFinding, dateTo: lastFinding, ...filter }, limit)
    const [days, campaigns, forecast, tiers, changes, found, advice, steps, state, watermark, ...told] =
      await Promise.all([
        store.days(configId, from, day),
        store.campaigns(configId, day, CAMPAIGNS_SHOWN),
        store.forecast(configId, day),
        store.tiers(configId, day),
        store.tierChanges(configId, day, CHANGES_SHOWN),
        store.openFindings(configId, firstFinding, lastFinding, GROUPS_SHOWN),
        store.activeAdvice(configId, day, now),
        store.steps(configId, day),
        freshness.freshness(configId, day),
        freshness.watermark(configId, day),
        incidentsOf({ isOver: false, alerted: true }, INCIDENTS_SHOWN),
        incidentsOf({ isOver: false, alerted: false }, FOLDED_SHOWN),
        incidentsOf({ isOver: true, alerted: true }, FOLDED_SHOWN),
      ])
    const [open, quiet, over] = told
    const firstDay = days[0]?.date ?? null
    const known = new Map(days.map((one) => [one.date, one]))
    const span = firstDay === null ? 0 : number - toDayNumber(firstDay) + 1
    const history = Array.from({ length: span }, (_, i) => {
      const date = toLocalDate(number - span + 1 + i)
      return known.get(date) ?? { date, spend: 0, leads: 0 }
    })
    const week = figuresOf(history.slice(-WEEK))
    const before = figuresOf(history.slice(-2 * WEEK, -WEEK))
    // A week that is known in part only is no measure of another.
    const comparable = span >= 2 * WEEK
    const nextWeek = nextWeekOf(forecast, day)

    return wired<DailyReport>({
      config: { id: config.id, name: config.name, currency: config.currency, timezone: config.timezone },
      date: day,
      data_as_of: watermark.getTime() > 0 ? watermark.toISOString() : null,
      notices: noticesOf({
        configId,
        day,
        newest,
        yesterday,
        asked: asked !== null,
        stale: state === 'stale',
        tierDates: tiers.map(({ date }) => date).toSorted(),
        forecastDate: forecast?.forecastDate ?? null,
        hasNextWeek: nextWeek !== null,
        hasFindings: found.open > 0 || told.some(({ total }) => total > 0),
        hasAdvice: advice.length > 0,
        steps,
      }),
      totals: {
        day: figuresOf(history.slice(-1)),
        week,
        week_before: before,
        change: comparable ? changeOf(week, before) : UNKNOWN_CHANGE,
      },
      history,
      incidents: { open: reportedOf(open), quiet: reportedOf(quiet), over: reportedOf(over) },
      anomalies: {
        open: found.open,
        alerted: found.alerted,
        campaigns: found.campaigns,
        groups: found.groups.map((finding) => groupOf(finding, config.currency)),
      },
      advice: { active: advice.length, top: rankAdvice(advice, week.cpl ?? before.cpl) },
      campaigns: {
        total: campaigns.total,
        top: campaigns.rows.map((one) => {
          const own = withCpl(one.week)
          return {
            campaign_id: one.campaignId,
            campaign_name: one.campaignName,
            tier: one.tier,
            days_in_tier: one.daysInTier,
            week: own,
            change: comparable ? changeOf(own, withCpl(one.weekBefore)) : UNKNOWN_CHANGE,
          }
        }),
      },
      tiers: LEVELS.flatMap((level) => {
        const own = tiers.filter(({ entityType }) => entityType === level)
        const [first] = own
        if (!first) return []
        const counts = Object.fromEntries(
          TIERS.map((tier) => [tier, own.find((one) => one.tier === tier)?.count ?? 0]),
        ) as Record<Tier, number>
        return [{ entity_type: level, date: first.date, counts }]
      }),
      tier_changes: changes.rows,
      tier_changes_total: changes.total,
      next_week: nextWeek,
    })
  },
})
