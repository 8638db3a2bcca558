import type { Mt19937 } from './mt19937.ts'

/** Fisher-Yates, in place; the same generator gives the same order. */
export const shuffle = (order: Int32Array, random: Mt19937): void => {
  for (let i = order.length - 1; i > 0; i--) {
    const j = random.below(i + 1)
    const kept = order[i] as number
    order[i] = order[j] as number
    order[j] = kept
  }
}
