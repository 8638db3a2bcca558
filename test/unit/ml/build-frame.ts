import type { DailyFrame } from '../../../ml/frame.ts'

export interface DayRow {
  readonly spend?: number
  readonly impressions?: number
  readonly clicks?: number
  readonly leads?: number
  readonly reach?: number
  readonly reach7?: number
}

/** Rows of consecutive days from `firstDay`; null leaves a day out. Reach is unknown unless given, the rest 0. */
export const buildFrame = (firstDay: number, rows: readonly (DayRow | null)[]): DailyFrame => {
  const days = rows.flatMap((row, i) => (row ? [firstDay + i] : []))
  const there = rows.filter((row) => row !== null)
  const column = (name: keyof DayRow, missing: number) =>
    Float64Array.from(there, (row) => row[name] ?? missing)
  return {
    days: Int32Array.from(days),
    spend: column('spend', 0),
    impressions: column('impressions', 0),
    clicks: column('clicks', 0),
    leads: column('leads', 0),
    reach: column('reach', Number.NaN),
    reach7: column('reach7', Number.NaN),
  }
}

export const repeat = <T>(times: number, value: T): T[] => Array.from({ length: times }, () => value)
