/** A migrator that stops inside the lock, to be killed there. Argument: the database url. */
import { migrateToLatest } from '../../db/migrate.ts'
import { openDatabase } from '../../db/open.ts'
import { silentLogger } from '../../shared/platform/logger.ts'

const url = process.argv[2]
if (url === undefined) throw new Error('needs the database url')
const { knex } = await openDatabase({ url, poolMax: 2, logger: silentLogger, applicationName: 'stuck' })
await migrateToLatest(knex, {
  migrateQueues: () => {
    process.stdout.write('inside\n')
    return new Promise(() => {})
  },
})
