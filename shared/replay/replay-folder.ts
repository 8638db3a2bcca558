/** The accounts of a folder, replayed on the threads. */
import type { ComputePool } from '../compute.ts'
import { toLocalDate } from '../core/days.ts'
import { AppError } from '../core/errors.ts'
import type { JudgementParams } from '../detection/params.ts'
import type { TrainingSettings } from '../training/training.ts'
import { replayOnThreads } from './replay-on-threads.ts'
import type { Folder, FolderAccount } from './read-folder.ts'
import { replayReport } from './report.ts'
import type { ReplayReport } from './report.ts'
import type { Replayed } from './replay.ts'

export interface ReplayWish {
  /** Days since 1970, both inclusive; null: all there are. */
  readonly from: number | null
  readonly to: number | null
  readonly trainEveryDays: number
  readonly params: JudgementParams
  readonly forests: TrainingSettings
}

export interface FolderReplay {
  readonly report: ReplayReport
  readonly accounts: readonly { readonly account: FolderAccount; readonly replayed: Replayed }[]
}

/**
 * @param progress hears how far it is, 0..1
 * @throws AppError INVALID_REQUEST when the days asked for lie outside of the files
 */
export const replayFolder = async (
  { accounts, labels }: Folder,
  { from, to, ...how }: ReplayWish,
  compute: ComputePool,
  progress: (fraction: number) => void = () => {},
): Promise<FolderReplay> => {
  const first = Math.min(...accounts.map(({ firstDay }) => firstDay))
  const last = Math.max(...accounts.map(({ firstDay, days }) => firstDay + days.completeUntil - 1))
  if (last < first)
    throw new AppError(
      'INVALID_REQUEST',
      `the files tell of ${toLocalDate(first)} alone: the last day counts as unfinished, so that at least two are needed`,
    )
  if ((from ?? first) > last || (to ?? last) < first) {
    throw new AppError(
      'INVALID_REQUEST',
      `the files have complete days from ${toLocalDate(first)} to ${toLocalDate(last)}; choose --from and --to among them`,
    )
  }
  // Accounts are as large as they have entities.
  const all = accounts.reduce((sum, { days }) => sum + days.entities.length, 0)
  const done = new Float64Array(accounts.length)
  const replayed = await Promise.all(
    accounts.map(async (account, i) => ({
      account,
      replayed: await replayOnThreads(
        {
          account: account.days,
          firstDay: account.firstDay,
          from: (from ?? first) - account.firstDay,
          to: (to ?? last) - account.firstDay,
          wanted: null,
          reach7: null,
          ...how,
        },
        compute,
        {
          progress: (fraction) => {
            done[i] = (fraction * account.days.entities.length) / all
            progress(done.reduce((sum, share) => sum + share, 0))
          },
        },
      ),
    })),
  )
  return { report: replayReport(replayed, { faults: labels, falseAlarms: null }), accounts: replayed }
}
