/** How errors grow over the horizon, and with the phase of the season: the shape of the interval. */
import { sortFirst } from '../stats/robust.ts'
import { quantileSorted } from '../stats/quantile.ts'
import type { History } from './history.ts'
import { fitLevels, levelErrors } from './levels.ts'

/** Errors older than this many steps say little of today's. */
const MAX_ERRORS = 500
const LEVEL = 0.95
/** No walk spreads faster than the root of time by much. */
const MAX_POWER = 0.6

/** Steps at which the spread is measured; the rest lies on straight lines between them. */
const gridOf = (longest: number): number[] => {
  const grid: number[] = []
  for (let step = 1; step < longest; step = Math.ceil(step * 1.5)) grid.push(step)
  return [...grid, longest]
}

/**
 * The 95% quantile of the absolute error of a simple forecast (`levels`), by step ahead: it can be made from
 * every step of the history, so that there are hundreds of errors where the rolling origins have dozens.
 *
 * @returns `horizon` values, in the units of the history; all 0 for a flat or an empty one
 */
export const errorGrowth = ({ values, seasons }: History, horizon: number): Float64Array => {
  const result = new Float64Array(horizon)
  const n = values.length
  if (n < 4) return result
  const longest = Math.min(horizon, n >> 2)
  const rates = fitLevels(seasons.rest, longest)
  const grid = gridOf(longest)
  let spread = 0
  const spreads = grid.map((step) => {
    const errors = levelErrors(seasons.rest, rates, step)
    const newest = errors.slice(Math.max(0, errors.length - MAX_ERRORS)).map(Math.abs)
    sortFirst(newest, newest.length)
    // Later is never surer.
    if (newest.length > 0) spread = Math.max(spread, quantileSorted(newest, LEVEL))
    return spread
  })

  let k = 0
  for (let h = 0; h < horizon; h++) {
    const step = h + 1
    while (k < grid.length - 1 && step > (grid[k] as number)) k++
    const right = grid[k] as number
    const left = grid[k - 1] ?? right
    const high = spreads[k] as number
    const low = spreads[k - 1] ?? high
    if (step <= right) {
      result[h] = right > left ? low + ((high - low) * (step - left)) / (right - left) : high
    } else {
      const half = result[(right >> 1) - 1] ?? high
      const power = half > 0 ? Math.min(MAX_POWER, Math.log2(high / half)) : 0
      result[h] = high * (step / right) ** power
    }
  }
  for (let h = 0; h < horizon; h++)
    result[h] = (result[h] as number) * seasons.inflation * Math.abs(seasons.gain(h))
  return result
}
