/**
 * Bodies with points in all their forms (series-service section 2) as raw columns: JSON rows, JSON columns, a row
 * per line, safetensors. Nothing is checked here but the shape; `check-points.ts` judges times and values.
 *
 * Values stay what the body says, so that a refusal can tell `null` from a text. Nothing recurses over a body.
 */
import { isUtf8 } from 'node:buffer'
import { ArtifactFormatError, decodeSafetensors } from '../../ml/artifact/safetensors.ts'
import { MOST_CHANNELS, CHANNEL, DEFAULT_CHANNEL, TIME_NAMES } from './series.ts'
import { invalid, reading, Refused } from './refusal.ts'
import type { PointsBody, Read } from './points.ts'

export interface RawColumns {
  readonly n: number
  readonly times: ArrayLike<unknown>
  /** Ascending. */
  readonly channels: readonly string[]
  /** In the order of `channels`: a value per row, or of a waveform a window. */
  readonly values: readonly ArrayLike<unknown>[]
  /** Raw samples of windows that came as one tensor; then `values` are not used. */
  readonly windows: {
    readonly samples: readonly (Float64Array | Float32Array)[]
    readonly width: number
  } | null
}

export interface RawBody {
  readonly columns: RawColumns
  /** Everything else the body says. */
  readonly options: Readonly<Record<string, unknown>>
  readonly context: RawColumns | null
}

const SHOWN = 40
const quoted = (text: string): string =>
  JSON.stringify(text.length > SHOWN ? `${text.slice(0, SHOWN)}...` : text)

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const requireChannels = (names: readonly string[]): void => {
  if (names.length === 0) throw invalid('a point has a value for at least one channel')
  if (names.length > MOST_CHANNELS)
    throw invalid(`there can be ${MOST_CHANNELS} channels, these are ${names.length}`)
  for (const name of names) {
    if (!CHANNEL.test(name) || TIME_NAMES.some((taken) => taken === name)) {
      throw invalid(
        `${quoted(name)} cannot be the name of a channel; use a small letter, then at most 31 small letters, digits or _`,
      )
    }
  }
}

const fromRows = (rows: readonly unknown[], where: string): RawColumns => {
  const [first] = rows
  if (rows.length === 0) return { n: 0, times: [], channels: [], values: [], windows: null }
  if (!isRecord(first)) throw invalid(`${where}[0] is an object with a timestamp and a value per channel`)
  const channels = Object.keys(first)
    .filter((name) => name !== 'timestamp')
    .sort()
  requireChannels(channels)
  const times: unknown[] = []
  const values = channels.map((): unknown[] => [])
  rows.forEach((row, i) => {
    if (!isRecord(row)) throw invalid(`${where}[${i}] is an object with a timestamp and a value per channel`)
    if (!Object.hasOwn(row, 'timestamp')) throw invalid(`${where}[${i}] has no timestamp`)
    const names = Object.keys(row)
    if (names.length !== channels.length + 1 || !channels.every((name) => Object.hasOwn(row, name))) {
      const stranger = names.find((name) => name !== 'timestamp' && !channels.includes(name))
      const what =
        stranger === undefined
          ? 'lacks a channel of the row before'
          : `has the channel ${quoted(stranger)}, which ${where}[0] has not`
      throw invalid(`${where}[${i}] ${what}; every row has the same channels`)
    }
    times.push(row['timestamp'])
    channels.forEach((name, c) => values[c]?.push(row[name]))
  })
  return { n: rows.length, times, channels, values, windows: null }
}

const COLUMN_NAMES = ['timestamps', 'values', 'channels'] as const

const fromColumns = (body: Readonly<Record<string, unknown>>, where: string): RawColumns => {
  const { timestamps, values, channels } = body
  if (!Array.isArray(timestamps)) throw invalid(`${where}timestamps is a list of times`)
  if ((values === undefined) === (channels === undefined))
    throw invalid(`beside ${where}timestamps there are either ${where}values or ${where}channels`)
  if (channels !== undefined && !isRecord(channels))
    throw invalid(`${where}channels is an object with a list per channel`)
  const given: Readonly<Record<string, unknown>> = isRecord(channels)
    ? channels
    : { [DEFAULT_CHANNEL]: values }
  const names = Object.keys(given).sort()
  requireChannels(names)
  const columns = names.map((name) => {
    const column = given[name]
    const path = channels === undefined ? `${where}values` : `${where}channels.${name}`
    if (!Array.isArray(column)) throw invalid(`${path} is a list`)
    if (column.length !== timestamps.length)
      throw invalid(
        `${path} has ${column.length} entries, ${where}timestamps has ${timestamps.length}; they go together`,
      )
    return column as unknown[]
  })
  return { n: timestamps.length, times: timestamps, channels: names, values: columns, windows: null }
}

