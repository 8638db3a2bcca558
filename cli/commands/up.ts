/** `vigia up`: api, workers and scheduler in one process, over the configured or the embedded stores. */
import type { Command } from 'commander'
import { isUnreachable } from '../../db/open.ts'
import { recordChecks } from '../../db/record.ts'
import { openRedis } from '../../db/redis/open.ts'
import { sharedSlots } from '../../db/redis/shared-slots.ts'
import { askedToEnd, packageVersion } from '../../shared/platform/run-process.ts'
import { watchDepths } from '../../shared/queue/watch-depths.ts'
import { timetable } from '../../shared/schedules/timetable.ts'
import { printJson, printLine, remark } from '../output.ts'
import { startSystemWorkers } from '../system.ts'
import type { Opener, System } from '../system.ts'

/** Starts everything on `system`. @returns the URL of the API */
export const startAll = async (system: System): Promise<string> => {
  const { config, logger, lifecycle, metrics, record } = system
  // A third of what all commands would load, and only those that stay up serve anything.
  const [{ serveApi }, { startScheduler }] = await Promise.all([
    import('../../api/serve.ts'),
    import('../../scheduler/start.ts'),
  ])
  await system.queues.ready()
  const redis =
    config.REDIS_URL === undefined ? null : await openRedis({ redisUrl: config.REDIS_URL, logger })
  if (redis) lifecycle.onClose('redis', () => redis.close())
  const { url } = await serveApi({
    config,
    open: system,
    idempotency: record.store.idempotency,
    redis: redis?.redis ?? null,
    sharedSlots: redis && sharedSlots(redis.redis),
    checks: recordChecks(record),
    isUnreachable,
    logger,
    lifecycle,
    metrics,
    version: packageVersion(),
  })
  watchDepths(system.queues, metrics, logger, lifecycle)
  startSystemWorkers(system)
  const scheduler = await startScheduler({
    schedules: record.store.schedules,
    carrier: system.carrier,
    entries: timetable(config),
    queues: system.queues,
    runs: record.store.runs,
    logger,
    metrics,
  })
  lifecycle.onClose('scheduler', () => scheduler.close())
  return url
}

/** Where to look, for people. */
export const describeUrls = (url: string, configId: number | null): string =>
  [
    `  report     ${url}/api/v1/reports/daily?config_id=${configId ?? 1}&format=html`,
    `  incidents  ${url}/api/v1/ml/incidents?config_id=${configId ?? 1}`,
    `  findings   ${url}/api/v1/ml/anomalies?config_id=${configId ?? 1}&entity_type=all`,
    `  API        ${url}/docs`,
    `  queues     ${url}/admin/queues`,
    `  metrics    ${url}/metrics`,
  ].join('\n')

/** Stays until the process is asked to end. */
export const stayUp = async (): Promise<void> => {
  await askedToEnd()
  remark('Closing: work under way ends first.')
}

export const registerUp = (program: Command, open: Opener): void => {
  program
    .command('up')
    .description('everything in one process: database, migrations, api, workers, scheduler')
    .option('--json', 'one JSON object once it is up')
    .action(async (options: { json?: boolean }) => {
      const ending = stayUp()
      const system = await open()
      const url = await startAll(system)
      if (options.json)
        printJson({ url, queues: system.queues.backend, embedded: system.record.embedded !== null })
      else {
        const database = system.record.embedded ? 'its own PostgreSQL' : 'PostgreSQL'
        printLine(`vigia is up on ${database}, queues in ${system.queues.backend}. Ctrl-C ends it.`)
        printLine(describeUrls(url, null))
      }
      await ending
    })
}
