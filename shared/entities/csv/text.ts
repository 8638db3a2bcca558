/**
 * From the bytes of a file to text in slices of a fixed size: whatever the chunks of the source, the same
 * file gives the same slices, so everything decided from "the first 64 KB" is decided alike.
 *
 * Accepted are UTF-8 with or without byte order mark, and UTF-16 of either byte order with one. Other
 * encodings are refused rather than guessed: a wrong guess renames entities without anybody noticing.
 */
import { TextDecoder } from 'node:util'
import { invalidCsv } from './invalid-csv.ts'

/** UTF-16 code units per slice. */
export const SLICE_LENGTH = 65_536

const SAVE_AS = 'save it as UTF-8 (in Excel: "CSV UTF-8 (Comma delimited)") and try again'

type Encoding = 'utf-8' | 'utf-16le' | 'utf-16be'

const encodingOf = (head: Uint8Array): Encoding => {
  if (head[0] === 0xff && head[1] === 0xfe) return 'utf-16le'
  if (head[0] === 0xfe && head[1] === 0xff) return 'utf-16be'
  return 'utf-8'
}

/** What workbooks begin with: .xlsx is a ZIP archive, .xls an OLE compound file. */
const WORKBOOKS = [
  [0x50, 0x4b, 0x03, 0x04],
  [0xd0, 0xcf, 0x11, 0xe0],
] as const

const HEAD_LENGTH = 4

const refuseWorkbook = (head: Uint8Array): void => {
  if (!WORKBOOKS.some((mark) => mark.every((byte, i) => head[i] === byte))) return
  throw invalidCsv(
    'The file is an Excel workbook or an archive, not a CSV; export it as .csv (in Excel: save as "CSV UTF-8 (Comma delimited)") and try again',
  )
}

const notText = (encoding: Encoding, line: number): Error =>
  invalidCsv(
    encoding === 'utf-8'
      ? `The file is not UTF-8: near line ${line} it has bytes of another encoding, probably Latin-1 or Windows-1252; ${SAVE_AS}`
      : `The file begins as ${encoding.toUpperCase()} but is broken near line ${line}; ${SAVE_AS}`,
  )

/** @throws AppError INVALID_CSV at the first bytes that are not text, naming the line they are near */
const decode = async function* (source: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let decoder: TextDecoder | undefined
  let encoding: Encoding = 'utf-8'
  let head: Uint8Array = new Uint8Array(0)
  let line = 1
  const next = (bytes?: Uint8Array): string => {
    try {
      const text = bytes ? decoder!.decode(bytes, { stream: true }) : decoder!.decode()
      for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) line += 1
      return text
    } catch {
      throw notText(encoding, line)
    }
  }
  const start = (): void => {
    refuseWorkbook(head)
    encoding = encodingOf(head)
    decoder = new TextDecoder(encoding, { fatal: true })
  }
  for await (const chunk of source) {
    if (decoder) {
      yield next(chunk)
      continue
    }
    // What a file begins with may come in several chunks.
    head = Buffer.concat([head, chunk])
    if (head.length < HEAD_LENGTH) continue
    start()
    yield next(head)
  }
  if (!decoder) {
    start()
    yield next(head)
  }
  yield next()
}

/** A pair of code units that makes one character is never cut in two. */
const endOfSlice = (text: string, from: number): number => {
  const end = from + SLICE_LENGTH
  const last = text.charCodeAt(end - 1)
  return last >= 0xd800 && last <= 0xdbff ? end - 1 : end
}

/** Slices of SLICE_LENGTH code units; only the last one is shorter. An empty file gives none. */
export const readText = async function* (source: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let pending = ''
  for await (const text of decode(source)) {
    pending += text
    let from = 0
    while (pending.length - from > SLICE_LENGTH) {
      const end = endOfSlice(pending, from)
      yield pending.slice(from, end)
      from = end
    }
    if (from > 0) pending = pending.slice(from)
  }
  if (pending.length > 0) yield pending
}
