/**
 * Isolation Forest on any CSV: from text to a table, from a table to the rows of a forest, and the scores of
 * those rows as scikit-learn names and signs them. Knows no files and no database.
 */
import { CsvError } from 'csv-parse'
import { parse } from 'csv-parse/sync'
import { fitForest, scoreForest } from '../../ml/detectors/isolation-forest.ts'
import type { ForestParams } from '../../ml/detectors/isolation-forest.ts'
import { AppError } from '../core/errors.ts'

export interface Table {
  /** What messages call it, e.g. the path. */
  readonly name: string
  readonly columns: readonly string[]
  /** As many cells as columns each, blanks around them removed. */
  readonly rows: readonly (readonly string[])[]
  /** The line of the file each row ends on; the header is usually line 1. */
  readonly lines: readonly number[]
}

const invalid = (message: string): AppError => new AppError('INVALID_CSV', message)

const refusal = (name: string, error: CsvError): AppError => {
  // csv-parse says where it was in every error of its own.
  const { lines } = error as unknown as { readonly lines?: number }
  const at = lines === undefined ? '' : ` at line ${lines}`
  const why =
    error.code === 'CSV_QUOTE_NOT_CLOSED'
      ? 'a quote is opened and never closed'
      : 'a quote stands where none may'
  return invalid(`${name} cannot be split into cells${at}: ${why}; correct it and try again`)
}

const checkHeader = (name: string, columns: readonly string[]): void => {
  const twice = columns.find((column, i) => columns.indexOf(column) !== i)
  if (twice !== undefined)
    throw invalid(
      `${name} names the column ${JSON.stringify(twice)} twice; give each column a name of its own`,
    )
}

/**
 * A header line, then one line per row; commas between cells, quotes as in RFC 4180. Blank lines are
 * skipped, except inside a file of one column, where they are empty cells.
 * @throws AppError INVALID_CSV, naming the line
 */
export const parseTable = (text: string, name: string): Table => {
  const records: string[][] = []
  const recordLines: number[] = []
  try {
    parse(text, {
      bom: true,
      record_delimiter: ['\r\n', '\n', '\r'],
      relax_column_count: true,
      trim: true,
      on_record: (record: string[], { lines }) => {
        records.push(record)
        recordLines.push(lines)
        return null
      },
    })
  } catch (error) {
    if (error instanceof CsvError) throw refusal(name, error)
    throw error
  }
  const isBlank = (record: readonly string[]): boolean => record.length === 1 && record[0] === ''
  const head = records.findIndex((record) => !isBlank(record))
  const columns = records[head]
  if (!columns) throw invalid(`${name} is empty; it needs a line that names the columns and one line per row`)
  checkHeader(name, columns)
  const end = records.findLastIndex((record) => !isBlank(record)) + 1
  const rows: string[][] = []
  const lines: number[] = []
  for (let i = head + 1; i < end; i += 1) {
    const record = records[i] as string[]
    const line = recordLines[i] as number
    if (isBlank(record) && columns.length > 1) continue
    if (record.length !== columns.length)
      throw invalid(
        `${name}, line ${line}: ${record.length} cells for ${columns.length} columns; put cells that contain commas in quotes`,
      )
    rows.push(record)
    lines.push(line)
  }
  if (rows.length === 0)
    throw invalid(`${name} has a header line and nothing else; it needs one line per row`)
  return { name, columns, rows, lines }
}

/** RFC 8259. */
const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/

const isUsable = (value: number): boolean => Number.isFinite(Math.fround(value))

/** NaN for a cell that is not a number, and for an empty one unless `fill` says what it means. */
const numberOf = (cell: string, fill: number | null): number => {
  if (cell === '') return fill ?? Number.NaN
  return JSON_NUMBER.test(cell) ? Number(cell) : Number.NaN
}

const complaint = (table: Table, row: number, column: number, fill: number | null): string => {
  const cell = table.rows[row]?.[column] ?? ''
  const at = `${table.name}, row ${row + 1} (line ${table.lines[row]}), column ${JSON.stringify(table.columns[column])}`
  if (cell === '') return `${at}: the cell is empty; say with --fill VALUE what that means`
  const shown = JSON.stringify(cell.slice(0, 40))
  if (Number.isNaN(numberOf(cell, fill)))
    return `${at}: ${shown} is not a number like 1234.5, -3 or 1e-7; correct it`
  return `${at}: ${shown} is beyond a 32-bit float (3.4e38); scale the column`
}

