/**
 * The Express app: trace id, probes, who asks, how often, then the route table, the board and the docs, and
 * one place for errors. Only this file and the middleware know Express.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import express from 'express'
import type { Express, NextFunction, Request, Response } from 'express'
import helmet from 'helmet'
import type { IdempotencyStore } from '../shared/access/idempotency.ts'
import type { Principal } from '../shared/access/principal.ts'
import { AppError } from '../shared/core/errors.ts'
import type { Logger } from '../shared/platform/logger.ts'
import type { Metrics } from '../shared/platform/metrics.ts'
import type { Tracer } from '../shared/platform/tracer.ts'
import type { Services } from '../shared/services.ts'
import { BOARD_PATH } from './board.ts'
import { createDocs } from './docs.ts'
import { assertSameOrigin } from './middleware/authenticate.ts'
import type { Authenticator } from './middleware/authenticate.ts'
import { sendProblem } from './middleware/problem.ts'
import type { RateLimit } from './middleware/rate-limit.ts'
import { serveRoute } from './middleware/serve-route.ts'
import type { Caller } from './middleware/serve-route.ts'
import { traceIdOf } from './middleware/trace.ts'
import { PLOT_ASSETS_PATH } from './plot-assets.ts'
import { buildOpenApi } from './openapi.ts'
import type { Readiness } from './probes.ts'
import type { Route } from './route.ts'

const READS = new Set(['GET', 'HEAD', 'OPTIONS'])
/** Pages a browser opens: it is asked for a key by its own dialogue. */
const PAGES = [BOARD_PATH, '/plot', '/docs', '/openapi.json', '/api/v1/reports/daily']

export interface AppParts {
  readonly routes: readonly Route[]
  readonly services: Services
  readonly idempotency: IdempotencyStore
  readonly authenticator: Authenticator
  /** null: RATE_LIMITS is off. */
  readonly rateLimit: RateLimit | null
  readonly board: (callerOf: (response: Response) => Caller) => express.RequestHandler
  /** Scripts and styles of the plot page. */
  readonly plotAssets: express.RequestHandler
  readonly readiness: Readiness
  readonly metrics: Metrics
  readonly logger: Logger
  readonly bodyLimitBytes: number
  readonly version: string
  readonly tracer: Tracer
  readonly isUnreachable: (error: unknown) => boolean
}

interface Locals {
  traceId: string
  principal?: Principal
  /** Route template, for metrics. */
  route?: string
}

const localsOf = (response: Response): Locals => response.locals as Locals

const principalOf = (response: Response): Principal => {
  const { principal } = localsOf(response)
  if (!principal) throw new Error('a request reached its handler without a principal')
  return principal
}

const callerOf = (response: Response): Caller => ({
  principal: principalOf(response),
  traceId: localsOf(response).traceId,
})

/** The headers every reply has. */
const secureHeaders = (): ReturnType<typeof helmet> =>
  helmet({
    contentSecurityPolicy: {
      directives: {
        defaultSrc: ["'self'"],
        scriptSrc: ["'self'"],
        // Bull Board and Swagger UI set styles on elements.
        styleSrc: ["'self'", "'unsafe-inline'"],
        fontSrc: ["'self'", 'data:'],
        imgSrc: ["'self'", 'data:'],
        connectSrc: ["'self'"],
        upgradeInsecureRequests: null,
      },
    },
    // Plain HTTP behind a proxy or on a laptop must not be remembered as HTTPS.
    strictTransportSecurity: false,
  })

/** The same as plain names and values, for what is served ahead of the app. */
export const securityHeaders = (): Readonly<Record<string, string>> => {
  const headers: Record<string, string> = {}
  const recorder = {
    setHeader: (name: string, value: string) => void (headers[name] = value),
    removeHeader: () => {},
  }
  secureHeaders()({} as IncomingMessage, recorder as unknown as ServerResponse, () => {})
  return headers
}

