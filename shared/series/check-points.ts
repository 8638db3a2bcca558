/** Times and values of points, checked in the order of series-service section 4, as a frame. */
import { reduceWindow, WAVEFORM_FIGURES } from '../../ml/features/waveform.ts'
import type { SeriesFrame } from '../../ml/series/frame.ts'
import type { SeriesClass } from '../../ml/series/member.ts'
import { PLAUSIBLE_RANGE } from './series.ts'
import type { PlausibleRange, TimestampUnit } from './series.ts'
import type { RawColumns } from './read-body.ts'
import { invalid, Refused } from './refusal.ts'

const KEPT_ROWS = 10
/** 9999-12-31T23:59:59Z, seconds. */
const LAST_SECOND = 253_402_300_799
const MOST_SAMPLES = 65_536
const SHOWN = 60

/** Lists and objects are named, not shown: they may be as deep as a body is long. */
export const shown = (value: unknown): string => {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'an object'
  const text = typeof value === 'string' ? JSON.stringify(value.slice(0, SHOWN)) : String(value)
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}...` : text
}

/** The rows that `isWrong`, at most ten; null when there are none. */
const offenders = (n: number, isWrong: (row: number) => boolean): number[] | null => {
  let rows: number[] | null = null
  for (let row = 0; row < n; row++) {
    if (!isWrong(row)) continue
    rows = rows ?? []
    rows.push(row)
    if (rows.length >= KEPT_ROWS) break
  }
  return rows
}

/** @returns milliseconds @throws Refused INVALID_TIMESTAMP */
export const checkTimes = (times: ArrayLike<unknown>, unit: TimestampUnit): Float64Array => {
  const n = times.length
  const last = unit === 's' ? LAST_SECOND : LAST_SECOND * 1000 + 999
  const refuse = (reason: string, rows: readonly number[], message: string): never => {
    throw new Refused('INVALID_TIMESTAMP', message, { reason, rows })
  }
  const format = offenders(
    n,
    (row) =>
      typeof times[row] !== 'number' ||
      (Number.isFinite(times[row]) && !Number.isInteger(times[row])) ||
      Number.isNaN(times[row]),
  )
  if (format) {
    const [row = 0] = format
    refuse(
      'format',
      format,
      `row ${row}: ${shown(times[row])} is not a whole number of ${unit === 's' ? 'seconds' : 'milliseconds'}`,
    )
  }
  const range = offenders(n, (row) => !((times[row] as number) > 0 && (times[row] as number) <= last))
  if (range) {
    const [row = 0] = range
    const hint =
      unit === 's' && (times[row] as number) > last ? '; for milliseconds set timestamp_unit=ms' : ''
    refuse('range', range, `row ${row}: ${shown(times[row])} is not between 1 and the year 9999${hint}`)
  }
  const order = offenders(n, (row) => row > 0 && (times[row] as number) < (times[row - 1] as number))
  if (order) {
    const [row = 0] = order
    refuse(
      'order',
      order,
      `row ${row}: ${shown(times[row])} comes before ${shown(times[row - 1])} of row ${row - 1}; sort by time`,
    )
  }
  const duplicate = offenders(n, (row) => row > 0 && times[row] === times[row - 1])
  if (duplicate) {
    const [row = 0] = duplicate
    refuse('duplicate', duplicate, `row ${row} repeats ${shown(times[row])} of row ${row - 1}; keep one`)
  }
  const factor = unit === 's' ? 1000 : 1
  return Float64Array.from({ length: n }, (_, row) => (times[row] as number) * factor)
}

const refuseValue = (reason: string, rows: readonly number[], message: string): never => {
  throw new Refused('INVALID_VALUE', message, { reason, rows })
}

const requireNumbers = (column: ArrayLike<unknown>, n: number, channel: string): void => {
  const type = offenders(n, (row) => typeof column[row] !== 'number')
  if (type) {
    const [row = 0] = type
    refuseValue('type', type, `row ${row}, ${channel}: ${shown(column[row])} is not a number`)
  }
  const nan = offenders(n, (row) => Number.isNaN(column[row]))
  if (nan) refuseValue('nan', nan, `row ${nan[0]}, ${channel}: not a number (NaN); leave the row out`)
  const inf = offenders(n, (row) => !Number.isFinite(column[row]))
  if (inf)
    refuseValue('inf', inf, `row ${inf[0]}, ${channel}: beyond what a number can hold; leave the row out`)
}

const outsideOf =
  ({ min, max }: PlausibleRange) =>
  (value: number): boolean =>
    value < min || value > max

const rangeOf = (ranges: Readonly<Record<string, PlausibleRange>>, channel: string): PlausibleRange =>
  (Object.hasOwn(ranges, channel) ? ranges[channel] : undefined) ?? PLAUSIBLE_RANGE

export interface CheckedValues {
  readonly names: readonly string[]
  readonly columns: readonly Float64Array[]
  /** Rows with a value outside its range, ascending. */
  readonly outOfRange: Uint32Array
}

export interface ValueRules {
  readonly class: SeriesClass
  readonly ranges: Readonly<Record<string, PlausibleRange>>
  /** Values outside their range are refused; otherwise only noted. */
  readonly refuseOutside: boolean
}

const noteOutside = (
  outside: Set<number>,
  rows: readonly number[] | null,
  rules: ValueRules,
  channel: string,
  valueOf: (row: number) => number,
): void => {
  if (!rows) return
  if (rules.refuseOutside) {
    const [row = 0] = rows
    const { min, max } = rangeOf(rules.ranges, channel)
    refuseValue(
      'range',
      rows,
      `row ${row}, ${channel}: ${valueOf(row)} is outside [${min}, ${max}]; fix or widen`,
    )
  }
  for (const row of rows) outside.add(row)
}

const scalars = (raw: RawColumns, rules: ValueRules): CheckedValues => {
  const outside = new Set<number>()
  if (raw.windows) throw invalid('only series of class waveform take windows of samples')
  raw.channels.forEach((channel, c) => requireNumbers(raw.values[c] as ArrayLike<unknown>, raw.n, channel))
  const columns = raw.channels.map((channel, c) => {
    const given = raw.values[c] as ArrayLike<number>
    const isOutside = outsideOf(rangeOf(rules.ranges, channel))
    const column = new Float64Array(raw.n)
    let any = false
    for (let row = 0; row < raw.n; row++) {
      const value = given[row] as number
      // -0 is 0.
      column[row] = value + 0
      if (isOutside(value)) any = true
    }
    if (any) {
      const rows = rules.refuseOutside
        ? offenders(raw.n, (row) => isOutside(column[row] as number))
        : Array.from({ length: raw.n }, (_, row) => row).filter((row) => isOutside(column[row] as number))
      noteOutside(outside, rows, rules, channel, (row) => column[row] as number)
    }
    return column
  })
  return { names: raw.channels, columns, outOfRange: Uint32Array.from(outside).sort() }
}

const windowsOf = (raw: RawColumns, rules: ValueRules): CheckedValues => {
  const figures = raw.channels.flatMap((channel) => WAVEFORM_FIGURES.map((figure) => `${channel}.${figure}`))
  const reduced = figures.map(() => new Float64Array(raw.n))
  const outside = new Set<number>()
  let width: number | null = raw.windows?.width ?? null
  raw.channels.forEach((channel, c) => {
    const out = reduced.slice(c * WAVEFORM_FIGURES.length, (c + 1) * WAVEFORM_FIGURES.length)
    const isOutside = outsideOf(rangeOf(rules.ranges, channel))
    for (let row = 0; row < raw.n; row++) {
      const given = raw.windows ? null : (raw.values[c] as ArrayLike<unknown>)[row]
      if (given !== null && !Array.isArray(given))
        refuseValue(
          'type',
          [row],
          `row ${row}, ${channel}: ${shown(given)} is not a window, a list of samples`,
        )
      const samples = (raw.windows ? raw.windows.samples[c] : given) as ArrayLike<number>
      const from = raw.windows ? row * raw.windows.width : 0
      const to = raw.windows ? from + raw.windows.width : samples.length
      width = width ?? to - from
      if (to - from !== width)
        throw invalid(`row ${row}, ${channel}: a window of ${to - from} samples, the others have ${width}`)
      if (width < 1 || width > MOST_SAMPLES)
        throw invalid(`a window has 1 to ${MOST_SAMPLES} samples, not ${width}`)
      let beyond = false
      for (let i = from; i < to; i++) {
        const value: unknown = samples[i]
        if (typeof value !== 'number')
          refuseValue('type', [row], `row ${row}, ${channel}: ${shown(value)} is not a number`)
        else if (!Number.isFinite(value)) {
          const reason = Number.isNaN(value) ? 'nan' : 'inf'
          refuseValue(reason, [row], `row ${row}, ${channel}: a sample is not finite; leave the row out`)
        } else if (isOutside(value)) beyond = true
      }
      if (beyond)
        noteOutside(
          outside,
          [row],
          rules,
          channel,
          (at) => (Array.prototype.find.call(samples, isOutside) as number) ?? at,
        )
      reduceWindow(samples, from, to, out, row)
    }
  })
  const order = figures
    .map((_, i) => i)
    .sort((a, b) => ((figures[a] as string) < (figures[b] as string) ? -1 : 1))
  return {
    names: order.map((i) => figures[i] as string),
    columns: order.map((i) => (reduced[i] as Float64Array).map((value) => value + 0)),
    outOfRange: Uint32Array.from(outside).sort(),
  }
}

/** @throws Refused INVALID_VALUE, INVALID_REQUEST for windows where values are due */
export const checkValues = (raw: RawColumns, rules: ValueRules): CheckedValues =>
  rules.class === 'waveform' ? windowsOf(raw, rules) : scalars(raw, rules)

/** @throws Refused UNKNOWN_CHANNEL when the rows have other channels than the series */
export const checkChannels = (given: readonly string[], known: readonly string[] | null): void => {
  if (known === null || (given.length === known.length && given.every((name, i) => name === known[i]))) return
  throw new Refused(
    'UNKNOWN_CHANNEL',
    `the series has the channels ${known.join(', ')}, not ${given.join(', ')}`,
    { known },
  )
}

export const frameOf = (timesMs: Float64Array, { names, columns }: CheckedValues): SeriesFrame => ({
  names,
  timesMs,
  columns,
})
