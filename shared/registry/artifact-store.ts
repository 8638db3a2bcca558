/**
 * Where the files of models live. A model is known by its registry name, a path of plain words such as
 * `anomaly_detector/config_12/adset_345`; a uri is relative to the store.
 */

/** Bytes that are safe on disk, but not yet anybody's version. */
export interface StagedArtifact {
  readonly model: string
  readonly tempPath: string
}

export type ArtifactBytes =
  | { readonly status: 'read'; readonly bytes: SharedArrayBuffer }
  /** There is no such file, or not of that length. */
  | { readonly status: 'missing' | 'wrong_length' }

export interface ArtifactStore {
  /**
   * Writes and fsyncs a temporary file.
   * @param writer names the execution, so that two never share a file
   */
  stage(model: string, bytes: Uint8Array, writer: string): Promise<StagedArtifact>
  discard(staged: StagedArtifact): Promise<void>
  /** Makes staged bytes the file of `version` and publishes it. @returns its uri */
  settle(staged: StagedArtifact, version: number): Promise<string>
  /** Makes the file at `uri` the model's published one. @returns false when there is no such file */
  publish(model: string, uri: string): Promise<boolean>
  isPublished(model: string): Promise<boolean>
  unpublish(models: readonly string[]): Promise<void>
  /** Makes the names given since durable: one fsync per folder. */
  flush(models: readonly string[]): Promise<void>
  /** @throws when the storage cannot be read */
  read(uri: string, bytes: number): Promise<ArtifactBytes>
  /** Renames a damaged version, and the published name of the same file, to `*.corrupt`. */
  quarantine(model: string, uri: string): Promise<void>
  remove(uris: readonly string[]): Promise<void>
  removeConfig(configId: number): Promise<void>
  /** Removes temporary files, and version files not among the `known` uris, older than `before`. @returns how many */
  removeOrphans(configId: number, known: ReadonlySet<string>, before: Date): Promise<number>
  writeMetadata(configId: number, metadata: object): Promise<void>
  /** Null when there is none. */
  readMetadata(configId: number): Promise<unknown>
}
