/** A process that uses Redis as the real ones do, for tests that take it away from it; `--worker`: with a worker. */
import { openRedis } from '../../db/redis/open.ts'
import { endWith, runProcess } from '../../shared/platform/run-process.ts'
import { openQueues } from '../../shared/queue/open-queues.ts'

endWith(
  await runProcess('redis-user', process.env, async ({ config, logger, lifecycle }) => {
    const redisUrl = config.REDIS_URL ?? ''
    const redis = await openRedis({ redisUrl, logger })
    lifecycle.onClose('redis', () => redis.close())
    const queues = await openQueues({ redisUrl, databaseUrl: '', logger })
    lifecycle.onClose('queues', () => queues.close())
    await queues.ready()
    if (!process.argv.includes('--worker')) return
    const worker = queues.startWorker('ml', 1, () => Promise.resolve({ kind: 'done' }))
    lifecycle.onClose('worker', () => worker.close())
  }),
)
