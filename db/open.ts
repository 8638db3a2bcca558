/**
 * Opens PostgreSQL: one knex pool per process for data (queues have connections of their own).
 * Days come as `YYYY-MM-DD`, instants as Date, bigint and numeric as number.
 */
import { setTimeout as delay } from 'node:timers/promises'
import knexFactory from 'knex'
import type { Knex } from 'knex'
import { types as pgTypes } from 'pg'
import type { Client } from 'pg'
import { AppError, messageOf } from '../shared/core/errors.ts'
import type { Logger } from '../shared/platform/logger.ts'

/** PostgreSQL, src/include/catalog/pg_type.dat. */
const OID = {
  int8: 20,
  date: 1082,
  numeric: 1700,
  textArray: 1009,
  int8Array: 1016,
  dateArray: 1182,
  numericArray: 1231,
}
/** Serialization failure and deadlock: the transaction runs again. */
const RETRIABLE = new Set(['40001', '40P01'])
const TRANSACTION_TRIES = 5
const FIRST_WAIT_MS = 250
const LONGEST_WAIT_MS = 5000
const OLDEST_SERVER = 140_000

export interface DatabaseOptions {
  readonly url: string
  readonly poolMax: number
  readonly logger: Logger
  /** Shown in pg_stat_activity. */
  readonly applicationName: string
  /** How long to wait for a server that does not answer yet. */
  readonly patienceMs?: number
}

export interface Database {
  readonly knex: Knex
  /** Waits for what runs, then closes the connections. */
  close(): Promise<void>
}

/** A sum or id that a number cannot hold would silently be another one. */
const toSafeInteger = (text: string): number => {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError(`bigint ${text} does not fit a number`)
  return value
}

const parseTexts = pgTypes.getTypeParser(OID.textArray, 'text') as (text: string) => (string | null)[]
const arrayOf =
  <T>(parse: (text: string) => T) =>
  (text: string): (T | null)[] =>
    parseTexts(text).map((item) => (item === null ? null : parse(item)))

const PARSERS: ReadonlyMap<number, (text: string) => unknown> = new Map<number, (text: string) => unknown>([
  [OID.int8, toSafeInteger],
  // Money of 15 digits and sums of it are exact to the cent in a double.
  [OID.numeric, Number],
  [OID.date, String],
  [OID.int8Array, arrayOf(toSafeInteger)],
  [OID.numericArray, arrayOf(Number)],
  [OID.dateArray, parseTexts],
])

/** Per connection, so that other users of `pg` in the process keep its defaults. */
const types = {
  getTypeParser: (oid: number, format?: string): unknown =>
    format === 'binary'
      ? pgTypes.getTypeParser(oid, 'binary')
      : (PARSERS.get(oid) ?? pgTypes.getTypeParser(oid, 'text')),
}

/** host:port/database of a URL, for messages: never its password. */
export const describeUrl = (url: string): string => {
  const { hostname, port, pathname } = new URL(url)
  return `${hostname}:${port || '5432'}${pathname}`
}

const codeOf = (error: unknown): string => (error as { code?: string } | null)?.code ?? ''
/** A host with several addresses fails with an AggregateError, whose message is empty. */
const reasonOf = (error: unknown): string => messageOf(error) || codeOf(error)

/** What waiting does not mend, by class of the code (PostgreSQL, appendix A), and what to do about it. */
const HOPELESS: readonly (readonly [code: string, advice: string])[] = [
  ['28', 'check the user and password in DATABASE_URL'],
  ['3D000', 'create that database, or correct its name in DATABASE_URL'],
]

const adviceAbout = (error: unknown): string | undefined =>
  HOPELESS.find(([code]) => codeOf(error).startsWith(code))?.[1]

const UNREACHABLE = /^(08|57P0|53300|ECONN|ETIMEDOUT|EPIPE|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN)/
const BROKEN =
  /Connection terminated|timeout expired|Timeout acquiring a connection|server closed the connection/

/** Whether an error of a query says that PostgreSQL cannot be reached, so that the same may succeed later. */
export const isUnreachable = (error: unknown): boolean =>
  UNREACHABLE.test(codeOf(error)) || BROKEN.test(messageOf(error))

