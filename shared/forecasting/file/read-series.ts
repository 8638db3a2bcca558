/**
 * From the bytes of a CSV to its series: finds the columns, reads dates and values, and keeps two numbers per
 * row. Rows of many series may come in any order.
 */
import { AppError } from '../../core/errors.ts'
import { invalidCsv } from '../../entities/csv/invalid-csv.ts'
import { markOf, parseNumber } from '../../entities/csv/numbers.ts'
import type { DecimalMark } from '../../entities/csv/numbers.ts'
import { delimiterOf, readRecords } from '../../entities/csv/records.ts'
import type { RecordBlock } from '../../entities/csv/records.ts'
import { readText } from '../../entities/csv/text.ts'
import { formOf, parseStamp } from './stamps.ts'
import type { StampForm } from './stamps.ts'

export interface ColumnWish {
  /** Null: `date` or `ds`. */
  readonly date: string | null
  /** Null: `value` or `y`. */
  readonly value: string | null
  /** Null: `series` or `unique_id`, and one series where neither is there. */
  readonly series: string | null
}

/** One series as it stands in the file. */
export interface FileSeries {
  readonly id: string
  /** Seconds, ascending; of equal ones in the order of the file. */
  readonly stamps: Float64Array
  /** NaN for an empty cell. */
  readonly values: Float64Array
  /** The cell of the newest stamp. */
  readonly newestCell: string
}

export interface SeriesFile {
  /** What messages call it, e.g. the path. */
  readonly name: string
  readonly form: StampForm
  /** In the order in which they first appear. */
  readonly series: readonly FileSeries[]
}

const DATE_NAMES = ['date', 'ds', 'timestamp', 'time', 'datetime']
const VALUE_NAMES = ['value', 'y']
/** `unique_id` goes with `ds` and `y`. */
const SERIES_NAMES = ['series', 'unique_id']

const shown = (cell: string): string => JSON.stringify(cell.length > 40 ? `${cell.slice(0, 40)}…` : cell)

interface Columns {
  readonly count: number
  readonly date: number
  readonly value: number
  /** -1: the file is one series. */
  readonly series: number
  readonly names: readonly string[]
}

/** The first of `names` that a column has, whatever its case; -1: none has. */
const findColumn = (header: readonly string[], names: readonly string[]): number => {
  const lower = header.map((name) => name.toLowerCase())
  for (const name of names) {
    const at = lower.indexOf(name)
    if (at >= 0) return at
  }
  return -1
}

const columnsOf = (name: string, header: readonly string[], wish: ColumnWish): Columns => {
  const names = header.map((cell) => cell.trim())
  const list = names.map(shown).join(', ')
  const pick = (asked: string | null, usual: readonly string[], option: string, what: string): number => {
    if (asked === null) {
      const at = findColumn(names, usual)
      if (at >= 0) return at
      throw invalidCsv(
        `${name} has no column ${usual.slice(0, 2).join(' or ')}; it has ${list}; say with ${option} which one has the ${what}`,
      )
    }
    const exact = names.indexOf(asked)
    const at = exact >= 0 ? exact : findColumn(names, [asked.toLowerCase()])
    if (at >= 0) return at
    throw new AppError('INVALID_REQUEST', `${option}: ${name} has no column ${shown(asked)}; it has ${list}`)
  }
  const date = pick(wish.date, DATE_NAMES, '--date', 'dates')
  const value = pick(wish.value, VALUE_NAMES, '--metric', 'values')
  if (date === value)
    throw new AppError(
      'INVALID_REQUEST',
      `--metric and --date both name the column ${shown(names[date] ?? '')}`,
    )
  const series =
    wish.series === null ? findColumn(names, SERIES_NAMES) : pick(wish.series, [], '--by', 'series')
  const used = [date, value, ...(series < 0 ? [] : [series])]
  for (const at of used)
    if (names.indexOf(names[at] as string) !== names.lastIndexOf(names[at] as string))
      throw invalidCsv(
        `${name} names the column ${shown(names[at] as string)} twice; give each column a name of its own`,
      )
  return { count: names.length, date, value, series: used.indexOf(series) < 2 ? -1 : series, names }
}