/** The points of an object in any JSON form, and what else it holds. */
const pointsOf = (
  body: Readonly<Record<string, unknown>>,
  where: string,
): { readonly columns: RawColumns; readonly rest: Readonly<Record<string, unknown>> } => {
  if (Object.hasOwn(body, 'points')) {
    const { points, ...rest } = body
    if (COLUMN_NAMES.some((name) => Object.hasOwn(rest, name)))
      throw invalid(`${where}points or ${where}timestamps: one of the two forms, not both`)
    if (!Array.isArray(points)) throw invalid(`${where}points is a list of rows`)
    return { columns: fromRows(points, `${where}points`), rest }
  }
  if (Object.hasOwn(body, 'timestamps')) {
    const { timestamps: _times, values: _values, channels: _channels, ...rest } = body
    return { columns: fromColumns(body, where), rest }
  }
  throw invalid(`${where}points (rows) or ${where}timestamps with values (columns) are missing`)
}

const parseJson = (bytes: Uint8Array): unknown => {
  if (!isUtf8(bytes)) throw invalid('the body is not UTF-8')
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'))
  } catch {
    throw invalid('the body is not valid JSON')
  }
}

/** Names a single point carries itself: `{"timestamp": 1700000000, "value": 1.5}`. */
const OPTION_NAMES = new Set(['models', 'context', 'timestamp_unit'])

const readJsonObject = (body: Readonly<Record<string, unknown>>, where = ''): RawBody => {
  const { context, ...own } = body
  let columns: RawColumns
  let options: Readonly<Record<string, unknown>>
  if (Object.hasOwn(own, 'timestamp')) {
    const entries = Object.entries(own)
    columns = fromRows(
      [Object.fromEntries(entries.filter(([name]) => !OPTION_NAMES.has(name)))],
      `${where}points`,
    )
    options = Object.fromEntries(entries.filter(([name]) => OPTION_NAMES.has(name)))
  } else ({ columns, rest: options } = pointsOf(own, where))
  if (context === undefined) return { columns, options, context: null }
  if (Array.isArray(context)) return { columns, options, context: fromRows(context, `${where}context`) }
  if (!isRecord(context)) throw invalid(`${where}context is a list of rows, or columns`)
  const before = pointsOf(context, `${where}context.`)
  const [stranger] = Object.keys(before.rest)
  if (stranger !== undefined) throw invalid(`${where}context.${stranger.slice(0, SHOWN)} is not known`)
  return { columns, options, context: before.columns }
}

const NEWLINE = 10

const readLines = (bytes: Uint8Array, query: PointsBody['query']): RawBody => {
  if (!isUtf8(bytes)) throw invalid('the body is not UTF-8')
  const rows: unknown[] = []
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let line = 0
  for (let start = 0; start < bytes.length;) {
    line++
    const newline = bytes.indexOf(NEWLINE, start)
    const end = newline < 0 ? bytes.length : newline
    const text = buffer.toString('utf8', start, end).trim()
    start = end + 1
    if (text === '') continue
    try {
      rows.push(JSON.parse(text))
    } catch {
      throw invalid(`line ${line} is not valid JSON; a row is {"timestamp":1700000000,"value":1.5}`)
    }
  }
  return withContextRows(fromRows(rows, 'line'), query)
}

const sliceRaw = (
  { times, channels, values, windows, n }: RawColumns,
  from: number,
  to: number,
): RawColumns => ({
  n: Math.max(0, Math.min(n, to) - from),
  times: Array.prototype.slice.call(times, from, to),
  channels,
  values: values.map((column) => Array.prototype.slice.call(column, from, to) as unknown[]),
  windows: windows && {
    width: windows.width,
    samples: windows.samples.map((samples) => samples.subarray(from * windows.width, to * windows.width)),
  },
})

/** Forms without a place for context say how many of their first rows are. */
const withContextRows = (columns: RawColumns, options: Readonly<Record<string, unknown>>): RawBody => {
  const { context_rows: text, ...rest } = options
  if (text === undefined) return { columns, options: rest, context: null }
  const rows = Number(text)
  if (!Number.isInteger(rows) || rows < 0 || rows > columns.n)
    throw invalid(`context_rows is a whole number from 0 to the number of rows, ${columns.n}`)
  return { columns: sliceRaw(columns, rows, columns.n), options: rest, context: sliceRaw(columns, 0, rows) }
}

