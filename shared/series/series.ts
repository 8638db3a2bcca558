/**
 * Series and the versions of their models, as the registry knows them. A series is known by its id; its model
 * is `anomaly_detector/series/{id}`, its versions count from 1 without gaps.
 */
import { z } from 'zod'
import type { Baseline, ColumnStats, DriftBins, MemberRecord, SeriesClass } from '../../ml/series/member.ts'
import type { Fence } from '../core/work.ts'
import type { VersionState } from '../registry/model-version.ts'

export const SERIES_ID = /^[A-Za-z0-9_]{1,128}$/
export const CHANNEL = /^[a-z][a-z0-9_]{0,31}$/
export const MOST_CHANNELS = 16
export const DEFAULT_CHANNEL = 'value'
/** Names a body uses for the time of a point. */
export const TIME_NAMES = ['t', 'timestamp'] as const

/** `v3` on the wire. */
export const VersionName = z
  .string()
  .regex(/^v[1-9]\d{0,8}$/, 'must be like v3')
  .transform((text) => Number(text.slice(1)))

/** Points a training needs at least and takes at most, unless the series says otherwise. */
export const CLASS_LIMITS: Readonly<Record<SeriesClass, { readonly min: number; readonly max: number }>> = {
  standard: { min: 10_000, max: 100_000 },
  short: { min: 1000, max: 100_000 },
  waveform: { min: 50, max: 100_000 },
}

export const PLAUSIBLE_RANGE = { min: -1e12, max: 1e12 } as const
export interface PlausibleRange {
  readonly min: number
  readonly max: number
}

export type TimestampUnit = 's' | 'ms'

/** What a series is, apart from its models. */
export interface SeriesSettings {
  readonly class: SeriesClass
  /** By channel; PLAUSIBLE_RANGE where a channel has none. */
  readonly ranges: Readonly<Record<string, PlausibleRange>>
  readonly timestampUnit: TimestampUnit
  /** Null: the class's. */
  readonly minPoints: number | null
  readonly maxPoints: number | null
  readonly tags: Readonly<Record<string, string>>
}

export interface Series extends SeriesSettings {
  readonly id: string
  /** Ascending; null before the first training succeeded, which fixes them. */
  readonly channels: readonly string[] | null
  /** 0 before the first version. */
  readonly lastVersion: number
  /** Grows when the series is deleted, so that work for what was deleted is told from work for what came after. */
  readonly generation: number
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** What it takes to answer with a version, without its artifact. */
export interface ServedVersion {
  readonly seriesId: string
  readonly version: number
  readonly state: VersionState
  readonly class: SeriesClass
  readonly timestampUnit: TimestampUnit
  readonly ranges: Readonly<Record<string, PlausibleRange>>
  /** Ascending. */
  readonly channels: readonly string[]
  readonly members: readonly MemberRecord[]
  /** Answers while the artifact cannot. */
  readonly baseline: Baseline
  readonly driftBins: Readonly<Record<string, DriftBins>>
  readonly artifactUri: string
  /** SHA-256 of the whole file, hex. */
  readonly artifactSha256: string
  readonly artifactBytes: number
}

/** A version's whole record. */
export interface SeriesVersion extends ServedVersion {
  readonly fingerprint: string
  readonly dataHash: string
  /** Rows it was trained on. */
  readonly points: number
  readonly firstMs: number
  readonly lastMs: number
  /** By column. */
  readonly stats: Readonly<Record<string, ColumnStats>>
  /** The last points of the training, as safetensors; null when none are kept. */
  readonly tailUri: string | null
  /** The version that was stable when it was trained. */
  readonly parent: number | null
  readonly tags: Readonly<Record<string, string>>
  readonly aliases: readonly string[]
  readonly runId: string | null
  readonly actor: string
  /** Trace id of the request that asked for it. */
  readonly correlationId: string | null
  readonly trainedAt: Date
  readonly durationMs: number
}

/** A trained model whose files are there and which has no number yet. */
export interface SeriesDraft {
  readonly seriesId: string
  /** Of the series when the training was asked for. */
  readonly generation: number
  readonly fingerprint: string
  readonly dataHash: string
  readonly channels: readonly string[]
  readonly members: readonly MemberRecord[]
  readonly baseline: Baseline
  readonly driftBins: Readonly<Record<string, DriftBins>>
  readonly stats: Readonly<Record<string, ColumnStats>>
  readonly points: number
  readonly firstMs: number
  readonly lastMs: number
  readonly artifactUri: string
  readonly artifactSha256: string
  readonly artifactBytes: number
  readonly tailUri: string | null
  readonly tags: Readonly<Record<string, string>>
  readonly actor: string
  readonly correlationId: string | null
  readonly trainedAt: Date
  readonly durationMs: number
  /** `hold` publishes without serving, except for a first version. */
  readonly plan: SeriesPlan
}

export const SERIES_PLANS = ['immediate', 'hold'] as const
export type SeriesPlan = (typeof SERIES_PLANS)[number]

export interface AppendedVersion {
  readonly version: number
  /** False: a rival trained the same, or the version was archived or broken and now is whole again. */
  readonly created: boolean
  readonly serving: boolean
  /** Versions that fell out of the newest ones kept. */
  readonly archived: readonly ArchivedFile[]
}

export interface ArchivedFile {
  readonly version: number
  readonly uri: string
}

/** What training and prediction ask of the registry; its other side is `SeriesCatalogue`. */
export interface SeriesRecord {
  /** Null: not known, or deleted. */
  byId(seriesId: string): Promise<Series | null>
  /** The series as it is, made with `settings` when there is none. */
  ensure(seriesId: string, settings: SeriesSettings): Promise<Series>
  /** The version with this fingerprint, whatever its state. */
  byFingerprint(seriesId: string, fingerprint: string): Promise<SeriesVersion | null>
  version(seriesId: string, version: number): Promise<SeriesVersion | null>
  /**
   * In one SERIALIZABLE transaction, repeated on 40001 and 40P01: the next number, the row, the channels of a
   * first training, aliases as the plan says, what falls out of the newest kept.
   * @throws FenceLost; UNKNOWN_CHANNEL; MODEL_NOT_FOUND for a series deleted meanwhile; VERSION_CONFLICT when
   * rivals won every try
   */
  append(draft: SeriesDraft, fence: Fence, keep: number): Promise<AppendedVersion>
  /**
   * One query for all. `version` null: the one alias `stable` names. In the order asked; null where there is
   * no such series or version.
   */
  served(
    wanted: readonly { readonly seriesId: string; readonly version: number | null }[],
  ): Promise<readonly ServedLookup[]>
  /** Stable versions of the series predicted on most since `since`, at most `limit`. */
  mostPredicted(since: Date, limit: number): Promise<readonly ServedVersion[]>
  /** @returns whether it was marked; false when it has other bytes by now */
  markBroken(version: ServedVersion): Promise<boolean>
}

export type ServedLookup =
  | { readonly found: ServedVersion }
  /** `series`: nothing was ever trained for it. */
  | { readonly missing: 'series' | 'version' }

/** Topic of changes to series: `{ series: [ids], at_ms }`. Whoever holds an alias of one drops it. */
export const SERIES_CHANGED = 'series.changed'
