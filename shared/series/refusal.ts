/** A refused body, on its way out of the reader: as data, since errors keep no class between threads. */
import type { ErrorCode } from '../core/errors.ts'
import type { Read, Refusal } from './points.ts'

export class Refused extends Error {
  readonly refusal: Refusal

  constructor(code: ErrorCode, message: string, details?: Readonly<Record<string, unknown>>) {
    super(message)
    this.name = 'Refused'
    this.refusal = { code, message, ...(details ? { details } : {}) }
  }
}

export const invalid = (message: string): Refused => new Refused('INVALID_REQUEST', message)

/** What `work` returns, or why it was refused. */
export const reading = <T>(work: () => T): Read<T> => {
  try {
    return { ok: work() }
  } catch (error) {
    if (error instanceof Refused) return { refused: error.refusal }
    throw error
  }
}
