/**
 * What detectors and features read: the days of entities as columns, never as row objects.
 *
 * A `FrameBatch` holds many entities end to end in one typed array per column, so that it crosses to a
 * worker thread by transferring a handful of buffers. `frameAt` gives the view of one entity.
 * Days are integers: days since 1970-01-01 of the account's local calendar.
 */

/** Days since 1970-01-01, account-local calendar. */
export type DayNumber = number

export const WEEK = 7

/** 0..6: every seventh integer is the same weekday, also before 1970. */
export const weekdayOf = (day: DayNumber): number => ((day % WEEK) + WEEK) % WEEK

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
export const frameAt = (batch: Pick<FrameBatch, 'offsets' | 'columns'>, i: number): DailyFrame =>
  sliceFrame(batch.columns, batch.offsets[i] ?? 0, batch.offsets[i + 1] ?? 0)

/** Those entities of a batch, in memory of their own. */
export const pickEntities = (batch: FrameBatch, entities: readonly number[]): FrameBatch => {
  const offsets = new Int32Array(entities.length + 1)
  entities.forEach((i, k) => {
    offsets[k + 1] = (offsets[k] as number) + (batch.offsets[i + 1] as number) - (batch.offsets[i] as number)
  })
  const columns = emptyFrame(offsets[entities.length] as number)
  entities.forEach((i, k) => {
    const rows = frameAt(batch, i)
    columns.days.set(rows.days, offsets[k])
    for (const column of FRAME_COLUMNS) columns[column].set(rows[column], offsets[k])
  })
  return { heads: entities.map((i) => batch.heads[i] as EntityHead), offsets, columns }
}

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

/** Index of the first row of `days` (ascending) on or after `day`; days.length when there is none. */
export const lowerBound = (days: Int32Array, day: DayNumber): number => {
  let low = 0
  let high = days.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((days[middle] as number) < day) low = middle + 1
    else high = middle
  }
  return low
}

/** Row of `day`, or -1. */
export const rowOf = (days: Int32Array, day: DayNumber): number => {
  const row = lowerBound(days, day)
  return days[row] === day ? row : -1
}

type ActiveRanges = EntityHead['activeRanges']

export const isActiveOn = (ranges: ActiveRanges, day: DayNumber): boolean =>
  ranges.some(([from, to]) => from <= day && day <= to)

/** @param days ascending */
export const rangesWithout = (ranges: ActiveRanges, days: readonly DayNumber[]): ActiveRanges =>
  ranges.flatMap(([from, to]) => {
    const left: [DayNumber, DayNumber][] = []
    let next = from
    for (const day of days) {
      if (day < next || day > to) continue
      if (day > next) left.push([next, day - 1])
      next = day + 1
    }
    if (next <= to) left.push([next, to])
    return left
  })

const emptyFrame = (rows: number): DailyFrame => ({
  days: new Int32Array(rows),
  spend: new Float64Array(rows),
  impressions: new Float64Array(rows),
  clicks: new Float64Array(rows),
  leads: new Float64Array(rows),
  reach: new Float64Array(rows),
  reach7: new Float64Array(rows),
})

/**
 * The days [from, to], both inclusive: every day the source delivered, and zero delivery on the missing
 * days the entity was active. Days that are neither stay absent. Nobody is reached on a day without
 * delivery (reach 0), but the 7 days ending there did reach people (reach7 unknown).
 *
 * Returns views on `frame` when no day is missing.
 */
export const densify = (
  frame: DailyFrame,
  activeRanges: ActiveRanges,
  from: DayNumber,
  to: DayNumber,
): DailyFrame => {
  const first = lowerBound(frame.days, from)
  const end = lowerBound(frame.days, to + 1)
  const delivered = sliceFrame(frame, first, end)

  const missing: DayNumber[] = []
  let row = 0
  // Ranges may overlap: each starts where the ones before it ended, if not later.
  let day = from
  for (const [start, stop] of activeRanges) {
    for (day = Math.max(start, day); day <= Math.min(stop, to); day++) {
      while (row < delivered.days.length && (delivered.days[row] as number) < day) row++
      if (delivered.days[row] !== day) missing.push(day)
    }
  }
  if (missing.length === 0) return delivered

  const dense = emptyFrame(delivered.days.length + missing.length)
  let next = 0
  row = 0
  for (let i = 0; i < dense.days.length; i++) {
    const gap = missing[next] ?? Infinity
    if (row >= delivered.days.length || gap < (delivered.days[row] as number)) {
      dense.days[i] = gap
      dense.reach7[i] = Number.NaN
      next++
    } else {
      dense.days[i] = delivered.days[row] as number
      for (const column of FRAME_COLUMNS) dense[column][i] = delivered[column][row] as number
      row++
    }
  }
  return dense
}

/** What days or ads add up to. Reach is missing here: it does not add. */
export interface Totals {
  readonly spend: number
  readonly impressions: number
  readonly clicks: number
  readonly leads: number
}

/** Sums of the rows [from, to). */
export const totalsOf = (frame: DailyFrame, from = 0, to: number = frame.days.length): Totals => {
  let spend = 0
  let impressions = 0
  let clicks = 0
  let leads = 0
  for (let row = from; row < to; row++) {
    spend += frame.spend[row] as number
    impressions += frame.impressions[row] as number
    clicks += frame.clicks[row] as number
    leads += frame.leads[row] as number
  }
  return { spend, impressions, clicks, leads }
}
