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

/** Models one task trains, about: ten seconds, after which other work of the threads gets its turn. */
const TASK_MODELS = 3000

export interface ReplayWatch {
  readonly signal?: AbortSignal
  /** How far it is, 0..1. */
  readonly progress?: (fraction: number) => void
}

const forestsOf = async (
  { account, firstDay, from, to, trainEveryDays, params, forests: settings }: AccountReplay,
  compute: ComputePool,
  { signal, progress = () => {} }: ReplayWatch,
): Promise<ForestDays | null> => {
  if (!settings.useForests) return null
  // Through the closed gate forests add evidence and nothing that later days would remember.
  const since = params.openGate ? 0 : Math.max(0, from)
  const trainings = trainingsOf(since, Math.min(to, account.completeUntil - 1), trainEveryDays)
  const { baselineDays } = params.detection
  // The later ones have more days to learn from: dealt in turn, each task is as long as the others.
  const most = Math.max(1, Math.floor(TASK_MODELS / Math.max(1, account.entities.length)))
  const count = Math.max(Math.min(compute.threads, trainings.length), Math.ceil(trainings.length / most))
  const parts: ForestDays[] = []
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < count) {
      const task = next++
      const mine = trainings.filter((_, i) => i % count === task)
      parts.push(
        await compute.run(
          'judgeByForests',
          { account, firstDay, trainings: mine, settings, baselineDays },
          signal ? { signal } : {},
        ),
      )
      progress(parts.length / count)
    }
  }
  await Promise.all(Array.from({ length: compute.threads }, lane))
  return joinForestDays(parts)
}

/** @throws whatever `signal` was aborted with */
export const replayOnThreads = async (
  replay: AccountReplay,
  compute: ComputePool,
  watch: ReplayWatch = {},
): Promise<Replayed> => {
  const { trainEveryDays: _, ...task } = replay
  const forests = await forestsOf(replay, compute, watch)
  return compute.run('replay', { ...task, forests }, watch.signal ? { signal: watch.signal } : {})
}
