/** Small systems of linear equations. */

/**
 * Solves `gram * x = target` by Cholesky's method; `target` becomes x and `gram` is used up.
 *
 * @param gram symmetric; only its lower half is read
 * @returns false when it is not positive definite
 */
export const solvePositive = (gram: readonly Float64Array[], target: Float64Array): boolean => {
  const d = target.length
  for (let i = 0; i < d; i++) {
    const row = gram[i] as Float64Array
    for (let j = 0; j <= i; j++) {
      const other = gram[j] as Float64Array
      let sum = row[j] as number
      for (let k = 0; k < j; k++) sum -= (row[k] as number) * (other[k] as number)
      if (j < i) row[j] = sum / (other[j] as number)
      else if (sum > 0) row[i] = Math.sqrt(sum)
      else return false
    }
  }
  for (let i = 0; i < d; i++) {
    const row = gram[i] as Float64Array
    let sum = target[i] as number
    for (let k = 0; k < i; k++) sum -= (row[k] as number) * (target[k] as number)
    target[i] = sum / (row[i] as number)
  }
  for (let i = d - 1; i >= 0; i--) {
    let sum = target[i] as number
    for (let k = i + 1; k < d; k++) sum -= ((gram[k] as Float64Array)[i] as number) * (target[k] as number)
    target[i] = sum / ((gram[i] as Float64Array)[i] as number)
  }
  return true
}

/** Adds one observation to the normal equations. */
export const addRow = (
  gram: readonly Float64Array[],
  target: Float64Array,
  row: Float64Array,
  y: number,
): void => {
  for (let k = 0; k < row.length; k++) {
    const g = gram[k] as Float64Array
    const x = row[k] as number
    for (let j = 0; j <= k; j++) g[j] = (g[j] as number) + x * (row[j] as number)
    target[k] = (target[k] as number) + x * y
  }
}

export const emptyGram = (size: number): Float64Array[] =>
  Array.from({ length: size }, () => new Float64Array(size))
