/**
 * Real Redis for tests: `REDIS_URL` when set, else `redis-server` or `valkey-server` from the PATH on a free
 * loopback port with AOF and `noeviction` in a temporary folder. With neither, Redis suites are skipped and
 * the root hooks say so in one line.
 */
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { clearLeftovers, noteChild, temporaryFolder } from './folders.ts'

const PROGRAMS = ['redis-server', 'valkey-server']

const program = (): string | undefined =>
  PROGRAMS.find((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0)

/** Whether suites that need Redis can run here. */
export const redisAvailable = (): boolean => Boolean(process.env['REDIS_URL']) || program() !== undefined

/** Whether a Redis of a test's own, to be stopped and wiped, can be started here. */
export const ownRedisAvailable = (): boolean => program() !== undefined

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() =>
        address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port')),
      )
    })
  })

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.setTimeout(500, () => socket.destroy())
    socket.once('connect', () => socket.write('PING\r\n'))
    socket.once('data', (data) => {
      resolve(data.toString().startsWith('+PONG'))
      socket.destroy()
    })
    socket.once('error', () => resolve(false))
    socket.once('close', () => resolve(false))
  })

export interface TestRedis {
  readonly url: string
  readonly port: number
  /** Kills the server; `wipe` also removes its data. */
  stop(options?: { readonly wipe?: boolean }): Promise<void>
  /** It keeps its connections and answers nothing, until `thaw`. */
  freeze(): void
  thaw(): void
  /** Starts it again on the same port. */
  start(): Promise<void>
  /** Ends it for good and removes its folder. */
  close(): Promise<void>
}

/** A Redis server of the caller's own. `settings` are command line settings, e.g. `['--maxmemory-policy', 'allkeys-lru']`. */
export const startOwnRedis = async (settings: readonly string[] = []): Promise<TestRedis> => {
  const name = program()
  if (!name) throw new Error('neither redis-server nor valkey-server is on the PATH')
  const folder = await temporaryFolder()
  const port = await freePort()
  let child: ChildProcess | undefined
  const start = async (): Promise<void> => {
    const flags = ['--bind', '127.0.0.1', '--dir', folder, '--appendonly', 'yes', '--save', '']
    const policy = settings.includes('--maxmemory-policy') ? [] : ['--maxmemory-policy', 'noeviction']
    child = spawn(name, ['--port', String(port), ...flags, ...policy, ...settings], { stdio: 'ignore' })
    if (child.pid !== undefined) await noteChild(folder, child.pid)
    const deadline = performance.now() + 20_000
    while (!(await answers(port))) {
      if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`)
      if (performance.now() > deadline) throw new Error(`${name} does not answer on port ${port}`)
      await delay(20)
    }
  }
  const stop = async (options: { readonly wipe?: boolean } = {}): Promise<void> => {
    const running = child
    child = undefined
    if (running && running.exitCode === null && running.signalCode === null) {
      const ended = new Promise<void>((resolve) => running.once('exit', () => resolve()))
      running.kill('SIGKILL')
      await ended
    }
    if (options.wipe) await rm(join(folder, 'appendonlydir'), { recursive: true, force: true })
  }
  await start()
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    stop,
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    start,
    close: async () => {
      await stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

let shared: Promise<TestRedis> | undefined

/** URL of the Redis all suites share; each uses a queue prefix of its own. */
export const sharedRedisUrl = async (): Promise<string> =>
  process.env['REDIS_URL'] || (await (shared ??= clearLeftovers().then(() => startOwnRedis()))).url

/** Ends the shared server of this run. Called once by the root hooks. */
export const closeSharedRedis = async (): Promise<void> => {
  if (shared) await (await shared).close()
  shared = undefined
}
