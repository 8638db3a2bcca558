/**
 * What detectors and features read: the days of entities as columns, never as row objects.
 *
 * A `FrameBatch` holds many entities end to end in one typed array per column, so that it crosses to a
 * worker thread by transferring a handful of buffers. `frameAt` gives the view of one entity.
 * Days are integers: days since 1970-01-01 of the account's local calendar.
 */

/** Days since 1970-01-01, account-local calendar. */
export type DayNumber = number

/** One entity's days in ascending order. Only delivered days until `densify` adds the missing ones. */
export interface DailyFrame {
  readonly days: Int32Array
  /** Account currency. */
  readonly spend: Float64Array
  readonly impressions: Float64Array
  readonly clicks: Float64Array
  readonly leads: Float64Array
  /** People reached that day; NaN when unknown. */
  readonly reach: Float64Array
  /** People reached in the 7 days ending that day as delivered by the source; NaN when unknown. */
  readonly reach7: Float64Array
}

export const FRAME_COLUMNS = ['spend', 'impressions', 'clicks', 'leads', 'reach', 'reach7'] as const

/** A budget change that took effect on `day`: `ratio` = new / old. */
export interface BudgetChange {
  readonly day: DayNumber
  readonly ratio: number
}

/** What a detector must know of an entity besides its numbers. */
export interface EntityHead {
  readonly id: string
  /** Campaign of an adset, adset of an ad; null for campaigns. */
  readonly parentId: string | null
  readonly campaignId: string
  /** Inclusive day ranges on which the entity and its ancestors were ACTIVE all day, ascending. */
  readonly activeRanges: readonly (readonly [DayNumber, DayNumber])[]
  /** spend / leads over the loaded window of the nearest ancestor that has leads; null when none has. */
  readonly ancestorCpl: number | null
  /** Of the entity and its ancestors. */
  readonly budgetChanges: readonly BudgetChange[]
}

export interface FrameBatch {
  readonly heads: readonly EntityHead[]
  /** heads.length + 1 offsets into the columns. */
  readonly offsets: Int32Array
  readonly columns: DailyFrame
}

/** The days of entity `i` of the batch, as views. */
export const frameAt = (batch: FrameBatch, i: number): DailyFrame =>
  sliceFrame(batch.columns, batch.offsets[i] ?? 0, batch.offsets[i + 1] ?? 0)

/** Rows [from, to) as views on the same memory. */
export const sliceFrame = (frame: DailyFrame, from: number, to: number): DailyFrame => ({
  days: frame.days.subarray(from, to),
  spend: frame.spend.subarray(from, to),
  impressions: frame.impressions.subarray(from, to),
  clicks: frame.clicks.subarray(from, to),
  leads: frame.leads.subarray(from, to),
  reach: frame.reach.subarray(from, to),
  reach7: frame.reach7.subarray(from, to),
})
