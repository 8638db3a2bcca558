/**
 * A process that does one task after the other for the pool that forked it (`forks.ts`), and ends with it.
 */
import type { ComputeTask, ComputeTasks } from '../compute.ts'
import { computeInPlace } from '../compute-in-place.ts'

export interface ForkTask {
  readonly task: ComputeTask
  readonly input: ComputeTasks[ComputeTask]['input']
}

export type ForkAnswer =
  | { readonly output: ComputeTasks[ComputeTask]['output'] }
  | { readonly error: { readonly name: string; readonly message: string; readonly stack: string } }

const work = async ({ task, input }: ForkTask): Promise<ForkAnswer> => {
  try {
    return { output: await computeInPlace.run(task, input) }
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown))
    return { error: { name: error.name, message: error.message, stack: error.stack ?? '' } }
  }
}

const answer = async (task: ForkTask): Promise<void> => {
  const done = await work(task)
  process.send?.(done)
}

// An orphan would do work beside its successor.
process.on('disconnect', () => process.exit())
// Signals to the whole group are for the parent, which ends its forks when it has drained.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
process.on('message', (task: ForkTask) => void answer(task))
