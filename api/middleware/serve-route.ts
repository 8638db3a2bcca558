/**
 * Serves one row of the route table: role, body, validation, kept replies, handler, audit. The order
 * matters: nothing of a body is read before the caller is known and may act.
 */
import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import express from 'express'
import type { Request, RequestHandler, Response } from 'express'
import { z } from 'zod'
import type { AuditEntry, AuditLog } from '../../shared/access/audit.ts'
import type { IdempotencyStore, KeptReply, RequestName } from '../../shared/access/idempotency.ts'
import { mayAct } from '../../shared/access/principal.ts'
import type { Principal } from '../../shared/access/principal.ts'
import { AppError, ERRORS } from '../../shared/core/errors.ts'
import type { FieldError } from '../../shared/core/errors.ts'
import type { Logger } from '../../shared/platform/logger.ts'
import type { Services } from '../../shared/services.ts'
import type { Route, RouteReply } from '../route.ts'

const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,200}$/
/** NUL and halves of surrogate pairs, as they stand in JSON text: PostgreSQL stores neither. */
const MAYBE_UNSTORABLE = /\\u(?:0000|d[89a-f])/i
/** The same in text written by JSON.stringify, which escapes no whole pair; an escaped backslash is none. */
const UNSTORABLE = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/
/** Deeper than anything we read; far from where recursion over a body would end a request with an error. */
const DEEPEST = 100

export interface Caller {
  readonly principal: Principal
  readonly traceId: string
}

export interface ServeOptions {
  readonly services: Services
  readonly idempotency: IdempotencyStore
  readonly audit: AuditLog
  readonly logger: Logger
  readonly bodyLimitBytes: number
  /** What the middleware before found out about the request. */
  readonly callerOf: (response: Response) => Caller
}

const fieldErrors = (place: string, error: z.ZodError): FieldError[] =>
  error.issues.map((issue) => ({
    field: [place, ...issue.path.map(String)].join('.'),
    message: issue.message,
  }))

/** Bodies are parsed by us alone, so what was read is known to the byte. */
const createBodyReader = (limit: number): ((request: Request, response: Response) => Promise<Buffer>) => {
  const read = express.raw({ type: () => true, limit, inflate: true })
  return (request, response) =>
    new Promise((resolve, reject) => {
      read(request, response, (error?: Error | string) => {
        if (error) reject(typeof error === 'string' ? new Error(error) : error)
        else resolve(Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0))
      })
    })
}

/** How deep valid JSON is nested. */
const depthOf = (text: string): number => {
  let depth = 0
  let deepest = 0
  let inText = false
  for (let i = 0; i < text.length; i += 1) {
    const char = text[i]
    if (inText) {
      if (char === '\\') i += 1
      else if (char === '"') inText = false
    } else if (char === '"') inText = true
    else if (char === '[' || char === '{') deepest = Math.max(deepest, (depth += 1))
    else if (char === ']' || char === '}') depth -= 1
  }
  return deepest
}

const parseJson = (request: Request, raw: Buffer): unknown => {
  if (raw.length === 0) return undefined
  if (!request.is('application/json')) {
    throw new AppError('UNSUPPORTED_MEDIA_TYPE', 'send the body as application/json')
  }
  if (!isUtf8(raw)) throw new AppError('INVALID_REQUEST', 'the body is not UTF-8')
  const text = raw.toString('utf8')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new AppError('INVALID_REQUEST', 'the body is not valid JSON')
  }
  if (depthOf(text) > DEEPEST) {
    throw new AppError('INVALID_REQUEST', `the body is nested more than ${DEEPEST} levels deep`)
  }
  if (MAYBE_UNSTORABLE.test(text) && UNSTORABLE.test(JSON.stringify(value))) {
    throw new AppError('INVALID_REQUEST', 'the body holds a NUL or half a surrogate pair; remove it')
  }
  return value
}

const hasNul = (values: Readonly<Record<string, unknown>>): boolean =>
  Object.values(values).some((value) => typeof value === 'string' && value.includes('\0'))

/** @throws FORBIDDEN */
export const assertMay = (route: Pick<Route, 'role' | 'allConfigs'>, principal: Principal): void => {
  if (!mayAct(principal, route.role)) {
    throw new AppError(
      'FORBIDDEN',
      `this needs the role ${route.role}; ${principal.actor} has ${principal.role}`,
    )
  }
  if (route.allConfigs && principal.configIds) {
    throw new AppError('FORBIDDEN', `this concerns all configs; ${principal.actor} may see some only`)
  }
}

