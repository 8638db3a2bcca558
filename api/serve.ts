/** The API over services that are open already: who may enter, the app, the port. */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import type { IdempotencyStore } from '../shared/access/idempotency.ts'
import type { Config } from '../shared/config.ts'
import { messageOf } from '../shared/core/errors.ts'
import { SLOT_MS } from '../shared/core/slots.ts'
import type { OpenServices } from '../shared/open-services.ts'
import { createHealth } from '../shared/platform/health.ts'
import type { SharedSlots } from '../shared/platform/health.ts'
import { noTracer } from '../shared/platform/tracer.ts'
import type { Lifecycle } from '../shared/platform/lifecycle.ts'
import type { Logger } from '../shared/platform/logger.ts'
import type { Metrics } from '../shared/platform/metrics.ts'
import { createApp, securityHeaders } from './app.ts'
import { createBoard } from './board.ts'
import { createAuthenticator } from './middleware/authenticate.ts'
import { createHotPath } from './hot-path.ts'
import { createRateLimit } from './middleware/rate-limit.ts'
import { createPlotAssets } from './plot-assets.ts'
import { createReadiness } from './probes.ts'
import type { Check } from './probes.ts'
import { allRoutes } from './routes/all.ts'
import { healthRoute } from './routes/health.ts'
import { seriesPlotRoutes } from './routes/series/plot.ts'
import { listen } from './start.ts'
import type { Listening } from './start.ts'

const MEBIBYTE = 1024 * 1024
const LONGEST_WARM_UP_MS = 10_000

export interface ServeParts {
  readonly config: Config
  readonly open: Pick<OpenServices, 'services' | 'queues'>
  readonly idempotency: IdempotencyStore
  /** Counts requests across replicas; null: this process counts for itself. */
  readonly redis: Redis | null
  /** Where processes put their figures of health together; null: each knows of itself alone. */
  readonly sharedSlots: SharedSlots | null
  /** What readiness asks besides the queues. */
  readonly checks: Readonly<Record<string, Check>>
  readonly isUnreachable: (error: unknown) => boolean
  readonly logger: Logger
  readonly lifecycle: Lifecycle
  readonly metrics: Metrics
  readonly version: string
}

export const serveApi = async (parts: ServeParts): Promise<Listening> => {
  const { config, logger, metrics } = parts
  const { services, queues } = parts.open
  const authenticator = createAuthenticator(config, services.keys)
  const readiness = createReadiness({ ...parts.checks, queues: () => queues.check() }, () =>
    services.clock.now().getTime(),
  )
  metrics.watchRegistry(async () => (await services.registryFigures()).versions)
  metrics.watchDrift(async () => (await services.registryFigures()).drifting)
  const health = createHealth({
    recent: metrics.recent,
    registry: services.registryFigures,
    shared: parts.sharedSlots,
    process: randomUUID(),
    logger,
  })
  const sharing = setInterval(() => void health.share(), SLOT_MS).unref()
  parts.lifecycle.onClose('figures of health', () => clearInterval(sharing))
  const rateLimit = config.RATE_LIMITS
    ? createRateLimit(parts.redis, (rule) => metrics.rateLimited(rule))
    : null
  const bodyLimitBytes = config.BODY_LIMIT_MB * MEBIBYTE
  const { isUnreachable } = parts
  const plotAssets = createPlotAssets()
  const app = createApp({
    routes: [
      ...allRoutes,
      ...seriesPlotRoutes(() => plotAssets.page()),
      healthRoute({ health, readiness, version: parts.version }),
    ],
    plotAssets: plotAssets.serve,
    services,
    idempotency: parts.idempotency,
    authenticator,
    rateLimit,
    board: (callerOf) => createBoard(queues.board, () => queues.check(), services.audit, callerOf),
    readiness,
    metrics,
    logger,
    bodyLimitBytes,
    version: parts.version,
    tracer: services.tracer,
    isUnreachable,
  })
  // A request that is traced goes the long way, whose spans are worth more than its speed.
  const listener =
    services.tracer === noTracer
      ? createHotPath({
          routes: allRoutes,
          services,
          authenticator,
          rateLimit,
          readiness,
          metrics,
          logger,
          bodyLimitBytes,
          headers: securityHeaders(),
          isUnreachable,
          next: app,
        })
      : app
  // What is predicted on most is loaded before the first request asks; a start waits for it, but not for ever.
  const warmed = services.predictions.warmUp().catch((error: unknown) => {
    logger.warn('models were not loaded ahead of requests', { error: messageOf(error) })
  })
  await Promise.race([warmed, delay(LONGEST_WARM_UP_MS, undefined, { ref: false })])
  const listening = await listen({
    listener,
    host: config.HOST,
    port: config.PORT,
    authenticator,
    readiness,
    logger,
  })
  parts.lifecycle.onClose('api', () => listening.close())
  return listening
}
