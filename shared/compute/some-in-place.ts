/**
 * Threads for what is large, this thread for the rest: a process that serves judges a handful of entities in a few
 * milliseconds, where starting a thread would take hundreds.
 */
import type { ComputePool, ComputeTask } from '../compute.ts'
import { computeInPlace } from '../compute-in-place.ts'

export const someInPlace = (threads: ComputePool, onThreads: ReadonlySet<ComputeTask>): ComputePool => ({
  threads: threads.threads,
  run: (task, input, options) =>
    onThreads.has(task) ? threads.run(task, input, options) : computeInPlace.run(task, input, options),
  close: () => threads.close(),
})
