/** The thread's part of judging an account, or some campaigns of a large one: no I/O. */
import type { DayNumber } from '../../ml/frame.ts'
import type { AccountDays } from '../../ml/shifts/account.ts'
import { shiftSignals } from '../../ml/shifts/anomalies.ts'
import type { ShiftSignal } from '../../ml/shifts/anomalies.ts'
import { accountOf, firstDayOf } from '../../ml/shifts/from-frames.ts'
import type { AccountFrames } from '../../ml/shifts/from-frames.ts'
import { findShifts } from '../../ml/shifts/judge.ts'
import type { ShiftParams } from '../../ml/shifts/thresholds.ts'

export interface JudgeTask {
  readonly frames: AccountFrames
  readonly params: ShiftParams
  /** Signals of earlier days are left out. */
  readonly since: DayNumber
}

export interface JudgedAccount {
  readonly account: AccountDays
  /** Day 0 of the account, since 1970. */
  readonly firstDay: DayNumber
  /** By index of the entity, then by day from the first. */
  readonly signals: ReadonlyMap<number, ReadonlyMap<number, readonly ShiftSignal[]>>
}

export const judgeAccount = ({ frames, params, since }: JudgeTask): JudgedAccount => {
  const firstDay = firstDayOf(frames)
  const account = accountOf({ ...frames, from: firstDay })
  return {
    account,
    firstDay,
    signals: shiftSignals(account, findShifts(account, params), since - firstDay),
  }
}

/** The buffers of its columns, for handing them over. */
export const judgedBuffers = ({ account: { entities } }: JudgedAccount): ArrayBuffer[] =>
  entities.flatMap((entity) =>
    [
      entity.spend,
      entity.impressions,
      entity.clicks,
      entity.leads,
      entity.reach,
      entity.budget,
      entity.mixed,
      entity.idle,
    ].map(({ buffer }) => buffer as ArrayBuffer),
  )
