/** The additive pattern of one season, for models that know none: classical decomposition. */

export interface Deseasonalised {
  readonly rest: Float64Array
  /** The pattern by phase of the first value; sums to 0. */
  readonly pattern: Float64Array
}

/** Medians of what the centred moving average leaves, phase by phase. */
export const deseasonalise = (values: Float64Array, period: number): Deseasonalised => {
  const n = values.length
  const half = Math.floor(period / 2)
  const sums = Array.from({ length: period }, (): number[] => [])
  for (let i = half; i < n - half; i++) {
    let sum = 0
    for (let j = i - half; j <= i + half; j++) sum += values[j] as number
    // An even season would count its ends twice.
    if (period % 2 === 0) sum -= ((values[i - half] as number) + (values[i + half] as number)) / 2
    sums[i % period]?.push((values[i] as number) - sum / period)
  }
  const pattern = Float64Array.from(sums, (rest) => {
    rest.sort((a, b) => a - b)
    const middle = rest.length >> 1
    if (rest.length === 0) return 0
    return rest.length % 2 === 1
      ? (rest[middle] as number)
      : ((rest[middle - 1] as number) + (rest[middle] as number)) / 2
  })
  const mean = pattern.reduce((sum, value) => sum + value, 0) / period
  for (let i = 0; i < period; i++) pattern[i] = (pattern[i] as number) - mean
  return { rest: values.map((value, i) => value - (pattern[i % period] as number)), pattern }
}
