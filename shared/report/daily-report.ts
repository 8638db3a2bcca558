/**
 * The morning report: what happened on a day, how everything does, what to do, and what comes next. Gathered
 * from what is stored; nothing is computed for it, and it says of which day each part is.
 */
import { SEVERITIES } from '../../ml/detectors/signal.ts'
import type { Polarity, Severity } from '../../ml/detectors/signal.ts'
import { TIERS } from '../../ml/classify/tier.ts'
import type { Tier } from '../../ml/classify/tier.ts'
import type { RecommendationType } from '../../ml/recommend/matrix.ts'
import type { Clock } from '../core/clock.ts'
import { lastCompleteDay, toDayNumber, toLocalDate } from '../core/days.ts'
import type { LocalDate } from '../core/days.ts'
import { LEVELS } from '../core/entity.ts'
import type { Level } from '../core/entity.ts'
import { AppError } from '../core/errors.ts'
import { wireNumber } from '../core/wire.ts'
import type { AnomalyRow } from '../detection/anomalies.ts'
import { expectedText, observedText, whatHappened } from '../detection/words.ts'
import { zoneOf } from '../entities/configs.ts'
import type { Configs } from '../entities/configs.ts'
import { requireCompleteDay } from '../entities/freshness.ts'
import type { DataFreshness } from '../entities/freshness.ts'

export const HISTORY_DAYS = 28
const WEEK = 7
const ADVICE_SHOWN = 10
const GROUPS_SHOWN = 20
const CHANGES_SHOWN = 30

export interface Figures {
  readonly spend: number
  readonly leads: number
  readonly cpl: number | null
}

export interface Interval {
  readonly predicted: number
  readonly lower: number
  readonly upper: number
}

/** In wire form. */
export interface DailyReport {
  readonly config: {
    readonly id: number
    readonly name: string
    readonly currency: string
    readonly timezone: string
  }
  readonly date: LocalDate
  /** The newest row the figures stand on; null without any. */
  readonly data_as_of: string | null
  /** What a reader must know before reading on, and what to do about it. */
  readonly notices: readonly string[]
  readonly totals: {
    readonly day: Figures
    readonly week: Figures
    readonly week_before: Figures
    /** Percent, the week against the one before; null where that was 0. */
    readonly change: {
      readonly spend: number | null
      readonly leads: number | null
      readonly cpl: number | null
    }
  }
  readonly history: readonly { readonly date: LocalDate; readonly spend: number; readonly leads: number }[]
  /** Of all campaigns together; null without forecasts. */
  readonly next_week: {
    readonly from: LocalDate
    readonly to: LocalDate
    readonly forecast_date: LocalDate
    readonly spend: Interval
    readonly leads: Interval
    readonly cpl: number | null
    readonly days: readonly { readonly date: LocalDate; readonly spend: Interval; readonly leads: Interval }[]
    /** Campaigns with too little history to forecast; they are in no sum. */
    readonly left_out: number
  } | null
  readonly tiers: readonly {
    readonly entity_type: Level
    readonly date: LocalDate
    readonly counts: Readonly<Record<Tier, number>>
  }[]
  readonly tier_changes: readonly {
    readonly entity_type: Level
    readonly entity_id: string
    readonly entity_name: string
    readonly from: Tier
    readonly to: Tier
    readonly direction: 'improved' | 'declined'
  }[]
  /** Those that are not told included. */
  readonly tier_changes_total: number
  readonly anomalies: {
    readonly open: number
    /** With open findings; those that are not told included. */
    readonly campaigns: number
    /** One per campaign, the worst first. */
    readonly groups: readonly {
      readonly campaign_id: string | null
      readonly campaign_name: string
      readonly findings: number
      readonly severity: Severity
      readonly polarity: Polarity
      readonly date: LocalDate
      readonly entity_type: Level
      readonly entity_name: string
      readonly what: string
      readonly observed: string
      readonly expected: string
    }[]
  }
  readonly advice: {
    readonly active: number
    /** The largest expected effect first. */
    readonly top: readonly {
      readonly id: number
      readonly type: RecommendationType
      readonly priority: number
      readonly title: string
      readonly entity_type: Level
      readonly entity_name: string
      /** A week. */
      readonly expected_leads: number | null
      /** Account currency a week. */
      readonly expected_saving: number | null
      readonly sentence: string
    }[]
  }
}

/** Sums of the account's day. */
export interface ReportDay {
  readonly date: LocalDate
  readonly spend: number
  readonly leads: number
}

