/**
 * The embedded PostgreSQL as a process sees it: open it, use the url, release it.
 *
 * 1. Every process that uses the server has a file under `users/`, made and removed under one lock.
 * 2. Opening adopts a running server, also one whose parent was killed, or starts one.
 * 3. While open, a server that dies is started again on the same port, so that pools reconnect by themselves.
 * 4. Releasing stops the server when no other living process uses it.
 *
 * Nothing here listens to signals: release is the last entry of the process's own lifecycle, after the drain.
 */
import { randomUUID } from 'node:crypto'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Client } from 'pg'
import { AppError, messageOf } from '../../shared/core/errors.ts'
import type { Logger } from '../../shared/platform/logger.ts'
import { prepareBinaries } from './binaries.ts'
import { withFileLock } from './file-lock.ts'
import { choosePlace, type Place } from './place.ts'
import { isRunning, ownIdentity, parseIdentity } from './processes.ts'
import { ensureServer, inspect, stopServer, urlOf, type Installation, type Settings } from './postmaster.ts'

/** Long enough for another process to make a database and start it. */
const LOCK_MS = 120_000
const WATCH_MS = 500
/** Waits between restarts that fail double up to this, so that a full disk is not hammered. */
const LONGEST_WAIT_MS = 60_000

export interface EmbeddedPostgresOptions {
  /** Folder for the data, the password and the lock; made when missing. */
  readonly home: string
  readonly logger: Logger
  /** Server settings on top of vigia's, e.g. `{ fsync: 'off' }` for data that may be lost with the machine. */
  readonly settings?: Settings
  /** Folder of the npm package with the programs; found by itself when absent. */
  readonly packageRoot?: string
}

export interface EmbeddedPostgres {
  /**
   * The url of `database`, which is made when there is none. It holds the password, and stays valid when the
   * server is restarted.
   */
  urlOf(database: string): Promise<string>
  /** Process id of the server, for measurements; null while it is gone. */
  serverPid(): Promise<number | null>
  /** Where data, log and password are. */
  readonly folder: string
  /** Ends the use by this handle; the last user stops the server. Safe to call again. */
  release(): Promise<void>
}

const lockOf = (place: Place): string => join(place.dir, 'lock')

/** Removes the files of processes that died; answers how many users are left. */
const countUsers = async (place: Place): Promise<number> => {
  const folder = join(place.dir, 'users')
  let living = 0
  for (const name of await readdir(folder)) {
    const path = join(folder, name)
    const user = parseIdentity(await readFile(path, 'utf8'))
    if (user && isRunning(user)) living++
    else await rm(path, { force: true })
  }
  return living
}

/** 42P04 and 23505: another process made it at the same moment. */
const MADE_MEANWHILE = new Set(['42P04', '23505'])

const ensureDatabase = async (adminUrl: string, name: string): Promise<void> => {
  const client = new Client({ connectionString: adminUrl, connectionTimeoutMillis: 10_000 })
  // A server that dies now is reported by the query.
  client.on('error', () => undefined)
  try {
    await client.connect()
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [name])
    if (rowCount === 0) await client.query(`create database ${client.escapeIdentifier(name)}`)
  } catch (error) {
    if (MADE_MEANWHILE.has(String((error as { code?: unknown }).code))) return
    throw new AppError(
      'STORAGE_UNAVAILABLE',
      `the embedded PostgreSQL did not make the database ${name}: ${messageOf(error)}`,
      {},
      { cause: error },
    )
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** Starts the server again when it died. Returns how to stop watching. */
const watch = (installation: Installation, port: number): (() => Promise<void>) => {
  const { place, logger } = installation
  let stopped = false
  let current: Promise<void> = Promise.resolve()
  let failures = 0
  let notBefore = 0

  const look = async (): Promise<void> => {
    if (Date.now() < notBefore || (await inspect(place)).state === 'running') return
    await withFileLock(lockOf(place), LOCK_MS, async () => {
      if (stopped) return
      logger.warn('the embedded database is gone, starting it again', { port })
      await ensureServer(installation, port)
      failures = 0
    })
  }
  const lookAndTell = async (): Promise<void> => {
    try {
      await look()
    } catch (error) {
      const waitMs = Math.min(LONGEST_WAIT_MS, 500 * 2 ** failures++)
      notBefore = Date.now() + waitMs
      logger.error('the embedded database could not be started again', { error: messageOf(error), waitMs })
    }
  }
  let busy = false
  const timer = setInterval(() => {
    if (busy) return
    busy = true
    current = lookAndTell().finally(() => (busy = false))
  }, WATCH_MS)
  // It must not keep a process alive that has nothing else to do.
  timer.unref()
  return async () => {
    stopped = true
    clearInterval(timer)
    await current
  }
}

/**
 * Opens the embedded PostgreSQL under `home`.
 * Several processes may do so at once and share one server.
 * @throws AppError STORAGE_UNAVAILABLE with what to do, e.g. when no folder can be written
 */
export const openEmbeddedPostgres = async ({
  home,
  logger,
  settings = {},
  packageRoot,
}: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> => {
  const place = await choosePlace(home)
  const userFile = join(place.dir, 'users', `${process.pid}-${randomUUID()}`)
  const { installation, running } = await withFileLock(lockOf(place), LOCK_MS, async () => {
    const binaries = await prepareBinaries(place, packageRoot)
    const installation: Installation = { place, binaries, settings, logger }
    await writeFile(userFile, JSON.stringify(ownIdentity()), { flag: 'wx', mode: 0o600 })
    try {
      const running = await ensureServer(installation)
      return { installation, running }
    } catch (error) {
      await rm(userFile, { force: true })
      if ((await countUsers(place)) === 0) await stopServer(installation)
      throw error
    }
  }).catch((error: unknown) => {
    if (error instanceof AppError) throw error
    throw new AppError(
      'STORAGE_UNAVAILABLE',
      `the embedded PostgreSQL cannot use ${place.dir}: ${messageOf(error)}. Set VIGIA_HOME to a folder you may write to, or DATABASE_URL to a PostgreSQL server`,
      {},
      { cause: error },
    )
  })
  const stopWatching = watch(installation, running.port)

  const releaseOnce = async (): Promise<void> => {
    await stopWatching()
    await withFileLock(lockOf(place), LOCK_MS, async () => {
      await rm(userFile, { force: true })
      if ((await countUsers(place)) === 0) await stopServer(installation)
    })
  }
  let released: Promise<void> | undefined
  return {
    urlOf: async (database) => {
      await ensureDatabase(urlOf(running.port, running.password, 'postgres'), database)
      return urlOf(running.port, running.password, database)
    },
    serverPid: async () => {
      const found = await inspect(place)
      return found.state === 'running' ? found.pid : null
    },
    folder: place.dir,
    release: () => (released ??= releaseOnce()),
  }
}
