/** Threads for most work, processes of their own for what may exhaust memory. */
import { availableParallelism } from 'node:os'
import type { ComputePool, ComputeTask, ComputeTasks } from '../compute.ts'
import { createForkPool } from './forks.ts'
import type { ForkPool } from './forks.ts'
import { createComputePool, threadsFor } from './pool.ts'
import type { ThreadPool } from './pool.ts'

/** A fit of a series with more runs in a process. */
const MOST_ROWS_IN_THREAD = 10_000

const MAY_EXHAUST_MEMORY: {
  readonly [K in ComputeTask]?: (input: ComputeTasks[K]['input']) => boolean
} = {
  // TensorFlow.
  fitClassifier: () => true,
  fitSeries: ({ frame, members }) =>
    frame.timesMs.length > MOST_ROWS_IN_THREAD || members.some(({ family }) => family === 'autoencoder'),
}

export const mayExhaustMemory = <K extends ComputeTask>(task: K, input: ComputeTasks[K]['input']): boolean =>
  MAY_EXHAUST_MEMORY[task]?.(input) ?? false

/** Each pool lets its own number of tasks in at once. */
export const mixedPool = (threads: ThreadPool, forks: ForkPool): ThreadPool => {
  const run: ComputePool['run'] = (task, input, options) =>
    (mayExhaustMemory(task, input) ? forks : threads).run(task, input, options)
  return {
    threads: threads.threads,
    run,
    warm: () => threads.warm(),
    alive: () => threads.alive(),
    close: async () => void (await Promise.all([threads.close(), forks.close()])),
  }
}

/** @param threads as `createComputePool` takes it; there are as many processes, while there is work for them */
export const createMixedPool = (threads: number): ThreadPool =>
  mixedPool(
    createComputePool({ threads }),
    createForkPool({ forks: threadsFor(threads, availableParallelism()) }),
  )
