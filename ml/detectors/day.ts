/** One entity on one day, as the detectors of that day see it. */
import {
  type DailyFrame,
  type DayNumber,
  type EntityHead,
  isActiveOn,
  lowerBound,
  rowOf,
  type Totals,
  totalsOf,
} from '../frame.ts'
import { conversionRateOf, cplOf, ctrOf } from '../ratios.ts'
import type { DetectionParams } from './params.ts'
import { budgetMoves, type Circumstances } from './polarity.ts'
import type { Signal } from './signal.ts'
import {
  BASELINE_METRICS,
  type BaselineMetric,
  baselineScratch,
  type WeekdayBaseline,
  weekdayBaseline,
} from './weekday-baseline.ts'

/** A signal before it is told which model the entity had. */
export type Finding = Omit<Signal, 'modelSource' | 'modelVersion'>

/**
 * What a statistical detector says of one metric. Normal and not tested differ: only what was tested
 * counts as a hypothesis.
 */
export type Judgement = Finding | 'normal' | 'not_tested'

export interface DayView {
  readonly day: DayNumber
  /** Densified; may go on after `day`. */
  readonly frame: DailyFrame
  /** Row of `day`. */
  readonly row: number
  readonly active: boolean
  /** Days that were truly odd and so say nothing about normal ones. */
  readonly excludedDays: ReadonlySet<DayNumber>
  readonly totals: Totals
  readonly observed: Readonly<Record<BaselineMetric, number>>
  readonly baselines: Readonly<Record<BaselineMetric, WeekdayBaseline | null>>
  /** Of this one day against its baselines. */
  readonly circumstances: Circumstances
}

const METRIC: Readonly<Record<BaselineMetric, (totals: Totals) => number>> = {
  spend: ({ spend }) => spend,
  cpl: ({ spend, leads }) => cplOf(spend, leads),
  ctr: ({ clicks, impressions }) => ctrOf(clicks, impressions),
  leads: ({ leads }) => leads,
  conversion_rate: ({ leads, clicks }) => conversionRateOf(leads, clicks),
}

/** NaN where undefined. */
export const metricOf = (metric: BaselineMetric, totals: Totals): number => METRIC[metric](totals)

const observedOf = (totals: Totals): Record<BaselineMetric, number> => ({
  spend: METRIC.spend(totals),
  cpl: METRIC.cpl(totals),
  ctr: METRIC.ctr(totals),
  leads: METRIC.leads(totals),
  conversion_rate: METRIC.conversion_rate(totals),
})

/** null when the entity has no row on `day`: it neither delivered nor was active. */
export const viewDay = (
  frame: DailyFrame,
  day: DayNumber,
  head: Pick<EntityHead, 'activeRanges' | 'budgetChanges'>,
  excludedDays: ReadonlySet<DayNumber>,
  params: DetectionParams,
): DayView | null => {
  const row = rowOf(frame.days, day)
  if (row < 0) return null

  const start = lowerBound(frame.days, day - params.baselineDays)
  const size = row - start
  const columns: Record<BaselineMetric, Float64Array> = {
    spend: new Float64Array(size),
    cpl: new Float64Array(size),
    ctr: new Float64Array(size),
    leads: new Float64Array(size),
    conversion_rate: new Float64Array(size),
  }
  for (let i = 0; i < size; i++) {
    const at = start + i
    const counts = !excludedDays.has(frame.days[at] as number)
    const spend = frame.spend[at] as number
    const leads = frame.leads[at] as number
    const clicks = frame.clicks[at] as number
    columns.spend[i] = counts ? spend : Number.NaN
    columns.leads[i] = counts ? leads : Number.NaN
    columns.cpl[i] = counts ? cplOf(spend, leads) : Number.NaN
    columns.ctr[i] = counts ? ctrOf(clicks, frame.impressions[at] as number) : Number.NaN
    columns.conversion_rate[i] = counts ? conversionRateOf(leads, clicks) : Number.NaN
  }

  const days = frame.days.subarray(start, row)
  const scratch = baselineScratch(params.baselineDays)
  const baselines: Record<BaselineMetric, WeekdayBaseline | null> = {
    spend: null,
    cpl: null,
    ctr: null,
    leads: null,
    conversion_rate: null,
  }
  for (const metric of BASELINE_METRICS) {
    baselines[metric] = weekdayBaseline(metric, columns[metric], days, day, params, scratch)
  }

  const totals = totalsOf(frame, row, row + 1)
  const observed = observedOf(totals)
  return {
    day,
    frame,
    row,
    active: isActiveOn(head.activeRanges, day),
    excludedDays,
    totals,
    observed,
    baselines,
    circumstances: {
      cplHeld: observed.cpl <= (baselines.cpl?.expected ?? Number.NaN),
      conversionFell: observed.conversion_rate < (baselines.conversion_rate?.expected ?? Number.NaN),
      ...budgetMoves(head.budgetChanges, day),
    },
  }
}
