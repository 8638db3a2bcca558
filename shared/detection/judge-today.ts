/** The thread's part of a look at today. No I/O; what it needs comes with the task. */
import { everySignalOfToday, judgeToday as judge } from '../../ml/detectors/intraday.ts'
import type { HourlyFrame, TodayFinding, Tolerances } from '../../ml/detectors/intraday.ts'
import type { BaselineParams } from '../../ml/detectors/weekday-baseline.ts'

export interface JudgeTodayTask {
  readonly frame: HourlyFrame
  readonly params: BaselineParams
  readonly tolerances: Tolerances
  /** Whether every signal is a finding. */
  readonly openGate: boolean
}

export const judgeToday = ({
  frame,
  params,
  tolerances,
  openGate,
}: JudgeTodayTask): readonly TodayFinding[] =>
  openGate ? everySignalOfToday(frame, params) : judge(frame, params, tolerances)
