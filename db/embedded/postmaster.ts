/**
 * One PostgreSQL server on one data directory: make it, see whether it runs, start it, stop it.
 * Everything that changes something is called while holding the place's lock.
 */
import { spawn, execFile } from 'node:child_process'
import { randomBytes, randomInt, randomUUID } from 'node:crypto'
import {
  chown,
  mkdir,
  open,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { AppError, messageOf } from '../../shared/core/errors.ts'
import type { Logger } from '../../shared/platform/logger.ts'
import type { Binaries } from './binaries.ts'
import type { Place } from './place.ts'
import { mayServe } from './processes.ts'

const run = promisify(execFile)

const SUPERUSER = 'vigia'
/** PostgreSQL's programs read the rest of the environment as settings: they get none of ours. */
const ENVIRONMENT = { LC_ALL: 'C', TZ: 'UTC' }
const START_MS = 60_000
const STOP_S = 30
const POLL_MS = 15
const LOG_LIMIT = 1_000_000
/**
 * Below the ports systems hand out to outgoing connections (from 32768 on Linux, 49152 elsewhere): a client that
 * retries on a dead port in that range can end up connected to itself and keep the port from us.
 */
const PORTS = { from: 15_000, to: 32_000 }

/** Small and quiet: the whole idle system should fit in 300 MB. */
const SETTINGS: Settings = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  // Each process needs its data pool and, on the PostgreSQL queues, three connections per worker.
  max_connections: '200',
  shared_buffers: '48MB',
  work_mem: '8MB',
  maintenance_work_mem: '48MB',
  max_wal_size: '256MB',
  // One machine, no replicas: less is written, and three processes less wait for work.
  wal_level: 'minimal',
  max_wal_senders: '0',
  io_method: 'sync',
  max_parallel_workers_per_gather: '0',
  max_logical_replication_workers: '0',
  autovacuum_max_workers: '1',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  // Errors of statements reach their clients, which log them; here only the server's own news.
  log_min_messages: 'log',
  log_checkpoints: 'off',
}

export type Settings = Readonly<Record<string, string>>

/** What the server's lock file says. */
export type Sighting =
  | { readonly state: 'none' }
  /** The server it names is gone. */
  | { readonly state: 'stale'; readonly lines: readonly string[] }
  | { readonly state: 'running'; readonly pid: number; readonly port: number; readonly ready: boolean }

export interface Installation {
  readonly place: Place
  readonly binaries: Binaries
  /** On top of vigia's. */
  readonly settings: Settings
  readonly logger: Logger
}

const refuse = (message: string, cause?: unknown): AppError =>
  new AppError('STORAGE_UNAVAILABLE', message, {}, { cause })

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code

const dataOf = (place: Place): string => join(place.dir, 'data')
const logOf = (place: Place): string => join(place.dir, 'server.log')
const passwordOf = (place: Place): string => join(place.dir, 'password')
const spawnAs = (place: Place) => ({ ...place.owner, env: ENVIRONMENT, cwd: place.dir })

const readOrNull = async (path: string): Promise<string | null> => {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  }
}

/** Reads `postmaster.pid`: line 1 the pid, 4 the port, 8 the state (PostgreSQL, src/include/utils/pidfile.h). */
export const inspect = async (place: Place): Promise<Sighting> => {
  const text = await readOrNull(join(dataOf(place), 'postmaster.pid'))
  if (text === null) return { state: 'none' }
  const lines = text.split('\n')
  const pid = Number(lines[0])
  const data = await realpath(dataOf(place))
  if (!Number.isSafeInteger(pid) || pid <= 0 || !mayServe(pid, data)) return { state: 'stale', lines }
  return { state: 'running', pid, port: Number(lines[3]), ready: lines[7]?.trim() === 'ready' }
}

