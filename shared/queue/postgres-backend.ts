/**
 * BullMQ on PostgreSQL, in a schema of its own. Queues and workers have small pools of their own: one shared
 * pool would deadlock, since every worker holds a connection to LISTEN.
 */
import { Queue, Worker, createPostgresBackend } from 'bullmq'
import type { PostgresConnectionOptions } from 'bullmq'
import type { Backend } from './backend.ts'

/** Connections of a queue object, and of a worker besides its LISTEN; they close when idle. */
const POOL_MAX = 2

export interface PostgresOptions {
  readonly url: string
  readonly schema: string
}

const connectionOf = ({ url, schema }: PostgresOptions): Exclude<PostgresConnectionOptions, string> => ({
  connectionString: url,
  schema,
  max: POOL_MAX,
  connectionTimeoutMillis: 5000,
  idleTimeoutMillis: 10_000,
  keepAlive: true,
})

/** BullMQ's own schema to its newest version; a rival migrator is waited for. */
export const migratePostgres = async (options: PostgresOptions): Promise<void> => {
  const migrator = new Queue(
    'vigia-migrator',
    { connection: { ...connectionOf(options), max: 1, migrate: true }, skipMetasUpdate: true },
    createPostgresBackend,
  )
  // What goes wrong, `waitUntilReady` throws.
  migrator.on('error', () => {})
  try {
    await migrator.waitUntilReady()
  } finally {
    await migrator.close()
  }
}

export const postgresBackend = (options: PostgresOptions): Backend => {
  const connection = connectionOf(options)
  const { hostname, port } = new URL(options.url)
  return {
    kind: 'postgres',
    server: `${hostname}:${port || '5432'}`,
    startsOnlyWithServer: true,
    // The two backends' classes differ in type parameters that nothing here touches.
    queue: (name, opts) =>
      new Queue(name, { ...opts, connection }, createPostgresBackend) as unknown as Queue,
    worker: (name, process, opts) =>
      new Worker(name, process, { ...opts, connection }, createPostgresBackend) as unknown as Worker,
    reachable: () => true,
    inspect: () => Promise.resolve(),
    close: () => Promise.resolve(),
  }
}
