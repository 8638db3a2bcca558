/**
 * The members of a series model: a family with its channels and parameters. A version is a bundle of them.
 */
import type { SeriesFrame } from './frame.ts'

export const SERIES_FAMILIES = ['zscore', 'isolation_forest', 'autoencoder'] as const
export type SeriesFamily = (typeof SERIES_FAMILIES)[number]

/** Changes whenever the same points and parameters would give other numbers. */
export const ALGORITHMS = {
  zscore: 'zscore@1',
  isolation_forest: 'isolation_forest@1',
  autoencoder: 'autoencoder@1',
} as const satisfies Record<SeriesFamily, string>

export const SERIES_CLASSES = ['standard', 'short', 'waveform'] as const
export type SeriesClass = (typeof SERIES_CLASSES)[number]

/** A member as asked for, with every default filled in. */
export interface MemberSpec {
  readonly name: string
  readonly family: SeriesFamily
  /** Ascending by code unit. */
  readonly channels: readonly string[]
  /** By name, e.g. `{ k: 3 }`; what a family takes is its own matter. */
  readonly params: Readonly<Record<string, number>>
}

/** What became of a member in training; part of the version's record. */
export interface MemberRecord extends MemberSpec {
  readonly status: 'ready' | 'failed'
  /** A score above it is an anomaly. Null: failed. */
  readonly threshold: number | null
  /** Share of the training rows it would have called anomalies. */
  readonly flagRate: number | null
  /** Why it failed, for the trainer to read. */
  readonly error: string | null
}

/** Where a value of a column was expected to lie. */
export interface ExpectedBand {
  readonly column: string
  /** One per scored row. */
  readonly low: Float64Array
  readonly high: Float64Array
}

/** The verdicts of one member on consecutive rows; all arrays are as long as the rows scored. */
export interface MemberScores {
  /** 0 (normal) to 1 (anomalous). */
  readonly score: Float64Array
  /** In the family's own unit: z, mean depth, mean squared error. */
  readonly raw: Float64Array
  /** 1 where the row is an anomaly. */
  readonly anomalous: Uint8Array
  /** Index into `names` of the frame: the column that is furthest from what was expected. */
  readonly leading: Uint16Array
  /** 1 where history was missing and training medians stood in. */
  readonly short: Uint8Array
  readonly expected: readonly ExpectedBand[]
}

/** A member ready to judge. */
export interface MemberScorer {
  readonly name: string
  readonly family: SeriesFamily
  readonly channels: readonly string[]
  readonly threshold: number
  /** Rows of history without which a row cannot be judged at all (the autoencoder's window - 1), else 0. */
  readonly neededHistory: number
  /**
   * Judges the rows [from, n) of `frame`; the rows before are history. `frame` has the columns the model was
   * trained on, in their order.
   */
  score(frame: SeriesFrame, from: number): MemberScores
}

/** Mean and population standard deviation per column. */
export interface Baseline {
  readonly [column: string]: { readonly mean: number; readonly std: number }
}

/** What is kept of a column's training values. */
export interface ColumnStats {
  readonly mean: number
  /** Population, two-pass. */
  readonly std: number
  readonly min: number
  readonly max: number
  /** At QUANTILES, linear. */
  readonly quantiles: readonly number[]
}
export const QUANTILES = [0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1] as const

/** The bins drift is measured in. */
export interface DriftBins {
  /** Distinct training quantiles 0, 5, .. 100%, ascending: edges.length + 1 bins, the outer two open. */
  readonly edges: readonly number[]
  /** Training rows per bin. */
  readonly counts: readonly number[]
}
