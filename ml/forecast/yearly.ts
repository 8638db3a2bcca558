/**
 * The wave of the year in days: three harmonics beside a trend that may bend every quarter, all by one ridge,
 * so that little more than one year is enough and two agree on what they share.
 */
import { addRow, emptyGram, solvePositive } from './linear.ts'

const HARMONICS = 3
const YEAR_DAYS = 365.25
const QUARTER_DAYS = 90
/** Ridges per observation; a harmonic's grows with the square of its order. */
const HARMONIC_RIDGE = 0.05
const SLOPE_RIDGE = 0.01
const BEND_RIDGE = 0.1

/**
 * The wave at each of the days and of `horizon` days after them; null when there are too few days.
 *
 * @param values no NaN, without weekly season
 */
export const yearlyWave = (values: Float64Array, horizon: number): Float64Array | null => {
  const n = values.length
  if (n < 1.3 * YEAR_DAYS) return null
  const bends: number[] = []
  for (let day = QUARTER_DAYS; day < n - (2 * QUARTER_DAYS) / 3; day += QUARTER_DAYS) bends.push(day)

  const waves = 2 * HARMONICS
  const size = 2 + waves + bends.length
  const row = new Float64Array(size)
  const fill = (day: number): void => {
    row[0] = 1
    row[1] = (day - n) / YEAR_DAYS
    for (let k = 0; k < HARMONICS; k++) {
      const angle = (2 * Math.PI * (k + 1) * day) / YEAR_DAYS
      row[2 + 2 * k] = Math.sin(angle)
      row[3 + 2 * k] = Math.cos(angle)
    }
    bends.forEach((bend, k) => {
      row[2 + waves + k] = Math.max(0, day - bend) / YEAR_DAYS
    })
  }
  let mean = 0
  for (const value of values) mean += value / n
  const gram = emptyGram(size)
  const target = new Float64Array(size)
  for (let day = 0; day < n; day++) {
    fill(day)
    addRow(gram, target, row, (values[day] as number) - mean)
  }
  const ridge = (k: number, share: number): void => {
    const g = gram[k] as Float64Array
    g[k] = (g[k] as number) + share * n
  }
  ridge(1, SLOPE_RIDGE)
  for (let k = 0; k < waves; k++) ridge(2 + k, HARMONIC_RIDGE * (1 + (k >> 1)) ** 2)
  for (let k = 0; k < bends.length; k++) ridge(2 + waves + k, BEND_RIDGE)
  if (!solvePositive(gram, target)) return null

  return Float64Array.from({ length: n + horizon }, (_, day) => {
    fill(day)
    let wave = 0
    for (let k = 2; k < 2 + waves; k++) wave += (target[k] as number) * (row[k] as number)
    return wave
  })
}
