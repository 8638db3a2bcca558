/** `vigia migrate`: brings the schema to this version, or one step back. */
import type { Command } from 'commander'
import { migrateDown, migrateToLatest } from '../../db/migrate.ts'
import { printJson, printLine } from '../output.ts'
import type { Opener } from '../system.ts'

export const registerMigrate = (program: Command, open: Opener): void => {
  program
    .command('migrate')
    .description("brings the database's schema to this version, the queues' too")
    .option('--down', 'takes back the newest step instead')
    .option('--json', 'one JSON object')
    .action(async (options: { down?: boolean; json?: boolean }) => {
      const { record, queues, logger } = await open({ migrate: false })
      const names = options.down
        ? await migrateDown(record.knex, { logger })
        : await migrateToLatest(record.knex, { logger, migrateQueues: () => queues.migrateSchema() })
      if (options.json) {
        printJson({ direction: options.down ? 'down' : 'up', migrations: names })
        return
      }
      if (names.length === 0)
        printLine(options.down ? 'There is nothing to take back.' : 'The schema is up to date.')
      for (const name of names) printLine(`${options.down ? 'took back' : 'applied'} ${name}`)
    })
}
