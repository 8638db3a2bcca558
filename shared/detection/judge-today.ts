/** The thread's part of a look at today. No I/O; what it needs comes with the task. */
import { judgeToday as judge } from '../../ml/detectors/intraday.ts'
import type { HourlyFrame, TodayFinding, Tolerances } from '../../ml/detectors/intraday.ts'
import type { BaselineParams } from '../../ml/detectors/weekday-baseline.ts'

export interface JudgeTodayTask {
  readonly frame: HourlyFrame
  readonly params: BaselineParams
  readonly tolerances: Tolerances
}

export const judgeToday = ({ frame, params, tolerances }: JudgeTodayTask): readonly TodayFinding[] =>
  judge(frame, params, tolerances)
