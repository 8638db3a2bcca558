/** Counts in this process: a window opens with the first that is spent. */
import { RateLimiterMemory } from 'rate-limiter-flexible'
import type { RateLimiterRes } from 'rate-limiter-flexible'
import type { Counter, MakeCounter, Spent } from '../../shared/series/limit-counter.ts'

export const memoryCounter: MakeCounter = (_name, rule) => {
  const limiter = new RateLimiterMemory({ keyPrefix: '', points: rule.points, duration: rule.seconds })

  const refund = async (key: string, cost: number): Promise<void> => {
    const { consumedPoints } = await limiter.reward(key, cost)
    // The window it was spent in is over, and a new one may not begin with more than its points.
    if (consumedPoints < 0) await limiter.penalty(key, -consumedPoints)
  }
  const granted = (state: RateLimiterRes): Spent => ({
    granted: true,
    remaining: state.remainingPoints,
    waitMs: state.msBeforeNext,
    counter,
  })
  const counter: Counter = {
    rule,
    refund,
    spend: (key, cost) =>
      limiter.consume(key, cost).then(granted, async (state: RateLimiterRes) => {
        // It is counted even when it is refused.
        await refund(key, cost)
        return {
          granted: false,
          remaining: Math.max(0, rule.points - state.consumedPoints + cost),
          waitMs: state.msBeforeNext,
          counter,
        }
      }),
  }
  return counter
}
