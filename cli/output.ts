/**
 * How commands talk: people get sentences and tables on stdout, machines one JSON object with `--json`
 * and nothing else. Progress and remarks go to stderr, so that stdout can always be piped.
 */
import { SingleBar } from 'cli-progress'

/** The one object a `--json` command answers with. */
export const printJson = (value: unknown): void => {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

export const printLine = (text = ''): void => {
  process.stdout.write(`${text}\n`)
}

/** A remark beside the result, e.g. "no worker is running; starting one for this command". */
export const remark = (text: string): void => {
  process.stderr.write(`${text}\n`)
}

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })
const NARROW = /^[ -\u024F]*$/u
const WIDE = /^[\p{Emoji_Presentation}\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}]/u

const signsOf = (text: string): readonly string[] =>
  Array.from(graphemes.segment(text), ({ segment }) => segment)

const widthOfSign = (sign: string): number => (WIDE.test(sign) ? 2 : 1)

/** Columns a terminal gives the text: names of ads are full of emoji, which take two. */
export const widthOf = (text: string): number =>
  NARROW.test(text) ? text.length : signsOf(text).reduce((sum, sign) => sum + widthOfSign(sign), 0)

/** At most so many columns of the text; what is cut off is told by an ellipsis. */
export const clip = (text: string, width: number): string => {
  if (widthOf(text) <= width) return text
  let kept = ''
  let used = 0
  for (const sign of signsOf(text)) {
    used += widthOfSign(sign)
    if (used > width - 1) break
    kept += sign
  }
  return `${kept}…`
}

/** Names come from imported files: what could move the cursor, colour or reorder the line becomes a space. */
export const printable = (text: string): string => text.replace(/[\p{Cc}\p{Bidi_Control}]+/gu, ' ').trim()

export interface Column<Row> {
  readonly title: string
  readonly align?: 'left' | 'right'
  readonly cell: (row: Row) => string
}

/** Columns padded to their widest cell, two spaces apart; the last one is not padded. */
export const renderTable = <Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string => {
  const cells = rows.map((row) => columns.map((column) => column.cell(row)))
  const widths = columns.map((column, i) =>
    Math.max(column.title.length, ...cells.map((line) => widthOf(line[i] ?? ''))),
  )
  const line = (texts: readonly string[]): string =>
    texts
      .map((text, i) => {
        const space = ' '.repeat(Math.max(0, (widths[i] ?? 0) - widthOf(text)))
        return columns[i]?.align === 'right' ? space + text : text + space
      })
      .join('  ')
      .trimEnd()
  return [line(columns.map((column) => column.title)), ...cells.map((texts) => line(texts))].join('\n')
}

export interface Progress {
  update(fraction: number, note: string): void
  stop(): void
}

/** A bar with rate and ETA on a terminal, nothing when piped. */
export const startProgress = (title: string): Progress => {
  if (!process.stderr.isTTY) return { update: () => {}, stop: () => {} }
  const bar = new SingleBar({
    format: `${title} {bar} {percentage}% | {note} | ETA {eta_formatted}`,
    stream: process.stderr,
    hideCursor: true,
    clearOnComplete: true,
  })
  bar.start(1000, 0, { note: '' })
  return {
    update: (fraction, note) => bar.update(Math.round(fraction * 1000), { note }),
    stop: () => bar.stop(),
  }
}