export const createApp = (parts: AppParts): Express => {
  const { authenticator, logger, metrics } = parts
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.set('query parser', 'simple')

  app.use((request, response, next) =>
    parts.tracer.request(request.method, request.headers, (span) => {
      // A connection that is kept would hold the close up.
      if (parts.readiness.draining()) response.setHeader('Connection', 'close')
      const locals = localsOf(response)
      locals.traceId = traceIdOf(request.headers, span.traceId)
      response.setHeader('X-Trace-Id', locals.traceId)
      const start = performance.now()
      response.once('close', () => span.end(locals.route ?? 'other', response.statusCode))
      response.once('finish', () => {
        const seconds = (performance.now() - start) / 1000
        metrics.httpRequest(request.method, locals.route ?? 'other', response.statusCode, seconds)
        logger.debug('request', {
          trace_id: locals.traceId,
          method: request.method,
          path: request.path,
          status: response.statusCode,
          ms: Math.round(seconds * 1000),
          actor: locals.principal?.actor,
        })
      })
      next()
    }),
  )
  const secure = secureHeaders()
  app.use(secure)
  const named =
    (route: string): express.RequestHandler =>
    (_request, response, next) => {
      localsOf(response).route = route
      next()
    }
  app.get(
    ['/livez', '/liveness'],
    named('/livez'),
    (_request, response) => void response.json({ status: 'ok' }),
  )
  app.get(['/readyz', '/readiness'], named('/readyz'), async (request, response) => {
    const { ready, status, checks } = await parts.readiness.check()
    // Names and times only: what a dependency answered may hold addresses.
    const shown = checks.map(({ name, ok, ms }) => ({ name, ok, ms }))
    for (const { name, ok, error } of checks) if (!ok) logger.warn('not ready', { dependency: name, error })
    response
      .status(ready ? 200 : 503)
      .json({ status, ...('verbose' in request.query ? { checks: shown } : {}) })
  })

  app.use(async (request, response, next) => {
    try {
      localsOf(response).principal = await authenticator.authenticate(request)
    } catch (error) {
      if (error instanceof AppError && error.code === 'UNAUTHORIZED') {
        if (parts.rateLimit) await parts.rateLimit(request, response, null)
        const page = PAGES.some((path) => request.path === path || request.path.startsWith(`${path}/`))
        response.setHeader(
          'WWW-Authenticate',
          page ? 'Basic realm="vigia: any user, an API key as password"' : 'Bearer',
        )
      }
      throw error
    }
    if (!READS.has(request.method)) assertSameOrigin(request)
    next()
  })

  const serving = {
    services: parts.services,
    idempotency: parts.idempotency,
    audit: parts.services.audit,
    logger,
    bodyLimitBytes: parts.bodyLimitBytes,
    callerOf,
  }
  const serve = (routes: readonly Route[]): void => {
    for (const route of routes) app[route.method](route.path, named(route.path), serveRoute(route, serving))
  }
  serve(parts.routes.filter((route) => route.ownLimits))
  app.use(async (request, response, next) => {
    if (parts.rateLimit) await parts.rateLimit(request, response, principalOf(response))
    next()
  })

  app.get('/metrics', named('/metrics'), async (_request, response) => {
    metrics.ready((await parts.readiness.check()).ready)
    response.type(metrics.registry.contentType).send(await metrics.registry.metrics())
  })
  const openApi = buildOpenApi(parts.routes, parts.version)
  app.get('/openapi.json', named('/openapi.json'), (_request, response) => void response.json(openApi))
  app.use('/docs', named('/docs'), createDocs())
  app.use(PLOT_ASSETS_PATH, named(PLOT_ASSETS_PATH), parts.plotAssets)
  app.use(BOARD_PATH, named(BOARD_PATH), parts.board(callerOf))

  serve(parts.routes.filter((route) => !route.ownLimits))

  app.get('/', named('/'), (_request, response) => response.redirect('/docs'))
  app.use((request) => {
    throw new AppError(
      'NOT_FOUND',
      `${request.method} ${request.path.slice(0, 200)} is not served here; see /docs`,
    )
  })
  // Express tells an error handler by its four parameters.
  app.use((error: unknown, request: Request, response: Response, _next: NextFunction) => {
    sendProblem(response, error, {
      instance: request.path.slice(0, 500),
      traceId: localsOf(response).traceId,
      logger,
      isUnreachable: parts.isUnreachable,
    })
  })
  return app
}
