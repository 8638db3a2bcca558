/**
 * BullMQ on PostgreSQL, in a schema of its own. The queues of a process share a small pool; every worker has
 * one of its own and a connection to LISTEN (workers that share a pool smaller than their number deadlock).
 */
import type { EventEmitter } from 'node:events'
import { Queue, Worker, createPostgresBackend } from 'bullmq'
import type { PostgresConnectionOptions, PostgresQueueBackend } from 'bullmq'
import type { Backend } from './backend.ts'

/** Most connections of all queues, and of each worker besides its LISTEN; they close when idle. */
const POOL_MAX = { queues: 4, worker: 2 }

export interface PostgresOptions {
  readonly url: string
  readonly schema: string
}

type Complain = (error: Error) => void

const connectionOf = ({ url, schema }: PostgresOptions): Exclude<PostgresConnectionOptions, string> => ({
  connectionString: url,
  schema,
  connectionTimeoutMillis: 5000,
  idleTimeoutMillis: 10_000,
  keepAlive: true,
  // The pool hears what befalls idle connections and queries report theirs; what comes between two queries of
  // a borrowed connection is an event nobody else listens to, and unheard it ends the process.
  onConnect: (client: EventEmitter) => void client.on('error', () => {}),
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

export const postgresBackend = (options: PostgresOptions & { readonly onError: Complain }): Backend => {
  const connection = connectionOf(options)
  const { hostname, port } = new URL(options.url)
  const shared = createPostgresBackend('vigia-queues', {
    connection: { ...connection, max: POOL_MAX.queues },
  })
  shared.on('error', options.onError)
  const ofShared = (name: string): PostgresQueueBackend => shared.forQueue(name) as PostgresQueueBackend
  return {
    kind: 'postgres',
    server: `${hostname}:${port || '5432'}`,
    startsOnlyWithServer: true,
    // The two backends' classes differ in type parameters that nothing here touches.
    queue: (name, opts) => new Queue(name, { ...opts, connection }, ofShared) as unknown as Queue,
    worker: (name, process, opts) =>
      new Worker(
        name,
        process,
        { ...opts, connection: { ...connection, max: POOL_MAX.worker } },
        createPostgresBackend,
      ) as unknown as Worker,
    reachable: () => true,
    inspect: () => Promise.resolve(),
    close: () => shared.close(),
  }
}
