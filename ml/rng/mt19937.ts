/**
 * MT19937 (Matsumoto & Nishimura 1998) with the single-integer seeding, and numpy's legacy draws on top of
 * it, bit for bit: what scikit-learn's forests are grown with.
 */

const N = 624
const M = 397
const TWO_26 = 67_108_864
const TWO_53 = 9_007_199_254_740_992

export class Mt19937 {
  private readonly state = new Uint32Array(N)
  private index = N

  /** @param seed unsigned 32-bit integer */
  constructor(seed: number) {
    const { state } = this
    state[0] = seed
    for (let i = 1; i < N; i += 1) {
      const previous = state[i - 1]! ^ (state[i - 1]! >>> 30)
      state[i] = Math.imul(1_812_433_253, previous) + i
    }
  }

  private twist(): void {
    const { state } = this
    for (let i = 0; i < N; i += 1) {
      const next = i + 1 < N ? i + 1 : 0
      const far = i + M < N ? i + M : i + M - N
      const y = (state[i]! & 0x80000000) | (state[next]! & 0x7fffffff)
      // -(y & 1) is a mask of 32 ones or none: the bit is random, a branch on it would be mispredicted.
      state[i] = state[far]! ^ (y >>> 1) ^ (0x9908b0df & -(y & 1))
    }
    this.index = 0
  }

  /** The next tempered output, 0..2^32-1. */
  u32(): number {
    if (this.index === N) this.twist()
    let y = this.state[this.index]!
    this.index += 1
    y ^= y >>> 11
    y ^= (y << 7) & 0x9d2c5680
    y ^= (y << 15) & 0xefc60000
    return (y ^ (y >>> 18)) >>> 0
  }

  /** Uniform in [0, 1) with 53 bits. */
  double(): number {
    const a = this.u32() >>> 5
    const b = this.u32() >>> 6
    return (a * TWO_26 + b) / TWO_53
  }

  /** Uniform integer in [0, n), n <= 2^32: masked rejection, one 32-bit draw a try, none for n = 1. */
  below(n: number): number {
    const max = n - 1
    if (max === 0) return 0
    const mask = 0xffffffff >>> Math.clz32(max)
    for (;;) {
      const value = (this.u32() & mask) >>> 0
      if (value <= max) return value
    }
  }
}
