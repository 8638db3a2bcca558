/** Which step a series has, and its values laid out on it. */

export interface Step {
  readonly name: 'hourly' | 'daily' | 'weekly'
  readonly seconds: number
  /** Season lengths in steps, ascending. */
  readonly periods: readonly number[]
}

const HOUR_S = 3600
const DAY_S = 24 * HOUR_S

export const STEPS: readonly Step[] = [
  { name: 'hourly', seconds: HOUR_S, periods: [24, 168] },
  { name: 'daily', seconds: DAY_S, periods: [7] },
  { name: 'weekly', seconds: 7 * DAY_S, periods: [52] },
]

/** By so much of a step the median gap may differ from it: 5 minutes, 2 hours, 14 hours. */
const MEDIAN_TOLERANCE = 1 / 12
/** By so much of a step a single stamp may be early or late: 15 minutes, 6 hours, 42 hours. */
const STAMP_TOLERANCE = 1 / 4

export const stepOfGap = (gapS: number): Step | null =>
  STEPS.find(({ seconds }) => Math.abs(gapS - seconds) <= seconds * MEDIAN_TOLERANCE) ?? null

/** Seconds between neighbours, of several equal in rank the smaller one. @returns NaN for fewer than two stamps */
export const medianGap = (ascending: Float64Array): number => {
  const gaps = new Float64Array(Math.max(0, ascending.length - 1))
  let count = 0
  for (let i = 1; i < ascending.length; i += 1) {
    const gap = (ascending[i] as number) - (ascending[i - 1] as number)
    if (gap > 0) gaps[count++] = gap
  }
  return count === 0 ? Number.NaN : (gaps.subarray(0, count).sort()[(count - 1) >> 1] as number)
}

/** Steps from one stamp to the next; NaN when it is no whole number of them. */
const stepsBetween = (gapS: number, stepS: number): number => {
  const steps = Math.round(gapS / stepS)
  return Math.abs(gapS / stepS - steps) <= STAMP_TOLERANCE ? steps : Number.NaN
}

/** How many steps ascending stamps span; NaN when they do not lie on steps of that length. */
export const spanOf = (ascending: Float64Array, { seconds }: Step): number => {
  let at = 0
  for (let i = 1; i < ascending.length; i += 1) {
    at += stepsBetween((ascending[i] as number) - (ascending[i - 1] as number), seconds)
    if (Number.isNaN(at)) return at
  }
  return at + 1
}

/** One value per step, of several within a step the last one, NaN where there is none. @param span by `spanOf` */
export const layOut = (
  ascending: Float64Array,
  values: Float64Array,
  { seconds }: Step,
  span: number,
): Float64Array => {
  const laidOut = new Float64Array(span).fill(Number.NaN)
  let at = 0
  for (let i = 0; i < ascending.length; i += 1) {
    if (i > 0) at += stepsBetween((ascending[i] as number) - (ascending[i - 1] as number), seconds)
    laidOut[at] = values[i] as number
  }
  return laidOut
}

/** Rows whose place in the series a later row takes. */
export const repeatedSteps = (ascending: Float64Array, { seconds }: Step): number => {
  let repeated = 0
  for (let i = 1; i < ascending.length; i += 1)
    if (stepsBetween((ascending[i] as number) - (ascending[i - 1] as number), seconds) === 0) repeated += 1
  return repeated
}