export interface ReportForecast {
  readonly forecastDate: LocalDate
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

export type ReportTierChange = DailyReport['tier_changes'][number]

export interface ReportAdvice {
  readonly id: number
  readonly type: RecommendationType
  readonly priority: number
  readonly title: string
  readonly entityType: Level
  readonly entityName: string
  readonly expectedLeads: number | null
  readonly changePct: number | null
  /** Of the entity in the 7 days the advice was made from. */
  readonly spend7d: number | null
  readonly sentence: string
}

/** The first of all there are. */
export interface Listed<Row> {
  readonly total: number
  readonly rows: readonly Row[]
}

/** Reads of one config. */
export interface ReportStore {
  days(configId: number, from: LocalDate, to: LocalDate): Promise<readonly ReportDay[]>
  /** Of campaigns, seven days ahead, the newest of both metrics made on `day` or before; null when there is none. */
  forecast(configId: number, day: LocalDate): Promise<ReportForecast | null>
  /** Of each level on its newest day up to `day`. */
  tiers(configId: number, day: LocalDate): Promise<readonly ReportTier[]>
  tierChanges(configId: number, day: LocalDate, limit: number): Promise<Listed<ReportTierChange>>
  /** Open, alerted, and of the week up to `day` or today. */
  openAnomalies(configId: number, from: LocalDate): Promise<Listed<AnomalyRow>>
  /** Whether tiers and forecasts of campaigns were looked for on `day`, and there was too little for any. */
  tooLittle(
    configId: number,
    day: LocalDate,
  ): Promise<{ readonly tiers: boolean; readonly forecasts: boolean }>
  /** What stands at `at`: advice expires also while no run comes by. */
  activeAdvice(configId: number, at: Date): Promise<readonly ReportAdvice[]>
}

export interface ReportService {
  /**
   * @param day D; null: the newest complete day that has rows
   * @throws AppError CONFIG_NOT_FOUND; INVALID_REQUEST for a day that is not over; INSUFFICIENT_DATA without any figures
   */
  daily(configId: number, day: LocalDate | null): Promise<DailyReport>
}

const cplOf = (spend: number, leads: number): number | null => (leads > 0 ? spend / leads : null)

const figuresOf = (days: readonly ReportDay[]): Figures => {
  const spend = days.reduce((sum, day) => sum + day.spend, 0)
  const leads = days.reduce((sum, day) => sum + day.leads, 0)
  return { spend, leads, cpl: cplOf(spend, leads) }
}

const changeOf = (now: number | null, before: number | null): number | null =>
  now === null || before === null || before === 0 ? null : (100 * (now - before)) / before

const intervalOf = (row: { predicted: number; halfWidth: number }): Interval => ({
  predicted: row.predicted,
  lower: Math.max(0, row.predicted - row.halfWidth),
  upper: row.predicted + row.halfWidth,
})

const nextWeekOf = (forecast: ReportForecast | null, day: LocalDate): DailyReport['next_week'] => {
  if (!forecast) return null
  const find = (metric: 'spend' | 'leads', date: LocalDate | null): Interval => {
    const row = forecast.rows.find((one) => one.metric === metric && one.date === date)
    return intervalOf(row ?? { predicted: 0, halfWidth: 0 })
  }
  const dates = [...new Set(forecast.rows.flatMap(({ date }) => (date === null ? [] : [date])))].sort()
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
    spend,
    leads,
    cpl: cplOf(spend.predicted, leads.predicted),
    days: dates.map((date) => ({ date, spend: find('spend', date), leads: find('leads', date) })),
    left_out: forecast.leftOut,
  }
}

const severityRank = (row: AnomalyRow): number =>
  // Good news is news, but never the worst.
  (row.polarity === 'good' ? -SEVERITIES.length : 0) + SEVERITIES.indexOf(row.severity)

const groupsOf = (
  rows: readonly AnomalyRow[],
  currency: string,
): Pick<DailyReport['anomalies'], 'campaigns' | 'groups'> => {
  const byCampaign = new Map<string, AnomalyRow[]>()
  for (const row of rows) {
    const key = row.campaign_id ?? row.entity_id
    const group = byCampaign.get(key)
    if (group) group.push(row)
    else byCampaign.set(key, [row])
  }
  const groups = [...byCampaign.values()]
    .map((group) => {
      const worst = group.reduce((a, b) =>
        severityRank(b) > severityRank(a) ||
        (severityRank(b) === severityRank(a) && b.anomaly_date > a.anomaly_date)
          ? b
          : a,
      )
      return { group, worst }
    })
    .toSorted(
      (a, b) =>
        severityRank(b.worst) - severityRank(a.worst) ||
        b.group.length - a.group.length ||
        a.worst.id - b.worst.id,
    )
    .slice(0, GROUPS_SHOWN)
    .map(({ group, worst }) => ({
      campaign_id: worst.campaign_id,
      campaign_name: worst.campaign_name ?? worst.campaign_id ?? worst.entity_id,
      findings: group.length,
      severity: worst.severity,
      polarity: worst.polarity,
      date: worst.anomaly_date,
      entity_type: worst.entity_type,
      entity_name: worst.entity_name ?? worst.entity_id,
      what: whatHappened(worst),
      observed: observedText(worst, currency),
      expected: expectedText(worst, currency),
    }))
  return { campaigns: byCampaign.size, groups }
}

