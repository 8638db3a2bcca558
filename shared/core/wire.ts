/** Numbers on the wire: half-up to 6 decimals, undefined and non-finite as null; nothing is rounded inside. */
export const wireNumber = (value: number | null | undefined): number | null => {
  if (value === null || value === undefined || !Number.isFinite(value)) return null
  // toPrecision undoes the binary tail, so that 1.0000005 rounds up as a reader expects.
  const scaled = Number((Math.abs(value) * 1e6).toPrecision(15))
  const rounded = Math.floor(scaled + 0.5) / 1e6
  return value < 0 ? -rounded || 0 : rounded
}
