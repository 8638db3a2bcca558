/** Where the days of a config's entities come from. */
import type { DayNumber, FrameBatch } from '../../ml/frame.ts'
import type { Level } from '../core/entity.ts'

export interface FrameRequest {
  readonly configId: number
  readonly level: Level
  /** First and last day of the rows, both inclusive. */
  readonly from: DayNumber
  readonly to: DayNumber
  /** Only these; ids without a row in the window are left out. Without it: all entities with rows. */
  readonly entityIds?: readonly string[]
  /** Most entities per batch. */
  readonly batchSize: number
}

/**
 * Entities come ordered by campaign, parent and id, with days ascending. Every buffer of a batch is its
 * own, so it can be transferred to a thread. Memory is bounded by a few batches, whatever the account's
 * size.
 */
export interface FrameSource {
  batches(request: FrameRequest): AsyncIterable<FrameBatch>
}

/** The buffers of a batch, for handing it to a thread. */
export const frameBuffers = ({ offsets, columns }: FrameBatch): ArrayBuffer[] =>
  [offsets, ...Object.values(columns)].flatMap(({ buffer }: Int32Array | Float64Array) =>
    buffer instanceof ArrayBuffer ? [buffer] : [],
  )
