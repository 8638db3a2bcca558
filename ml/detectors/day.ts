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

/** The metrics of the rows [from, to), NaN where undefined or on an excluded day. */
const columnsOf = (
  frame: DailyFrame,
  from: number,
  to: number,
  excludedDays: ReadonlySet<DayNumber>,
): Record<BaselineMetric, Float64Array> => {
  const empty = () => new Float64Array(to - from).fill(Number.NaN)
  const columns = { spend: empty(), cpl: empty(), ctr: empty(), leads: empty(), conversion_rate: empty() }
  for (let row = from; row < to; row++) {
    if (excludedDays.has(frame.days[row] as number)) continue
    const i = row - from
    const spend = frame.spend[row] as number
    const leads = frame.leads[row] as number
    const clicks = frame.clicks[row] as number
    columns.spend[i] = spend
    columns.leads[i] = leads
    columns.cpl[i] = cplOf(spend, leads)
    columns.ctr[i] = ctrOf(clicks, frame.impressions[row] as number)
    columns.conversion_rate[i] = conversionRateOf(leads, clicks)
  }
  return columns
}

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
  const days = frame.days.subarray(start, row)
  const columns = columnsOf(frame, start, row, excludedDays)
  const scratch = baselineScratch(params.baselineDays)
  const baselineOf = (metric: BaselineMetric) =>
    weekdayBaseline(metric, columns[metric], days, day, params, scratch)
  const baselines = {
    spend: baselineOf('spend'),
    cpl: baselineOf('cpl'),
    ctr: baselineOf('ctr'),
    leads: baselineOf('leads'),
    conversion_rate: baselineOf('conversion_rate'),
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
