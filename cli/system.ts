/**
 * What commands work on: the configured or embedded system, opened when a command needs it and closed when it
 * ends. The embedded database belongs to this machine alone, so its schema is kept current without asking; that
 * of another only by those commands that start everything.
 */
import { openLimitCounters } from '../db/limits/open.ts'
import { openChannel } from '../db/channel.ts'
import { migrateToLatest } from '../db/migrate.ts'
import { assertMigrated, openRecord } from '../db/record.ts'
import type { OpenRecord } from '../db/record.ts'
import { loadConfig } from '../shared/config.ts'
import type { Config } from '../shared/config.ts'
import { systemClock } from '../shared/core/clock.ts'
import type { AdsConfig } from '../shared/entities/configs.ts'
import { openServices } from '../shared/open-services.ts'
import type { OpenServices } from '../shared/open-services.ts'
import { createLogger } from '../shared/platform/create-logger.ts'
import { createLifecycle } from '../shared/platform/lifecycle.ts'
import type { Lifecycle } from '../shared/platform/lifecycle.ts'
import type { Logger } from '../shared/platform/logger.ts'
import { createMetrics } from '../shared/platform/metrics.ts'
import type { Metrics } from '../shared/platform/metrics.ts'
import { startTracing } from '../shared/platform/tracing.ts'
import { migrateQueues } from '../shared/queue/open-queues.ts'
import { loadTelemetry } from '../shared/queue/telemetry.ts'
import { createMixedPool } from '../shared/compute/mixed.ts'
import type { ThreadPool } from '../shared/compute/pool.ts'
import { startWorkers } from '../workers/start.ts'
import { configNamed } from './input.ts'
import { remark } from './output.ts'

export interface System extends OpenServices {
  readonly config: Config
  readonly logger: Logger
  readonly lifecycle: Lifecycle
  readonly metrics: Metrics
  readonly record: OpenRecord
  readonly compute: ThreadPool
  /** The config of that id or name; without one, the only config there is. @throws CONFIG_NOT_FOUND */
  readonly configOf: (idOrName: string | undefined) => Promise<AdsConfig>
  /** Notes a write of this command in the audit log. */
  readonly audited: (action: string, target: string, after: unknown) => Promise<void>
  /** Sees to it that somebody does the work: when no worker runs anywhere, one is started for this command. */
  ensureWorkers(): Promise<void>
  close(): Promise<void>
}

export type Opener = () => Promise<System>

/** Starts workers on the threads and queues of `system`. */
export const startSystemWorkers = (system: System): void => {
  const workers = startWorkers({
    queues: system.queues,
    runs: system.record.store.runs,
    carrier: system.carrier,
    spawn: system.enqueuer.spawn,
    services: system.services,
    jobs: system.jobs,
    logger: system.logger,
    metrics: system.metrics,
    concurrency: system.config.WORKER_CONCURRENCY,
  })
  system.lifecycle.onClose('workers', () => workers.close())
}

/** The schema to its newest version, the queues' too. @returns what was applied */
export const migrateAll = (
  record: Pick<OpenRecord, 'knex' | 'url'>,
  config: Pick<Config, 'REDIS_URL'>,
  logger: Logger,
): Promise<readonly string[]> =>
  migrateToLatest(record.knex, {
    logger,
    migrateQueues: () => migrateQueues({ redisUrl: config.REDIS_URL, databaseUrl: record.url }),
  })

export interface SystemOptions {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Shown in the log and in pg_stat_activity. */
  readonly service: string
  /** Least severe line shown; commands say what they do themselves. */
  readonly logLevel?: Config['LOG_LEVEL']
  /** Whether to bring the schema of a database of others to its newest version, instead of refusing an old one. */
  readonly migrates?: boolean
}

export const openSystem = async (options: SystemOptions): Promise<System> => {
  const config = loadConfig(options.environment)
  const level = options.logLevel ?? config.LOG_LEVEL
  const logger = createLogger({ level, debugSample: config.LOG_DEBUG_SAMPLE, service: options.service })
  const lifecycle = createLifecycle(logger)
  const metrics = createMetrics(options.service)
  try {
    // What stays up is worth following through the queues; a command is over before a trace is sent.
    const isUp = options.service === 'up'
    const tracer = isUp ? await startTracing(options.service, config, lifecycle) : null
    const record = await openRecord({
      config,
      logger,
      lifecycle,
      applicationName: `vigia-${options.service}`,
    })
    if (record.embedded || options.migrates) await migrateAll(record, config, logger)
    else await assertMigrated(record)
    const channel = await openChannel({ databaseUrl: record.url, redisUrl: config.REDIS_URL, logger })
    lifecycle.onClose('channel', () => channel.close())
    const compute = createMixedPool(config.COMPUTE_THREADS)
    lifecycle.onClose('threads and forks', () => compute.close())
    const open = await openServices({
      config,
      store: record.store,
      databaseUrl: record.url,
      announcements: channel,
      compute,
      clock: systemClock,
      logger,
      lifecycle,
      metrics,
      // A command is nobody's guest; what serves the API counts.
      ...(isUp
        ? {
            limitCounters: await openLimitCounters({ config, knex: record.knex, logger, lifecycle, metrics }),
          }
        : {}),
      telemetry: tracer ? await loadTelemetry() : undefined,
      tracer: tracer ?? undefined,
    })
    const { services, queues } = open
    let working = false

    const system: System = {
      ...open,
      config,
      logger,
      lifecycle,
      metrics,
      record,
      compute,
      configOf: (idOrName) => configNamed(services.configs, idOrName),
      audited: (action, target, after) => services.audit.append({ actor: 'cli', action, target, after }),
      ensureWorkers: async () => {
        await queues.check()
        if (working || (await queues.workersAlive('training')) > 0) return
        working = true
        remark('No worker is running; this command does the work itself.')
        startSystemWorkers(system)
      },
      close: () => lifecycle.close(),
    }
    return system
  } catch (error) {
    await lifecycle.close()
    throw error
  }
}
