/** A limit for what has none of its own: clients of stores wait for ever for a server that was never there. */

/** Rejects when `work` takes longer than `limitMs`; what it does later is ignored. */
export const within = async <T>(limitMs: number, name: string, work: () => Promise<T>): Promise<T> => {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${name} did not answer within ${limitMs} ms`)), limitMs)
  })
  try {
    return await Promise.race([work(), limit])
  } finally {
    clearTimeout(timer)
  }
}
