export interface Turnstile {
  /** Rejects with the signal's reason when it aborts first. */
  enter(signal: AbortSignal | undefined): Promise<void>
  leave(): void
  /** Everybody who waits, and comes, is refused with `reason`. */
  shut(reason: Error): void
}

/** Lets `places` in at a time, first come first served. */
export const turnstile = (places: number): Turnstile => {
  const waiting = new Map<() => void, (reason: unknown) => void>()
  let inside = 0
  let shut: Error | undefined
  return {
    enter: (signal) =>
      new Promise((resolve, reject) => {
        if (shut) return reject(shut)
        if (signal?.aborted) return reject(signal.reason as Error)
        if (inside < places) {
          inside += 1
          return resolve()
        }
        const giveUp = (): void => {
          waiting.delete(admit)
          reject(signal?.reason as Error)
        }
        const admit = (): void => {
          signal?.removeEventListener('abort', giveUp)
          resolve()
        }
        waiting.set(admit, reject)
        return signal?.addEventListener('abort', giveUp, { once: true })
      }),
    leave: () => {
      const [next] = waiting.keys()
      if (!next) {
        inside -= 1
        return
      }
      waiting.delete(next)
      next()
    },
    shut: (reason) => {
      shut = reason
      for (const refuse of waiting.values()) refuse(reason)
      waiting.clear()
    },
  }
}
