/** Rows of series and of their versions, as the domain knows them. */
import type { Baseline, ColumnStats, DriftBins, MemberRecord, SeriesClass } from '../../ml/series/member.ts'
import type { VersionState } from '../../shared/registry/model-version.ts'
import type {
  PlausibleRange,
  Series,
  SeriesVersion,
  ServedVersion,
  TimestampUnit,
} from '../../shared/series/series.ts'

/** All but the channels are there from the beginning. */
export interface SeriesRow {
  readonly id: string
  readonly class: SeriesClass
  readonly channels: readonly string[] | null
  readonly ranges: Readonly<Record<string, PlausibleRange>>
  readonly timestamp_unit: TimestampUnit
  readonly min_points: number | null
  readonly max_points: number | null
  readonly tags: Readonly<Record<string, string>>
  readonly last_version: number
  readonly generation: number
  readonly created_at: Date
  readonly updated_at: Date
}

export const fromSeriesRow = (row: SeriesRow): Series => ({
  id: row.id,
  class: row.class,
  channels: row.channels,
  ranges: row.ranges,
  timestampUnit: row.timestamp_unit,
  minPoints: row.min_points,
  maxPoints: row.max_points,
  tags: row.tags,
  lastVersion: row.last_version,
  generation: row.generation,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})

/** Of `series s` and `model_versions v`. */
export const SERVED_COLUMNS = `
  v.series_id, v.version, v.state, s.class, s.timestamp_unit, s.ranges, s.channels, v.members, v.baseline,
  v.drift_edges, v.artifact_uri, v.artifact_sha256, v.artifact_bytes`

export interface ServedRow {
  readonly series_id: string
  readonly version: number
  readonly state: VersionState
  readonly class: SeriesClass
  readonly timestamp_unit: TimestampUnit
  readonly ranges: Readonly<Record<string, PlausibleRange>>
  readonly channels: readonly string[]
  readonly members: readonly MemberRecord[]
  readonly baseline: Baseline
  readonly drift_edges: Readonly<Record<string, DriftBins>>
  readonly artifact_uri: string
  readonly artifact_sha256: string
  readonly artifact_bytes: number
}

export const fromServedRow = (row: ServedRow): ServedVersion => ({
  seriesId: row.series_id,
  version: row.version,
  state: row.state,
  class: row.class,
  timestampUnit: row.timestamp_unit,
  ranges: row.ranges,
  channels: row.channels,
  members: row.members,
  baseline: row.baseline,
  driftBins: row.drift_edges,
  artifactUri: row.artifact_uri,
  artifactSha256: row.artifact_sha256,
  artifactBytes: row.artifact_bytes,
})

/** Aliases that name `v`. */
export const ALIASES = `array(
  select a.alias from model_aliases a where a.model = v.model and a.version = v.version order by a.alias desc
) as aliases`

export const VERSION_COLUMNS = `${SERVED_COLUMNS},
  v.fingerprint, v.data_hash, v.points, v.stats, v.tail_uri, v.parent, v.tags, v.run_id, v.actor,
  v.correlation_id, v.trained_at, v.duration_ms, ${ALIASES}`

/** What the column `stats` holds for series. */
export interface StoredStats {
  readonly first_ms: number
  readonly last_ms: number
  readonly columns: Readonly<Record<string, ColumnStats>>
}

export interface VersionRow extends ServedRow {
  readonly fingerprint: string
  readonly data_hash: string
  readonly points: number
  readonly stats: StoredStats
  readonly tail_uri: string | null
  readonly parent: number | null
  readonly tags: Readonly<Record<string, string>>
  readonly aliases: readonly string[]
  readonly run_id: string | null
  readonly actor: string
  readonly correlation_id: string | null
  readonly trained_at: Date
  readonly duration_ms: number
}

export const fromVersionRow = (row: VersionRow): SeriesVersion => ({
  ...fromServedRow(row),
  fingerprint: row.fingerprint,
  dataHash: row.data_hash,
  points: row.points,
  firstMs: row.stats.first_ms,
  lastMs: row.stats.last_ms,
  stats: row.stats.columns,
  tailUri: row.tail_uri,
  parent: row.parent,
  tags: row.tags,
  aliases: row.aliases,
  runId: row.run_id,
  actor: row.actor,
  correlationId: row.correlation_id,
  trainedAt: row.trained_at,
  durationMs: row.duration_ms,
})