const failureText = (error: unknown): string => {
  const { stderr } = error as { stderr?: string }
  const tail = (stderr ?? '').trim().split('\n').slice(-6).join('\n')
  if (codeOf(error) === 'ENOENT') {
    return 'the program cannot be loaded; the npm binaries need glibc (Alpine has musl): set DATABASE_URL there'
  }
  if (/user does not exist/.test(tail))
    return `${tail} (it needs a line in /etc/passwd: run vigia as a named user)`
  return tail || messageOf(error)
}

/** The password of the superuser, made once, readable by this user alone. */
const ensurePassword = async (place: Place): Promise<string> => {
  const known = (await readOrNull(passwordOf(place)))?.trim()
  if (known) return known
  const password = randomBytes(24).toString('base64url')
  const draft = `${passwordOf(place)}.draft-${randomUUID()}`
  await writeFile(draft, password, { mode: 0o600, flag: 'wx' })
  await rename(draft, passwordOf(place))
  return password
}

/** Folders of an `initdb` that was killed. */
const sweepDrafts = async (place: Place): Promise<void> => {
  for (const name of await readdir(place.dir)) {
    if (name.startsWith('draft-')) {
      await rm(join(place.dir, name), { recursive: true, force: true, maxRetries: 5 }).catch(() => undefined)
    }
  }
}

const initialise = async ({ place, binaries, settings, logger }: Installation): Promise<void> => {
  const began = Date.now()
  const password = await ensurePassword(place)
  await sweepDrafts(place)
  const draft = join(place.dir, `draft-${randomUUID()}`)
  const passwordFile = `${draft}-password`
  try {
    await mkdir(draft, { mode: 0o700 })
    await writeFile(passwordFile, password, { mode: 0o600, flag: 'wx' })
    if (place.owner) {
      await chown(draft, place.owner.uid, place.owner.gid)
      await chown(passwordFile, place.owner.uid, place.owner.gid)
    }
    const flags = ['-D', draft, '-U', SUPERUSER, '--auth=scram-sha-256', `--pwfile=${passwordFile}`]
    // Without these the cluster takes the locale of the shell, SQL_ASCII where there is none.
    const locale = ['--encoding=UTF8', '--locale-provider=builtin', '--locale=C.UTF-8']
    const sync = settings['fsync'] === 'off' ? ['--no-sync'] : []
    await run(join(binaries.native, 'bin', 'initdb'), [...flags, ...locale, ...sync], spawnAs(place))
    await rename(draft, dataOf(place))
  } catch (error) {
    await rm(draft, { recursive: true, force: true })
    throw refuse(
      `cannot make a database in ${place.dir}: ${failureText(error)}. Free some space or set VIGIA_HOME to another folder, or DATABASE_URL to a PostgreSQL server`,
      error,
    )
  } finally {
    await rm(passwordFile, { force: true })
  }
  logger.info('made an embedded database', { folder: dataOf(place), ms: Date.now() - began })
}

/** Makes the data directory when there is none, else checks that it is one we can serve. */
const ensureData = async (installation: Installation, mayMake: boolean): Promise<void> => {
  const { place, binaries } = installation
  const version = await readOrNull(join(dataOf(place), 'PG_VERSION')).catch((error: unknown) => {
    throw refuse(
      `cannot read ${dataOf(place)}: ${messageOf(error)}. Give it back to the user who made it`,
      error,
    )
  })
  if (version === null) {
    if (mayMake) return initialise(installation)
    throw refuse(
      `${dataOf(place)} was removed while it was in use: stop vigia, and start it to begin from nothing`,
    )
  }
  if (Number(version) !== binaries.major) {
    throw refuse(
      `${dataOf(place)} was made by PostgreSQL ${version.trim()}, the installed one is ${binaries.major}: install the vigia that made it and dump its data, or move the folder away to start from nothing`,
    )
  }
}

const isFree = async (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })

const freePort = async (): Promise<number> => {
  for (let tries = 0; tries < 200; tries++) {
    const port = randomInt(PORTS.from, PORTS.to)
    if (await isFree(port)) return port
  }
  throw refuse(
    `no free port between ${PORTS.from} and ${PORTS.to} on 127.0.0.1: end something that listens there`,
  )
}