const readTensors = (given: Uint8Array): RawBody => {
  // Views need the data at a multiple of 8.
  const bytes = given.byteOffset % 8 === 0 ? given : given.slice()
  let container: ReturnType<typeof decodeSafetensors>
  try {
    container = decodeSafetensors(bytes)
  } catch (error) {
    if (error instanceof ArtifactFormatError)
      throw invalid(`the body is no safetensors file: ${error.message}`)
    throw error
  }
  const { tensors, shapes, metadata } = container
  const times = tensors.get('t')
  if (!(times instanceof BigInt64Array) || shapes.get('t')?.length !== 1)
    throw invalid('tensor t, the times, is I64 of shape [n]')
  const channels = [...tensors.keys()].filter((name) => name !== 't').sort()
  requireChannels(channels)
  let width: number | null = null
  const columns = channels.map((name) => {
    const tensor = tensors.get(name)
    const shape = shapes.get(name) ?? []
    if (!(tensor instanceof Float64Array || tensor instanceof Float32Array) || shape[0] !== times.length)
      throw invalid(`tensor ${name} is F64 or F32 of shape [${times.length}] or [${times.length}, w]`)
    const own = shape[1] ?? null
    if (width !== null && own !== width) throw invalid(`tensor ${name} has windows of another length`)
    width = own
    return tensor
  })
  const raw: RawColumns = {
    n: times.length,
    // Beyond 2^53 a number is not exact, but out of range all the same.
    times: Float64Array.from(times, Number),
    channels,
    values: width === null ? columns : [],
    windows: width === null ? null : { samples: columns, width },
  }
  const options = Object.fromEntries(
    [...metadata].map(([name, text]): [string, unknown] => {
      try {
        return [name, JSON.parse(text)]
      } catch {
        return [name, text]
      }
    }),
  )
  return withContextRows(raw, options)
}

const mediaTypeOf = (contentType: string | undefined): string =>
  (contentType ?? 'application/json').split(';', 1)[0]?.trim().toLowerCase() ?? ''

/** @throws Refused INVALID_REQUEST, UNSUPPORTED_MEDIA_TYPE */
export const readBody = ({ bytes, contentType, query }: PointsBody): RawBody => {
  const type = mediaTypeOf(contentType)
  switch (type) {
    case 'application/json': {
      const body = parseJson(bytes)
      if (!isRecord(body)) throw invalid('the body is an object with points')
      return readJsonObject(body)
    }
    case 'application/x-ndjson':
      return readLines(bytes, query)
    case 'application/octet-stream':
      return readTensors(bytes)
    default:
      throw new Refused(
        'UNSUPPORTED_MEDIA_TYPE',
        `send points as application/json, application/x-ndjson or application/octet-stream (safetensors), not ${type.slice(0, 60)}`,
      )
  }
}

/** Of a body across series. */
export interface RawItem {
  readonly seriesId: unknown
  readonly version: unknown
  /** What is wrong with one item is its own matter. */
  readonly body: Read<RawBody>
}

const MOST_ITEMS = 1000

/** @throws Refused for a body that holds no items */
export const readItems = ({ bytes, contentType, query }: PointsBody): RawItem[] => {
  if (mediaTypeOf(contentType) !== 'application/json')
    throw new Refused('UNSUPPORTED_MEDIA_TYPE', 'send items as application/json')
  const [option] = Object.keys(query)
  if (option !== undefined)
    throw invalid(`${quoted(option)} is not known here; what an item is asked stands in the item`)
  const body = parseJson(bytes)
  const items = Array.isArray(body) ? body : isRecord(body) ? body['items'] : undefined
  if (!Array.isArray(items)) throw invalid('items is a list of {series_id, version?, models?, points}')
  if (items.length > MOST_ITEMS)
    throw invalid(`there can be ${MOST_ITEMS} items, these are ${items.length}; split them`)
  return items.map((item: unknown, i): RawItem => {
    const { series_id: seriesId, version, ...rest } = isRecord(item) ? item : {}
    return {
      seriesId,
      version,
      body: reading(() => {
        if (!isRecord(item)) throw invalid(`items[${i}] is an object`)
        return readJsonObject(rest, `items[${i}].`)
      }),
    }
  })
}

/** Numbers as a typed array, which goes between threads many times as fast; other lists stay, to be refused. */
const packed = (list: ArrayLike<unknown>): ArrayLike<unknown> => {
  const numbers = new Float64Array(list.length)
  for (let i = 0; i < list.length; i++) {
    const value = list[i]
    if (typeof value !== 'number') return list
    numbers[i] = value
  }
  return numbers
}

const packedColumns = (columns: RawColumns): RawColumns => ({
  ...columns,
  times: packed(columns.times),
  values: columns.values.map(packed),
})

/** An item on its way to another thread. */
export const packedItem = (item: RawItem): RawItem => {
  if (!('ok' in item.body)) return item
  const { columns, context, options } = item.body.ok
  const body = { columns: packedColumns(columns), context: context && packedColumns(context), options }
  return { ...item, body: { ok: body } }
}
