/** Models in memory: the bytes of artifacts, checked, shared between threads, and held as long as useful. */
import type { ArtifactRef } from './model-version.ts'

export type LoadedModel =
  | {
      readonly status: 'ready'
      readonly ref: ArtifactRef
      /** The whole artifact file; reaches threads without being copied. Read only. */
      readonly bytes: SharedArrayBuffer
    }
  /** The file was missing, cut, changed or foreign: it is quarantined and its version marked broken. */
  | { readonly status: 'broken'; readonly ref: ArtifactRef; readonly reason: string }

export interface ModelLoader {
  load(ref: ArtifactRef): Promise<LoadedModel>
  /** In the order of `refs`; a bounded number of files is read at once. */
  loadMany(refs: readonly ArtifactRef[]): Promise<readonly LoadedModel[]>
  /** Drops everything held. */
  clear(): void
}
