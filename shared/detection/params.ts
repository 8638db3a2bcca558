/** What the settings say of judging: of the detectors of single entities, the judge of accounts, and the gate. */
import type { DetectionParams } from '../../ml/detectors/params.ts'
import { shiftParamsAt } from '../../ml/shifts/thresholds.ts'
import type { ShiftParams } from '../../ml/shifts/thresholds.ts'
import type { Config } from '../config.ts'

export interface JudgementParams {
  readonly detection: DetectionParams
  readonly shifts: ShiftParams
  /** Whether every signal becomes an anomaly (USE_ALERT_GATE=false). */
  readonly openGate: boolean
  /** New incidents told of on one day. */
  readonly alarmBudget: number
}

export const judgementParams = (config: Config): JudgementParams => ({
  detection: {
    baselineDays: config.ANOMALY_BASELINE_DAYS,
    minHistoryDays: config.ANOMALY_MIN_HISTORY_DAYS,
    zThreshold: config.ANOMALY_Z_THRESHOLD,
    iqrMultiplier: config.ANOMALY_IQR_MULTIPLIER,
    frequencyIdeal: config.FREQUENCY_IDEAL,
    frequencyLow: config.FREQUENCY_LOW,
    frequencyMedium: config.FREQUENCY_MEDIUM,
    frequencyHigh: config.FREQUENCY_HIGH,
    frequencyCritical: config.FREQUENCY_CRITICAL,
    changePointPct: config.CHANGE_POINT_PCT,
  },
  shifts: shiftParamsAt(config.ANOMALY_FDR_Q),
  openGate: !config.USE_ALERT_GATE,
  alarmBudget: config.ALARM_BUDGET_PER_DAY,
})
