/**
 * Opens PostgreSQL: one knex pool per process for data (queues have connections of their own).
 * Days come as `YYYY-MM-DD`, instants as Date, bigint and numeric as number (both far below 2^53 here).
 */
import { setTimeout as delay } from 'node:timers/promises'
import knexFactory from 'knex'
import type { Knex } from 'knex'
import { types as pgTypes } from 'pg'
import type { Client } from 'pg'
import { AppError, messageOf } from '../shared/core/errors.ts'
import type { Logger } from '../shared/platform/logger.ts'

const OID = { int8: 20, float8: 701, date: 1082, numeric: 1700 }
/** Serialization failure and deadlock: the transaction runs again. */
const RETRIABLE = new Set(['40001', '40P01'])
const TRANSACTION_TRIES = 5
const FIRST_WAIT_MS = 250
const LONGEST_WAIT_MS = 5000

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
  close(): Promise<void>
}

/** Per connection, so that other users of `pg` in the process keep its defaults. */
const types = {
  getTypeParser: (oid: number, format?: string): unknown => {
    if (format !== 'binary') {
      if (oid === OID.int8 || oid === OID.numeric || oid === OID.float8) return Number
      if (oid === OID.date) return String
    }
    return pgTypes.getTypeParser(oid, format === 'binary' ? 'binary' : 'text')
  },
}

/** host:port/database of a URL, for messages: never its password. */
export const describeUrl = (url: string): string => {
  const { hostname, port, pathname } = new URL(url)
  return `${hostname}:${port || '5432'}${pathname}`
}

export const openDatabase = async (options: DatabaseOptions): Promise<Database> => {
  const { url, logger } = options
  const knex = knexFactory({
    client: 'pg',
    connection: {
      connectionString: url,
      application_name: options.applicationName,
      connectionTimeoutMillis: 10_000,
      keepAlive: true,
      // A statement of the hourly checks takes milliseconds; minutes mean something is stuck.
      statement_timeout: 10 * 60_000,
      idle_in_transaction_session_timeout: 5 * 60_000,
      types,
    } as Knex.PgConnectionConfig,
    pool: {
      min: 0,
      max: options.poolMax,
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
  })
  const deadline = performance.now() + (options.patienceMs ?? 30_000)
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
    try {
      await knex.raw('select 1')
      break
    } catch (error) {
      if (performance.now() + waitMs > deadline) {
        await knex.destroy()
        throw new AppError(
          'STORAGE_UNAVAILABLE',
          `PostgreSQL at ${describeUrl(url)} does not answer (${messageOf(error)}); check DATABASE_URL and that the server runs`,
          {},
          { cause: error },
        )
      }
      logger.warn('PostgreSQL does not answer yet, trying again', {
        server: describeUrl(url),
        error: messageOf(error),
        wait_ms: waitMs,
      })
      await delay(waitMs)
    }
  }
  return { knex, close: () => knex.destroy() }
}

/** Runs `work` in a SERIALIZABLE transaction, again (with jitter) when a rival forces it to. */
export const serializable = async <T>(
  knex: Knex,
  work: (trx: Knex.Transaction) => Promise<T>,
): Promise<T> => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await knex.transaction(work, { isolationLevel: 'serializable' })
    } catch (error) {
      if (attempt >= TRANSACTION_TRIES || !RETRIABLE.has(String((error as { code?: unknown }).code)))
        throw error
      await delay(5 * 2 ** attempt * (0.5 + Math.random()))
    }
  }
}