const createPool = ({ url, logger, poolMax, applicationName }: DatabaseOptions): Knex =>
  knexFactory({
    client: 'pg',
    connection: {
      connectionString: url,
      application_name: applicationName,
      connectionTimeoutMillis: 10_000,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      // A statement of the hourly checks takes milliseconds; minutes mean something is stuck.
      statement_timeout: 10 * 60_000,
      idle_in_transaction_session_timeout: 5 * 60_000,
      types,
    } as Knex.PgConnectionConfig,
    pool: {
      min: 0,
      max: poolMax,
      acquireTimeoutMillis: 30_000,
      idleTimeoutMillis: 30_000,
      // A connection that breaks while idle is an event nobody else listens to; unheard it ends the process.
      afterCreate: (connection: Client, done: (error: Error | null, connection: Client) => void) => {
        connection.on('error', (error) =>
          logger.warn('a database connection broke', { error: messageOf(error) }),
        )
        done(null, connection)
      },
    },
    log: {
      // It warns of connections whose errors also reach the caller or the listener above.
      warn: (message: unknown) => logger.debug(String(message)),
      error: (message: unknown) => logger.error(String(message)),
      deprecate: (message: unknown) => logger.warn(String(message)),
      debug: (message: unknown) => logger.debug(String(message)),
    },
  })

const serverVersion = async (knex: Knex): Promise<number> => {
  const { rows } = (await knex.raw("select current_setting('server_version_num')::int as version")) as {
    readonly rows: readonly { readonly version: number }[]
  }
  return rows[0]?.version ?? 0
}

/** Waits for the server; answers its version, e.g. 180004. */
const waitForServer = async (
  knex: Knex,
  { url, logger, patienceMs = 30_000 }: DatabaseOptions,
): Promise<number> => {
  const deadline = performance.now() + patienceMs
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
    try {
      return await serverVersion(knex)
    } catch (error) {
      const advice = adviceAbout(error)
      if (advice !== undefined || performance.now() + waitMs > deadline) {
        throw new AppError(
          'STORAGE_UNAVAILABLE',
          advice === undefined
            ? `PostgreSQL at ${describeUrl(url)} does not answer (${reasonOf(error)}); check DATABASE_URL and that the server runs`
            : `PostgreSQL at ${describeUrl(url)} refuses (${reasonOf(error)}); ${advice}`,
          {},
          { cause: error },
        )
      }
      logger.warn('PostgreSQL does not answer yet, trying again', {
        server: describeUrl(url),
        error: reasonOf(error),
        wait_ms: waitMs,
      })
      await delay(waitMs)
    }
  }
}

/**
 * @throws AppError STORAGE_UNAVAILABLE when the server does not answer in time, refuses the login, or is
 * older than 14; the message never holds the password
 */
export const openDatabase = async (options: DatabaseOptions): Promise<Database> => {
  const knex = createPool(options)
  try {
    const version = await waitForServer(knex, options)
    if (version < OLDEST_SERVER) {
      throw new AppError(
        'STORAGE_UNAVAILABLE',
        `PostgreSQL at ${describeUrl(options.url)} is version ${Math.trunc(version / 10_000)}: vigia needs 14 or newer`,
      )
    }
  } catch (error) {
    await knex.destroy()
    throw error
  }
  return { knex, close: () => knex.destroy() }
}

/** Whether rivals forced every try of a SERIALIZABLE transaction to start again. */
export const lostEveryTry = (error: unknown): boolean => RETRIABLE.has(codeOf(error))

/**
 * Runs `work` in a SERIALIZABLE transaction, again (with jitter) when a rival forces it to.
 * @param work is told which try it is, from 1
 */
export const serializable = async <T>(
  knex: Knex,
  work: (trx: Knex.Transaction, attempt: number) => Promise<T>,
): Promise<T> => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await knex.transaction((trx) => work(trx, attempt), { isolationLevel: 'serializable' })
    } catch (error) {
      if (attempt >= TRANSACTION_TRIES || !RETRIABLE.has(codeOf(error))) throw error
      await delay(5 * 2 ** attempt * (0.5 + Math.random()))
    }
  }
}
