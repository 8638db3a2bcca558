/** `vigia keys`: who may use the API. */
import type { Command } from 'commander'
import { KeyName } from '../../shared/access/keys.ts'
import type { ApiKey } from '../../shared/access/keys.ts'
import { ROLES } from '../../shared/access/principal.ts'
import { AppError } from '../../shared/core/errors.ts'
import { describeKeyLimits, parseKeyLimits } from '../../shared/series/limits.ts'
import { printJson, printLine, renderTable } from '../output.ts'
import type { Opener } from '../system.ts'

const MOST_LISTED = 200

interface CreateOptions {
  readonly role: string
  readonly config?: string[]
  readonly limit?: string[]
  readonly json?: boolean
}

export const registerKeys = (program: Command, open: Opener): void => {
  const keys = program.command('keys').description('API keys: who may use the API')
  keys
    .command('create <name>')
    .description('makes a key and shows it, this once')
    .option('--role <role>', ROLES.join(', '), 'viewer')
    .option('--config <id or name...>', 'only these configs; default: all')
    .option(
      '--limit <name=points/seconds...>',
      'rate limits of its own, e.g. predict_per_address=off for a gateway; default: those of everybody',
    )
    .option('--json', 'one JSON object')
    .action(async (name: string, options: CreateOptions) => {
      const role = ROLES.find((known) => known === options.role)
      if (!role) throw new AppError('INVALID_REQUEST', `--role: is one of ${ROLES.join(', ')}`)
      const checked = KeyName.safeParse(name)
      if (!checked.success) throw new AppError('INVALID_REQUEST', `NAME: ${checked.error.issues[0]?.message}`)
      const limits = options.limit ? parseKeyLimits(options.limit) : null
      const { services, configOf, audited } = await open()
      const configIds = options.config
        ? await Promise.all(options.config.map(async (one) => (await configOf(one)).id))
        : null
      const { key, ...shown } = await services.keys.create({ name, role, configIds, limits }, 'cli')
      await audited('keys create', `key/${name}`, shown)
      if (options.json) {
        printJson({ ...shown, key })
        return
      }
      printLine(key)
      printLine(`Send it as X-API-Key. It is not shown again; "vigia keys revoke ${name}" ends it.`)
    })
  keys
    .command('list')
    .description('all keys, without the keys themselves')
    .option('--json', 'one JSON object')
    .action(async (options: { json?: boolean }) => {
      const { services } = await open()
      const { data } = await services.keys.list({ page: 1, pageSize: MOST_LISTED, afterId: null })
      if (options.json) {
        printJson({ keys: data })
        return
      }
      if (data.length === 0) {
        printLine('There is no key: the API answers this machine only.')
        return
      }
      printLine(
        renderTable(
          [
            { title: 'Name', cell: (key: ApiKey) => key.name },
            { title: 'Role', cell: (key) => key.role },
            { title: 'Starts with', cell: (key) => key.prefix },
            { title: 'Configs', cell: (key) => key.config_ids?.join(', ') ?? 'all' },
            { title: 'Limits', cell: (key) => (key.limits ? describeKeyLimits(key.limits) : 'usual') },
            { title: 'Created', cell: (key) => key.created_at.slice(0, 10) },
            { title: 'Last used', cell: (key) => key.last_used_at?.slice(0, 16) ?? 'never' },
            { title: 'State', cell: (key) => (key.revoked_at === null ? 'valid' : 'revoked') },
          ],
          data,
        ),
      )
    })
  keys
    .command('revoke <name>')
    .description('the key stops working within seconds')
    .option('--json', 'one JSON object')
    .action(async (name: string, options: { json?: boolean }) => {
      const { services, audited } = await open()
      await services.keys.revoke(name)
      await audited('keys revoke', `key/${name}`, undefined)
      if (options.json) printJson({ name, revoked: true })
      else printLine(`${name} is revoked.`)
    })
}
