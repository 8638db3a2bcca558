/** `vigia import FILE --config NAME`: a report becomes rows of a config, which is made when it is new. */
import { createReadStream } from 'node:fs'
import type { Command } from 'commander'
import { AppError } from '../../shared/core/errors.ts'
import { MOST_LAG_DAYS } from '../../shared/entities/configs.ts'
import type { AdsConfig } from '../../shared/entities/configs.ts'
import type { ImportReport } from '../../shared/entities/imports.ts'
import type { Services } from '../../shared/services.ts'
import { sizeOfFile } from '../input.ts'
import { printJson, printLine, renderTable, startProgress } from '../output.ts'

const DEFAULT_CURRENCY = 'BRL'
const DEFAULT_TIMEZONE = 'America/Sao_Paulo'

export interface ImportOptions {
  /** Id or name. */
  readonly config: string
  readonly currency?: string | undefined
  readonly timezone?: string | undefined
  /** Attribution lag, as typed. */
  readonly lagDays?: string | undefined
}

export interface ImportResult {
  readonly config: AdsConfig
  /** Whether the config was made for this file. */
  readonly created: boolean
  readonly report: ImportReport
}

type Needed = Pick<Services, 'configs' | 'imports'>

/** What is asked for must fit what is there: figures of another currency or calendar cannot be mixed in. */
const refuseOther = (what: string, asked: string | undefined, config: AdsConfig, present: string): void => {
  if (asked === undefined || asked.toUpperCase() === present.toUpperCase()) return
  throw new AppError(
    'CONFLICT',
    `Config ${config.id} (${config.name}) has ${what} ${present}, not ${asked}; leave the option out or name another config`,
  )
}

const lagDaysOf = (text: string): number => {
  const days = /^\d{1,2}$/.test(text.trim()) ? Number(text) : Number.NaN
  if (days <= MOST_LAG_DAYS) return days
  throw new AppError(
    'INVALID_REQUEST',
    `--lag-days: is a whole number from 0 to ${MOST_LAG_DAYS}, not ${JSON.stringify(text)}`,
  )
}

/**
 * Imports `file`. A config that does not exist is made once the file's header is found sound: in the
 * currency asked for, else the header's, else BRL.
 * @throws AppError as the services do; CONFLICT when options contradict the config or the file
 */
export const importFile = async (
  file: string,
  options: ImportOptions,
  services: Needed,
  onProgress: (fraction: number, rowsRead: number) => void = () => {},
): Promise<ImportResult> => {
  const attributionLagDays = options.lagDays === undefined ? undefined : lagDaysOf(options.lagDays)
  const size = await sizeOfFile(file)
  const inHeader = await services.imports.currencyOf(createReadStream(file))
  const known = await services.configs.find(options.config)
  if (known) {
    refuseOther('currency', options.currency, known, known.currency)
    refuseOther('time zone', options.timezone, known, known.timezone)
    refuseOther('an attribution lag of', options.lagDays, known, String(known.attribution_lag_days))
  } else if (
    inHeader !== null &&
    options.currency !== undefined &&
    options.currency.toUpperCase() !== inHeader
  ) {
    throw new AppError(
      'CONFLICT',
      `The file is in ${inHeader}, not ${options.currency}; leave --currency out`,
    )
  }
  const { config, created } = await services.configs.getOrCreateByName(options.config, {
    currency: options.currency ?? inHeader ?? DEFAULT_CURRENCY,
    timezone: options.timezone ?? DEFAULT_TIMEZONE,
    attributionLagDays,
  })

  let bytes = 0
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of createReadStream(file) as AsyncIterable<Uint8Array>) {
      bytes += chunk.length
      yield chunk
    }
  }
  const report = await services.imports.importInsights({
    configId: config.id,
    source: counted(),
    actor: 'cli',
    onProgress: (rowsRead) => onProgress(size === 0 ? 1 : bytes / size, rowsRead),
  })
  return { config, created, report }
}

const plural = (count: number, one: string, many: string): string =>
  `${count.toLocaleString('en-US')} ${count === 1 ? one : many}`

/** The report for people. */
export const describeImport = ({ config, created, report }: ImportResult): string => {
  const lines: string[] = []
  const account = `config ${config.id} (${config.name}, ${config.currency}, ${config.timezone})`
  if (created) lines.push(`Made ${account}.`)
  if (report.duplicate) lines.push(`${account} had this very file already: nothing was changed. Its report:`)
  const period = report.date_from === null ? '' : `, ${report.date_from} to ${report.date_to}`
  lines.push(
    `${plural(report.rows_upserted, 'row', 'rows')} imported into ${account}${period}.`,
    `${plural(report.rows_changed, 'was', 'were')} new or different; ${plural(report.entities_created, 'entity is', 'entities are')} new.`,
  )
  for (const warning of report.warnings) lines.push(`! ${warning}`)
  if (report.rows_rejected > 0) {
    lines.push('', `${plural(report.rows_rejected, 'row was', 'rows were')} rejected:`)
    const columns = [
      {
        title: 'line',
        align: 'right' as const,
        cell: (row: ImportReport['errors'][number]) => String(row.line),
      },
      { title: 'column', cell: (row: ImportReport['errors'][number]) => row.column ?? '' },
      { title: 'reason', cell: (row: ImportReport['errors'][number]) => row.reason },
    ]
    lines.push(renderTable(columns, report.errors))
    const more = report.rows_rejected - report.errors.length
    if (more > 0) lines.push(`... and ${plural(more, 'row', 'rows')} more`)
  }
  return lines.join('\n')
}

/** A file of which no row could be used did not do what was asked. */
export const exitCodeOf = ({ rows_upserted, rows_rejected, duplicate }: ImportReport): 0 | 1 =>
  !duplicate && rows_upserted === 0 && rows_rejected > 0 ? 1 : 0

/** Adds `import` to the program; `open` gives the services for the time of the command. */
export const registerImport = (
  program: Command,
  open: () => Promise<{
    readonly services: Needed
    audited(action: string, target: string, after: unknown): Promise<void>
    close(): Promise<void>
  }>,
): void => {
  program
    .command('import')
    .description("import a Meta Ads Manager CSV (English or Portuguese), or one with vigia's own columns")
    .argument('<file>', 'CSV at ad level, broken down by day')
    .requiredOption('--config <name>', 'id or name of the config; a name that does not exist is made')
    .option('--currency <code>', `of a new config (default: the header's, else ${DEFAULT_CURRENCY})`)
    .option('--timezone <zone>', `of a new config (default: ${DEFAULT_TIMEZONE})`)
    .option('--lag-days <days>', 'newest days of a new config whose leads are still coming in (default: 3)')
    .option('--json', 'print the report as one JSON object')
    .action(async (file: string, options: ImportOptions & { readonly json?: boolean }) => {
      const opened = await open()
      const progress = startProgress('importing')
      try {
        const result = await importFile(file, options, opened.services, (fraction, rows) =>
          progress.update(fraction, `${rows} rows`),
        )
        progress.stop()
        const { import_id, duplicate, rows_upserted, rows_rejected } = result.report
        const after = { config_id: result.config.id, duplicate, rows_upserted, rows_rejected }
        await opened.audited('import', `/api/v1/imports/${import_id}`, after)
        if (options.json)
          printJson({ config_id: result.config.id, config_created: result.created, ...result.report })
        else printLine(describeImport(result))
        process.exitCode = exitCodeOf(result.report)
      } finally {
        progress.stop()
        await opened.close()
      }
    })
}
