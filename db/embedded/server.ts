/**
 * A PostgreSQL server of vigia's own under one folder, shared by all processes that use that folder:
 * initialised once, started when nobody runs it, adopted when somebody does (also the orphan of a killed
 * process), restarted on its port when it dies, stopped by the last process to leave.
 */
import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { AppError, messageOf } from '../../shared/core/errors.ts'
import type { Logger } from '../../shared/platform/logger.ts'
import { handToServer, locateBinaries, reachablePath, serverAccount } from './binaries.ts'
import { exclusively, isAlive, moveIn, moveOut } from './tenants.ts'

const run = promisify(execFile)

const SUPERUSER = 'postgres'
const START_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 30_000
const POLL_MS = 15
const WATCH_MS = 1000
/** Ports are picked before the server binds them; somebody else may be faster. */
const PORT_TRIES = 5

export interface EmbeddedOptions {
  /** Folder of everything embedded, e.g. `.vigia`. */
  readonly home: string
  readonly logger: Logger
  /** Server settings (`-c name=value`) on top of vigia's, e.g. `{ fsync: 'off' }` for throw-away data. */
  readonly settings?: Readonly<Record<string, string>>
}

export interface EmbeddedPostgres {
  /** Connection URL of `database`, which is made when it does not exist. */
  urlOf(database: string): Promise<string>
  /** Process id of the server, for measurements. */
  serverPid(): Promise<number | null>
  /** Leaves; the last process to leave stops the server. Call after everything that uses it has closed. */
  release(): Promise<void>
}

interface Postmaster {
  readonly pid: number
  readonly port: number
  readonly ready: boolean
}

/** postmaster.pid: line 1 pid, 4 port, 8 status (PostgreSQL, `miscadmin.h`). */
const readPostmaster = async (data: string): Promise<Postmaster | null> => {
  const text = await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')
  const lines = text.split('\n')
  const pid = Number(lines[0])
  if (!Number.isInteger(pid) || pid <= 0 || !isAlive(pid)) return null
  return { pid, port: Number(lines[3]), ready: (lines[7] ?? '').trim() === 'ready' }
}

const freePort = async (): Promise<number> =>
  new Promise((done, fail) => {
    const probe = createServer()
    probe.once('error', fail)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() =>
        address && typeof address === 'object' ? done(address.port) : fail(new Error('no port')),
      )
    })
  })

const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  shared_buffers: '64MB',
  work_mem: '16MB',
  max_wal_size: '256MB',
  // Short statements over one account gain nothing from compiled plans or parallel workers.
  jit: 'off',
  max_parallel_workers_per_gather: '0',
  log_min_messages: 'warning',
  timezone: 'UTC',
}

const childOptions = (): { env: NodeJS.ProcessEnv; uid?: number; gid?: number } => {
  const account = serverAccount()
  return { env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }, ...account }
}

const initialise = async (native: string, data: string, password: string): Promise<void> => {
  const partial = `${data}.partial`
  const passwordFile = `${data}.initdb`
  await rm(partial, { recursive: true, force: true })
  await mkdir(partial, { recursive: true, mode: 0o700 })
  await handToServer(partial)
  await writeFile(passwordFile, password, { mode: 0o600 })
  await handToServer(passwordFile)
  try {
    const flags = ['--encoding=UTF8', '--locale-provider=builtin', '--locale=C.UTF-8', '--auth=scram-sha-256']
    await run(
      join(native, 'bin/initdb'),
      ['-D', partial, '-U', SUPERUSER, ...flags, `--pwfile=${passwordFile}`, '--no-sync'],
      { ...childOptions(), cwd: dirname(data) },
    )
    await rename(partial, data)
  } finally {
    await rm(passwordFile, { force: true })
    await rm(partial, { recursive: true, force: true })
  }
}

const tail = async (path: string): Promise<string> => {
  const text = await readFile(path, 'utf8').catch(() => '')
  return text.trim().split('\n').slice(-4).join(' / ').slice(-600)
}

