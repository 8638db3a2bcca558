/** Waiting for something another process does, without sleeping for a guessed time. */
import { setTimeout as delay } from 'node:timers/promises'

/**
 * Asks again until the answer is neither null, undefined nor false.
 * @throws Error with `what` when `withinMs` has passed
 */
export const eventually = async <T>(
  what: string,
  ask: () => T | Promise<T>,
  withinMs = 30_000,
): Promise<NonNullable<T>> => {
  const deadline = performance.now() + withinMs
  for (;;) {
    const answer = await ask()
    if (answer !== null && answer !== undefined && answer !== false) return answer
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`)
    await delay(20)
  }
}
