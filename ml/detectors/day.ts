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
  type BaselineScratch,
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

/** Memory for looking at a day. */
interface DayWork {
  readonly days: number
  readonly columns: Readonly<Record<BaselineMetric, Float64Array>>
  readonly scratch: BaselineScratch
}

/** Of the last day that was looked at: to allocate it for each entity and day costs as much as its baselines. */
let spareWork: DayWork | null = null

const workFor = (days: number): DayWork => {
  if (spareWork?.days === days) return spareWork
  const column = () => new Float64Array(days)
  const columns = {
    spend: column(),
    cpl: column(),
    ctr: column(),
    leads: column(),
    conversion_rate: column(),
  }
  return (spareWork = { days, columns, scratch: baselineScratch(days) })
}

/** Writes the metrics of the rows [from, to), NaN where undefined or on an excluded day. */
const fillColumns = (
  columns: DayWork['columns'],
  frame: DailyFrame,
  from: number,
  to: number,
  excludedDays: ReadonlySet<DayNumber>,
): void => {
  for (let row = from; row < to; row++) {
    const i = row - from
    if (excludedDays.has(frame.days[row] as number)) {
      for (const metric of BASELINE_METRICS) columns[metric][i] = Number.NaN
      continue
    }
    const spend = frame.spend[row] as number
    const leads = frame.leads[row] as number
    const clicks = frame.clicks[row] as number
    columns.spend[i] = spend
    columns.leads[i] = leads
    columns.cpl[i] = cplOf(spend, leads)
    columns.ctr[i] = ctrOf(clicks, frame.impressions[row] as number)
    columns.conversion_rate[i] = conversionRateOf(leads, clicks)
  }
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
  const { columns, scratch } = workFor(params.baselineDays)
  fillColumns(columns, frame, start, row, excludedDays)
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
