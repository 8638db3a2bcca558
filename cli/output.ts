/**
 * How commands talk: people get sentences and tables on stdout, machines one JSON object with `--json`
 * and nothing else. Progress and remarks go to stderr, so that stdout can always be piped.
 */
import { SingleBar } from 'cli-progress'
import { widthOf } from '../shared/core/columns.ts'

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
