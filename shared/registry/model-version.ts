/** A version of a model, as the registry knows it. */
import type { Level } from '../core/entity.ts'

export type VersionState = 'ready' | 'archived' | 'broken'
export const ALIASES = ['stable', 'previous'] as const
export type Alias = (typeof ALIASES)[number]

/** What it takes to load and check the file of a version. */
export interface ArtifactRef {
  /** Registry name, e.g. `anomaly_detector/config_12/adset_345`. */
  readonly model: string
  readonly version: number
  /** Path below the storage root. */
  readonly artifactUri: string
  /** SHA-256 of the whole file, hex. */
  readonly artifactSha256: string
  readonly artifactBytes: number
}

export interface ModelVersion extends ArtifactRef {
  readonly id: number
  readonly family: string
  readonly fingerprint: string
  /** `config_12/adset_345` */
  readonly entityKey: string
  readonly configId: number | null
  readonly entityType: Level | null
  readonly entityId: string | null
  readonly params: Readonly<Record<string, unknown>>
  readonly stats: Readonly<Record<string, unknown>>
  /** Rows it was trained on. */
  readonly points: number
  readonly state: VersionState
  readonly trainedAt: Date
  readonly runId: string | null
  readonly actor: string
  /** Aliases that name it now. */
  readonly aliases: readonly string[]
}