/** What spreadsheets and programs write for "not known". */
const NOT_KNOWN = new Set(['', 'na', 'nan', 'null', 'none', '#n/a'])
const WITH_EXPONENT = /^[+-]?(?:\d+\.?\d*|\.\d+)[eE][+-]?\d+$/
const PLAIN = /^-?\d+(?:\.\d+)?$/

/** @returns NaN for what is not known, undefined for what is no number; may be infinite */
const valueOf = (cell: string, mark: DecimalMark): number | undefined => {
  // Most cells, at a tenth of the cost.
  if (mark === '.' && PLAIN.test(cell)) return Number(cell)
  if (NOT_KNOWN.has(cell.toLowerCase())) return Number.NaN
  const dotted = mark === ',' ? cell.replace(',', '.') : cell
  if (WITH_EXPONENT.test(dotted)) return Number(dotted)
  const value = parseNumber(cell.startsWith('+') ? cell.slice(1) : cell, mark)
  return Number.isNaN(value) ? undefined : value
}

/** A series that grows row by row. */
interface Growing {
  readonly id: string
  stamps: Float64Array
  values: Float64Array
  count: number
  /** No stamp is older than the one before it. */
  sorted: boolean
  newest: number
  newestCell: string
}

const FIRST_ROWS = 32

const append = (series: Growing, stamp: number, value: number, cell: string): void => {
  if (series.count === series.stamps.length) {
    const grown = (old: Float64Array): Float64Array => {
      const larger = new Float64Array(2 * old.length)
      larger.set(old)
      return larger
    }
    series.stamps = grown(series.stamps)
    series.values = grown(series.values)
  }
  if (stamp < series.newest) series.sorted = false
  else {
    series.newest = stamp
    series.newestCell = cell
  }
  series.stamps[series.count] = stamp
  series.values[series.count] = value
  series.count += 1
}

const inOrder = ({ id, stamps, values, count, sorted, newestCell }: Growing): FileSeries => {
  if (sorted) return { id, stamps: stamps.slice(0, count), values: values.slice(0, count), newestCell }
  // The order of the file decides between equal stamps: the last one counts.
  const order = Uint32Array.from({ length: count }, (_, i) => i).sort(
    (a, b) => (stamps[a] as number) - (stamps[b] as number) || a - b,
  )
  return {
    id,
    stamps: Float64Array.from(order, (i) => stamps[i] as number),
    values: Float64Array.from(order, (i) => values[i] as number),
    newestCell,
  }
}

/** Takes the rows, one after the other. */
interface Collector {
  take(record: readonly string[], line: number): void
  /** In the order of their first rows. */
  series(): readonly FileSeries[]
  form(): StampForm | null
}

