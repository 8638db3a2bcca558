/** The morning report as it goes over the wire: one object that text and page are made of. */
import type { AnomalyType, Metric, Polarity, Severity } from '../../ml/detectors/signal.ts'
import type { Tier } from '../../ml/classify/tier.ts'
import type { RecommendationType } from '../../ml/recommend/matrix.ts'
import type { LocalDate } from '../core/days.ts'
import type { Level } from '../core/entity.ts'
import type { IncidentRow } from '../detection/incidents.ts'

/** Sums of an account or a campaign over some days. */
export interface Figures {
  readonly spend: number
  readonly leads: number
  /** Null without leads. */
  readonly cpl: number | null
}

/** Holds 95 of 100 outcomes, as long as things go on as they are. */
export interface Interval {
  readonly predicted: number
  readonly lower: number
  readonly upper: number
}

/** Percent, a week against the one before; null where that was 0 or is not known in full. */
export interface Change {
  readonly spend: number | null
  readonly leads: number | null
  readonly cpl: number | null
}

export const REPORT_PARTS = ['figures', 'anomalies', 'advice', 'tiers', 'next_week'] as const
export type ReportPart = (typeof REPORT_PARTS)[number]

/** What a reader must know of a part, and what to do about it. */
export interface Notice {
  readonly part: ReportPart
  readonly text: string
}

export const INCIDENT_FIELDS = [
  'id',
  'campaign_id',
  'campaign_name',
  'root',
  'metric',
  'direction',
  'polarity',
  'severity',
  'date_from',
  'date_to',
  'sentence',
  'money',
  'main_cause',
  'findings',
  'status',
] as const satisfies readonly (keyof IncidentRow)[]
export type ReportIncident = Pick<IncidentRow, (typeof INCIDENT_FIELDS)[number]>

/** The most urgent of all there are. */
export interface ReportIncidents {
  readonly total: number
  readonly top: readonly ReportIncident[]
}

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
  readonly notices: readonly Notice[]
  readonly totals: {
    readonly day: Figures
    readonly week: Figures
    readonly week_before: Figures
    readonly change: Change
  }
  /** Up to 28 days that end with `date`, from the first that has figures; a day without rows delivered nothing. */
  readonly history: readonly { readonly date: LocalDate; readonly spend: number; readonly leads: number }[]
  /** Of which something was seen in the week that ends with `date`: the loudest first, then what costs most. */
  readonly incidents: {
    /** Told of, and going on. */
    readonly open: ReportIncidents
    /** Going on, and not told of: muted, or beyond the alarms of a day. */
    readonly quiet: ReportIncidents
    /** Told of, and over. */
    readonly over: ReportIncidents
  }
  /** Open findings of that week that belong to no incident, such as good news. */
  readonly anomalies: {
    readonly open: number
    /** Of those, the ones worth an alarm. */
    readonly alerted: number
    /** With such findings. */
    readonly campaigns: number
    /** One per campaign, with the worst finding in it: those worth an alarm first, the worst, then the newest. */
    readonly groups: readonly {
      readonly campaign_id: string
      readonly campaign_name: string
      readonly findings: number
      /** Of the worst one, as all that follows. */
      readonly id: number
      readonly entity_type: Level
      readonly entity_id: string
      readonly entity_name: string
      readonly type: AnomalyType
      readonly metric: Metric
      readonly severity: Severity
      readonly polarity: Polarity
      readonly alerted: boolean
      /** Of the day that still runs, by its hours so far. */
      readonly partial: boolean
      readonly date: LocalDate
      readonly observed: number | null
      readonly expected: number | null
      readonly sentence: string
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
      readonly entity_id: string
      readonly entity_name: string
      /** Null where the entity is a campaign itself, or not known any more. */
      readonly campaign_name: string | null
      /** More leads a week. */
      readonly expected_leads: number | null
      /** Account currency a week. */
      readonly expected_saving: number | null
      readonly sentence: string
    }[]
  }
  readonly campaigns: {
    /** That spent or brought leads in the week or the one before. */
    readonly total: number
    /** Most spent first. */
    readonly top: readonly {
      readonly campaign_id: string
      readonly campaign_name: string
      /** Null: too little to tell, or not found out yet. */
      readonly tier: Tier | null
      readonly days_in_tier: number | null
      readonly week: Figures
      readonly change: Change
    }[]
  }
  readonly tiers: readonly {
    readonly entity_type: Level
    readonly date: LocalDate
    readonly counts: Readonly<Record<Tier, number>>
  }[]
  /** What got worse first, then by level. */
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
  /**
   * The account's, summed over its campaigns: predictions add up. Half-widths add as the root of their squares,
   * as errors of campaigns that have nothing to do with each other. Null without forecasts that reach beyond `date`.
   */
  readonly next_week: {
    readonly from: LocalDate
    readonly to: LocalDate
    readonly forecast_date: LocalDate
    /** That were forecast. */
    readonly campaigns: number
    /** Campaigns with too little history to forecast; they are in no sum. */
    readonly left_out: number
    readonly spend: Interval
    readonly leads: Interval
    readonly cpl: number | null
    readonly days: readonly { readonly date: LocalDate; readonly spend: Interval; readonly leads: Interval }[]
  } | null
}
