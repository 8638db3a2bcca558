/**
 * BullMQ on Redis or Valkey. A process has one connection for all its queues, one for all its workers, and a
 * blocking one per worker. They reconnect for ever: a Redis that is down delays work, it ends nothing.
 */
import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { AppError, messageOf } from '../core/errors.ts'
import type { Logger } from '../platform/logger.ts'
import type { Backend } from './backend.ts'
import { within } from './within.ts'

const OLDEST = [6, 2] as const
const CHECK_MS = 2000
const RECONNECT_MS_MAX = 2000

export interface RedisOptions {
  readonly url: string
  /** Before every key. */
  readonly prefix: string
  readonly logger: Logger
}

/** host:port of a URL, for messages: never its password. */
const describe = (url: string): string => {
  const { hostname, port } = new URL(url)
  return `${hostname}:${port || '6379'}`
}

const fieldOf = (info: string, name: string): string | undefined =>
  new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1]

const olderThan = (version: string, [major, minor]: readonly [number, number]): boolean => {
  const [ownMajor = 0, ownMinor = 0] = version.split('.').map(Number)
  return ownMajor < major || (ownMajor === major && ownMinor < minor)
}

export const redisBackend = ({ url, prefix, logger }: RedisOptions): Backend => {
  const server = describe(url)
  const connect = (name: string, maxRetriesPerRequest: number | null): Redis => {
    const client = new Redis(url, {
      connectionName: name,
      maxRetriesPerRequest,
      connectTimeout: 5000,
      keepAlive: 10_000,
      retryStrategy: (times) => Math.min(times * 100, RECONNECT_MS_MAX),
    })
    client.on('error', (error) => logger.warn('Redis does not answer, trying again', { server, error: messageOf(error) }))
    return client
  }
  // Adds fail after one reconnect; what a worker reports waits for Redis however long it takes.
  const adding = connect('vigia-queues', 1)
  let working: Redis | undefined
  return {
    kind: 'redis',
    queue: (name, options) => new Queue(name, { ...options, connection: adding, prefix }),
    worker: (name, process, options) => {
      working ??= connect('vigia-workers', null)
      return new Worker(name, process, { ...options, connection: working, prefix })
    },
    reachable: () => adding.status === 'ready',
    migrateSchema: () => Promise.resolve(),
    check: async () => {
      let info: string
      try {
        info = await within(CHECK_MS, 'Redis', () => adding.info())
      } catch (error) {
        throw new AppError(
          'STORAGE_UNAVAILABLE',
          `Redis at ${server} does not answer (${messageOf(error)}); check REDIS_URL and that the server runs`,
          {},
          { cause: error },
        )
      }
      const version = fieldOf(info, 'valkey_version') ?? fieldOf(info, 'redis_version') ?? '0'
      if (olderThan(version, OLDEST)) {
        throw new AppError(
          'STORAGE_UNAVAILABLE',
          `Redis at ${server} is version ${version}; ${OLDEST.join('.')} is the oldest that serves`,
        )
      }
      const policy = fieldOf(info, 'maxmemory_policy')
      if (policy !== 'noeviction') {
        throw new AppError(
          'STORAGE_UNAVAILABLE',
          `Redis at ${server} may evict jobs: maxmemory-policy is ${policy ?? 'unknown'}; set it to noeviction`,
        )
      }
    },
    close: () => {
      adding.disconnect()
      working?.disconnect()
      return Promise.resolve()
    },
  }
}