export const serveRoute = (route: Route, options: ServeOptions): RequestHandler => {
  const { services, idempotency, audit, logger } = options
  const readBody = createBodyReader(options.bodyLimitBytes)
  const nothing = z.unknown()

  const validate = (request: Request, body: unknown): { params: unknown; query: unknown; body: unknown } => {
    if (hasNul(request.params) || hasNul(request.query)) {
      throw new AppError('INVALID_REQUEST', 'the address holds a NUL character; remove it')
    }
    const params = (route.params ?? nothing).safeParse(request.params)
    const query = (route.query ?? nothing).safeParse(request.query)
    const content = ((route.raw ? undefined : route.body) ?? nothing).safeParse(body)
    const errors = [
      ...(params.success ? [] : fieldErrors('params', params.error)),
      ...(query.success ? [] : fieldErrors('query', query.error)),
      ...(content.success ? [] : fieldErrors('body', content.error)),
    ]
    if (errors.length > 0 || !params.success || !query.success || !content.success) {
      const [first] = errors
      const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : ''
      throw new AppError('INVALID_REQUEST', `${first?.field}: ${first?.message}${more}`, { errors })
    }
    return { params: params.data, query: query.data, body: content.data }
  }

  const answer = async (
    request: Request,
    caller: Caller,
    raw: Buffer,
    body: unknown,
  ): Promise<RouteReply> => {
    const { principal, traceId } = caller
    const valid = validate(request, body)
    const reply = await route.handle(
      {
        params: valid.params as never,
        query: valid.query as never,
        body: valid.body as never,
        principal,
        traceId,
        stream: request,
        address: request.socket.remoteAddress ?? '',
        headers: request.headers,
        raw,
        seesConfig: (configId) => {
          if (principal.configIds && !principal.configIds.includes(configId)) {
            throw new AppError(
              'CONFIG_NOT_FOUND',
              `there is no config ${configId}; list them with GET /api/v1/configs`,
            )
          }
        },
      },
      services,
    )
    if (route.method !== 'get' && !route.ownAudit && !route.readOnly) {
      const entry: AuditEntry = {
        actor: principal.actor,
        action: `${route.method.toUpperCase()} ${route.path}`,
        target: reply.audit?.target ?? request.path,
        before: reply.audit?.before,
        after: reply.audit?.after,
        traceId,
      }
      // What was written stands, so an error now would only make the caller write it again: the log keeps the entry.
      await audit.append(entry).catch((error: unknown) => {
        logger.error('a write was not audited', { ...entry, trace_id: traceId, error })
      })
    }
    return reply
  }

  /** Answers a request that carries an Idempotency-Key once, and its repetitions from what was kept. */
  const answerOnce = async (name: RequestName, work: () => Promise<RouteReply>): Promise<RouteReply> => {
    const reservation = await idempotency.reserve(name)
    switch (reservation.kind) {
      case 'replay':
        return {
          ...reservation.reply,
          headers: { ...reservation.reply.headers, 'Idempotency-Replayed': 'true' },
        }
      case 'mismatch':
        throw new AppError(
          'IDEMPOTENCY_MISMATCH',
          'this Idempotency-Key came with another request before; use a new one',
        )
      case 'busy':
        throw new AppError(
          'CONFLICT',
          'the first request with this Idempotency-Key is still being answered; try again',
        )
      case 'fresh':
        break
    }
    const giveBack = (): Promise<void> =>
      idempotency.release(name).catch((failure: unknown) => {
        logger.warn('an Idempotency-Key could not be given back', { error: failure })
      })
    let reply: RouteReply
    try {
      reply = await work()
    } catch (error) {
      await giveBack()
      throw error
    }
    // A secret is shown once and kept nowhere, here neither; asking for it again meets the name it took.
    if (reply.headers?.['Cache-Control'] === 'no-store') {
      await giveBack()
      return reply
    }
    const kept: KeptReply = { status: reply.status, headers: reply.headers ?? {}, body: reply.body ?? null }
    try {
      await idempotency.keep(name, kept)
    } catch (error) {
      // The work is done and says so; a repetition is told to wait instead of doing it again at once.
      logger.warn('a reply could not be kept under its Idempotency-Key', { error })
    }
    return reply
  }

  const keyOf = (request: Request): string | null => {
    const key = request.headers['idempotency-key']
    if (route.method !== 'post' || route.readOnly || typeof key !== 'string') return null
    if (!IDEMPOTENCY_KEY.test(key)) {
      throw new AppError('INVALID_REQUEST', 'Idempotency-Key: must be 1 to 200 visible ASCII characters')
    }
    return key
  }

  return async (request, response) => {
    const caller = options.callerOf(response)
    const { principal } = caller
    assertMay(route, principal)
    const key = keyOf(request)
    const raw = route.stream || route.method === 'get' ? Buffer.alloc(0) : await readBody(request, response)
    const body = route.stream || route.raw ? undefined : parseJson(request, raw)
    const work = (): Promise<RouteReply> => answer(request, caller, raw, body)
    const name = {
      principal: principal.actor,
      key: key ?? '',
      method: request.method,
      path: request.originalUrl,
      bodySha256: createHash('sha256').update(raw).digest('hex'),
    }
    // A streamed body is not known before it is used; such routes are repeatable by their content instead.
    const reply = key === null || route.stream ? await work() : await answerOnce(name, work)
    for (const [header, value] of Object.entries(reply.headers ?? {})) response.setHeader(header, value)
    response.status(reply.status)
    if (reply.body === undefined || reply.status === 204) response.end()
    // A page or a text says what it is; all else is JSON.
    else if (reply.body instanceof Uint8Array) response.end(reply.body)
    else if (typeof reply.body === 'string' && reply.headers?.['content-type'] !== undefined)
      response.send(reply.body)
    else response.json(reply.body)
  }
}

/** Codes every route can answer with, for the documentation. */
export const COMMON_CODES = (Object.keys(ERRORS) as (keyof typeof ERRORS)[]).filter((code) =>
  [
    'INVALID_REQUEST',
    'UNAUTHORIZED',
    'FORBIDDEN',
    'NOT_FOUND',
    'RATE_LIMITED',
    'INTERNAL',
    'STORAGE_UNAVAILABLE',
  ].includes(code),
)