export const urlOf = (port: number, password: string, database: string): string =>
  `postgres://${SUPERUSER}:${password}@127.0.0.1:${port}/${encodeURIComponent(database)}`

/** Logs in once: proves the port, the password and that the server takes queries. */
const logIn = async (port: number, password: string): Promise<void> => {
  const client = new Client({
    connectionString: urlOf(port, password, 'postgres'),
    connectionTimeoutMillis: 10_000,
  })
  // A server that dies now is reported by the query.
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('select 1')
  } finally {
    await client.end().catch(() => undefined)
  }
}

const knownPassword = async (place: Place): Promise<string> => {
  const password = (await readOrNull(passwordOf(place)))?.trim()
  if (password) return password
  throw refuse(
    `${passwordOf(place)} is missing, so nobody can log in to the database beside it: restore the file, or move ${dataOf(place)} away to start from nothing`,
  )
}

/** What the server wrote since `from`, its last lines. */
const logTail = async (place: Place, from: number): Promise<string> => {
  const file = await open(logOf(place), 'r')
  try {
    const { size } = await file.stat()
    const start = Math.max(from, size - 4_000)
    const { buffer, bytesRead } = await file.read(
      Buffer.alloc(Math.max(0, size - start)),
      0,
      size - start,
      start,
    )
    return buffer.toString('utf8', 0, bytesRead).trim().split('\n').slice(-6).join('\n')
  } finally {
    await file.close()
  }
}

type Attempt = { readonly port: number } | { readonly failure: string }

/** One try to start; resolves when the server takes connections or has ended. */
const startOnce = async ({ place, binaries, settings }: Installation, port: number): Promise<Attempt> => {
  const data = dataOf(place)
  const flags = Object.entries({ ...SETTINGS, ...settings }).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ])
  const known = await stat(logOf(place)).catch(() => null)
  if (known && known.size > LOG_LIMIT) await truncate(logOf(place), 0)
  const log = await open(logOf(place), 'a', 0o600)
  const from = (await log.stat()).size
  const life: { ended: string | null } = { ended: null }
  let pid: number | undefined
  try {
    // Detached: Ctrl-C in the terminal reaches us, who drain first, and not the server.
    const child = spawn(
      join(binaries.native, 'bin', 'postgres'),
      ['-D', data, '-p', String(port), ...flags],
      {
        ...spawnAs(place),
        detached: true,
        stdio: ['ignore', log.fd, log.fd],
      },
    )
    pid = child.pid
    child.once('error', (error) => (life.ended ??= failureText(error)))
    child.once('exit', (code, signal) => (life.ended ??= `it ended with ${signal ?? `exit code ${code}`}`))
    child.unref()
  } finally {
    await log.close()
  }
  const deadline = Date.now() + START_MS
  while (life.ended === null) {
    const sighting = await inspect(place)
    if (sighting.state === 'running' && sighting.pid === pid && sighting.ready) return { port }
    if (Date.now() > deadline) return { failure: `it is not ready after ${START_MS / 1000} s` }
    await delay(POLL_MS)
  }
  return { failure: `${await logTail(place, from)}\n(${life.ended})`.trim() }
}

/** The port the server had when it ran last: addresses people noted stay valid. PostgreSQL keeps its arguments. */
const lastPort = async (place: Place): Promise<number | null> => {
  const text = (await readOrNull(join(dataOf(place), 'postmaster.opts'))) ?? ''
  const port = Number(/"-p" "(\d+)"/.exec(text)?.[1])
  return Number.isInteger(port) ? port : null
}

const portWasTaken = (failure: string): boolean => /could not bind|Address already in use/i.test(failure)
/** Children of a killed server notice its death within a moment and then free its memory. */
const childrenLinger = (failure: string): boolean => /pre-existing shared memory block/i.test(failure)

