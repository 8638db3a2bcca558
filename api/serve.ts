/** The API over services that are open already: who may enter, the app, the port. */
import type { Redis } from 'ioredis'
import type { IdempotencyStore } from '../shared/access/idempotency.ts'
import type { Config } from '../shared/config.ts'
import type { OpenServices } from '../shared/open-services.ts'
import type { Lifecycle } from '../shared/platform/lifecycle.ts'
import type { Logger } from '../shared/platform/logger.ts'
import type { Metrics } from '../shared/platform/metrics.ts'
import { createApp } from './app.ts'
import { createBoard } from './board.ts'
import { createAuthenticator } from './middleware/authenticate.ts'
import { createRateLimit } from './middleware/rate-limit.ts'
import { createReadiness } from './probes.ts'
import type { Check } from './probes.ts'
import { allRoutes } from './routes/all.ts'
import { listen } from './start.ts'
import type { Listening } from './start.ts'

const MEBIBYTE = 1024 * 1024

export interface ServeParts {
  readonly config: Config
  readonly open: Pick<OpenServices, 'services' | 'queues'>
  readonly idempotency: IdempotencyStore
  /** Counts requests across replicas; null: this process counts for itself. */
  readonly redis: Redis | null
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
  const readiness = createReadiness({ ...parts.checks, queues: () => queues.check() })
  const app = createApp({
    routes: allRoutes,
    services,
    idempotency: parts.idempotency,
    authenticator,
    rateLimit: config.RATE_LIMITS ? createRateLimit(parts.redis) : null,
    board: (callerOf) => createBoard(queues.board, () => queues.check(), services.audit, callerOf),
    readiness,
    metrics,
    logger,
    bodyLimitBytes: config.BODY_LIMIT_MB * MEBIBYTE,
    version: parts.version,
    isUnreachable: parts.isUnreachable,
  })
  const listening = await listen({
    app,
    host: config.HOST,
    port: config.PORT,
    authenticator,
    readiness,
    logger,
  })
  parts.lifecycle.onClose('api', () => listening.close())
  return listening
}
