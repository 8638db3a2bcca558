/**
 * Every error a caller can meet, once. A code is stable: clients branch on it, translations key on it.
 * Expected outcomes of work (an entity with 49 rows) are values, not errors; anything that is not an
 * `AppError` is a bug and answers INTERNAL.
 */

interface ErrorRow {
  readonly status: number
  readonly title: string
  /** Whether the same request can succeed later. */
  readonly retry: boolean
}

export const ERRORS = {
  INVALID_REQUEST: { status: 400, title: 'The request is not valid', retry: false },
  INVALID_SERIES_ID: { status: 400, title: 'That cannot be the id of a series', retry: false },
  UNAUTHORIZED: { status: 401, title: 'Credentials are missing or not valid', retry: false },
  FORBIDDEN: { status: 403, title: 'This role may not do that', retry: false },
  NOT_FOUND: { status: 404, title: 'There is nothing at this address', retry: false },
  CONFIG_NOT_FOUND: { status: 404, title: 'There is no such config', retry: false },
  ENTITY_NOT_FOUND: { status: 404, title: 'There is no such entity', retry: false },
  MODEL_NOT_FOUND: { status: 404, title: 'There is no such model', retry: false },
  INVALID_VERSION: { status: 404, title: 'There is no such version', retry: false },
  CONFLICT: { status: 409, title: 'That does not fit the present state', retry: false },
  VERSION_ARCHIVED: { status: 409, title: 'That version is archived', retry: false },
  VERSION_CONFLICT: { status: 409, title: 'Others changed the same at the same time', retry: true },
  PAYLOAD_TOO_LARGE: { status: 413, title: 'The body is too large', retry: false },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, title: 'The content type is not supported', retry: false },
  INSUFFICIENT_DATA: { status: 422, title: 'There is too little data', retry: false },
  TOO_MANY_POINTS: { status: 422, title: 'There are too many points', retry: false },
  INVALID_TIMESTAMP: { status: 422, title: 'A timestamp cannot be used', retry: false },
  INVALID_VALUE: { status: 422, title: 'A value cannot be used', retry: false },
  CONSTANT_SERIES: { status: 422, title: 'The values barely move', retry: false },
  UNKNOWN_CHANNEL: { status: 422, title: 'The series has other channels', retry: false },
  UNKNOWN_MODEL: { status: 422, title: 'There is no such model family or member', retry: false },
  WINDOW_TOO_SHORT: { status: 422, title: 'There are too few rows to judge by', retry: false },
  INVALID_CSV: { status: 422, title: 'The file cannot be imported', retry: false },
  IDEMPOTENCY_MISMATCH: {
    status: 422,
    title: 'The Idempotency-Key was used for another request',
    retry: false,
  },
  RATE_LIMITED: { status: 429, title: 'Too many requests', retry: true },
  TRAINING_FAILED: { status: 500, title: 'No member of the model could be trained', retry: false },
  INTERNAL: { status: 500, title: 'Something went wrong on our side', retry: false },
  STORAGE_UNAVAILABLE: { status: 503, title: 'A store vigia needs does not answer', retry: true },
  OVERLOADED: { status: 503, title: 'vigia is too busy', retry: true },
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof ERRORS

/** One field of a rejected request. */
export interface FieldError {
  /** Where it is, e.g. `body.entity_type`. */
  readonly field: string
  readonly message: string
}

export interface ErrorDetails {
  readonly errors?: readonly FieldError[]
  readonly details?: Readonly<Record<string, unknown>>
  /** Seconds, for RATE_LIMITED and the 503s. */
  readonly retryAfterS?: number
  /** The limit that refused, for the RateLimit headers. */
  readonly rateLimit?: { readonly limit: number; readonly remaining: number; readonly resetS: number }
}

export class AppError extends Error {
  readonly code: ErrorCode
  readonly extra: ErrorDetails

  /** @param message what happened and what to do next, for the caller to read */
  constructor(code: ErrorCode, message: string, extra: ErrorDetails = {}, options?: ErrorOptions) {
    super(message, options)
    this.name = 'AppError'
    this.code = code
    this.extra = extra
  }

  get status(): number {
    return ERRORS[this.code].status
  }
}

/** The message of anything thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
