/** `vigia features`: the numbers tiers and advice are made from, as last computed. */
import { Option } from 'commander'
import type { Command } from 'commander'
import { toNamed } from '../../ml/features/feature-names.ts'
import { LocalDate } from '../../shared/core/days.ts'
import { EntityId, LEVELS } from '../../shared/core/entity.ts'
import type { Level } from '../../shared/core/entity.ts'
import { AppError } from '../../shared/core/errors.ts'
import { wireNumber } from '../../shared/core/wire.ts'
import { figure } from '../../shared/detection/words.ts'
import type { StoredFeatures } from '../../shared/features/feature-store.ts'
import type { Services } from '../../shared/services.ts'
import { printJson, printLine, renderTable } from '../output.ts'
import type { Opener } from '../system.ts'

const PAGE_SIZE = 200

const invalid = (message: string): AppError => new AppError('INVALID_REQUEST', message)

/** All of a day; the newest there is without one. */
const featuresOf = async (
  { features }: Pick<Services, 'features'>,
  filter: { readonly configId: number; readonly level: Level; readonly entityId?: string },
  day: LocalDate | undefined,
): Promise<readonly StoredFeatures[]> => {
  const [last] =
    day === undefined ? (await features.list(filter, { page: 1, pageSize: 1, afterId: null })).data : []
  const newest = day ?? last?.day
  if (newest === undefined) return []
  const rows: StoredFeatures[] = []
  for (let page = 1; ; page += 1) {
    const found = await features.list(
      { ...filter, day: newest },
      { page, pageSize: PAGE_SIZE, afterId: null },
    )
    rows.push(...found.data)
    if (page * PAGE_SIZE >= found.total)
      return rows.toSorted((a, b) => b.features.spend7d - a.features.spend7d)
  }
}

const toJson = (row: StoredFeatures): Record<string, unknown> => ({
  entity_type: row.entityType,
  entity_id: row.entityId,
  parent_id: row.parentId,
  feature_date: row.day,
  insufficient_data: row.insufficientData,
  features: Object.fromEntries(
    Object.entries(toNamed(row.features)).map(([name, value]) => [
      name,
      typeof value === 'number' ? wireNumber(value) : value,
    ]),
  ),
})

const trend = (value: number | null): string =>
  value === null ? '-' : `${value > 0 ? '+' : ''}${Math.round(value)}%`

export const registerFeatures = (program: Command, open: Opener): void => {
  program
    .command('features')
    .description('the numbers tiers and advice are made from')
    .option('--config <id or name>', 'needed when there are several')
    .addOption(new Option('--entity-type <level>', 'the level').choices(LEVELS).default('campaign'))
    .option('--entity-id <id>', 'only this one')
    .option('--date <date>', 'of this day; default: the newest there is')
    .option('--json', 'one JSON object, with every number')
    .action(
      async (options: {
        config?: string
        entityType: Level
        entityId?: string
        date?: string
        json?: boolean
      }) => {
        // A slip of the finger is told at once, before a database is started.
        if (options.date !== undefined && !LocalDate.safeParse(options.date).success)
          throw invalid('--date: is a date such as 2026-03-10')
        if (options.entityId !== undefined && !EntityId.safeParse(options.entityId).success)
          throw invalid('--entity-id: must be 1 to 100 letters, digits, "_" or "-"')
        const { services, configOf } = await open()
        const config = await configOf(options.config)
        const rows = await featuresOf(
          services,
          {
            configId: config.id,
            level: options.entityType,
            ...(options.entityId === undefined ? {} : { entityId: options.entityId }),
          },
          options.date,
        )
        if (options.json) {
          printJson({ config_id: config.id, features: rows.map(toJson) })
          return
        }
        const [first] = rows
        if (!first) {
          printLine(`No features yet; they come with "vigia classify --config ${config.id}".`)
          return
        }
        printLine(`${config.name}, the 7 days up to ${first.day}`)
        printLine()
        printLine(
          renderTable<StoredFeatures>(
            [
              { title: 'Id', cell: (row) => row.entityId },
              {
                title: 'Spend',
                align: 'right',
                cell: ({ features }) => figure(features.spend7d, 'spend', config.currency),
              },
              { title: 'Trend', align: 'right', cell: ({ features }) => trend(features.spendTrend) },
              { title: 'Leads', align: 'right', cell: ({ features }) => String(features.leads7d) },
              { title: 'Trend', align: 'right', cell: ({ features }) => trend(features.leadsTrend) },
              {
                title: 'A lead',
                align: 'right',
                cell: ({ features }) => figure(features.cpl7d, 'cpl', config.currency),
              },
              { title: 'Trend', align: 'right', cell: ({ features }) => trend(features.cplTrend) },
              {
                title: 'Frequency',
                align: 'right',
                cell: ({ features }) => figure(features.frequency7d, 'frequency', config.currency),
              },
              { title: 'Active', cell: ({ features }) => (features.isActive ? 'yes' : 'no') },
            ],
            rows,
          ),
        )
      },
    )
}
