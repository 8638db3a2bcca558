/**
 * What bodies with points say, whatever their form (section 2): read, checked in the order of section 4,
 * reduced if waveform, hashed. `read-points.ts` does it, off the main thread when the body is large.
 */
import type { SeriesFrame } from '../../ml/series/frame.ts'
import type { MemberSpec, SeriesClass } from '../../ml/series/member.ts'
import type { ErrorCode } from '../core/errors.ts'
import type { PlausibleRange, SeriesPlan, TimestampUnit } from './series.ts'

/** What reading needs to know of the series. */
export interface SeriesContext {
  readonly class: SeriesClass
  /** Null: the body decides. */
  readonly channels: readonly string[] | null
  readonly minPoints: number
  readonly maxPoints: number
  readonly ranges: Readonly<Record<string, PlausibleRange>>
  readonly timestampUnit: TimestampUnit
  /** Members of a body that names none (SERIES_MODELS). */
  readonly defaultModels: readonly string[]
}

export interface PointsBody {
  readonly bytes: Uint8Array
  readonly contentType: string | undefined
  /** Options of NDJSON and defaults of the others: the query of the request. */
  readonly query: Readonly<Record<string, string>>
}

export interface TrainingRequest {
  /** Channels, ascending; the frame's columns are these, or what a waveform's windows are reduced to. */
  readonly channels: readonly string[]
  readonly frame: SeriesFrame
  readonly members: readonly MemberSpec[]
  /** The body's, which a series made by this training keeps. */
  readonly timestampUnit: TimestampUnit
  readonly plan: SeriesPlan
  readonly tags: Readonly<Record<string, string>>
  /** SHA-256, hex (section 4). */
  readonly dataHash: string
  readonly paramsHash: string
  readonly fingerprint: string
}

export interface PredictionRequest {
  /** Context rows first, then the points to judge. */
  readonly frame: SeriesFrame
  /** First row to judge. */
  readonly from: number
  /** Of the times in the body, and so of those in the reply. */
  readonly timestampUnit: TimestampUnit
  /** Member names; null: the primary; 'all'. */
  readonly models: readonly string[] | 'all' | null
  /** Rows with a value outside its plausible range, ascending; they are judged and warned of. */
  readonly outOfRange: Uint32Array
}

/** A refusal as plain data: errors do not keep their class between threads. */
export interface Refusal {
  readonly code: ErrorCode
  readonly message: string
  readonly details?: Readonly<Record<string, unknown>>
}

export type Read<T> = { readonly ok: T } | { readonly refused: Refusal }
