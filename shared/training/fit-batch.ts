/** What a thread does with a batch of entities: the words of the task and of its answer. */
import type { DayNumber, FrameBatch } from '../../ml/frame.ts'
import type { Level } from '../core/entity.ts'

export interface ForestSettings {
  readonly minSamples: number
  readonly contamination: number
  readonly trees: number
  readonly seed: number
}

export interface FitTask {
  readonly batch: FrameBatch
  readonly configId: number
  readonly level: Level
  /** The training window, both inclusive. */
  readonly from: DayNumber
  readonly to: DayNumber
  /** Days labelled `true_positive`, per entity of the batch that has any. */
  readonly excludedDays: ReadonlyMap<string, readonly DayNumber[]>
  /** Fingerprints of usable versions, per entity: a match is not fitted again. */
  readonly known: ReadonlyMap<string, readonly string[]>
  readonly settings: ForestSettings
  /** ISO 8601, written into the artifacts. */
  readonly trainedAt: string
}

export interface TrainedForest {
  readonly status: 'trained'
  readonly entityId: string
  readonly fingerprint: string
  /** The whole artifact file. */
  readonly bytes: Uint8Array<ArrayBuffer>
  /** Of the whole file. */
  readonly sha256: string
  /** Rows trained on. */
  readonly samples: number
  readonly stats: Readonly<Record<string, unknown>>
}

export type FitOutcome =
  | TrainedForest
  | { readonly status: 'reused'; readonly entityId: string; readonly fingerprint: string }
  | { readonly status: 'insufficient_data'; readonly entityId: string; readonly samples: number }
  | { readonly status: 'failed'; readonly entityId: string; readonly error: string }

export interface FitResult {
  /** One per entity of the batch, in its order. */
  readonly outcomes: readonly FitOutcome[]
}
