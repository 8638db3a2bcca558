/** `vigia score FILE`: an Isolation Forest on any CSV, without a database. */
import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { DEFAULT_FOREST } from '../../ml/detectors/isolation-forest.ts'
import type { ForestParams } from '../../ml/detectors/isolation-forest.ts'
import { AppError, messageOf } from '../../shared/core/errors.ts'
import { parseTable, scoreTable } from '../../shared/scoring/score-file.ts'
import type { ScoreRequest, Table, TableScores } from '../../shared/scoring/score-file.ts'
import { printJson, printLine, remark, renderTable } from '../output.ts'
import type { Column } from '../output.ts'

/** As typed: texts. */
export interface ScoreOptions {
  readonly columns?: string | undefined
  readonly contamination?: string | undefined
  readonly randomState?: string | undefined
  readonly trees?: string | undefined
  readonly maxSamples?: string | undefined
  readonly train?: string | undefined
  readonly fill?: string | undefined
}

export interface ScoredFile {
  readonly table: Table
  readonly scores: TableScores
}

const ROWS_SHOWN = 10
const MOST_TREES = 10_000
const UINT32_MAX = 2 ** 32 - 1

const usage = (message: string): AppError => new AppError('INVALID_REQUEST', message)

/** NaN for anything but a plain decimal number. */
const decimal = (text: string): number =>
  /^-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text) ? Number(text) : Number.NaN

const integer = (option: string, text: string, least: number, most: number): number => {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (value >= least && value <= most) return value
  throw usage(`${option} is an integer from ${least} to ${most}, not ${JSON.stringify(text)}`)
}

const contaminationOf = (text: string): ForestParams['contamination'] => {
  if (text === 'auto') return text
  const value = decimal(text)
  if (value > 0 && value <= 0.5) return value
  throw usage(`--contamination is auto or a share above 0 and at most 0.5, not ${JSON.stringify(text)}`)
}

/** As in Python, 1 is one row and 1.0 is all of them. */
const maxSamplesOf = (text: string): ForestParams['maxSamples'] => {
  if (text === 'auto') return text
  if (/^\d+$/.test(text) && Number(text) >= 1) return { count: Number(text) }
  const fraction = /^\d+$/.test(text) ? Number.NaN : decimal(text)
  if (fraction > 0 && fraction <= 1) return { fraction }
  throw usage(
    `--max-samples is auto, a number of rows, or a fraction above 0 and at most 1.0, not ${JSON.stringify(text)}`,
  )
}

const columnsOf = (text: string): readonly string[] => {
  const columns = text.split(',').map((column) => column.trim())
  if (columns.every((column) => column !== '')) return columns
  throw usage('--columns is a list of names with commas between them, e.g. --columns spend,leads')
}

const fillOf = (text: string): number => {
  const value = decimal(text)
  if (Number.isFinite(Math.fround(value))) return value
  throw usage(`--fill is a number, not ${JSON.stringify(text)}`)
}

/** @throws AppError INVALID_REQUEST naming the option and what it takes */
export const parseScoreOptions = (options: ScoreOptions): ScoreRequest => {
  const { columns, fill, contamination, randomState, trees, maxSamples } = options
  return {
    columns: columns === undefined ? null : columnsOf(columns),
    fill: fill === undefined ? null : fillOf(fill),
    forest: {
      ...DEFAULT_FOREST,
      ...(contamination !== undefined && { contamination: contaminationOf(contamination) }),
      ...(randomState !== undefined && {
        randomState: integer('--random-state', randomState, 0, UINT32_MAX),
      }),
      ...(trees !== undefined && { trees: integer('--trees', trees, 1, MOST_TREES) }),
      ...(maxSamples !== undefined && { maxSamples: maxSamplesOf(maxSamples) }),
    },
  }
}

