/** `vigia mutes`: entities and metrics nobody wants to hear of until a day. */
import { Option } from 'commander'
import type { Command } from 'commander'
import { printable } from '../../shared/core/columns.ts'
import { LEVELS } from '../../shared/core/entity.ts'
import { MetricName } from '../../shared/notify/events.ts'
import { MuteDraft } from '../../shared/notify/mutes.ts'
import type { Mute } from '../../shared/notify/mutes.ts'
import { printJson, printLine, renderTable } from '../output.ts'
import type { Opener } from '../system.ts'
import { checked, idOf } from './webhooks.ts'

const MOST_LISTED = 200

const whatOf = ({ entity_type, entity_id, metric }: Mute): string =>
  [metric ?? 'everything', ...(entity_type === null ? [] : [`of ${entity_type} ${entity_id}`])].join(' ')

interface CreateOptions {
  readonly config?: string
  readonly entityType?: string
  readonly entityId?: string
  readonly metric?: string
  readonly until?: string
  readonly reason?: string
  readonly json?: boolean
}

export const registerMutes = (program: Command, open: Opener): void => {
  const mutes = program.command('mutes').description('what nobody wants to hear of until a day')
  mutes
    .command('create')
    .description('mutes an entity with all below it, a metric, or one metric of an entity')
    .requiredOption('--until <date>', 'the last muted day')
    .option('--config <id or name>', 'needed when there are several')
    .addOption(new Option('--entity-type <level>', 'with --entity-id').choices(LEVELS))
    .option('--entity-id <id>')
    .addOption(new Option('--metric <metric>').choices(MetricName.options))
    .option('--reason <text>', 'why')
    .option('--json', 'one JSON object')
    .action(async (options: CreateOptions) => {
      // A slip of the finger is told at once, before a database is started.
      const draft = checked(MuteDraft, {
        config_id: 1,
        entity_type: options.entityType,
        entity_id: options.entityId,
        metric: options.metric,
        until: options.until,
        reason: options.reason,
      })
      const { services, configOf, audited } = await open()
      const config = await configOf(options.config)
      const mute = await services.mutes.create({ ...draft, config_id: config.id }, 'cli')
      await audited('mutes create', `mute/${mute.id}`, mute)
      if (options.json) printJson(mute)
      else printLine(`Muted until ${mute.until}: ${whatOf(mute)}. "vigia mutes delete ${mute.id}" ends it.`)
    })
  mutes
    .command('list', { isDefault: true })
    .description('those in force')
    .option('--config <id or name>', 'needed when there are several')
    .option('--all', 'also those that are over')
    .option('--json', 'one JSON object')
    .action(async (options: { config?: string; all?: boolean; json?: boolean }) => {
      const { services, configOf } = await open()
      const config = await configOf(options.config)
      const page = { page: 1, pageSize: MOST_LISTED, afterId: null }
      const { data } = await services.mutes.list(config.id, options.all ?? false, page)
      if (options.json) {
        printJson({ config_id: config.id, mutes: data })
        return
      }
      if (data.length === 0) {
        printLine('Nothing is muted.')
        return
      }
      printLine(
        renderTable(
          [
            { title: 'Id', align: 'right', cell: (row: Mute) => String(row.id) },
            { title: 'What', cell: whatOf },
            { title: 'From', cell: (row) => row.from },
            { title: 'Until', cell: (row) => row.until },
            { title: 'By', cell: (row) => printable(row.actor) },
            { title: 'Why', cell: (row) => printable(row.reason ?? '') },
          ],
          data,
        ),
      )
    })
  mutes
    .command('delete <id>')
    .description('from now on it is heard of again')
    .option('--json', 'one JSON object')
    .action(async (text: string, options: { json?: boolean }) => {
      const id = idOf(text, 'vigia mutes list')
      const { services, audited } = await open()
      await services.mutes.remove(id)
      await audited('mutes delete', `mute/${id}`, undefined)
      if (options.json) printJson({ id, deleted: true })
      else printLine(`Mute ${id} is over.`)
    })
}
