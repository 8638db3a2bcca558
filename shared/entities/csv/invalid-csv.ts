/** Why a whole file is refused. A single bad line is no error: it is counted in the report. */
import { AppError } from '../../core/errors.ts'

export const invalidCsv = (message: string, details?: Readonly<Record<string, unknown>>): AppError =>
  new AppError('INVALID_CSV', message, details ? { details } : {})
