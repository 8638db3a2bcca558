/** Fitting the members of a series model: what goes to a thread, and what comes back. */
import type { SeriesFrame } from '../../ml/series/frame.ts'
import type {
  Baseline,
  ColumnStats,
  DriftBins,
  MemberRecord,
  MemberSpec,
  SeriesClass,
} from '../../ml/series/member.ts'

export interface FitSeriesTask {
  readonly seriesId: string
  readonly class: SeriesClass
  readonly channels: readonly string[]
  readonly frame: SeriesFrame
  readonly members: readonly MemberSpec[]
  readonly fingerprint: string
  /** Last points to keep for plots and comparisons. */
  readonly tailPoints: number
}

export interface FitSeriesResult {
  /** In the order asked for. */
  readonly members: readonly MemberRecord[]
  /** The artifact; null when no member succeeded. The same task gives the same bytes. */
  readonly artifact: Uint8Array | null
  /** SHA-256 of the artifact, hex; empty without one. */
  readonly artifactSha256: string
  /** safetensors: `t` (I64 ms) and one F64 tensor per column. Null when no points are kept. */
  readonly tail: Uint8Array | null
  readonly stats: Readonly<Record<string, ColumnStats>>
  readonly baseline: Baseline
  readonly driftBins: Readonly<Record<string, DriftBins>>
}
