/**
 * Routes marked `hot`, served ahead of Express: a prediction takes microseconds, and a stack of middleware many
 * times that. Everything a request meets is the same code as behind Express (who asks, whether they may, the
 * handler with its limits and checks, the form of errors); only finding the route and writing the reply are
 * shorter. What is out of the ordinary (encoded bodies, odd addresses) is left to Express.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { parse as parseQuery } from 'node:querystring'
import { Readable } from 'node:stream'
import { AppError } from '../shared/core/errors.ts'
import type { Principal } from '../shared/access/principal.ts'
import type { Logger } from '../shared/platform/logger.ts'
import type { Metrics } from '../shared/platform/metrics.ts'
import type { Services } from '../shared/services.ts'
import { assertSameOrigin } from './middleware/authenticate.ts'
import type { Authenticator } from './middleware/authenticate.ts'
import { sendProblem } from './middleware/problem.ts'
import type { RateLimit } from './middleware/rate-limit.ts'
import { assertMay } from './middleware/serve-route.ts'
import { traceIdOf } from './middleware/trace.ts'
import type { Readiness } from './probes.ts'
import type { Route, RouteReply } from './route.ts'

export interface HotPathParts {
  readonly routes: readonly Route[]
  readonly services: Services
  readonly authenticator: Authenticator
  /** Counts callers who failed to prove who they are. */
  readonly rateLimit: RateLimit | null
  readonly readiness: Pick<Readiness, 'draining'>
  readonly metrics: Pick<Metrics, 'httpRequest'>
  readonly logger: Logger
  readonly bodyLimitBytes: number
  /** Those every reply has. */
  readonly headers: Readonly<Record<string, string>>
  readonly isUnreachable: (error: unknown) => boolean
  /** Serves everything else. */
  readonly next: RequestListener
}

interface HotRoute {
  readonly route: Route
  readonly pattern: RegExp
}

/** `/a/:id/b` with one parameter, of plain characters. */
const patternOf = (path: string): RegExp =>
  new RegExp(`^${path.replace(/:id/, '([A-Za-z0-9_.~-]+)')}(?:\\?([^#%]*))?$`)

const NOTHING = Readable.from([])

const repeatsName = (query: string | undefined): boolean => {
  if (!query?.includes('&')) return false
  const names = query.split('&').map((pair) => pair.split('=', 1)[0])
  return new Set(names).size < names.length
}

const tooLarge = (limit: number): AppError =>
  new AppError('PAYLOAD_TOO_LARGE', `the body is larger than ${limit} bytes; send less at once`)

const readBody = (request: IncomingMessage, limit: number): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    if (Number(request.headers['content-length'] ?? 0) > limit) return reject(tooLarge(limit))
    const chunks: Buffer[] = []
    let length = 0
    const take = (chunk: Buffer): void => {
      length += chunk.length
      chunks.push(chunk)
      if (length <= limit) return
      request.off('data', take)
      reject(tooLarge(limit))
    }
    request.on('data', take)
    request.once('end', () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)))
    request.once('aborted', () => reject(new AppError('INVALID_REQUEST', 'the body did not arrive whole')))
    return request.once('error', reject)
  })

/**
 * Reads on what nobody wants, so that who still sends comes to see the answer, and the connection serves the next
 * request. Who goes on much longer is cut off.
 */
const passOver = (request: IncomingMessage, mostBytes: number): void => {
  let left = mostBytes
  request.on('data', (chunk: Buffer) => {
    left -= chunk.length
    if (left < 0) request.socket.destroy()
  })
}

export const createHotPath = (parts: HotPathParts): RequestListener => {
  const { authenticator, metrics, services, logger, bodyLimitBytes } = parts
  const hot: readonly HotRoute[] = parts.routes
    .filter((route) => route.hot)
    .map((route) => ({ route, pattern: patternOf(route.path) }))
  const seesConfig = (): void => {}

  const send = (response: ServerResponse, reply: RouteReply): void => {
    const { body } = reply
    const bytes =
      body instanceof Uint8Array ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
    response.writeHead(reply.status, {
      'Content-Type': 'application/json; charset=utf-8',
      ...reply.headers,
      'Content-Length': bytes.length,
    })
    response.end(bytes)
  }

  const answer = async (
    { route }: HotRoute,
    id: string,
    queryText: string | undefined,
    request: IncomingMessage,
    response: ServerResponse,
    traceId: string,
  ): Promise<void> => {
    let principal: Principal
    try {
      principal = await authenticator.authenticate(request)
    } catch (error) {
      if (error instanceof AppError && error.code === 'UNAUTHORIZED') {
        if (parts.rateLimit) await parts.rateLimit(request, response, null)
        response.setHeader('WWW-Authenticate', 'Bearer')
      }
      throw error
    }
    assertSameOrigin(request)
    assertMay(route, principal)
    const raw = await readBody(request, bodyLimitBytes)
    const reply = await route.handle(
      {
        params: { id } as never,
        query: (queryText ? { ...parseQuery(queryText) } : {}) as never,
        body: undefined as never,
        principal,
        traceId,
        stream: Object.assign(NOTHING, { headers: request.headers }),
        address: request.socket.remoteAddress ?? '',
        headers: request.headers,
        raw,
        seesConfig,
      },
      services,
    )
    send(response, reply)
  }

  const find = (
    request: IncomingMessage,
  ): { readonly found: HotRoute; readonly match: RegExpExecArray } | null => {
    if (request.headers['content-encoding'] !== undefined || request.headers['expect'] !== undefined)
      return null
    for (const found of hot) {
      if (request.method !== found.route.method.toUpperCase()) continue
      const match = found.pattern.exec(request.url ?? '')
      // A name given twice makes a list; Express refuses it in words.
      if (match && !repeatsName(match[2])) return { found, match }
    }
    return null
  }

  return (request, response) => {
    const hit = find(request)
    if (!hit) {
      parts.next(request, response)
      return
    }
    const { found, match } = hit
    const traceId = traceIdOf(request.headers)
    const start = performance.now()
    for (const name in parts.headers) response.setHeader(name, parts.headers[name] as string)
    if (parts.readiness.draining()) response.setHeader('Connection', 'close')
    response.setHeader('X-Trace-Id', traceId)
    response.once('finish', () => {
      const seconds = (performance.now() - start) / 1000
      metrics.httpRequest(request.method ?? '', found.route.path, response.statusCode, seconds)
    })
    answer(found, match[1] as string, match[2], request, response, traceId).catch((error: unknown) => {
      const instance = (request.url ?? '').split('?', 1)[0]?.slice(0, 500) ?? ''
      sendProblem(response, error, { instance, traceId, logger, isUnreachable: parts.isUnreachable })
      if (!request.complete) passOver(request, 2 * bodyLimitBytes)
    })
  }
}
