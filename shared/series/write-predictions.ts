/** Predictions on the wire: JSON, a line per prediction, or tensors (series-service sections 2 and 5). */
import { setImmediate } from 'node:timers/promises'
import { encodeSafetensors } from '../../ml/artifact/safetensors.ts'
import type { Tensor } from '../../ml/artifact/safetensors.ts'
import { leadingChannel, warningsOf } from './predictions.ts'
import type { FailedItem, JudgedMember, Prediction } from './predictions.ts'

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null)

export interface PredictionRow {
  readonly model: string
  readonly version: string
  readonly timestamp: number
  readonly score: number
  readonly threshold: number
  readonly is_anomaly: boolean
  readonly channel: string
  readonly raw: number | null
  readonly expected: Readonly<Record<string, { readonly low: number | null; readonly high: number | null }>>
  readonly fallback: boolean
  readonly fallback_reason?: string
  readonly warnings: readonly string[]
}

const rowOf = (prediction: Prediction, member: JudgedMember, row: number): PredictionRow => {
  const { scores } = member
  const timeMs = prediction.frame.timesMs[prediction.from + row] as number
  const expected: Record<string, { low: number | null; high: number | null }> = {}
  for (const { column, low, high } of scores.expected)
    expected[column] = { low: finite(low[row] as number), high: finite(high[row] as number) }
  return {
    model: member.name,
    version: `v${prediction.version.version}`,
    timestamp: prediction.timestampUnit === 's' ? timeMs / 1000 : timeMs,
    score: scores.score[row] as number,
    threshold: member.threshold,
    is_anomaly: scores.anomalous[row] === 1,
    channel: leadingChannel(prediction, member, row),
    raw: finite(scores.raw[row] as number),
    expected,
    fallback: member.fallback !== null,
    ...(member.fallback === null ? {} : { fallback_reason: member.fallback }),
    warnings: warningsOf(prediction, member, row),
  }
}

const countOf = ({ frame, from }: Prediction): number => frame.timesMs.length - from

/** Rows [from, to) in the order of the points, the members of each in the order asked for. */
const rowsOf = (prediction: Prediction, from: number, to: number): PredictionRow[] => {
  const rows: PredictionRow[] = []
  for (let row = from; row < to; row++)
    for (const member of prediction.members) rows.push(rowOf(prediction, member, row))
  return rows
}

/** Whether the primary member found anything. */
export const isAnomalous = ({ members }: Prediction): boolean =>
  members[0]?.scores.anomalous.includes(1) ?? false

export interface PredictionBody {
  readonly series_id: string
  readonly version: string
  readonly is_anomaly: boolean
  readonly predictions: readonly PredictionRow[]
  readonly trace_id: string
}

export const toPredictionBody = (prediction: Prediction, traceId: string): PredictionBody => ({
  series_id: prediction.version.seriesId,
  version: `v${prediction.version.version}`,
  is_anomaly: isAnomalous(prediction),
  predictions: rowsOf(prediction, 0, countOf(prediction)),
  trace_id: traceId,
})

/** Rows written at a time: a reply of many must not hold up who comes next. */
const SLICE_ROWS = 2000

export const isLong = (prediction: Prediction): boolean => countOf(prediction) > SLICE_ROWS

/** The text of each slice, with a breath between two. */
const slices = async function* (
  prediction: Prediction,
  write: (rows: readonly PredictionRow[]) => string,
): AsyncGenerator<string> {
  const n = countOf(prediction)
  for (let from = 0; from < n; from += SLICE_ROWS) {
    if (from > 0) await setImmediate()
    yield write(rowsOf(prediction, from, Math.min(n, from + SLICE_ROWS)))
  }
}

const joined = async (parts: AsyncIterable<string>, between: string): Promise<string> => {
  const texts: string[] = []
  for await (const part of parts) texts.push(part)
  return texts.join(between)
}

/** @param more fields besides those of every prediction */
const textOf = async (
  prediction: Prediction,
  more: Partial<Pick<PredictionBody, 'trace_id'>>,
): Promise<string> => {
  const [head = '', tail = ''] = JSON.stringify({
    series_id: prediction.version.seriesId,
    version: `v${prediction.version.version}`,
    is_anomaly: isAnomalous(prediction),
    predictions: [],
    ...more,
  }).split('"predictions":[]')
  const rows = await joined(
    slices(prediction, (slice) => slice.map((row) => JSON.stringify(row)).join(',')),
    ',',
  )
  return `${head}"predictions":[${rows}]${tail}`
}

/** The text of `toPredictionBody`. */
export const toPredictionText = (prediction: Prediction, traceId: string): Promise<string> =>
  textOf(prediction, { trace_id: traceId })

const failureText = ({ seriesId, error }: FailedItem): string => {
  const { code, message, extra } = error
  const { details } = extra
  return JSON.stringify({ series_id: seriesId, error: { code, message, ...(details ? { details } : {}) } })
}

/** Results and errors across series, in their order; with a breath now and then, as of many rows. */
export const toResultsText = async (
  results: readonly (Prediction | FailedItem)[],
  traceId: string,
): Promise<string> => {
  const texts: string[] = []
  let rows = 0
  for (const result of results) {
    if (rows >= SLICE_ROWS) {
      await setImmediate()
      rows = 0
    }
    rows += 'error' in result ? 1 : countOf(result)
    texts.push('error' in result ? failureText(result) : await textOf(result, {}))
  }
  return `{"results":[${texts.join(',')}],"trace_id":${JSON.stringify(traceId)}}`
}

export const toLines = (prediction: Prediction): Promise<string> =>
  joined(
    slices(prediction, (slice) => slice.map((row) => `${JSON.stringify(row)}\n`).join('')),
    '',
  )

/** `{member}/score` F32, `/is_anomaly` U8, `/fallback` U8. */
export const toTensors = (prediction: Prediction, traceId: string): Uint8Array => {
  const tensors = new Map<string, Tensor>()
  for (const { name, scores, fallback } of prediction.members) {
    tensors.set(`${name}/score`, Float32Array.from(scores.score))
    tensors.set(`${name}/is_anomaly`, scores.anomalous)
    tensors.set(`${name}/fallback`, new Uint8Array(scores.anomalous.length).fill(fallback === null ? 0 : 1))
  }
  const metadata = new Map([
    ['series_id', prediction.version.seriesId],
    ['version', `v${prediction.version.version}`],
    ['trace_id', traceId],
  ])
  return encodeSafetensors(tensors, metadata)
}

export const FORMS = ['application/json', 'application/x-ndjson', 'application/octet-stream'] as const
export type Form = (typeof FORMS)[number]

const quality = (params: readonly string[]): number => {
  const q = params
    .map((param) => /^\s*q\s*=\s*([\d.]+)\s*$/i.exec(param)?.[1])
    .find((text) => text !== undefined)
  return q === undefined ? 1 : Number(q)
}

/** The form a caller likes best (RFC 9110 section 12.5.1); JSON when it takes anything, or nothing of ours. */
export const formOf = (accept: string | undefined): Form => {
  if (accept === undefined || accept === '*/*' || accept === 'application/json') return 'application/json'
  let best: Form = 'application/json'
  let most = 0
  for (const part of accept.split(',')) {
    const [type = '', ...params] = part.split(';')
    const form = FORMS.find((one) => one === type.trim().toLowerCase())
    const q = quality(params)
    if (!form || q <= most) continue
    best = form
    most = q
  }
  return best
}
