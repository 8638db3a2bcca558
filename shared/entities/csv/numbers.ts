/**
 * Numbers as spreadsheets write them: `1,234.56` and `1.234,56`. A cell with both separators, a repeated
 * one, or anything but three digits behind a single one says itself what it means; `1.234` alone does not.
 */

/** The character in front of the fraction. */
export type DecimalMark = '.' | ','

const PLAIN = /^\d+$/
/** 1.234 or 1,234: a thousand or a fraction. A number with thousands does not begin with 0. */
const AMBIGUOUS = /^[1-9]\d{0,2}[.,]\d{3}$/
const BY_MARK: Readonly<Record<DecimalMark, RegExp>> = {
  '.': /^(?:[1-9]\d{0,2}(?:,\d{3})+(?:\.\d*)?|\d+\.\d*|\.\d+)$/,
  ',': /^(?:[1-9]\d{0,2}(?:\.\d{3})+(?:,\d*)?|\d+,\d*|,\d+)$/,
}

/** What a cell says about its column: the decimal mark it must have been written with; null when nothing. */
export const evidenceOf = (cell: string): DecimalMark | null => {
  const digits = cell.startsWith('-') ? cell.slice(1) : cell
  if (PLAIN.test(digits) || AMBIGUOUS.test(digits)) return null
  if (BY_MARK['.'].test(digits)) return '.'
  if (BY_MARK[','].test(digits)) return ','
  return null
}

/**
 * @param mark how to read a cell that leaves it open
 * @returns NaN for what is not a number; exponents, currency signs and blanks inside are not
 */
export const parseNumber = (cell: string, mark: DecimalMark): number => {
  const negative = cell.startsWith('-')
  const digits = negative ? cell.slice(1) : cell
  let value: number
  if (PLAIN.test(digits)) value = Number(digits)
  else {
    const own = evidenceOf(digits) ?? mark
    if (!BY_MARK[own].test(digits)) return Number.NaN
    value = Number(own === '.' ? digits.replaceAll(',', '') : digits.replaceAll('.', '').replace(',', '.'))
  }
  return negative ? -value || 0 : value
}

/** Counts of the cells of one column that speak for either mark; the majority rules, else `fallback`. */
export const markOf = (cells: Iterable<string>, fallback: DecimalMark): DecimalMark => {
  let balance = 0
  for (const cell of cells) {
    const evidence = evidenceOf(cell)
    if (evidence === '.') balance += 1
    else if (evidence === ',') balance -= 1
  }
  if (balance === 0) return fallback
  return balance > 0 ? '.' : ','
}
