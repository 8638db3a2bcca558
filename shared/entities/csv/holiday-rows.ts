/** `date,days,name` and, in files of several accounts, `account_id`: days on which an account is not itself. */
import { toLocalDate } from '../../core/days.ts'
import type { LocalDate } from '../../core/days.ts'
import { parseIsoDay } from './dates.ts'
import { normalizeHeader } from './headers.ts'
import { invalidCsv } from './invalid-csv.ts'
import { readRecords } from './records.ts'
import { readText } from './text.ts'

const COLUMNS = ['date', 'days', 'name', 'account_id'] as const
const MOST_ROWS = 10_000
const MOST_DAYS = 366
const LONGEST_NAME = 200
const MOST_NAMED = 10

export interface HolidayRow {
  readonly date: LocalDate
  readonly days: number
  readonly name: string
}

/**
 * The holidays of one account, the last of each date; rows of other accounts are left out. A file of one account only
 * is taken for this one's, since an account made of files goes by another name than Meta's.
 * @throws AppError INVALID_CSV when there is no column `date`, a row cannot be read, or the file has several accounts
 *   and this is none of them
 */
export const readHolidayRows = async (
  source: AsyncIterable<Uint8Array>,
  accountId: string,
): Promise<{ readonly rows: readonly HolidayRow[]; readonly rowsRead: number }> => {
  const byAccount = new Map<string, { readonly byDate: Map<LocalDate, HolidayRow>; problem: string | null }>()
  let places: readonly number[] | undefined
  let rowsRead = 0
  for await (const { records, lines } of readRecords(readText(source))) {
    for (const [i, record] of records.entries()) {
      if (record.every((cell) => cell.trim() === '')) continue
      if (!places) {
        const titles = record.map(normalizeHeader)
        places = COLUMNS.map((column) => titles.indexOf(column))
        if (places[0] === -1) throw invalidCsv('The file lacks date', { missing: ['date'], found: titles })
        continue
      }
      rowsRead += 1
      if (rowsRead > MOST_ROWS) throw invalidCsv(`The file has more than ${MOST_ROWS} rows`)
      const [date = '', length = '', name = '', account = ''] = places.map((place) =>
        (record[place] ?? '').trim(),
      )
      const found = byAccount.get(account) ?? { byDate: new Map<LocalDate, HolidayRow>(), problem: null }
      byAccount.set(account, found)
      const day = parseIsoDay(date)
      const days = length === '' ? 1 : Number(length)
      if (day === null || !Number.isInteger(days) || days < 1 || days > MOST_DAYS) {
        found.problem ??= `Line ${lines[i] ?? 0} needs a date like 2026-03-31, and days from 1 to ${MOST_DAYS} if any`
        continue
      }
      const plain = name.replace(/\p{Cc}+/gu, ' ').slice(0, LONGEST_NAME)
      found.byDate.set(toLocalDate(day), { date: toLocalDate(day), days, name: plain })
    }
  }
  if (!places) throw invalidCsv('The file is empty: it needs a header line')
  const [only] = byAccount.values()
  const ours = byAccount.get(accountId) ?? (byAccount.size === 1 ? only : undefined)
  if (ours === undefined && byAccount.size > 0) {
    const accounts = [...byAccount.keys()].slice(0, MOST_NAMED).map((account) => account || '(none)')
    throw invalidCsv(
      `The file has the accounts ${accounts.join(', ')}, but not ${accountId}: keep the rows of one of them`,
      { accounts },
    )
  }
  if (ours && ours.problem !== null) throw invalidCsv(ours.problem)
  return { rows: [...(ours?.byDate.values() ?? [])], rowsRead }
}
