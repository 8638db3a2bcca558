/**
 * BullMQ on PostgreSQL, in a schema of its own. Queues and workers have small pools of their own: one shared
 * pool would deadlock, since every worker holds a connection to LISTEN.
 */
import { Queue, Worker, createPostgresBackend } from 'bullmq'
import type { PostgresConnectionOptions } from 'bullmq'
import { AppError, messageOf } from '../core/errors.ts'
import type { Backend } from './backend.ts'
import { within } from './within.ts'

/** Connections of a queue object, and of a worker besides its LISTEN; they close when idle. */
const POOL_MAX = 2
const CHECK_MS = 5000
const MIGRATE_MS = 60_000

export interface PostgresOptions {
  readonly url: string
  readonly schema: string
  /** Where errors of connections go. */
  readonly onError: (error: Error) => void
}

export const postgresBackend = ({ url, schema, onError }: PostgresOptions): Backend => {
  const connection: PostgresConnectionOptions = {
    connectionString: url,
    schema,
    max: POOL_MAX,
    connectionTimeoutMillis: 5000,
    idleTimeoutMillis: 10_000,
    keepAlive: true,
  }
  /** A queue object of its own, closed again. */
  const briefly = async (migrate: boolean, limitMs: number): Promise<void> => {
    const probe = new Queue(
      'vigia-probe',
      { connection: { ...connection, max: 1, migrate }, skipMetasUpdate: true },
      createPostgresBackend,
    )
    probe.on('error', onError)
    try {
      await within(limitMs, 'PostgreSQL', () => probe.waitUntilReady())
    } finally {
      await probe.close()
    }
  }
  return {
    kind: 'postgres',
    // The two backends' classes differ in type parameters that nothing here touches.
    queue: (name, options) =>
      new Queue(name, { ...options, connection }, createPostgresBackend) as unknown as Queue,
    worker: (name, process, options) =>
      new Worker(name, process, { ...options, connection }, createPostgresBackend) as unknown as Worker,
    reachable: () => true,
    migrateSchema: () => briefly(true, MIGRATE_MS),
    check: async () => {
      try {
        await briefly(false, CHECK_MS)
      } catch (error) {
        throw new AppError(
          'STORAGE_UNAVAILABLE',
          `the queues in PostgreSQL cannot be used (${messageOf(error)}); check DATABASE_URL and run "vigia migrate"`,
          {},
          { cause: error },
        )
      }
    },
    close: () => Promise.resolve(),
  }
}
