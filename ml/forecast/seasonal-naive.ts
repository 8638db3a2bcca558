/** The last whole season, repeated; the last value when `period` is 1. */
export const seasonalNaive = (values: Float64Array, period: number, horizon: number): Float64Array =>
  Float64Array.from({ length: horizon }, (_, i) => values[values.length - period + (i % period)] as number)
