/**
 * Threads for CPU work (piscina). They start when there is work and end after a minute without, so that an
 * idle system does not pay for them; `warm` starts and compiles them ahead of a first job.
 */
import { availableParallelism } from 'node:os'
import { Piscina } from 'piscina'
import type { ComputePool } from '../../shared/compute.ts'
import { warmUpDetect, warmUpFit } from './warm-up.ts'

const IDLE_MS = 60_000

export interface ComputePoolOptions {
  /** 0: one per core but one, and two on two cores, where the main thread mostly waits. */
  readonly threads: number
}

export interface ThreadPool extends ComputePool {
  /** Starts all threads and has them compile what training and detection run. */
  warm(): Promise<void>
}

export const threadsFor = (configured: number, cores: number): number =>
  configured > 0 ? configured : cores <= 2 ? cores : cores - 1

export const createComputePool = (options: ComputePoolOptions): ThreadPool => {
  const threads = threadsFor(options.threads, availableParallelism())
  const piscina = new Piscina({
    filename: new URL('./thread.js', import.meta.url).href,
    minThreads: 0,
    maxThreads: threads,
    idleTimeout: IDLE_MS,
    // A thread asleep in Atomics.wait keeps `close` and signals waiting; events cost microseconds per batch.
    atomics: 'disabled',
  })
  const run: ComputePool['run'] = (task, input, { transfer = [], signal } = {}) =>
    piscina.run(input, { name: task, transferList: [...transfer], ...(signal ? { signal } : {}) })
  return {
    threads,
    run,
    warm: async () => {
      const fits = await Promise.all(Array.from({ length: threads }, () => run('fit', warmUpFit())))
      await Promise.all(fits.map((fit) => run('detect', warmUpDetect(fit))))
    },
    close: () => piscina.destroy(),
  }
}
