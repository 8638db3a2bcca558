/** `vigia migrate`: brings the schema to this version, or one step back. */
import type { Command } from 'commander'
import { migrateDown } from '../../db/migrate.ts'
import { openRecord } from '../../db/record.ts'
import { loadConfig } from '../../shared/config.ts'
import { createLogger } from '../../shared/platform/create-logger.ts'
import { createLifecycle } from '../../shared/platform/lifecycle.ts'
import { printJson, printLine } from '../output.ts'
import { migrateAll } from '../system.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** @returns names of the migrations applied, or taken back */
export const migrate = async (environment: Environment, down: boolean): Promise<readonly string[]> => {
  const config = loadConfig(environment)
  const logger = createLogger({ level: 'warn', debugSample: 0, service: 'cli' })
  const lifecycle = createLifecycle(logger)
  try {
    const record = await openRecord({ config, logger, lifecycle, applicationName: 'vigia-migrate' })
    return down ? await migrateDown(record.knex, { logger }) : await migrateAll(record, config, logger)
  } finally {
    await lifecycle.close()
  }
}

export const registerMigrate = (program: Command, environment: Environment): void => {
  program
    .command('migrate')
    .description("brings the database's schema to this version, the queues' too")
    .option('--down', 'takes back the newest step instead')
    .option('--json', 'one JSON object')
    .action(async (options: { down?: boolean; json?: boolean }) => {
      const down = options.down === true
      const names = await migrate(environment, down)
      if (options.json) {
        printJson({ direction: down ? 'down' : 'up', migrations: names })
        return
      }
      if (names.length === 0) printLine(down ? 'There is nothing to take back.' : 'The schema is up to date.')
      for (const name of names) printLine(`${down ? 'took back' : 'applied'} ${name}`)
    })
}
