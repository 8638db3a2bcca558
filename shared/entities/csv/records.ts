/**
 * From text to records: finds the delimiter, splits, and hands out the records of one slice at a time, so
 * that memory does not grow with the file.
 */
import { parse } from 'csv-parse'
import type { CsvError } from 'csv-parse'
import { invalidCsv } from './invalid-csv.ts'

export const DELIMITERS = [',', ';', '\t'] as const
export type Delimiter = (typeof DELIMITERS)[number]

/** A stray quote must not swallow the file: a record may go on over this many slices of the text. */
const LONGEST_RECORD_SLICES = 16

/** The records that ended within one slice. */
export interface RecordBlock {
  readonly records: readonly (readonly string[])[]
  /** The line each record starts on; the first line of a file is 1. */
  readonly lines: readonly number[]
}

/** How often each delimiter stands outside quotes in the first line that is not blank. */
const countDelimiters = (text: string): readonly number[] => {
  const counts = DELIMITERS.map(() => 0)
  let quoted = false
  let blank = true
  for (const character of text) {
    if (character === '"') quoted = !quoted
    else if (!quoted && (character === '\n' || character === '\r')) {
      if (!blank) break
      continue
    } else if (!quoted) {
      const index = (DELIMITERS as readonly string[]).indexOf(character)
      if (index >= 0) counts[index] = (counts[index] ?? 0) + 1
    }
    blank = false
  }
  return counts
}

/** The delimiter of the header line: the most frequent one outside quotes, a comma when there is none. */
export const delimiterOf = (text: string): Delimiter => {
  const counts = countDelimiters(text)
  const most = Math.max(...counts)
  return DELIMITERS[counts.indexOf(most)] ?? ','
}

const neverClosed = (line: number): Error =>
  invalidCsv(`The quote opened on line ${line}, or behind it, is never closed; correct it and try again`)

const refusal = (error: CsvError, line: number): Error =>
  error.code === 'CSV_QUOTE_NOT_CLOSED'
    ? neverClosed(line)
    : invalidCsv(`The file cannot be split into cells at line ${line}: ${error.message}`)

const LINE_BREAK = /\r\n|\n|\r/g
const breaksIn = (record: readonly string[]): number =>
  record.reduce((sum, cell) => sum + (cell.match(LINE_BREAK)?.length ?? 0), 0)

/**
 * One block per slice of `text`; empty lines give no record.
 * @throws AppError INVALID_CSV when quotes are not closed
 */
export const readRecords = async function* (text: AsyncIterable<string>): AsyncGenerator<RecordBlock> {
  let records: string[][] = []
  let lines: number[] = []
  /** Where the parser stands: the last line of the last record, and its own counts up to there. */
  let lastLine = 0
  let counted = { lines: 0, empty: 0 }
  let slicesWithoutRecord = 0
  let emptyBefore = 0
  let parser: ReturnType<typeof parse> | undefined
  let failure: Error | undefined

  /** The line on which the record begins that is not complete yet. */
  const nextLine = (): number => lastLine + 1 + (parser?.info.empty_lines ?? 0) - counted.empty

  const open = (delimiter: Delimiter): ReturnType<typeof parse> => {
    const opened = parse({
      delimiter,
      // Files edited by hand mix line ends.
      record_delimiter: ['\r\n', '\n', '\r'],
      relax_column_count: true,
      // Names like 15" screen come unquoted.
      relax_quotes: true,
      // Ten times cheaper than a record each: 10 MB of line ends must not keep a process busy.
      skip_empty_lines: true,
      // Keeps the records out of the object stream: one call per record instead of one event.
      on_record: (record: string[], { lines: seen, empty_lines: empty }) => {
        const skipped = empty - counted.empty
        const line = lastLine + skipped + 1
        // The parser counts \r\n in quotes twice, so breaks are counted here where there are any.
        const isLong = seen - counted.lines > skipped + 1
        lastLine = line + (isLong ? breaksIn(record) : 0)
        counted = { lines: seen, empty }
        records.push(record)
        lines.push(line)
        return null
      },
    })
    opened.on('error', (error) => {
      failure ??= refusal(error as CsvError, nextLine())
    })
    // Nothing comes out of it, but a stream that nobody reads never ends.
    opened.resume()
    return opened
  }
  const take = (): RecordBlock => {
    if (failure) throw failure
    const empty = parser?.info.empty_lines ?? 0
    slicesWithoutRecord = records.length > 0 || empty > emptyBefore ? 0 : slicesWithoutRecord + 1
    emptyBefore = empty
    if (slicesWithoutRecord > LONGEST_RECORD_SLICES) throw neverClosed(nextLine())
    const block = { records, lines }
    records = []
    lines = []
    return block
  }

  const write = (slice: string): Promise<void> => {
    const target = (parser ??= open(delimiterOf(slice)))
    return new Promise((resolve) => target.write(slice, () => resolve()))
  }

  try {
    // The last record may have no line end: it belongs to the block of the last slice all the same.
    let last: string | undefined
    for await (const slice of text) {
      if (last !== undefined) {
        await write(last)
        yield take()
      }
      last = slice
    }
    if (last === undefined) return
    await write(last)
    const target = parser
    await new Promise<void>((resolve) => {
      if (!target || target.destroyed) return resolve()
      target.once('close', resolve)
      target.end()
    })
    yield take()
  } finally {
    parser?.destroy()
  }
}
