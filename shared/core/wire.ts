/** Numbers on the wire: half-up to 6 decimals, undefined and non-finite as null; nothing is rounded inside. */
export const wireNumber = (value: number | null | undefined): number | null => {
  if (value === null || value === undefined || !Number.isFinite(value)) return null
  // toPrecision undoes the binary tail, so that 1.0000005 rounds up as a reader expects.
  const scaled = Number((Math.abs(value) * 1e6).toPrecision(15))
  const rounded = Math.floor(scaled + 0.5) / 1e6
  return value < 0 ? -rounded || 0 : rounded
}

/** Each value of a record of finite numbers, e.g. the shares of features. */
export const wireNumbers = (
  numbers: Readonly<Record<string, number>> | null,
): Readonly<Record<string, number>> | null =>
  numbers &&
  Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, wireNumber(value) ?? 0]))
