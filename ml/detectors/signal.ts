/**
 * The words of a finding (ads-domain section 2). A detector returns signals; signals of one
 * (type, metric) on one day make an anomaly.
 */

export const DETECTORS = [
  'z_iqr',
  'zero_spend',
  'zero_impressions',
  'frequency',
  'reach_saturation',
  'change_point',
  'isolation_forest',
  'shift',
] as const
export type DetectorName = (typeof DETECTORS)[number]

export const SEVERITIES = ['LOW', 'MEDIUM', 'HIGH', 'CRITICAL'] as const
export type Severity = (typeof SEVERITIES)[number]

export const POLARITIES = ['good', 'bad', 'neutral'] as const
export type Polarity = (typeof POLARITIES)[number]

export const ANOMALY_TYPES = [
  'spend_spike',
  'spend_drop',
  'cpl_spike',
  'cpl_drop',
  'ctr_spike',
  'ctr_drop',
  'leads_spike',
  'leads_drop',
  'conversion_rate_spike',
  'conversion_rate_drop',
  'zero_spend',
  'zero_impressions',
  'frequency_alert',
  'reach_saturation',
  'performance_drop',
  'performance_spike',
] as const
export type AnomalyType = (typeof ANOMALY_TYPES)[number]

export type Metric =
  | 'spend'
  | 'cpl'
  | 'ctr'
  | 'leads'
  | 'conversion_rate'
  | 'impressions'
  | 'frequency'
  | 'reach'
  | 'multivariate'

/**
 * Which model judged, the best first: the entity's own forest, one pooled over the entities of its ad set, campaign
 * or account, or statistics only.
 */
export const MODEL_SOURCES = ['own', 'adset', 'campaign', 'account', 'baseline'] as const
export type ModelSource = (typeof MODEL_SOURCES)[number]
/** A count per model source, to be counted up. */
export const noneBySource = (): Record<ModelSource, number> => ({
  own: 0,
  adset: 0,
  campaign: 0,
  account: 0,
  baseline: 0,
})
/** Why there was no forest: none usable, its artifact is damaged, or forests are switched off. */
export const BASELINE_REASONS = ['no_model', 'broken_artifact', 'disabled'] as const
export type BaselineReason = (typeof BASELINE_REASONS)[number]

export interface Signal {
  readonly detector: DetectorName
  readonly type: AnomalyType
  readonly metric: Metric
  readonly severity: Severity
  readonly polarity: Polarity
  readonly direction: 'up' | 'down'
  /** 0 (normal) to 1 (anomalous): 1 - rarity, or .25/.5/.75/1 by severity where rarity is null. */
  readonly score: number
  /** p-value-like; null for zero_*, frequency and reach_saturation. */
  readonly rarity: number | null
  readonly observed: number | null
  readonly expected: number | null
  readonly lower: number | null
  readonly upper: number | null
  readonly deviation: number | null
  /** Share of the score per feature, summing to 1; forest only. */
  readonly contributions: Readonly<Record<string, number>> | null
  readonly modelSource: ModelSource
  readonly modelVersion: number | null
}

/** One row of `ml_anomalies` before it is stored: the signals of one (type, metric) of an entity and day. */
export interface AnomalyDraft extends Omit<Signal, 'detector'> {
  readonly signals: readonly Signal[]
}
