/** The record of model versions and aliases; `db` keeps it in PostgreSQL. */
import type { DayNumber } from '../../ml/frame.ts'
import type { Level } from '../core/entity.ts'
import type { Page, PageRequest } from '../core/page.ts'
import type { Fence } from '../core/work.ts'
import type { StagedArtifact } from './artifact-store.ts'
import type { Alias, ArtifactRef, ModelVersion } from './model-version.ts'

/** A trained model whose bytes are staged and which has no number yet. */
export interface VersionDraft {
  readonly model: string
  readonly family: string
  readonly fingerprint: string
  readonly entityKey: string
  readonly entityType: Level
  /** Null: the model is of many entities of the level. */
  readonly entityId: string | null
  readonly params: Readonly<Record<string, unknown>>
  readonly stats: Readonly<Record<string, unknown>>
  readonly points: number
  readonly artifactSha256: string
  readonly artifactBytes: number
  readonly trainedAt: Date
  readonly staged: StagedArtifact
}

/** A model whose data and parameters are those of a version there already is. */
export interface KnownModel {
  readonly model: string
  readonly fingerprint: string
}

export interface TrainedBatch {
  readonly configId: number
  readonly fence: Fence
  readonly actor: string
  readonly drafts: readonly VersionDraft[]
  readonly known: readonly KnownModel[]
}

/** How the files follow the record; called inside the transaction, so that a file is there before its row. */
export interface ArtifactMoves {
  /** @returns the uri of the version's file */
  settle(draft: VersionDraft, version: number): Promise<string>
  /** A rival trained the same: the staged bytes are not needed. */
  discard(draft: VersionDraft): Promise<void>
  /** @returns false when the file is gone */
  publish(model: string, uri: string): Promise<boolean>
  isPublished(model: string): Promise<boolean>
  flush(models: readonly string[]): Promise<void>
}

export type AppendOutcome =
  | { readonly status: 'trained' | 'reused'; readonly model: string; readonly version: number }
  | { readonly status: 'save_failed'; readonly model: string; readonly error: string }

export interface Appended {
  readonly outcomes: readonly AppendOutcome[]
  /** Files of versions that were archived: nobody needs them any more. */
  readonly archivedUris: readonly string[]
}

export interface VersionFilter {
  readonly configId: number
  readonly family?: string
  readonly entityType?: Level
  readonly entityId?: string
  readonly alias?: Alias
}

export interface ModelVersions {
  /** Fingerprints of the ready versions of a level's entities; null: of all. */
  fingerprints(
    configId: number,
    level: Level,
    entityIds: readonly string[] | null,
  ): Promise<ReadonlyMap<string, readonly string[]>>
  /** Fingerprints of the ready versions of a level's pooled models, by model. */
  pooledFingerprints(configId: number, level: Level): Promise<ReadonlyMap<string, readonly string[]>>
  /**
   * In one transaction, one trainer of a config at a time: numbers without gaps, rows, aliases, archive.
   * A fingerprint met again keeps its number; if its file was archived or broken it gets the new one.
   * @throws FenceLost, with nothing written
   */
  append(batch: TrainedBatch, files: ArtifactMoves): Promise<Appended>
  /** For each of `days`, by model. */
  newestBefore(
    models: readonly string[],
    days: readonly DayNumber[],
  ): Promise<readonly ReadonlyMap<string, ArtifactRef>[]>
  list(filter: VersionFilter, page: PageRequest): Promise<Page<ModelVersion>>
  byId(id: number): Promise<ModelVersion | null>
  /** Newest first. */
  ofModel(model: string): Promise<readonly ModelVersion[]>
  /**
   * Moves `stable` to the version and `previous` to where it was. `publish` runs inside the transaction.
   * @returns false, with nothing done, when it is not ready any more
   */
  promote(version: ModelVersion, publish: () => Promise<void>): Promise<boolean>
  /**
   * Marks the version broken unless it has other bytes by now. `quarantine` runs inside the transaction.
   * @returns whether it was marked
   */
  markBroken(ref: ArtifactRef, quarantine: () => Promise<void>): Promise<boolean>
  /**
   * Takes the aliases from the model. `unpublish` runs inside the transaction.
   * @returns whether it had any
   * @throws FenceLost, with nothing done
   */
  retract(model: string, fence: Fence, unpublish: () => Promise<void>): Promise<boolean>
  /** Archives what is beyond the newest 10 of every model and has no alias. @returns the files */
  archiveOld(): Promise<readonly string[]>
  /** Models with a stable version whose entity has no row since `day`. */
  inactiveSince(day: DayNumber): Promise<readonly string[]>
  configIds(): Promise<readonly number[]>
  /** Files of versions that are not archived. */
  uris(configId: number): Promise<ReadonlySet<string>>
}
