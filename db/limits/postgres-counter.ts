/** Counts in the table `rate_limits`: a window opens with the first that is spent. */
import type { Knex } from 'knex'
import { RateLimiterPostgres, RateLimiterRes } from 'rate-limiter-flexible'
import { prefixOf } from './prefix.ts'
import type { Counter, MakeCounter } from '../../shared/series/limit-counter.ts'

const TABLE = 'rate_limits'

export const postgresCounter =
  (db: Knex): MakeCounter =>
  (name, rule) => {
    const limiter = new RateLimiterPostgres({
      storeClient: db,
      storeType: 'knex',
      tableName: TABLE,
      tableCreated: true,
      // Its timers cannot be ended; the daily retention removes what is over.
      clearExpiredByTimeout: false,
      keyPrefix: prefixOf(name, rule),
      points: rule.points,
      duration: rule.seconds,
    })
    const refund = async (key: string, cost: number): Promise<void> => {
      // Its own `reward` would open a window with points below zero when the one spent in is over.
      await db(TABLE)
        .where({ key: limiter.getKey(key) })
        .where('expire', '>', Date.now())
        .update({ points: db.raw('greatest(points - ?, 0)', [cost]) })
    }
    const counter: Counter = {
      rule,
      refund,
      spend: async (key, cost) => {
        try {
          const state = await limiter.consume(key, cost)
          return {
            granted: true,
            remaining: state.remainingPoints,
            waitMs: state.msBeforeNext,
            counter,
          }
        } catch (state) {
          if (!(state instanceof RateLimiterRes)) throw state
          // It is counted even when it is refused.
          await refund(key, cost)
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
