/** How often two judges of the same rows come to the same verdict. */

export interface Agreement {
  /** Rows both judged. */
  readonly compared: number
  readonly equal: number
  /** Rows only the first calls anomalies. */
  readonly onlyFirst: number
  readonly onlySecond: number
  /** equal / compared; null when nothing was compared. */
  readonly agreement: number | null
}

/**
 * @param first 1 where a row is an anomaly
 * @param second of the same rows
 * @throws RangeError when they are not of the same rows
 */
export const agreementOf = (first: Uint8Array, second: Uint8Array): Agreement => {
  const compared = first.length
  if (second.length !== compared)
    throw new RangeError(`${compared} verdicts are compared with ${second.length}`)
  let onlyFirst = 0
  let onlySecond = 0
  for (let row = 0; row < compared; row++) {
    if (first[row] === second[row]) continue
    if (first[row] === 1) onlyFirst++
    else onlySecond++
  }
  const equal = compared - onlyFirst - onlySecond
  return { compared, equal, onlyFirst, onlySecond, agreement: compared === 0 ? null : equal / compared }
}
