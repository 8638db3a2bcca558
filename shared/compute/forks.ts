/**
 * Processes for work that may exhaust memory: out of memory there, one task fails, where a thread would take its
 * whole process along. They start when there is work, in 0.3 to 0.5 s, and end after a minute without.
 *
 * Buffers are copied, whatever `transfer` says.
 */
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import type { ComputeOptions, ComputePool, ComputeTask, ComputeTasks } from '../compute.ts'
import type { ForkAnswer, ForkTask } from './fork.ts'
import { turnstile } from './turnstile.ts'

const IDLE_MS = 60_000
/** What a fit keeps besides its typed arrays, which this does not bound, is far less. */
const HEAP_MB = 1024
/** The end of what a process wrote before it died is enough to tell why. */
const LAST_WORDS = 4000

export interface ForkPoolOptions {
  /** Tasks that run at once. */
  readonly forks: number
  /** How long a process without work is kept. */
  readonly idleMs?: number
  /** Heap of a process; beyond it dies. */
  readonly heapMb?: number
}

export interface ForkPool extends ComputePool {
  /** Process ids of those that are alive. */
  alive(): readonly number[]
}

interface Work {
  readonly task: ComputeTask
  readonly resolve: (answer: ForkAnswer) => void
  readonly reject: (reason: Error) => void
}

interface Fork {
  readonly child: ChildProcess
  /** Resolves when the process is gone. */
  readonly gone: Promise<void>
  /** Null while it waits for work. */
  work: Work | null
  idleTimer: NodeJS.Timeout | undefined
}

const end = ({ child }: Fork): boolean => child.kill('SIGKILL')

export const createForkPool = (options: ForkPoolOptions): ForkPool => {
  const gate = turnstile(options.forks)
  const heapMb = options.heapMb ?? HEAP_MB
  const alive = new Set<Fork>()
  /** Those without work, the one that worked last at the end. */
  const idle: Fork[] = []
  let closed = false

  const leaveIdle = (one: Fork): void => {
    clearTimeout(one.idleTimer)
    const at = idle.indexOf(one)
    if (at >= 0) idle.splice(at, 1)
  }

  const rest = (one: Fork): void => {
    one.work = null
    if (closed || !alive.has(one)) return
    idle.push(one)
    one.idleTimer = setTimeout(() => {
      leaveIdle(one)
      end(one)
    }, options.idleMs ?? IDLE_MS).unref()
  }

  const start = (): Fork => {
    const child = fork(new URL('./fork.js', import.meta.url), [], {
      // Typed arrays and maps go over as they are.
      serialization: 'advanced',
      // Not the parent's own: two cannot listen for one debugger.
      execArgv: ['--enable-source-maps', `--max-old-space-size=${heapMb}`],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    let words = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      words = (words + text).slice(-LAST_WORDS)
    })
    let left = (): void => undefined
    const gone = new Promise<void>((resolve) => {
      left = resolve
    })
    const self: Fork = { child, gone, work: null, idleTimer: undefined }
    const over = (why: string): void => {
      alive.delete(self)
      leaveIdle(self)
      self.work?.reject(new Error(`the process that worked at ${self.work.task} is gone: ${why}`))
      self.work = null
      left()
    }
    child.on('message', (answer: ForkAnswer) => self.work?.resolve(answer))
    child.on('error', (error) => {
      // It could not be started, or be told what to do: either way it is of no use.
      if (child.pid === undefined) over(error.message)
      else end(self)
    })
    child.once('close', (code, signal) => {
      if (/heap out of memory|heap limit/.test(words)) over(`out of memory, its heap may have ${heapMb} MB`)
      else if (signal === 'SIGKILL') over('killed, maybe because the machine ran out of memory')
      else over(`it ended with ${signal ?? `code ${code}`}${words && `: ${words.trim()}`}`)
    })
    alive.add(self)
    return self
  }

  const take = (): Fork => {
    const warm = idle.findLast(({ child }) => child.connected)
    if (!warm) return start()
    leaveIdle(warm)
    return warm
  }

  const run = async <K extends ComputeTask>(
    task: K,
    input: ComputeTasks[K]['input'],
    { signal }: ComputeOptions = {},
  ): Promise<ComputeTasks[K]['output']> => {
    await gate.enter(signal)
    const one = take()
    const abort = (): boolean => end(one)
    signal?.addEventListener('abort', abort, { once: true })
    try {
      const answer = await new Promise<ForkAnswer>((resolve, reject) => {
        one.work = { task, resolve, reject }
        const message: ForkTask = { task, input }
        one.child.send(message)
      }).catch((error: unknown) => {
        // Dead, unless it was never told what cannot be sent.
        end(one)
        throw error
      })
      signal?.throwIfAborted()
      rest(one)
      if ('output' in answer) return answer.output
      const { name, message, stack } = answer.error
      throw Object.assign(new Error(message), { name, stack })
    } catch (error) {
      signal?.throwIfAborted()
      throw error
    } finally {
      signal?.removeEventListener('abort', abort)
      gate.leave()
    }
  }

  return {
    threads: options.forks,
    run,
    alive: () => [...alive].flatMap(({ child }) => child.pid ?? []),
    close: async () => {
      closed = true
      gate.shut(new Error('the compute pool is closed'))
      await Promise.all(
        [...alive].map((one) => {
          end(one)
          return one.gone
        }),
      )
    },
  }
}
