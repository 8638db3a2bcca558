/** One account's replay on the threads: the trainings spread over them, then the days in their order. */
import type { ComputePool } from '../compute.ts'
import type { TrainingSettings } from '../training/training.ts'
import { joinForestDays, trainingsOf } from './forests.ts'
import type { ForestDays } from './forests.ts'
import type { Replayed, ReplayTask } from './replay.ts'

export interface AccountReplay extends Omit<ReplayTask, 'forests'> {
  /** Days between trainings of the forests; each judges by what was trained on earlier days. */
  readonly trainEveryDays: number
  readonly forests: TrainingSettings
}

const forestsOf = async (
  { account, firstDay, from, to, trainEveryDays, params, forests: settings }: AccountReplay,
  compute: ComputePool,
  signal: AbortSignal | undefined,
): Promise<ForestDays | null> => {
  if (!settings.useForests) return null
  // Through the closed gate forests add evidence and nothing that later days would remember.
  const since = params.openGate ? 0 : Math.max(0, from)
  const trainings = trainingsOf(since, Math.min(to, account.completeUntil - 1), trainEveryDays)
  const { baselineDays } = params.detection
  // The later ones have more days to learn from: dealt in turn, each thread has as much to do.
  const hands = Math.min(compute.threads, trainings.length)
  const parts = await Promise.all(
    Array.from({ length: hands }, (_, hand) =>
      compute.run(
        'judgeByForests',
        {
          account,
          firstDay,
          trainings: trainings.filter((_training, i) => i % hands === hand),
          settings,
          baselineDays,
        },
        signal ? { signal } : {},
      ),
    ),
  )
  return joinForestDays(parts)
}

export const replayOnThreads = async (
  replay: AccountReplay,
  compute: ComputePool,
  signal?: AbortSignal,
): Promise<Replayed> => {
  const { trainEveryDays: _, ...task } = replay
  const forests = await forestsOf(replay, compute, signal)
  return compute.run('replay', { ...task, forests }, signal ? { signal } : {})
}
