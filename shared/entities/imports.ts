/**
 * Imports: a report becomes rows and entities, whole or not at all.
 *
 * Rows are staged while the file is read, then merged in one transaction together with the entities and
 * the record of the import. Nothing but changed rows is touched, so the newest `updated_at` (the watermark)
 * moves only when there is something new to learn.
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Clock } from '../core/clock.ts'
import { localDayOf } from '../core/days.ts'
import { toPage } from '../core/page.ts'
import type { Page, PageRequest } from '../core/page.ts'
import { zoneOf } from './configs.ts'
import type { AdsConfig, Configs } from './configs.ts'
import { readBudgetChanges } from './csv/budget-changes.ts'
import type { BudgetChangeColumns } from './csv/budget-changes.ts'
import { coveredDays, namedDays, openInsightsFile } from './csv/insight-rows.ts'
import type { InsightBatch, InsightsFile } from './csv/insight-rows.ts'
import { brokenDown, invalidCsv } from './csv/invalid-csv.ts'

const StoredReport = z.object({
  rows_read: z.int(),
  /** Accepted (ad, day) or (ad, day, hour), whether or not they were known. */
  rows_upserted: z.int(),
  /** Those of them that were new or differed. */
  rows_changed: z.int(),
  rows_rejected: z.int(),
  /** Totals: rows without ad or date. */
  rows_ignored: z.int(),
  entities_created: z.int(),
  date_from: z.iso.date().nullable(),
  date_to: z.iso.date().nullable(),
  warnings: z.array(z.string()),
  /** The first 100. */
  errors: z.array(z.object({ line: z.int(), column: z.string().nullable(), reason: z.string() })),
})
export type StoredReport = z.infer<typeof StoredReport>

/** Wire form of what an import did. */
export const ImportReport = z.object({ import_id: z.int(), ...StoredReport.shape, duplicate: z.boolean() })
export type ImportReport = z.infer<typeof ImportReport>

/** Wire form of a past import. */
export const ImportRecord = z.object({
  import_id: z.int(),
  config_id: z.int(),
  sha256: z.string(),
  date_from: z.iso.date().nullable(),
  date_to: z.iso.date().nullable(),
  actor: z.string(),
  created_at: z.iso.datetime(),
  report: StoredReport,
})
export type ImportRecord = z.infer<typeof ImportRecord>

export interface MergeOutcome {
  /** Distinct (ad, day) or (ad, day, hour). */
  readonly rowsUpserted: number
  readonly rowsChanged: number
  readonly entitiesCreated: number
  /** Rows that lost to a later one of the same ad and day: how many, and some of their lines. */
  readonly repeated: { readonly rows: number; readonly lines: readonly number[] }
  /** Hours came in, and the config has no figure of a whole day. */
  readonly hasHoursOnly: boolean
}

export interface ImportDraft {
  readonly sha256: string
  readonly actor: string
  /** Days on which an ad without a row delivered nothing; null: there are none. */
  readonly dateFrom: string | null
  readonly dateTo: string | null
  readonly report: StoredReport
}

/** One import under way: everything happens in its transaction. */
export interface ImportSession {
  stage(batch: InsightBatch): Promise<void>
  /**
   * Lets one import at a time go on for the config, and tells the import that had the same bytes.
   * @throws AppError CONFIG_NOT_FOUND when the config was deleted meanwhile
   */
  settle(sha256: string): Promise<{ readonly importId: number; readonly report: StoredReport } | null>
  /** Staged rows become the account's. Changed rows get one instant, later than that of every import before. */
  merge(now: Date): Promise<MergeOutcome>
  record(draft: ImportDraft): Promise<number>
}

export interface ImportStore {
  /** Runs `work` in one transaction: when it throws, nothing of it remains. */
  within<T>(configId: number, work: (session: ImportSession) => Promise<T>): Promise<T>
  /** Newest first. */
  page(configId: number, request: PageRequest): Promise<{ rows: ImportRecord[]; total: number }>
  /** Lets the query planner see what a large import brought. */
  refreshStatistics(): Promise<void>
  /**
   * Writes changes of known entities, the last of each entity and day; `changed` counts those new or different,
   * `strangers` are ids the config does not have.
   */
  mergeBudgetChanges(
    configId: number,
    timeZone: string,
    changes: BudgetChangeColumns,
  ): Promise<{ readonly known: number; readonly changed: number; readonly strangers: readonly string[] }>
}

export interface ImportRequest {
  readonly configId: number
  /** The bytes of the file. */
  readonly source: AsyncIterable<Uint8Array>
  readonly actor: string
  /** Told after each batch: rows read so far. */
  readonly onProgress?: (rowsRead: number) => void
}

/** Wire form of what an import of changes did. */
export interface BudgetChangesReport {
  readonly rows_read: number
  /** Changes of known entities, whether or not they were known. */
  readonly changes_imported: number
  /** Those of them that were new or differed. */
  readonly changes_changed: number
  /** Rows that are not needed: children that start or end, which the figures tell, and other accounts. */
  readonly rows_ignored: number
  readonly rows_rejected: number
  readonly warnings: readonly string[]
  /** The first 100. */
  readonly errors: readonly { readonly line: number; readonly column: string; readonly reason: string }[]
}

