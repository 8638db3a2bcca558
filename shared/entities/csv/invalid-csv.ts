/** Why a whole file is refused. A single bad line is no error: it is counted in the report. */
import { AppError } from '../../core/errors.ts'

export const invalidCsv = (message: string, details?: Readonly<Record<string, unknown>>): AppError =>
  new AppError('INVALID_CSV', message, details ? { details } : {})

/** Of a file that splits the days of an ad, of which only one part could be kept. */
export const brokenDown = (breakdowns: readonly string[], where: string): AppError =>
  invalidCsv(
    `The file is broken down by ${breakdowns.join(', ')}: it has several rows of an ad and day (${where}), of which only one could be kept. Export it broken down by day alone`,
    { breakdowns },
  )
