/**
 * 600 requests and 60 writes a minute, per key, else per address. On Redis all replicas count together; on
 * the PostgreSQL backend each process counts for itself, since a count in PostgreSQL would cost more than
 * most requests. A store that fails or hangs lets the memory of the process take over.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Redis } from 'ioredis'
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible'
import type { Principal } from '../../shared/access/principal.ts'
import { AppError } from '../../shared/core/errors.ts'
import { createStoreWatch } from '../../shared/core/store-watch.ts'
import type { StoreWatch } from '../../shared/core/store-watch.ts'
import { within } from '../../shared/core/within.ts'
import { isLoopbackAddress } from './authenticate.ts'

const WINDOW_S = 60
const REQUESTS = 600
const WRITES = 60
/** A request waits for Redis no longer. */
const PATIENCE_MS = 1000
const READS = new Set(['GET', 'HEAD', 'OPTIONS'])

/** @param principal null: whoever it is has failed to prove it */
export type RateLimit = (
  request: IncomingMessage,
  response: ServerResponse,
  principal: Principal | null,
) => Promise<void>

/** Takes one from what the caller has left. Rejects with a RateLimiterRes when that is nothing. */
type Consume = (caller: string) => Promise<RateLimiterRes>

const limiter = (redis: Redis | null, watch: StoreWatch, keyPrefix: string, points: number): Consume => {
  const memory = new RateLimiterMemory({ keyPrefix, points, duration: WINDOW_S })
  if (!redis) return (caller) => memory.consume(caller)
  const shared = new RateLimiterRedis({
    storeClient: redis,
    keyPrefix: `vigia:limit:${keyPrefix}`,
    points,
    duration: WINDOW_S,
  })
  return async (caller) => {
    if (!watch.tries()) return memory.consume(caller)
    try {
      const left = await within(PATIENCE_MS, 'Redis', () => shared.consume(caller))
      watch.answered()
      return left
    } catch (error) {
      if (error instanceof RateLimiterRes) {
        watch.answered()
        throw error
      }
      watch.failed(error)
      return memory.consume(caller)
    }
  }
}

/** What is left of the limit that binds: of writes for a write, else of requests. */
const tell = (response: ServerResponse, limit: number, state: RateLimiterRes): void => {
  response.setHeader('RateLimit-Limit', limit)
  response.setHeader('RateLimit-Remaining', Math.max(0, state.remainingPoints))
  response.setHeader('RateLimit-Reset', Math.ceil(state.msBeforeNext / 1000))
}

/**
 * @param redis counts across replicas; null counts in this process
 * @param onRefused told which limit refused
 */
export const createRateLimit = (
  redis: Redis | null,
  onRefused: (rule: 'requests' | 'writes') => void,
): RateLimit => {
  // What there is to say of Redis, its connection says.
  const watch = createStoreWatch({ now: () => performance.now(), onChange: () => undefined })
  const requests = limiter(redis, watch, 'requests', REQUESTS)
  const writes = limiter(redis, watch, 'writes', WRITES)
  return async (request, response, principal) => {
    const address = request.socket.remoteAddress
    if (principal?.actor === 'local' && isLoopbackAddress(address)) return
    const caller = principal?.actor ?? `ip:${address}`
    const isWrite = !READS.has(request.method ?? 'GET')
    let limit = REQUESTS
    try {
      tell(response, limit, await requests(caller))
      if (isWrite) {
        limit = WRITES
        tell(response, limit, await writes(caller))
      }
    } catch (error) {
      if (!(error instanceof RateLimiterRes)) throw error
      tell(response, limit, error)
      onRefused(limit === REQUESTS ? 'requests' : 'writes')
      const retryAfterS = Math.max(1, Math.ceil(error.msBeforeNext / 1000))
      throw new AppError(
        'RATE_LIMITED',
        `at most ${REQUESTS} requests and ${WRITES} writes a minute; try again in ${retryAfterS} s`,
        { retryAfterS },
      )
    }
  }
}
