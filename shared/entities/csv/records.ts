/**
 * From text to records: finds the delimiter, splits, and hands out the records of one slice at a time, so
 * that memory does not grow with the file.
 */
import { parse } from 'csv-parse'
import type { CsvError } from 'csv-parse'
import { invalidCsv } from './invalid-csv.ts'

export const DELIMITERS = [',', ';', '\t'] as const
export type Delimiter = (typeof DELIMITERS)[number]

/** A stray quote must not swallow the file: longer records are refused. */
const LONGEST_RECORD = 1_000_000

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

const refusal = (error: CsvError, line: number): Error => {
  const at = `line ${line}`
  if (error.code === 'CSV_QUOTE_NOT_CLOSED')
    return invalidCsv(`The quote opened on ${at} is never closed; correct that line and import again`)
  if (error.code === 'CSV_MAX_RECORD_SIZE')
    return invalidCsv(
      `The record that starts on ${at} is longer than ${LONGEST_RECORD} characters; probably a quote there is never closed`,
    )
  return invalidCsv(`The file cannot be split into cells at ${at}: ${error.message}`)
}

/**
 * One block per slice of `text`, blank lines included as records of one empty cell.
 * @throws AppError INVALID_CSV when quotes are not closed
 */
export const readRecords = async function* (text: AsyncIterable<string>): AsyncGenerator<RecordBlock> {
  let records: string[][] = []
  let lines: number[] = []
  let lastLine = 0
  let parser: ReturnType<typeof parse> | undefined
  let failure: Error | undefined

  const open = (delimiter: Delimiter): ReturnType<typeof parse> => {
    const opened = parse({
      delimiter,
      // Files edited by hand mix line ends.
      record_delimiter: ['\r\n', '\n', '\r'],
      relax_column_count: true,
      // Names like 15" screen come unquoted.
      relax_quotes: true,
      max_record_size: LONGEST_RECORD,
      // Keeps the records out of the object stream: one call per record instead of one event.
      on_record: (record: string[], { lines: line }) => {
        records.push(record)
        lines.push(lastLine + 1)
        lastLine = line
        return null
      },
    })
    opened.on('error', (error) => {
      failure ??= refusal(error as CsvError, lastLine + 1)
    })
    // Nothing comes out of it, but a stream that nobody reads never ends.
    opened.resume()
    return opened
  }
  const take = (): RecordBlock => {
    if (failure) throw failure
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
