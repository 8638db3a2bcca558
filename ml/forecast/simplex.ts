/** The simplex search of Nelder and Mead (1965) in a unit cube: no gradients, few evaluations, no chance. */

const REFLECT = 1
const EXPAND = 2
const CONTRACT = 0.5
const SHRINK = 0.5

/**
 * The best point found within `evaluations` of the loss.
 *
 * @param start each 0..1; points outside the cube are moved to its border before the loss sees them
 * @param loss NaN counts as infinitely bad
 */
export const minimise = (
  loss: (point: Float64Array) => number,
  start: readonly number[],
  evaluations: number,
): Float64Array => {
  const d = start.length
  const point = (values: (i: number) => number): Float64Array =>
    Float64Array.from({ length: d }, (_, i) => Math.min(1, Math.max(0, values(i))))
  const value = (at: Float64Array): number => {
    const result = loss(at)
    return Number.isNaN(result) ? Number.POSITIVE_INFINITY : result
  }
  const first = point((i) => start[i] as number)
  const corners = [{ at: first, loss: value(first) }]
  for (let k = 0; k < d; k++) {
    // Towards the middle, so that a start near a border still spans a simplex.
    const at = point((i) => (start[i] as number) + (i === k ? ((start[i] as number) < 0.5 ? 0.3 : -0.3) : 0))
    corners.push({ at, loss: value(at) })
  }
  let used = d + 1
  const byLoss = (a: { loss: number }, b: { loss: number }): number =>
    a.loss < b.loss ? -1 : a.loss > b.loss ? 1 : 0
  while (used < evaluations) {
    corners.sort(byLoss)
    const best = corners[0] as (typeof corners)[number]
    const worst = corners[d] as (typeof corners)[number]
    if (worst.loss - best.loss <= 1e-6 * Math.abs(best.loss)) break
    const centre = point((i) => {
      let sum = 0
      for (let k = 0; k < d; k++) sum += corners[k]?.at[i] as number
      return sum / d
    })
    const towards = (factor: number) => {
      const at = point(
        (i) => (centre[i] as number) + factor * ((centre[i] as number) - (worst.at[i] as number)),
      )
      used++
      return { at, loss: value(at) }
    }
    const reflected = towards(REFLECT)
    if (reflected.loss < best.loss) {
      const expanded = towards(EXPAND)
      corners[d] = expanded.loss < reflected.loss ? expanded : reflected
      continue
    }
    if (reflected.loss < (corners[d - 1] as (typeof corners)[number]).loss) {
      corners[d] = reflected
      continue
    }
    const contracted = towards(reflected.loss < worst.loss ? CONTRACT : -CONTRACT)
    if (contracted.loss < Math.min(worst.loss, reflected.loss)) {
      corners[d] = contracted
      continue
    }
    for (let k = 1; k <= d; k++) {
      const corner = corners[k] as (typeof corners)[number]
      const at = point(
        (i) => (best.at[i] as number) + SHRINK * ((corner.at[i] as number) - (best.at[i] as number)),
      )
      corners[k] = { at, loss: value(at) }
    }
    used += d
  }
  corners.sort(byLoss)
  return (corners[0] as (typeof corners)[number]).at
}