/** What a week would cost less. */
const savingOf = ({ type, changePct, spend7d }: ReportAdvice): number | null => {
  if (spend7d === null) return null
  if (type === 'PAUSE') return spend7d
  return changePct !== null && changePct < 0 ? (-changePct / 100) * spend7d : null
}

/** The effects of advice in one measure, money: a lead is worth what the account pays for one. */
export const rankAdvice = (
  advice: readonly ReportAdvice[],
  cpl: number | null,
): DailyReport['advice']['top'] =>
  advice
    .map((one) => {
      const saving = savingOf(one)
      return { one, saving, worth: Math.max(saving ?? 0, (one.expectedLeads ?? 0) * (cpl ?? 0)) }
    })
    .toSorted((a, b) => b.worth - a.worth || b.one.priority - a.one.priority || a.one.id - b.one.id)
    .slice(0, ADVICE_SHOWN)
    .map(({ one, saving }) => ({
      id: one.id,
      type: one.type,
      priority: one.priority,
      title: one.title,
      entity_type: one.entityType,
      entity_name: one.entityName,
      expected_leads: one.expectedLeads,
      expected_saving: saving,
      sentence: one.sentence,
    }))

/** Every number half-up to 6 decimals. */
const wired = <T>(value: T): T => {
  if (typeof value === 'number') return wireNumber(value) as T
  if (Array.isArray(value)) return value.map(wired) as T
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, wired(inner)])) as T
}

export const createReports = (parts: {
  readonly clock: Clock
  readonly store: ReportStore
  readonly configs: Configs
  readonly freshness: DataFreshness
}): ReportService => ({
  daily: async (configId, asked) => {
    const { clock, store, configs, freshness } = parts
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
    const [days, forecast, tiers, changes, anomalies, advice, tooLittle, state, watermark] =
      await Promise.all([
        store.days(configId, toLocalDate(number - HISTORY_DAYS + 1), day),
        store.forecast(configId, day),
        store.tiers(configId, day),
        store.tierChanges(configId, day, CHANGES_SHOWN),
        store.openAnomalies(configId, toLocalDate(number - WEEK + 1)),
        store.activeAdvice(configId, now),
        store.tooLittle(configId, day),
        freshness.freshness(configId, day),
        freshness.watermark(configId, day),
      ])
    const found = new Map(days.map((one) => [one.date, one]))
    const history = Array.from({ length: HISTORY_DAYS }, (_, i) => {
      const date = toLocalDate(number - HISTORY_DAYS + 1 + i)
      return found.get(date) ?? { date, spend: 0, leads: 0 }
    })
    const week = figuresOf(history.slice(-WEEK))
    const before = figuresOf(history.slice(-2 * WEEK, -WEEK))

    const notices: string[] = []
    const yesterday = toLocalDate(lastCompleteDay(now, zone))
    if (asked === null && day < yesterday) {
      notices.push(`The figures of ${yesterday} are not in yet; this is the report of ${day}.`)
    } else if (state === 'stale') {
      notices.push(`The figures of ${day} are not in: what follows may be of earlier days.`)
    }
    const commandFor = (verb: string): string => `"vigia ${verb} --config ${configId}"`
    const tierDates = [...new Set(tiers.map(({ date }) => date))].sort()
    const [oldestTiers] = tierDates
    if (oldestTiers === undefined) {
      notices.push(
        tooLittle.tiers
          ? `Too little has happened to tell how anything does: it takes leads, or money spent without any.`
          : `There are no tiers yet; find them out with ${commandFor('classify')}.`,
      )
    } else if (oldestTiers < day) {
      notices.push(`Some tiers are of ${oldestTiers}; bring them up to date with ${commandFor('recommend')}.`)
    }
    if (!forecast) {
      notices.push(
        tooLittle.forecasts
          ? 'There is too little history to forecast from: it takes 7 days.'
          : `There are no forecasts yet; make them with ${commandFor('forecasts generate')}.`,
      )
    } else if (forecast.forecastDate < day) {
      notices.push(
        `The forecasts are of ${forecast.forecastDate}; make new ones with ${commandFor('forecasts generate')}.`,
      )
    }
    return wired<DailyReport>({
      config: { id: config.id, name: config.name, currency: config.currency, timezone: config.timezone },
      date: day,
      data_as_of: watermark.getTime() > 0 ? watermark.toISOString() : null,
      notices,
      totals: {
        day: figuresOf(history.slice(-1)),
        week,
        week_before: before,
        change: {
          spend: changeOf(week.spend, before.spend),
          leads: changeOf(week.leads, before.leads),
          cpl: changeOf(week.cpl, before.cpl),
        },
      },
      history,
      next_week: nextWeekOf(forecast, day),
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
      anomalies: { open: anomalies.total, ...groupsOf(anomalies.rows, config.currency) },
      advice: { active: advice.length, top: rankAdvice(advice, week.cpl) },
    })
  },
})
