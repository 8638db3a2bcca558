/** A worker process of the test jobs, as `forkWorker` starts it. */
import { openDatabase } from '../../db/open.ts'
import { silentLogger } from '../../shared/platform/logger.ts'
import { openJobSystem } from './job-system.ts'
import type { JobSystemOptions } from './job-system.ts'

const options = JSON.parse(process.argv[2] ?? '{}') as Omit<JobSystemOptions, 'knex'>
const database = await openDatabase({
  url: options.databaseUrl,
  poolMax: 4,
  logger: silentLogger,
  applicationName: 'vigia-test-worker',
})
const system = await openJobSystem({ ...options, knex: database.knex })
system.work({ graceMs: 1000 })

const end = async (): Promise<void> => {
  await system.close()
  await database.close()
  process.exit(0)
}
process.on('SIGTERM', () => void end())
process.on('disconnect', () => process.exit(1))
process.send?.('ready')