export const openEmbeddedPostgres = async (options: EmbeddedOptions): Promise<EmbeddedPostgres> => {
  const { logger } = options
  const home = resolve(options.home)
  const logFile = join(home, 'postgres.log')
  const passwordPath = join(home, 'postgres.password')
  try {
    await mkdir(home, { recursive: true, mode: 0o755 })
  } catch (error) {
    throw new AppError(
      'STORAGE_UNAVAILABLE',
      `the folder ${home} cannot be made (${messageOf(error)}); set VIGIA_HOME to a writable folder`,
      {},
      { cause: error },
    )
  }
  const native = await locateBinaries()
  const data = await reachablePath(join(home, 'postgres'))

  const ensurePassword = async (): Promise<string> => {
    const known = await readFile(passwordPath, 'utf8').catch(() => '')
    if (known) return known.trim()
    const password = randomBytes(24).toString('base64url')
    await writeFile(passwordPath, password, { mode: 0o600 })
    return password
  }

  const waitReady = async (pid: () => number | null): Promise<Postmaster> => {
    const deadline = performance.now() + START_TIMEOUT_MS
    for (;;) {
      const found = await readPostmaster(data)
      if (found?.ready) return found
      if (pid() === null && !found) throw new Error(await tail(logFile))
      if (performance.now() > deadline) throw new Error(`not ready after ${START_TIMEOUT_MS / 1000} s`)
      await delay(POLL_MS)
    }
  }

  const launch = async (port: number): Promise<Postmaster> => {
    const settings = { ...SETTINGS, ...options.settings }
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    const log = await open(logFile, 'w', 0o600)
    try {
      // Detached: Ctrl-C goes to the whole process group and must not stop the server before vigia drains.
      const child = spawn(join(native, 'bin/postgres'), ['-D', data, '-p', String(port), ...flags], {
        ...childOptions(),
        cwd: dirname(data),
        detached: true,
        stdio: ['ignore', log.fd, log.fd],
      })
      let living: number | null = child.pid ?? null
      child.once('exit', () => (living = null))
      child.once('error', () => (living = null))
      child.unref()
      return await waitReady(() => living)
    } finally {
      await log.close()
    }
  }

  /** Adopts the server that runs on the data folder or starts one; call under the lock. */
  const ensureRunning = async (wantedPort: number | null): Promise<Postmaster> => {
    const running = await readPostmaster(data)
    if (running) return running.ready ? running : waitReady(() => running.pid)
    for (let attempt = 1; ; attempt += 1) {
      const port = wantedPort !== null && attempt === 1 ? wantedPort : await freePort()
      try {
        return await launch(port)
      } catch (error) {
        const taken = /could not bind|Address already in use|could not create any TCP/i.test(messageOf(error))
        if (!taken || attempt >= PORT_TRIES) throw error
        logger.warn('a port was taken, trying another', { port })
      }
    }
  }

  const explain = (error: unknown): AppError =>
    error instanceof AppError
      ? error
      : new AppError(
          'STORAGE_UNAVAILABLE',
          `the embedded PostgreSQL in ${data} does not start: ${messageOf(error)}; ` +
            `see ${logFile}, or set DATABASE_URL to another server`,
          {},
          { cause: error },
        )

  const start = async (): Promise<{ tenant: string; server: Postmaster; password: string }> => {
    const password = await ensurePassword()
    const initialised = await stat(join(data, 'PG_VERSION')).catch(() => null)
    if (!initialised) {
      logger.info('creating the embedded database', { folder: data })
      await initialise(native, data, password)
    }
    const tenant = await moveIn(home)
    try {
      return { tenant, server: await ensureRunning(null), password }
    } catch (error) {
      await moveOut(home, tenant)
      throw error
    }
  }

  let opened: Awaited<ReturnType<typeof start>>
  try {
    opened = await exclusively(home, start)
  } catch (error) {
    throw explain(error)
  }
  const { tenant, password } = opened
  const { port } = opened.server
  let released = false
  let reviving: Promise<void> = Promise.resolve()

  /** A server that died is started again on its port, so that pools find it where they left it. */
  const revive = async (): Promise<void> => {
    if (released || (await readPostmaster(data))) return
    logger.warn('the embedded PostgreSQL is gone; starting it again', { port })
    await exclusively(home, async () => {
      if (!released) await ensureRunning(port)
    })
    logger.info('the embedded PostgreSQL is back', { port })
  }
  const watch = setInterval(() => {
    reviving = reviving.then(revive).catch((error: unknown) => {
      logger.error('the embedded PostgreSQL cannot be started again', { error: messageOf(error) })
    })
  }, WATCH_MS)
  watch.unref()

  const stop = async (): Promise<void> => {
    const running = await readPostmaster(data)
    if (!running) return
    // Fast shutdown: sessions are ended, everything is written out.
    process.kill(running.pid, 'SIGINT')
    const deadline = performance.now() + STOP_TIMEOUT_MS
    while (isAlive(running.pid)) {
      if (performance.now() > deadline) {
        logger.warn('the embedded PostgreSQL does not stop in time; it recovers at the next start', {
          pid: running.pid,
        })
        process.kill(running.pid, 'SIGQUIT')
        return
      }
      await delay(POLL_MS)
    }
  }

  const url = (database: string): string =>
    `postgres://${SUPERUSER}:${encodeURIComponent(password)}@127.0.0.1:${port}/${encodeURIComponent(database)}`

  return {
    urlOf: async (database) => {
      const client = new Client({ connectionString: url('postgres'), connectionTimeoutMillis: 10_000 })
      client.on('error', () => undefined)
      try {
        await client.connect()
      } catch (error) {
        await client.end().catch(() => undefined)
        throw explain(error)
      }
      try {
        const found = await client.query('select 1 from pg_database where datname = $1', [database])
        if (found.rowCount === 0) {
          await client
            .query(`create database ${client.escapeIdentifier(database)}`)
            .catch((error: unknown) => {
              // 42P04: another process was faster.
              if ((error as { code?: string }).code !== '42P04') throw error
            })
        }
      } finally {
        await client.end()
      }
      return url(database)
    },
    serverPid: async () => (await readPostmaster(data))?.pid ?? null,
    release: async () => {
      if (released) return
      released = true
      clearInterval(watch)
      await reviving
      await exclusively(home, async () => {
        if ((await moveOut(home, tenant)) === 0) await stop()
      })
    },
  }
}
