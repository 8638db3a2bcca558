/** The parts list of the API process. */
import { openChannel } from '../db/channel.ts'
import { openLimitCounters } from '../db/limits/open.ts'
import { isUnreachable } from '../db/open.ts'
import { assertMigrated, openRecord, recordChecks } from '../db/record.ts'
import { openRedis } from '../db/redis/open.ts'
import { sharedSlots } from '../db/redis/shared-slots.ts'
import { createComputePool } from '../shared/compute/pool.ts'
import { someInPlace } from '../shared/compute/some-in-place.ts'
import { systemClock } from '../shared/core/clock.ts'
import { openServices } from '../shared/open-services.ts'
import type { ProcessParts } from '../shared/platform/run-process.ts'
import { startTracing } from '../shared/platform/tracing.ts'
import { loadTelemetry } from '../shared/queue/telemetry.ts'
import { serveApi } from './serve.ts'

export const composeApi = async (parts: ProcessParts): Promise<void> => {
  const { config, logger, lifecycle, metrics, version } = parts
  const tracer = await startTracing('api', config, lifecycle)
  const record = await openRecord({ config, logger, lifecycle, applicationName: 'vigia-api' })
  await assertMigrated(record)
  const channel = await openChannel({ databaseUrl: record.url, redisUrl: config.REDIS_URL, logger })
  lifecycle.onClose('channel', () => channel.close())
  const redis =
    config.REDIS_URL === undefined ? null : await openRedis({ redisUrl: config.REDIS_URL, logger })
  if (redis) lifecycle.onClose('redis', () => redis.close())
  // Its threads start with the first large body, and end a minute after the last.
  const threads = createComputePool({ threads: config.COMPUTE_THREADS })
  lifecycle.onClose('threads', () => threads.close())
  const compute = someInPlace(threads, new Set(['readPoints', 'scoreSeries']))
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
    limitCounters: await openLimitCounters({ config, knex: record.knex, logger, lifecycle, metrics }),
    telemetry: tracer ? await loadTelemetry() : undefined,
    tracer: tracer ?? undefined,
  })
  await serveApi({
    config,
    open,
    idempotency: record.store.idempotency,
    redis: redis?.redis ?? null,
    sharedSlots: redis && sharedSlots(redis.redis),
    checks: recordChecks(record),
    isUnreachable,
    logger,
    lifecycle,
    metrics,
    version,
  })
}
