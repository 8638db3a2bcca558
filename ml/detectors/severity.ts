/** How loud a finding is, per detector (the severity table of ads-domain section 2). */
import { SEVERITIES, type Metric, type Polarity, type Severity } from './signal.ts'
import type { DetectionParams } from './params.ts'

const RANK: Readonly<Record<Severity, number>> = { LOW: 0, MEDIUM: 1, HIGH: 2, CRITICAL: 3 }

/** > 0 when `a` is louder than `b`. */
export const compareSeverity = (a: Severity, b: Severity): number => RANK[a] - RANK[b]

/** Score of the detectors that follow a rule and so have no rarity. */
export const severityScore = (severity: Severity): number => (RANK[severity] + 1) / SEVERITIES.length

/** Good news is never loud. */
export const capGood = (severity: Severity, polarity: Polarity): Severity =>
  polarity === 'good' ? 'LOW' : severity

export const zSeverity = (z: number): Severity => {
  const size = Math.abs(z)
  if (size < 3) return 'LOW'
  if (size < 4) return 'MEDIUM'
  return size < 5 ? 'HIGH' : 'CRITICAL'
}

/**
 * What a z means for the purse: dearer leads go one step up from LOW and MEDIUM, fewer clicks from LOW.
 * Only z_iqr is lifted; the other detectors have ladders of their own.
 */
export const liftCostly = (severity: Severity, metric: Metric, direction: 'up' | 'down'): Severity => {
  if (metric === 'cpl' && direction === 'up') {
    if (severity === 'LOW') return 'MEDIUM'
    if (severity === 'MEDIUM') return 'HIGH'
  }
  return metric === 'ctr' && direction === 'down' && severity === 'LOW' ? 'MEDIUM' : severity
}

/** @param change as a fraction, already known to be large enough for a signal */
export const changeSeverity = (change: number): Severity => {
  const size = Math.abs(change)
  if (size > 0.8) return 'CRITICAL'
  return size > 0.5 ? 'HIGH' : 'MEDIUM'
}

export const forestSeverity = (rarity: number): Severity => {
  if (rarity <= 0.0001) return 'CRITICAL'
  if (rarity <= 0.001) return 'HIGH'
  return rarity <= 0.01 ? 'MEDIUM' : 'LOW'
}

/** The band a 7-day frequency lies in; null below the lowest, and when it is unknown (NaN). */
export const frequencyBand = (frequency: number, params: DetectionParams): Severity | null => {
  if (frequency > params.frequencyCritical) return 'CRITICAL'
  if (frequency > params.frequencyHigh) return 'HIGH'
  if (frequency > params.frequencyMedium) return 'MEDIUM'
  return frequency > params.frequencyLow ? 'LOW' : null
}
