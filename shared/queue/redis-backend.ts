/**
 * BullMQ on Redis or Valkey. A process has one connection for its queues and workers and a blocking one per
 * worker. They reconnect for ever: a Redis that is down delays work, it ends nothing.
 */
import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { AppError, messageOf } from '../core/errors.ts'
import type { Logger } from '../platform/logger.ts'
import type { Backend } from './backend.ts'

const OLDEST = [6, 2] as const
const RECONNECT_MS_MAX = 2000

export interface RedisOptions {
  readonly url: string
  /** Before every key. */
  readonly prefix: string
  readonly logger: Logger
}

const fieldOf = (info: string, name: string): string | undefined =>
  new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1]

const olderThan = (version: string, [major, minor]: readonly [number, number]): boolean => {
  const [ownMajor = 0, ownMinor = 0] = version.split('.').map(Number)
  return ownMajor < major || (ownMajor === major && ownMinor < minor)
}

export const redisBackend = ({ url, prefix, logger }: RedisOptions): Backend => {
  const { hostname, port } = new URL(url)
  const server = `${hostname}:${port || '6379'}`
  const connection = new Redis(url, {
    connectionName: 'vigia-queues',
    // BullMQ wants it so; who cannot wait has a limit of its own.
    maxRetriesPerRequest: null,
    connectTimeout: 5000,
    keepAlive: 10_000,
    retryStrategy: (times) => Math.min(times * 100, RECONNECT_MS_MAX),
  })
  connection.on('error', (error) =>
    logger.warn('Redis does not answer, trying again', { server, error: messageOf(error) }),
  )
  const unfit = (problem: string): AppError =>
    new AppError('STORAGE_UNAVAILABLE', `Redis at ${server} ${problem}`)
  return {
    kind: 'redis',
    server,
    startsOnlyWithServer: false,
    queue: (name, options) => new Queue(name, { ...options, connection, prefix }),
    worker: (name, process, options) => new Worker(name, process, { ...options, connection, prefix }),
    reachable: () => connection.status === 'ready',
    inspect: async () => {
      const info = await connection.info()
      const version = fieldOf(info, 'redis_version') ?? '0'
      if (olderThan(version, OLDEST)) {
        throw unfit(`is version ${version}; ${OLDEST.join('.')} is the oldest that serves`)
      }
      const policy = fieldOf(info, 'maxmemory_policy') ?? 'unknown'
      if (policy !== 'noeviction') {
        throw unfit(
          `may throw jobs away: its maxmemory-policy is ${policy}; set it to noeviction (CONFIG SET maxmemory-policy noeviction, and in redis.conf)`,
        )
      }
    },
    close: () => {
      connection.disconnect()
      return Promise.resolve()
    },
  }
}
