/** The parts list of a scheduler process. */
import { openChannel } from '../db/channel.ts'
import { assertMigrated, openRecord } from '../db/record.ts'
import { computeInPlace } from '../shared/compute-in-place.ts'
import { systemClock } from '../shared/core/clock.ts'
import { openServices } from '../shared/open-services.ts'
import type { ProcessParts } from '../shared/platform/run-process.ts'
import { serveMetrics } from '../shared/platform/serve-metrics.ts'
import { timetable } from '../shared/schedules/timetable.ts'
import { startScheduler } from './start.ts'

export const composeScheduler = async (parts: ProcessParts): Promise<void> => {
  const { config, logger, lifecycle, metrics } = parts
  await serveMetrics(metrics, { host: config.HOST, port: config.METRICS_PORT }, logger, lifecycle)
  const record = await openRecord({ config, logger, lifecycle, applicationName: 'vigia-scheduler' })
  await assertMigrated(record)
  const channel = await openChannel({ databaseUrl: record.url, redisUrl: config.REDIS_URL, logger })
  lifecycle.onClose('channel', () => channel.close())
  const open = await openServices({
    config,
    store: record.store,
    databaseUrl: record.url,
    announcements: channel,
    compute: computeInPlace,
    clock: systemClock,
    logger,
    lifecycle,
    metrics,
  })
  const scheduler = await startScheduler({
    schedules: record.store.schedules,
    carrier: open.carrier,
    entries: timetable(config),
    queues: open.queues,
    runs: record.store.runs,
    logger,
    metrics,
  })
  lifecycle.onClose('scheduler', () => scheduler.close())
}
