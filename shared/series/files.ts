/**
 * The files of series below MODELS_STORAGE_PATH:
 *
 *   anomaly_detector/series/{id}/{sha256}.safetensors   a version, under the hash of its bytes
 *   anomaly_detector/series/{id}/{sha256}.tail          the last points it was trained on
 *   anomaly_detector/series/{id}/archive/...            both, of versions that are archived
 *   uploads/{fingerprint}.safetensors                   points of trainings under way
 */
import type { ArtifactBytes } from '../registry/artifact-store.ts'
import type { FilePlace } from './registry-store.ts'

/** `quarantined`: it was damaged and put aside. */
export type SeriesFile = ArtifactBytes | { readonly status: 'quarantined' }

export interface SeriesFiles {
  /** Writes under a temporary name, fsyncs, renames, fsyncs the folder. Repeating is harmless. @returns uri */
  save(seriesId: string, sha256: string, kind: 'safetensors' | 'tail', bytes: Uint8Array): Promise<string>
  /** @throws STORAGE_UNAVAILABLE when the storage as a whole cannot be read */
  read(uri: string, bytes: number): Promise<SeriesFile>
  /** A tail, whose length nobody keeps; null when it is gone. */
  readWhole(uri: string): Promise<Uint8Array | null>
  /** Renames to `*.corrupt`. */
  quarantine(uri: string): Promise<void>
  /**
   * Moves to or from `archive/`; a file already there is fine. The uri stays what it was saved under: `read` and
   * `readWhole` look in both places, so that a file under way between them is never missed.
   * @returns false when it is gone
   */
  archive(uri: string): Promise<boolean>
  restore(uri: string): Promise<boolean>
  /**
   * Removes the files that were there before `forget` was called, once it has answered true; those saved since,
   * for a series that began anew, stay.
   * @returns what `forget` answered
   */
  removeSeries(seriesId: string, forget: () => Promise<boolean>): Promise<boolean>
  /**
   * Puts the files of all series, a few hundred at a time, where they belong: removes temporary ones and those
   * nobody knows, when they are older than `before`, and moves others to or from `archive/`.
   * @param knownOf files of the versions of some series, by uri
   */
  tidy(
    knownOf: (seriesIds: readonly string[]) => Promise<ReadonlyMap<string, FilePlace>>,
    before: Date,
  ): Promise<{ readonly removed: number; readonly moved: number }>
  saveUpload(fingerprint: string, bytes: Uint8Array): Promise<void>
  /** Null when it is gone. */
  readUpload(fingerprint: string): Promise<Uint8Array | null>
  removeUpload(fingerprint: string): Promise<void>
  /** Removes uploads older than `before`, except those of `wanted`. @returns how many */
  sweepUploads(before: Date, wanted: ReadonlySet<string>): Promise<number>
}
