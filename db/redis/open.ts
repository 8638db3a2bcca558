/**
 * Redis (or Valkey) when REDIS_URL is set: a connection for what the processes ask it directly. The queues have
 * connections of their own, and check for themselves that it keeps what it is given.
 */
import { Redis } from 'ioredis'
import { AppError, messageOf } from '../../shared/core/errors.ts'
import type { Logger } from '../../shared/platform/logger.ts'

const LONGEST_WAIT_MS = 5000
/** A server that hangs keeps its connections: without a limit a command would wait for it for ever. */
export const ANSWER_MS = 2000
const OLDEST_SERVER = [6, 2] as const

export interface RedisOptions {
  readonly redisUrl: string
  readonly logger: Logger
  /** How long to wait for a server that does not answer yet. */
  readonly patienceMs?: number
}

export interface RedisConnection {
  readonly redis: Redis
  close(): Promise<void>
}

/** host:port/database of a URL, for messages: never its password. */
export const describeRedis = (redisUrl: string): string => {
  const { hostname, port, pathname } = new URL(redisUrl)
  return `${hostname}:${port || '6379'}${pathname}`
}

export const retryDelayMs = (attempt: number): number => Math.min(100 * 2 ** attempt, LONGEST_WAIT_MS)

/** A host with several addresses fails with an AggregateError, whose message is empty. */
export const reasonOf = (error: unknown): string =>
  messageOf(error) || ((error as { code?: string } | null)?.code ?? 'no reason given')

/** What waiting does not mend: the user or the password is wrong. */
const isRefusal = (error: unknown): boolean =>
  /WRONGPASS|NOAUTH|NOPERM|invalid password/i.test(reasonOf(error))

const untilReady = (redis: Redis, { redisUrl, logger, patienceMs = 30_000 }: RedisOptions): Promise<void> =>
  new Promise((resolve, reject) => {
    let last = 'it does not answer'
    const end = (settle: () => void): void => {
      clearTimeout(timer)
      redis.off('ready', ready).off('error', failed)
      settle()
    }
    const refuse = (words: string, cause?: unknown): void =>
      end(() => reject(new AppError('STORAGE_UNAVAILABLE', words, {}, { cause })))
    const ready = (): void => end(resolve)
    const failed = (error: unknown): void => {
      last = reasonOf(error)
      if (isRefusal(error)) {
        refuse(
          `Redis at ${describeRedis(redisUrl)} refuses (${last}); check the user and password in REDIS_URL`,
          error,
        )
      } else {
        logger.warn('Redis does not answer yet, trying again', {
          server: describeRedis(redisUrl),
          error: last,
        })
      }
    }
    const timer = setTimeout(
      () =>
        refuse(
          `Redis at ${describeRedis(redisUrl)} does not answer (${last}); check REDIS_URL and that the server runs, or unset REDIS_URL to keep the queues in PostgreSQL`,
        ),
      patienceMs,
    )
    redis.on('ready', ready).on('error', failed)
    // Its failures arrive as error events, and it tries again by itself.
    redis.connect().catch(() => undefined)
  })

/** The fields of INFO, e.g. `redis_version`. Managed servers allow it where they forbid CONFIG. */
const infoOf = async (redis: Redis): Promise<ReadonlyMap<string, string>> => {
  const text = await redis.info()
  return new Map(
    text
      .split(/\r?\n/)
      .filter((line) => line.includes(':') && !line.startsWith('#'))
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
  )
}

const assertVersion = async (redis: Redis): Promise<void> => {
  const version = (await infoOf(redis)).get('redis_version') ?? '0'
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > OLDEST_SERVER[0] || (major === OLDEST_SERVER[0] && minor >= OLDEST_SERVER[1])) return
  throw new AppError(
    'STORAGE_UNAVAILABLE',
    `Redis is version ${version}: vigia needs ${OLDEST_SERVER.join('.')} or newer`,
  )
}

/**
 * Connects, waiting for a server that is still starting; afterwards it reconnects by itself, and commands
 * given meanwhile fail instead of waiting.
 * @throws AppError STORAGE_UNAVAILABLE; the message never holds the password
 */
export const openRedis = async (options: RedisOptions): Promise<RedisConnection> => {
  const { redisUrl, logger } = options
  const redis = new Redis(redisUrl, {
    lazyConnect: true,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    connectTimeout: 5000,
    commandTimeout: ANSWER_MS,
    retryStrategy: retryDelayMs,
  })
  try {
    await untilReady(redis, options)
    // Without a listener an outage would end the process.
    redis.on('error', (error) => logger.warn('the connection to Redis broke', { error: reasonOf(error) }))
    await assertVersion(redis)
  } catch (error) {
    redis.on('error', () => undefined)
    redis.disconnect()
    throw error
  }
  return {
    redis,
    // Not QUIT: a server that hangs would never answer it.
    close: async () => redis.disconnect(),
  }
}
