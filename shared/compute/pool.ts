/**
 * Threads for CPU work (piscina). They start when there is work and end after a minute without, so that an
 * idle system does not pay for them; `warm` starts and compiles them ahead of a first job.
 *
 * Tasks wait here and not in piscina's queue: with no least number of threads piscina starts none for a
 * waiting task when the thread before it was ended by an abort or died, and the task would wait for ever.
 */
import { availableParallelism } from 'node:os'
import { Piscina } from 'piscina'
import type { ComputePool } from '../compute.ts'
import { turnstile } from './turnstile.ts'
import { WARM_UP_JUDGES, warmUpDetect, warmUpFit, warmUpJudge } from './warm-up.ts'

const IDLE_MS = 60_000
/**
 * What a fit throws away is small and soon dead: a nursery that fits the processor's cache saves a tenth of
 * the time and 30 MB a thread against Node's default.
 */
const YOUNG_GENERATION_MB = 4

export interface ComputePoolOptions {
  /** 0: one per core but one, and two on two cores, where the main thread mostly waits. */
  readonly threads: number
  /** How long a thread without work is kept. */
  readonly idleMs?: number
}

export interface ThreadPool extends ComputePool {
  /** Starts all threads and has them compile what training and detection run. */
  warm(): Promise<void>
  /** Threads that are alive. */
  alive(): number
}

export const threadsFor = (configured: number, cores: number): number =>
  configured > 0 ? configured : cores <= 2 ? cores : cores - 1

export const createComputePool = (options: ComputePoolOptions): ThreadPool => {
  const threads = threadsFor(options.threads, availableParallelism())
  const piscina = new Piscina({
    filename: new URL('./thread.js', import.meta.url).href,
    minThreads: 0,
    maxThreads: threads,
    idleTimeout: options.idleMs ?? IDLE_MS,
    // A thread asleep in Atomics.wait hears nothing else; messages cost microseconds per batch.
    atomics: 'disabled',
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
  })
  // A thread that dies at work fails its task; one that dies idle is missed by nobody, and replaced when needed.
  piscina.on('error', () => {})
  const gate = turnstile(threads)

  const run: ComputePool['run'] = async (task, input, { transfer = [], signal } = {}) => {
    await gate.enter(signal)
    try {
      return await piscina.run(input, {
        name: task,
        transferList: [...transfer],
        ...(signal ? { signal } : {}),
      })
    } catch (error) {
      signal?.throwIfAborted()
      throw error
    } finally {
      gate.leave()
    }
  }
  return {
    threads,
    run,
    warm: async () => {
      const fits = await Promise.all(Array.from({ length: threads }, () => run('fit', warmUpFit())))
      await Promise.all(fits.map((fit) => run('detect', warmUpDetect(fit))))
      for (let k = 0; k < WARM_UP_JUDGES; k++) await Promise.all(fits.map(() => run('judge', warmUpJudge())))
    },
    alive: () => piscina.threads.length,
    close: async () => {
      gate.shut(new Error('the compute pool is closed'))
      await piscina.destroy()
    },
  }
}
