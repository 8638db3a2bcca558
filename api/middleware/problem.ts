/** Errors on the wire: RFC 9457 problem+json, one form for all of them, never a stack trace. */
import type { ServerResponse } from 'node:http'
import { z } from 'zod'
import { AppError, ERRORS } from '../../shared/core/errors.ts'
import type { ErrorCode } from '../../shared/core/errors.ts'
import { limitHeaders } from '../../shared/series/limits.ts'
import type { Logger } from '../../shared/platform/logger.ts'

export const PROBLEM_TYPE = 'application/problem+json'

export const Problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  instance: z.string(),
  code: z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]),
  trace_id: z.string(),
  errors: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
  details: z.record(z.string(), z.unknown()).optional(),
})

/** What body-parser and Node's HTTP parser throw, in our words. */
const fromParser = (error: {
  readonly type?: unknown
  readonly status?: unknown
  readonly limit?: unknown
}): AppError | null => {
  switch (error.type) {
    case 'entity.too.large':
      return new AppError(
        'PAYLOAD_TOO_LARGE',
        `the body is larger than ${String(error.limit)} bytes; send less at once`,
      )
    case 'entity.parse.failed':
      return new AppError('INVALID_REQUEST', 'the body is not valid JSON')
    case 'encoding.unsupported':
    case 'charset.unsupported':
      return new AppError(
        'UNSUPPORTED_MEDIA_TYPE',
        'send the body as UTF-8, plain or with gzip, deflate or br',
      )
    case 'request.aborted':
    case 'request.size.invalid':
    case 'entity.verify.failed':
      return new AppError('INVALID_REQUEST', 'the body did not arrive whole')
    default:
      return error.status === 400 ? new AppError('INVALID_REQUEST', 'the request cannot be read') : null
  }
}

export interface ProblemContext {
  readonly instance: string
  readonly traceId: string
  readonly logger: Logger
  /** Whether an error means that a store does not answer. */
  readonly isUnreachable: (error: unknown) => boolean
}

/** Turns anything thrown into an AppError; what we did not expect is logged whole. */
export const asAppError = (
  error: unknown,
  { logger, traceId, instance, isUnreachable }: ProblemContext,
): AppError => {
  if (error instanceof AppError) {
    // Refusals are the caller's to read; a broken dependency is the operator's too.
    if (error.status >= 500) logger.error(error.message, { trace_id: traceId, instance, error })
    return error
  }
  const parsed = typeof error === 'object' && error !== null ? fromParser(error) : null
  if (parsed) return parsed
  if (isUnreachable(error)) {
    logger.error('a store does not answer', { trace_id: traceId, instance, error })
    return new AppError('STORAGE_UNAVAILABLE', 'the database does not answer; try again shortly', {
      retryAfterS: 5,
    })
  }
  logger.error('unexpected error', { trace_id: traceId, instance, error })
  return new AppError('INTERNAL', `something went wrong; the log has it under trace ${traceId}`)
}

/** What an error says on the wire, headers included. */
export const problemOf = (
  known: AppError,
  context: Pick<ProblemContext, 'instance' | 'traceId'>,
): { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly text: string } => {
  const { status, title } = ERRORS[known.code]
  const { errors, details, retryAfterS, rateLimit } = known.extra
  const body: z.infer<typeof Problem> = {
    type: `urn:vigia:error:${known.code.toLowerCase()}`,
    title,
    status,
    detail: known.message,
    instance: context.instance,
    code: known.code,
    trace_id: context.traceId,
    ...(errors ? { errors: [...errors] } : {}),
    ...(details ? { details: { ...details } } : {}),
  }
  return {
    status,
    headers: {
      'Content-Type': `${PROBLEM_TYPE}; charset=utf-8`,
      ...(retryAfterS === undefined ? {} : { 'Retry-After': String(retryAfterS) }),
      ...limitHeaders(rateLimit ?? null),
    },
    text: JSON.stringify(body),
  }
}

export const sendProblem = (response: ServerResponse, error: unknown, context: ProblemContext): void => {
  const known = asAppError(error, context)
  if (response.headersSent) {
    response.destroy()
    return
  }
  const { status, headers, text } = problemOf(known, context)
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  response.statusCode = status
  response.setHeader('Content-Length', Buffer.byteLength(text))
  response.end(text)
}