const collectorOf = (name: string, columns: Columns, mark: DecimalMark): Collector => {
  const byId = new Map<string, Growing>()
  let form: StampForm | null = null
  let formLine = 0

  const at = (line: number, column: number): string =>
    `${name}, line ${line}, column ${shown(columns.names[column] as string)}`

  const badStamp = (cell: string, line: number): Error => {
    const where = at(line, columns.date)
    if (cell === '') return invalidCsv(`${where}: the date is missing; fill it in or remove the row`)
    const found = formOf(cell)
    if (found !== null && form !== null && found !== form) {
      const words = { local: 'a date without a zone', zoned: 'a date with a zone', epoch: 'Unix seconds' }
      return invalidCsv(
        `${where}: ${shown(cell)} is ${words[found]}, while line ${formLine} has ${words[form]}; write all of them alike`,
      )
    }
    return invalidCsv(
      `${where}: ${shown(cell)} is no date like 2026-03-10, 2026-03-10T13:00:00, 2026-03-10T13:00:00+01:00 or 1773144000 (Unix seconds); correct it`,
    )
  }

  const readStamp = (cell: string, line: number): number => {
    if (form === null) {
      form = formOf(cell)
      formLine = line
    }
    const stamp = form === null ? Number.NaN : parseStamp(cell, form)
    if (Number.isNaN(stamp)) throw badStamp(cell, line)
    return stamp
  }

  const readValue = (cell: string, line: number): number => {
    const value = valueOf(cell, mark)
    if (value === undefined) {
      const like = mark === ',' ? '1234,5' : '1234.5'
      throw invalidCsv(
        `${at(line, columns.value)}: ${shown(cell)} is no number like ${like}; correct it, or leave the cell empty`,
      )
    }
    if (Math.abs(value) === Infinity)
      throw invalidCsv(
        `${at(line, columns.value)}: ${shown(cell)} is beyond the largest number (1.8e308); scale the column`,
      )
    return value
  }

  const seriesOf = (id: string): Growing => {
    let series = byId.get(id)
    if (!series) {
      const [stamps, values] = [new Float64Array(FIRST_ROWS), new Float64Array(FIRST_ROWS)]
      series = { id, stamps, values, count: 0, sorted: true, newest: -Infinity, newestCell: '' }
      byId.set(id, series)
    }
    return series
  }

  return {
    take: (record, line) => {
      if (record.length !== columns.count) {
        // Spreadsheets leave empty rows behind.
        if (record.every((cell) => cell.trim() === '')) return
        throw invalidCsv(
          `${name}, line ${line}: ${record.length} cells for ${columns.count} columns; put cells that contain the separator in quotes`,
        )
      }
      const dateCell = (record[columns.date] as string).trim()
      if (dateCell === '' && record.every((cell) => cell.trim() === '')) return
      const id =
        columns.series < 0 ? (columns.names[columns.value] as string) : (record[columns.series] as string)
      if (columns.series >= 0 && id.trim() === '')
        throw invalidCsv(`${at(line, columns.series)}: the row names no series; name it or remove the row`)
      const stamp = readStamp(dateCell, line)
      append(seriesOf(id), stamp, readValue((record[columns.value] as string).trim(), line), dateCell)
    },
    series: () => Array.from(byId.values(), inOrder),
    form: () => form,
  }
}

/** Decided by the rows of the first block; where they leave it open, a comma goes with semicolons. */
const decimalMarkOf = (header: string, block: RecordBlock, columns: Columns): DecimalMark => {
  const usual = delimiterOf(header) === ';' ? ',' : '.'
  return markOf(
    block.records.map((record) => (record[columns.value] ?? '').trim().replace(/^\+/, '')),
    usual,
  )
}

/**
 * Memory: 16 bytes a row, and twice that while a series grows.
 * @param name what messages call the file
 * @throws AppError INVALID_CSV naming line and column; INVALID_REQUEST for a column that is not there
 */
export const readSeries = async (
  source: AsyncIterable<Uint8Array>,
  name: string,
  wish: ColumnWish,
): Promise<SeriesFile> => {
  let firstText = ''
  const text = async function* (): AsyncGenerator<string> {
    for await (const slice of readText(source)) {
      if (firstText === '') firstText = slice
      yield slice
    }
  }
  let collector: Collector | undefined
  for await (const block of readRecords(text())) {
    let first = 0
    if (!collector) {
      const [header] = block.records
      if (!header) continue
      const columns = columnsOf(name, header, wish)
      collector = collectorOf(name, columns, decimalMarkOf(firstText, block, columns))
      first = 1
    }
    for (let i = first; i < block.records.length; i += 1)
      collector.take(block.records[i] as readonly string[], block.lines[i] as number)
  }
  if (!collector)
    throw invalidCsv(`${name} is empty; it needs a line that names the columns and one line per row`)
  const form = collector.form()
  if (form === null) throw invalidCsv(`${name} has a header line and nothing else; it needs one line per row`)
  return { name, form, series: collector.series() }
}
