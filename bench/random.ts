/** Seeded draws for made-up data: the same seed, the same numbers, on every machine. */

/** Uniform on [0, 1). */
export type Random = () => number

/** mulberry32 (Tommy Ettinger, public domain): 0 <= x < 1 from 32 bits of state. */
const mulberry32 = (seed: number): Random => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A generator of its own for thing number `index` of a kind, so that things do not depend on one another. */
export const randomOf = (seed: number, kind: number, index: number): Random =>
  mulberry32(
    Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(index + 1, 0xc2b2ae35) ^ Math.imul(kind, 0x27d4eb2f),
  )

/** Box and Muller 1958, one of the pair. */
export const normal = (random: Random): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())

export const between = (random: Random, low: number, high: number): number => low + (high - low) * random()

/** Knuth's product of uniforms; beyond a mean of 30 the rounded normal. */
export const poisson = (random: Random, mean: number): number => {
  if (mean > 30) return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal(random)))
  const limit = Math.exp(-mean)
  let count = 0
  for (let product = random(); product > limit; product *= random()) count++
  return count
}
