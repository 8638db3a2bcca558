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

/** Of shares: the same, the largest first. */
export const wireShares = (
  shares: Readonly<Record<string, number>> | null,
): Readonly<Record<string, number>> | null =>
  wireNumbers(shares && Object.fromEntries(Object.entries(shares).sort(([, a], [, b]) => b - a)))

/** The same of every number in a value. */
export const wired = <T>(value: T): T => {
  if (typeof value === 'number') return wireNumber(value) as T
  if (Array.isArray(value)) return value.map(wired) as T
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, wired(inner)])) as T
}