const startFresh = async (installation: Installation, wanted: number | undefined): Promise<number> => {
  const { place, logger } = installation
  let port = wanted ?? (await lastPort(place)) ?? (await freePort())
  for (let tries = 1; ; tries++) {
    const attempt = await startOnce(installation, port)
    if ('port' in attempt) return attempt.port
    if (tries < 40 && childrenLinger(attempt.failure)) {
      await delay(250)
    } else if (tries < 5 && wanted === undefined && portWasTaken(attempt.failure)) {
      logger.info('the port of the embedded database is taken, trying another', { port })
      port = await freePort()
    } else {
      throw refuse(
        `the embedded PostgreSQL did not start: ${attempt.failure}\nIts log is ${logOf(place)}. Set VIGIA_HOME to another folder to start from nothing, or DATABASE_URL to use another server`,
      )
    }
  }
}

/**
 * The lock file of a dead server whose pid another process has now would be believed by PostgreSQL. It ignores
 * a file that names its own parent, and still checks the shared memory named further down: so it names us.
 */
const disown = async (place: Place, lines: readonly string[]): Promise<void> => {
  const path = join(dataOf(place), 'postmaster.pid')
  await writeFile(path, [String(process.pid), ...lines.slice(1)].join('\n'))
}

/** Waits while a server found on the data directory starts, recovers or goes down. */
const settle = async (place: Place): Promise<Sighting> => {
  const deadline = Date.now() + START_MS
  for (;;) {
    const sighting = await inspect(place)
    if (sighting.state !== 'running' || sighting.ready) return sighting
    if (Date.now() > deadline) {
      throw refuse(
        `process ${sighting.pid} serves ${dataOf(place)} but is not ready after ${START_MS / 1000} s; see ${logOf(place)}`,
      )
    }
    await delay(POLL_MS)
  }
}

export interface Running {
  readonly port: number
  readonly pid: number
  readonly password: string
}

/**
 * Adopts the server that runs on the data directory, or makes and starts one.
 * @param wanted the port it must have (a restart: pools know it); undefined: any
 * @throws AppError STORAGE_UNAVAILABLE with the server's own words
 */
export const ensureServer = async (installation: Installation, wanted?: number): Promise<Running> => {
  const { place, logger } = installation
  // A server that is to come back must come back with its data, never empty.
  await ensureData(installation, wanted === undefined)
  const password = await knownPassword(place)
  const found = await settle(place)
  let port: number
  if (found.state === 'running') {
    port = found.port
    logger.info('using the embedded database that runs already', { port, pid: found.pid })
  } else {
    if (found.state === 'stale') await disown(place, found.lines)
    port = await startFresh(installation, wanted)
  }
  try {
    await logIn(port, password)
  } catch (error) {
    throw refuse(
      `the embedded PostgreSQL on port ${port} does not take our login: ${messageOf(error)}; see ${logOf(place)}`,
      error,
    )
  }
  const now = await inspect(place)
  if (now.state !== 'running') throw refuse(`the embedded PostgreSQL ended at once; see ${logOf(place)}`)
  if (found.state !== 'running') logger.info('started the embedded database', { port, pid: now.pid })
  return { port, pid: now.pid, password }
}

/** Stops the server if one runs: open transactions are rolled back, everything committed is on disk. */
export const stopServer = async ({ place, binaries, logger }: Installation): Promise<void> => {
  const found = await inspect(place)
  if (found.state !== 'running') return
  const stop = async (mode: 'fast' | 'immediate'): Promise<void> => {
    const flags = ['stop', '-s', '-w', '-D', dataOf(place), '-m', mode, '-t', String(STOP_S)]
    await run(join(binaries.native, 'bin', 'pg_ctl'), flags, spawnAs(place))
  }
  try {
    await stop('fast')
  } catch (error) {
    if ((await inspect(place)).state !== 'running') return
    logger.warn('the embedded database does not stop, ending it at once; it recovers at the next start', {
      error: failureText(error),
    })
    await stop('immediate')
  }
  logger.info('stopped the embedded database', { pid: found.pid })
}
