/**
 * Counts in Redis: a token bucket whose capacity is the points of the rule, by the clock of Redis, in the
 * script that rate-limiter-flexible lets its users replace.
 */
import type { Redis } from 'ioredis'
import { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible'
import { prefixOf } from './prefix.ts'
import type { Counter, MakeCounter } from '../../shared/series/limit-counter.ts'

/**
 * KEYS[1] the bucket; ARGV[1] tokens to take, below zero to give back; ARGV[3] capacity; ARGV[4] seconds in
 * which an empty bucket fills. A full bucket is the same as none, so that it expires by then.
 * Answers as the original does: what is consumed, above the capacity when refused, and milliseconds: until
 * the bucket is full, or refused until it holds enough.
 */
const BUCKET = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local cost = tonumber(ARGV[1])
local capacity = tonumber(ARGV[3])
local per_us = capacity / (tonumber(ARGV[4]) * 1000000)
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at_us')
local tokens = capacity
if kept[1] then
  tokens = math.min(capacity, tonumber(kept[1]) + math.max(0, now - tonumber(kept[2])) * per_us)
end
if cost > tokens then
  return { capacity - math.floor(tokens) + cost, math.ceil((cost - tokens) / per_us / 1000) }
end
tokens = math.min(capacity, tokens - cost)
local full_ms = math.ceil((capacity - tokens) / per_us / 1000)
if full_ms == 0 then
  redis.call('DEL', KEYS[1])
else
  redis.call('HSET', KEYS[1], 'tokens', string.format('%.17g', tokens), 'at_us', string.format('%.0f', now))
  redis.call('PEXPIRE', KEYS[1], full_ms)
end
return { capacity - math.floor(tokens), full_ms }
`

/**
 * @param redis a connection of its own: the library keeps its script under one name on the connection, where
 * another limiter would replace it
 */
export const redisCounter =
  (redis: Redis, keyPrefix = 'vigia:limit'): MakeCounter =>
  (name, rule) => {
    const limiter = new RateLimiterRedis({
      storeClient: redis,
      keyPrefix: `${keyPrefix}:${prefixOf(name, rule)}`,
      points: rule.points,
      duration: rule.seconds,
      customIncrTtlLuaScript: BUCKET,
      rejectIfRedisNotReady: true,
    })
    const counter: Counter = {
      rule,
      refund: async (key, cost) => void (await limiter.reward(key, cost)),
      spend: async (key, cost) => {
        try {
          const state = await limiter.consume(key, cost)
          return { granted: true, remaining: state.remainingPoints, waitMs: state.msBeforeNext, counter }
        } catch (state) {
          if (!(state instanceof RateLimiterRes)) throw state
          return {
            granted: false,
            remaining: Math.max(0, rule.points - state.consumedPoints + cost),
            waitMs: state.msBeforeNext,
            counter,
          }
        }
      },
    }
    return counter
  }
