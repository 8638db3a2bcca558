/** `account_id,entity_id,kind,date,factor`: what was done to an account. Only budgets are of use here. */
import { EntityId } from '../../core/entity.ts'
import { toLocalDate } from '../../core/days.ts'
import { parseDay } from './dates.ts'
import { normalizeHeader } from './headers.ts'
import { invalidCsv } from './invalid-csv.ts'
import { parseNumber } from './numbers.ts'
import { readRecords } from './records.ts'
import { readText } from './text.ts'

const COLUMNS = ['entity_id', 'kind', 'date', 'factor'] as const
/** Amounts are kept relative to 100 in numeric(15,2): beyond these a factor is a slip of the pen. */
const LEAST_FACTOR = 0.0001
const GREATEST_FACTOR = 1_000_000

export interface BudgetChangeColumns {
  readonly entityIds: string[]
  /** Local dates. */
  readonly dates: string[]
  /** New budget as a multiple of the old one. */
  readonly factors: number[]
}

/** @throws AppError INVALID_CSV when a column is missing or a row of kind `budget` cannot be read */
export const readBudgetChanges = async (
  source: AsyncIterable<Uint8Array>,
): Promise<{ changes: BudgetChangeColumns; rowsRead: number }> => {
  const changes: BudgetChangeColumns = { entityIds: [], dates: [], factors: [] }
  let places: readonly number[] | undefined
  let rowsRead = 0
  for await (const { records, lines } of readRecords(readText(source))) {
    for (const [i, record] of records.entries()) {
      if (record.every((cell) => cell.trim() === '')) continue
      if (!places) {
        const titles = record.map(normalizeHeader)
        places = COLUMNS.map((column) => titles.indexOf(column))
        const missing = COLUMNS.filter((_, column) => places?.[column] === -1)
        if (missing.length > 0)
          throw invalidCsv(`The file lacks ${missing.join(', ')}`, { missing, found: titles })
        continue
      }
      rowsRead += 1
      const [id = '', kind = '', date = '', factorCell = ''] = places.map((place) =>
        (record[place] ?? '').trim(),
      )
      if (kind !== 'budget') continue
      const day = parseDay(date, 'en')
      const factor = parseNumber(factorCell, '.')
      if (
        !EntityId.safeParse(id).success ||
        day === null ||
        !(factor >= LEAST_FACTOR && factor <= GREATEST_FACTOR)
      )
        throw invalidCsv(`Line ${lines[i] ?? 0} needs an entity_id, a date and a factor above 0`)
      changes.entityIds.push(id)
      changes.dates.push(toLocalDate(day))
      changes.factors.push(factor)
    }
  }
  if (!places) throw invalidCsv('The file is empty: it needs a header line')
  return { changes, rowsRead }
}
