/** The parts list of a worker process. */
import { setTimeout as delay } from 'node:timers/promises'
import { openChannel } from '../db/channel.ts'
import { assertMigrated, openRecord } from '../db/record.ts'
import { systemClock } from '../shared/core/clock.ts'
import { openServices } from '../shared/open-services.ts'
import type { ProcessParts } from '../shared/platform/run-process.ts'
import { serveMetrics } from '../shared/platform/serve-metrics.ts'
import { startTracing } from '../shared/platform/tracing.ts'
import { loadTelemetry } from '../shared/queue/telemetry.ts'
import { watchDepths } from '../shared/queue/watch-depths.ts'
import { createMixedPool } from '../shared/compute/mixed.ts'
import { rehearse } from './rehearse.ts'
import { startWorkers } from './start.ts'

/** A server that is lost meanwhile is waited for by those who start after this. */
const READY_MS = 5000

export const composeWorkers = async (parts: ProcessParts): Promise<void> => {
  const { config, logger, lifecycle, metrics } = parts
  const tracer = await startTracing('workers', config, lifecycle)
  await serveMetrics(metrics, { host: config.HOST, port: config.METRICS_PORT }, logger, lifecycle)
  const record = await openRecord({ config, logger, lifecycle, applicationName: 'vigia-worker' })
  await assertMigrated(record)
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
    telemetry: tracer ? await loadTelemetry() : undefined,
    tracer: tracer ?? undefined,
  })
  await open.queues.ready()
  watchDepths(open.queues, metrics, logger, lifecycle)
  // The first job of a fresh worker finds its threads running and its connections open.
  await Promise.all([compute.warm(), rehearse(record.store)])
  const workers = startWorkers({
    queues: open.queues,
    runs: record.store.runs,
    carrier: open.carrier,
    spawn: open.enqueuer.spawn,
    services: open.services,
    jobs: open.jobs,
    logger,
    metrics,
    concurrency: config.WORKER_CONCURRENCY,
  })
  lifecycle.onClose('workers', () => workers.close())
  // Who is told that it has started may give it work at once.
  await Promise.race([workers.ready, delay(READY_MS, undefined, { ref: false })])
}
