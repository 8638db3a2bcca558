/**
 * Any CSV with a time and figures as the points of a series: the time column is found by its name, times may be ISO
 * 8601 (without a zone: UTC) or counts of seconds or milliseconds, and every other column of numbers is a channel.
 */
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { AppError, messageOf } from '../../shared/core/errors.ts'
import { readRecords } from '../../shared/entities/csv/records.ts'
import { readText } from '../../shared/entities/csv/text.ts'
import { CHANNEL, DEFAULT_CHANNEL, MOST_CHANNELS, TIME_NAMES } from '../../shared/series/series.ts'
import type { TimestampUnit } from '../../shared/series/series.ts'

const TIME_COLUMNS = ['timestamp', 'time', 'datetime', 'date', 'ds', 't', 'ts']
const ISO = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?))?\s*(Z|[+-]\d{2}:?\d{2})?$/
/** Larger counts are milliseconds: as seconds they would lie beyond the year 5000. */
const LARGEST_SECONDS = 1e11
/** No series takes as many; a file of more is another kind of file. */
const MOST_ROWS = 2_000_000

export interface CsvWish {
  readonly time?: string | undefined
  /** As the file names them. */
  readonly channels?: readonly string[] | undefined
}

export interface CsvPoints {
  readonly timestampUnit: TimestampUnit
  readonly timestamps: readonly number[]
  /** By channel. */
  readonly channels: Readonly<Record<string, readonly number[]>>
  /** Of each row, for messages. */
  readonly lines: readonly number[]
  /** What was decided about the columns, for the reader. */
  readonly remarks: readonly string[]
}

const invalid = (message: string): AppError => new AppError('INVALID_CSV', message)

/** Milliseconds; NaN for what is no time. */
export const parseTime = (text: string): number => {
  if (/^\d{1,16}(?:\.\d+)?$/.test(text)) {
    const count = Number(text)
    return count < LARGEST_SECONDS ? Math.round(count * 1000) : Math.round(count)
  }
  const match = ISO.exec(text)
  if (!match) return Number.NaN
  const [, day, time = '00:00', zone = 'Z'] = match
  return Date.parse(
    `${day}T${time.length === 5 ? `${time}:00` : time}${zone.replace(/^([+-]\d{2})(\d{2})$/, '$1:$2')}`,
  )
}

const parseNumber = (text: string): number =>
  /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN

/** A name as channels have them. */
export const channelName = (title: string): string => {
  const name = title
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '')
    .slice(0, 30)
  const safe = /^[a-z]/.test(name) ? name : `c_${name}`
  return TIME_NAMES.some((taken) => taken === safe) ? `${safe}_` : safe
}

interface Layout {
  readonly time: number
  readonly columns: readonly { readonly place: number; readonly title: string }[]
}

const layOut = (path: string, titles: readonly string[], first: readonly string[], wish: CsvWish): Layout => {
  const place = (title: string): number =>
    titles.findIndex((one) => one.toLowerCase() === title.toLowerCase())
  const found = wish.time === undefined ? TIME_COLUMNS.map(place).find((at) => at >= 0) : place(wish.time)
  const shown = titles.join(', ')
  if (found === undefined || found < 0) {
    throw invalid(
      wish.time === undefined
        ? `${path} has no column called ${TIME_COLUMNS.join(', ')}; name the time with --time, one of ${shown}`
        : `${path} has no column ${JSON.stringify(wish.time)}; it has ${shown}`,
    )
  }
  const wanted = wish.channels?.map((title) => {
    const at = place(title)
    if (at < 0) throw invalid(`${path} has no column ${JSON.stringify(title)}; it has ${shown}`)
    return { place: at, title: titles[at] as string }
  })
  const columns =
    wanted ??
    titles.flatMap((title, at) =>
      at !== found && !Number.isNaN(parseNumber((first[at] ?? '').trim())) ? [{ place: at, title }] : [],
    )
  if (columns.length === 0) throw invalid(`${path} has no column of numbers; name them with --channels`)
  if (columns.length > MOST_CHANNELS)
    throw invalid(
      `${path} has ${columns.length} columns of numbers, at most ${MOST_CHANNELS} are channels; choose with --channels`,
    )
  return { time: found, columns }
}

const namesOf = (titles: readonly string[]): { readonly names: string[]; readonly remarks: string[] } => {
  // A single figure is simply the value.
  if (titles.length === 1)
    return { names: [DEFAULT_CHANNEL], remarks: [`channel ${DEFAULT_CHANNEL} = column ${titles[0]}`] }
  const remarks: string[] = []
  const names = titles.map((title) => {
    if (CHANNEL.test(title) && !TIME_NAMES.some((taken) => taken === title)) return title
    const name = channelName(title)
    remarks.push(`channel ${name} = column ${title}`)
    return name
  })
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) throw invalid(`two columns would be the channel ${twice}; choose with --channels`)
  return { names, remarks }
}

/** @throws AppError INVALID_REQUEST when the file cannot be read; INVALID_CSV naming the line */
export const readCsv = async (path: string, wish: CsvWish): Promise<CsvPoints> => {
  const stream = createReadStream(path)
  try {
    await once(stream, 'open').catch((error: unknown) => {
      throw new AppError(
        'INVALID_REQUEST',
        `${path} cannot be read: ${messageOf(error)}`,
        {},
        { cause: error },
      )
    })
    let titles: string[] | undefined
    let layout: Layout | undefined
    const timesMs: number[] = []
    const lines: number[] = []
    let values: number[][] = []
    for await (const block of readRecords(readText(stream))) {
      for (const [i, record] of block.records.entries()) {
        const line = block.lines[i] ?? 0
        if (record.every((cell) => cell.trim() === '')) continue
        if (!titles) {
          titles = record.map((title) => title.trim())
          continue
        }
        if (!layout) {
          layout = layOut(path, titles, record, wish)
          values = layout.columns.map(() => [])
        }
        if (timesMs.length >= MOST_ROWS) throw invalid(`${path} has more than ${MOST_ROWS} rows; send less`)
        const text = (record[layout.time] ?? '').trim()
        const ms = parseTime(text)
        if (Number.isNaN(ms))
          throw invalid(
            `${path}, line ${line}: ${JSON.stringify(text)} is not a time; write 2026-03-31 14:05:00 or seconds since 1970`,
          )
        timesMs.push(ms)
        lines.push(line)
        layout.columns.forEach(({ place, title }, c) => {
          const cell = (record[place] ?? '').trim()
          const value = parseNumber(cell)
          if (Number.isNaN(value))
            throw invalid(
              `${path}, line ${line}, ${title}: ${JSON.stringify(cell)} is not a number; fill it or leave the row out`,
            )
          ;(values[c] as number[]).push(value)
        })
      }
    }
    if (!titles || !layout)
      throw invalid(`${path} is empty; it needs a line that names the columns and one line per point`)
    const { names, remarks } = namesOf(layout.columns.map(({ title }) => title))
    const isWhole = timesMs.every((ms) => ms % 1000 === 0)
    return {
      timestampUnit: isWhole ? 's' : 'ms',
      timestamps: isWhole ? timesMs.map((ms) => ms / 1000) : timesMs,
      channels: Object.fromEntries(names.map((name, c) => [name, values[c] as number[]])),
      lines,
      remarks,
    }
  } finally {
    stream.destroy()
  }
}
