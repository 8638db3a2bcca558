/** The budget changes of a file of changes, for an account whose days come from imports. */
import { toLocalDate } from '../../core/days.ts'
import { EntityId } from '../../core/entity.ts'
import { isProblem, parseChange } from './change-rows.ts'
import { normalizeHeader } from './headers.ts'
import { invalidCsv } from './invalid-csv.ts'
import { readRecords } from './records.ts'
import { readText } from './text.ts'

const REQUIRED = ['entity_id', 'kind', 'date', 'factor'] as const
const MOST_ROWS = 100_000
const KEPT_ERRORS = 100

export interface BudgetChangeColumns {
  readonly entityIds: string[]
  /** Local dates. */
  readonly dates: string[]
  /** New budget as a multiple of the old one. */
  readonly factors: number[]
}

export interface ReadChanges {
  readonly changes: BudgetChangeColumns
  readonly rowsRead: number
  /** Rows that are not needed: of children that start or end, which the figures tell, and of other accounts. */
  readonly rowsIgnored: number
  readonly rowsRejected: number
  /** The first 100. */
  readonly errors: readonly { readonly line: number; readonly column: string; readonly reason: string }[]
}

/**
 * Reads rows of kind `budget`. Where `account_id` of some row is `accountId` only its rows count; else the ids of
 * the entities have to tell, since an account made of files goes by another name than Meta's.
 * @throws AppError INVALID_CSV when a column is missing or the file has more than 100,000 rows
 */
export const readBudgetChanges = async (
  source: AsyncIterable<Uint8Array>,
  accountId: string,
): Promise<ReadChanges> => {
  const found: { entityId: string; date: string; factor: number; ours: boolean }[] = []
  const errors: { line: number; column: string; reason: string }[] = []
  let places: ReadonlyMap<string, number> | undefined
  let namesUs = false
  let rowsRead = 0
  let rowsRejected = 0
  for await (const { records, lines } of readRecords(readText(source))) {
    for (const [i, record] of records.entries()) {
      if (record.every((cell) => cell.trim() === '')) continue
      if (!places) {
        const titles = new Map(record.map((title, place) => [normalizeHeader(title), place]))
        const missing = REQUIRED.filter((column) => !titles.has(column))
        if (missing.length > 0)
          throw invalidCsv(`The file lacks ${missing.join(', ')}`, { missing, found: [...titles.keys()] })
        places = titles
        continue
      }
      const at = places
      rowsRead += 1
      if (rowsRead > MOST_ROWS) throw invalidCsv(`The file has more than ${MOST_ROWS} rows`)
      const cell = (column: string): string => (record[at.get(column) ?? -1] ?? '').trim()
      const ours = cell('account_id') === accountId
      namesUs ||= ours
      const change = parseChange(cell)
      const problem = isProblem(change)
        ? change
        : EntityId.safeParse(change.entityId).success
          ? null
          : { column: 'entity_id', reason: 'is 1 to 100 letters, digits, "_" or "-"' }
      if (problem) {
        rowsRejected += 1
        if (errors.length < KEPT_ERRORS)
          errors.push({ line: lines[i] ?? 0, column: problem.column, reason: problem.reason })
      } else if (!isProblem(change) && change.kind === 'budget') {
        const { entityId, day, factor } = change
        found.push({ entityId, date: toLocalDate(day), factor, ours })
      }
    }
  }
  if (!places) throw invalidCsv('The file is empty: it needs a header line')
  const taken = namesUs ? found.filter(({ ours }) => ours) : found
  return {
    changes: {
      entityIds: taken.map(({ entityId }) => entityId),
      dates: taken.map(({ date }) => date),
      factors: taken.map(({ factor }) => factor),
    },
    rowsRead,
    rowsIgnored: rowsRead - rowsRejected - taken.length,
    rowsRejected,
    errors,
  }
}