const readTable = async (path: string): Promise<Table> => {
  let bytes: Uint8Array
  try {
    bytes = await readFile(path)
  } catch (error) {
    throw new AppError('INVALID_REQUEST', `${path} cannot be read: ${messageOf(error)}`, {}, { cause: error })
  }
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    throw new AppError(
      'INVALID_CSV',
      `${path} is not a CSV in UTF-8; save it as one (in Excel: "CSV UTF-8 (Comma delimited)") and try again`,
      {},
      { cause: error },
    )
  }
  return parseTable(text, path)
}

/** Fits on the file of `--train`, else on `file`, and scores `file`. @throws AppError saying what to do */
export const scoreFile = async (file: string, options: ScoreOptions): Promise<ScoredFile> => {
  const request = parseScoreOptions(options)
  const table = await readTable(file)
  const train = options.train === undefined ? table : await readTable(options.train)
  return { table, scores: scoreTable(table, train, request) }
}

interface Shown {
  readonly line: number
  readonly score: number
  readonly isAnomaly: boolean
  readonly cells: readonly string[]
}

/** The most unusual rows for people; scores from 0 (normal) to 1 (anomalous), as everywhere else in vigia. */
export const describeScores = ({ table, scores }: ScoredFile): string => {
  const at = scores.columns.map((column) => table.columns.indexOf(column))
  const order = scores.rows
    .map((row, i) => ({ row, i }))
    .sort((a, b) => a.row.score_samples - b.row.score_samples)
  const shown = order.slice(0, ROWS_SHOWN).map(({ row, i }): Shown => ({
    line: table.lines[i] as number,
    score: -row.score_samples,
    isAnomaly: row.predict < 0,
    cells: at.map((column) => table.rows[i]?.[column] ?? ''),
  }))
  const columns: Column<Shown>[] = [
    { title: 'line', align: 'right', cell: (row) => String(row.line) },
    { title: 'score', align: 'right', cell: (row) => row.score.toFixed(4) },
    { title: 'unusual', cell: (row) => (row.isAnomaly ? 'yes' : 'no') },
    ...scores.columns.map((title, i): Column<Shown> => ({
      title,
      align: 'right',
      cell: (row) => row.cells[i] ?? '',
    })),
  ]
  const total = scores.rows.length
  const unusual = scores.rows.filter((row) => row.predict < 0).length
  const share = `${unusual} of ${total} ${total === 1 ? 'row' : 'rows'} ${unusual === 1 ? 'is' : 'are'} unusual`
  const head = `${share}: a score above ${(-scores.offset).toFixed(4)} (0 normal, 1 anomalous).`
  const rest = total > shown.length ? ` The ${shown.length} most unusual:` : ''
  return [`${head}${rest}`, '', renderTable(columns, shown)].join('\n')
}

/** Adds `score` to the program. */
export const registerScore = (program: Command): void => {
  program
    .command('score')
    .description('find the unusual rows of any CSV with an Isolation Forest; needs no database')
    .argument('<file>', 'CSV with a header line and commas; numbers like 1234.5 or 1e-7')
    .option(
      '--columns <names>',
      'columns to look at, with commas between (default: all that have numbers only)',
    )
    .option(
      '--contamination <share>',
      'auto, or the share of training rows that is unusual, up to 0.5 (default: 0.1)',
    )
    .option('--random-state <seed>', 'seed of the forest (default: 42)')
    .option('--trees <number>', 'trees of the forest (default: 100)')
    .option('--max-samples <number>', 'rows per tree: auto, a number or a fraction like 0.5 (default: auto)')
    .option('--train <file>', 'learn what is normal from this file instead')
    .option('--fill <value>', 'what an empty cell means')
    .option('--json', 'print offset, score_samples, decision_function and predict as one JSON object')
    .action(async (file: string, options: ScoreOptions & { readonly json?: boolean }) => {
      const result = await scoreFile(file, options)
      const { table, scores } = result
      if (options.columns === undefined) {
        const rest = table.columns.filter((column) => !scores.columns.includes(column))
        if (rest.length > 0) remark(`Left out, not numbers only: ${rest.join(', ')}`)
      }
      if (options.json) printJson({ offset: scores.offset, rows: scores.rows })
      else printLine(describeScores(result))
    })
}