/** Row of the first cell that is not a number, or -1. */
const firstOther = (table: Table, column: number, fill: number | null): number =>
  table.rows.findIndex((row) => Number.isNaN(numberOf(row[column] ?? '', fill)))

/** Every cell a number (or empty, with `fill`), and at least one of them written. */
const isNumeric = (table: Table, column: number, fill: number | null): boolean =>
  firstOther(table, column, fill) < 0 && table.rows.some((row) => row[column] !== '')

const named = (wanted: readonly string[], table: Table): readonly string[] => {
  for (const [i, column] of wanted.entries()) {
    if (!table.columns.includes(column))
      throw new AppError(
        'INVALID_REQUEST',
        `${table.name} has no column ${JSON.stringify(column)}; it has ${table.columns.join(', ')}`,
      )
    if (wanted.indexOf(column) !== i)
      throw new AppError(
        'INVALID_REQUEST',
        `The column ${JSON.stringify(column)} is named twice; name it once`,
      )
  }
  return wanted
}

const chooseNumeric = (table: Table, train: Table, fill: number | null): readonly string[] => {
  const columns = train.columns.filter((column, i) => {
    const at = table.columns.indexOf(column)
    return isNumeric(train, i, fill) && (table === train || (at >= 0 && isNumeric(table, at, fill)))
  })
  if (columns.length > 0) return columns
  const [only = ''] = train.columns
  if (train.columns.length === 1 && /[;\t]/.test(only))
    throw invalid(`${train.name} has no commas in its header; separate the cells with commas`)
  const both = table === train ? train.name : `both ${train.name} and ${table.name}`
  throw invalid(
    `No column of ${both} has a number in every cell; name the ones you mean with --columns, and with --fill VALUE say what an empty cell means`,
  )
}

/** Row-major numbers of `columns`. @throws AppError INVALID_CSV naming the first cell that cannot be used */
const rowsOf = (table: Table, columns: readonly string[], fill: number | null): Float64Array => {
  const at = columns.map((column) => table.columns.indexOf(column))
  const rows = new Float64Array(table.rows.length * at.length)
  for (const [i, row] of table.rows.entries()) {
    for (const [c, column] of at.entries()) {
      const value = numberOf(row[column] ?? '', fill)
      if (!isUsable(value)) throw invalid(complaint(table, i, column, fill))
      rows[i * at.length + c] = value
    }
  }
  return rows
}

export interface ScoreRequest {
  /** null: all columns whose every cell is a number. */
  readonly columns: readonly string[] | null
  /** What an empty cell means; null: nothing, so it is refused. */
  readonly fill: number | null
  readonly forest: ForestParams
}

/** Names and signs are scikit-learn's: the lower the score, the stranger; -1 is an anomaly. */
export interface ScoredRow {
  readonly score_samples: number
  readonly decision_function: number
  readonly predict: 1 | -1
}

export interface TableScores {
  readonly columns: readonly string[]
  readonly offset: number
  /** In the order of the table. */
  readonly rows: readonly ScoredRow[]
}

/**
 * Fits on `train` and scores `table`.
 * @param train may be `table` itself
 * @throws AppError INVALID_CSV naming a cell; INVALID_REQUEST for unknown columns or too small a fraction
 */
export const scoreTable = (table: Table, train: Table, request: ScoreRequest): TableScores => {
  const { fill, forest } = request
  const columns = request.columns ?? chooseNumeric(table, train, fill)
  named(columns, train)
  named(columns, table)
  const trainRows = rowsOf(train, columns, fill)
  const rows = table === train ? trainRows : rowsOf(table, columns, fill)
  const n = train.rows.length
  const { maxSamples } = forest
  if (maxSamples !== 'auto' && 'fraction' in maxSamples && maxSamples.fraction * n < 1)
    throw new AppError(
      'INVALID_REQUEST',
      `--max-samples ${maxSamples.fraction} of ${n} rows is less than one row; give a larger fraction or a count`,
    )
  const { state, scorer } = fitForest(trainRows, n, columns.length, forest)
  const scores = scoreForest(scorer, rows, table.rows.length)
  return {
    columns,
    offset: state.offset,
    rows: Array.from(scores, (score) => ({
      score_samples: score,
      decision_function: score - state.offset,
      predict: score - state.offset < 0 ? -1 : 1,
    })),
  }
}