export interface Imports {
  /**
   * Imports a report of daily or hourly figures. The same bytes again change nothing: the first report
   * answers with `duplicate: true`.
   * @throws AppError CONFIG_NOT_FOUND; INVALID_CSV when the file as a whole cannot be read, or splits days of an ad
   */
  importInsights(request: ImportRequest): Promise<ImportReport>
  /**
   * The currency a report is in, from its header; null when it names none. Reads no further.
   * @throws AppError INVALID_CSV
   */
  currencyOf(source: AsyncIterable<Uint8Array>): Promise<string | null>
  /**
   * Imports `account_id,entity_id,kind,date,factor`: rows of kind `budget` say that a budget was multiplied
   * by `factor` at the local midnight of `date`. Amounts are unknown, so they are kept relative to 100. Other
   * kinds are ignored, since the figures tell when children start and end. Repeating changes nothing.
   * @throws AppError CONFIG_NOT_FOUND, INVALID_CSV
   */
  importChanges(configId: number, source: AsyncIterable<Uint8Array>): Promise<BudgetChangesReport>
  list(configId: number, request: PageRequest): Promise<Page<ImportRecord>>
}

/** Rows that changed at once from which the planner's statistics are worth taking anew. */
const MANY_ROWS = 10_000

const plural = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`

/** Rows of an ad and day that another row of the file follows. */
const linesOf = ({ rows, lines }: MergeOutcome['repeated']): string =>
  `line ${lines.join(', ')}${rows > lines.length ? ', ...' : ''}`

const warningsOf = (file: InsightsFile, { repeated, hasHoursOnly }: MergeOutcome): string[] => {
  const { tally } = file
  const warnings = [...file.warnings]
  if (hasHoursOnly)
    warnings.push(
      'Figures by the hour are for the day that still runs. Days that are over are judged by a report by day: import one, too.',
    )
  if (repeated.rows > 0)
    warnings.push(
      `${plural(repeated.rows, 'row repeats', 'rows repeat')} an ad and day of the same file; the last one counts. Overridden: ${linesOf(repeated)}.`,
    )
  if (tally.rowsOfSeveralDays > 0)
    warnings.push(
      `${plural(tally.rowsOfSeveralDays, 'row covers', 'rows cover')} several days and cannot be used. Export with a breakdown by day.`,
    )
  const totals = tally.rowsIgnored - tally.rowsOfSeveralDays
  if (totals > 0) warnings.push(`${plural(totals, 'row', 'rows')} without ad or date (totals) ignored.`)
  return warnings
}

const NAMED_STRANGERS = 5

const strangersWarning = (ids: readonly string[]): string =>
  `${plural(ids.length, 'entity is', 'entities are')} not known to the config, and what was done to them is left out: ${ids.slice(0, NAMED_STRANGERS).join(', ')}${ids.length > NAMED_STRANGERS ? ', ...' : ''}.`

const refuseCurrency = (file: InsightsFile, config: AdsConfig): void => {
  if (file.currency === null || file.currency === config.currency) return
  throw invalidCsv(
    `The file is in ${file.currency}, but config ${config.id} is in ${config.currency}; import it into a config of that currency`,
    { file: file.currency, config: config.currency },
  )
}

export const createImports = (store: ImportStore, configs: Configs, clock: Clock): Imports => ({
  importInsights: async ({ configId, source, actor, onProgress }) => {
    const config = await configs.get(configId)
    const now = clock.now()
    const today = localDayOf(now, zoneOf(config))
    const hash = createHash('sha256')
    const hashed = async function* (): AsyncGenerator<Uint8Array> {
      for await (const chunk of source) {
        hash.update(chunk)
        yield chunk
      }
    }
    const file = await openInsightsFile(hashed())
    try {
      refuseCurrency(file, config)
      const report = await store.within(configId, async (session): Promise<ImportReport> => {
        for await (const batch of file.batches(today)) {
          await session.stage(batch)
          onProgress?.(file.tally.rowsRead)
        }
        const sha256 = hash.digest('hex')
        const twin = await session.settle(sha256)
        if (twin) return { import_id: twin.importId, ...StoredReport.parse(twin.report), duplicate: true }
        const merged = await session.merge(now)
        if (merged.repeated.rows > 0 && file.breakdowns.length > 0)
          throw brokenDown(file.breakdowns, linesOf(merged.repeated))
        const named = namedDays(file.tally)
        const covered = coveredDays(file.tally)
        const report: StoredReport = {
          rows_read: file.tally.rowsRead,
          rows_upserted: merged.rowsUpserted,
          rows_changed: merged.rowsChanged,
          rows_rejected: file.tally.rowsRejected,
          rows_ignored: file.tally.rowsIgnored,
          entities_created: merged.entitiesCreated,
          date_from: named.from,
          date_to: named.to,
          warnings: warningsOf(file, merged),
          errors: file.tally.errors,
        }
        const importId = await session.record({
          sha256,
          actor,
          dateFrom: covered.from,
          dateTo: covered.to,
          report,
        })
        return { import_id: importId, ...report, duplicate: false }
      })
      if (!report.duplicate && report.rows_changed >= MANY_ROWS) await store.refreshStatistics()
      return report
    } finally {
      await file.close()
    }
  },

  currencyOf: async (source) => {
    const file = await openInsightsFile(source)
    await file.close()
    return file.currency
  },

  importChanges: async (configId, source) => {
    const config = await configs.get(configId)
    const read = await readBudgetChanges(source, config.account_id)
    const { known, changed, strangers } = await store.mergeBudgetChanges(
      configId,
      zoneOf(config),
      read.changes,
    )
    return {
      rows_read: read.rowsRead,
      changes_imported: known,
      changes_changed: changed,
      rows_ignored: read.rowsIgnored,
      rows_rejected: read.rowsRejected,
      warnings: strangers.length > 0 ? [strangersWarning(strangers)] : [],
      errors: read.errors,
    }
  },

  list: async (configId, request) => {
    await configs.get(configId)
    const { rows, total } = await store.page(configId, request)
    return toPage(request, total, rows, (row) => row.import_id)
  },
})
