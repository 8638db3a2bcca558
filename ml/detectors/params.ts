import type { BaselineParams } from './weekday-baseline.ts'

/** What an operator may tune; the rest of the definitions are constants beside the code they rule. */
export interface DetectionParams extends BaselineParams {
  /** Frequency an alert is measured against. */
  readonly frequencyIdeal: number
  /** 7-day frequencies above which an alert has this severity. */
  readonly frequencyLow: number
  readonly frequencyMedium: number
  readonly frequencyHigh: number
  readonly frequencyCritical: number
  /** Smallest lasting change that counts, as a fraction. */
  readonly changePointPct: number
}

/** ads-domain section 11. */
export const defaultDetectionParams: DetectionParams = {
  baselineDays: 56,
  minHistoryDays: 7,
  zThreshold: 2.5,
  iqrMultiplier: 1.5,
  frequencyIdeal: 2.5,
  frequencyLow: 3,
  frequencyMedium: 5,
  frequencyHigh: 7,
  frequencyCritical: 10,
  changePointPct: 0.3,
}
