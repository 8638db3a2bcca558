/**
 * What a day's shifts say in the words of findings: a type, a metric, what was seen and what was expected. One
 * shift may show in several figures; each that passed its own test is an anomaly of its own.
 */
import type { AnomalyType, Metric, Polarity, Severity } from '../detectors/signal.ts'
import type { AccountDays, AccountEntity } from './account.ts'
import type { FigureName } from './figures.ts'
import type { Shift } from './judge.ts'

/** Half the width of the expected interval, in deviates. */
const INTERVAL = 2.5
/** Deviates from which a shift is severe. Those of MEDIUM begin at the threshold itself. */
const HIGH = 5
const CRITICAL = 7
/** Mean spend, and impressions, of the seven days before a day on which there were none. */
const MISSED_SPEND = 10
const MISSED_IMPRESSIONS = 100
const WEEK = 7

export interface ShiftAnomaly {
  readonly entity: number
  readonly day: number
  readonly type: AnomalyType
  readonly metric: Metric
  readonly direction: 'up' | 'down'
  readonly polarity: Polarity
  readonly severity: Severity
  /** Per day for amounts; over the window for ratios. Null: nothing of the kind happened. */
  readonly observed: number | null
  readonly expected: number | null
  readonly lower: number | null
  readonly upper: number | null
  /** Signed deviate; -1 for what stopped. */
  readonly deviation: number
  /** The shift it was made of; null for what stopped. */
  readonly shift: Shift | null
}

const sum = (column: Float64Array, from: number, to: number): number => {
  let total = 0
  for (let t = from; t <= to; t++) total += column[t] as number
  return total
}

/** The metric over the days of the shift, as the report shows it. */
const metricOf = (metric: Metric, x: AccountEntity, { day, window }: Shift): number | null => {
  const of = (name: 'spend' | 'impressions' | 'clicks' | 'leads' | 'reach'): number =>
    sum(x[name], day - window + 1, day)
  const ratio = (a: number, b: number): number | null => (b > 0 ? a / b : null)
  switch (metric) {
    case 'spend':
      return of('spend') / window
    case 'leads':
      return of('leads') / window
    case 'cpl':
      return ratio(of('spend'), of('leads'))
    case 'ctr':
      return ratio(100 * of('clicks'), of('impressions'))
    case 'conversion_rate':
      return ratio(100 * of('leads'), of('clicks'))
    case 'frequency':
      return ratio(of('impressions'), of('reach'))
    case 'impressions':
    case 'reach':
    case 'multivariate':
      break
  }
  return null
}

const severityOf = (deviate: number, polarity: Polarity): Severity => {
  if (polarity === 'good') return 'LOW'
  const size = Math.abs(deviate)
  return size >= CRITICAL ? 'CRITICAL' : size >= HIGH ? 'HIGH' : 'MEDIUM'
}

interface Naming {
  readonly metric: Metric
  /** Of the metric, when the figure goes up. */
  readonly sign: 1 | -1
}

const NAMES: Readonly<Record<FigureName, Naming>> = {
  spend: { metric: 'spend', sign: 1 },
  // What a thousand impressions cost is no metric of its own: it is felt in what a lead costs.
  cpm: { metric: 'cpl', sign: 1 },
  ctr: { metric: 'ctr', sign: 1 },
  conversion_rate: { metric: 'conversion_rate', sign: 1 },
  // Kept as leads per money.
  cpl: { metric: 'cpl', sign: -1 },
  leads: { metric: 'leads', sign: 1 },
  frequency: { metric: 'frequency', sign: 1 },
}

const fromShift = (x: AccountEntity, shift: Shift): ShiftAnomaly => {
  const polarity: Polarity = shift.bad ? 'bad' : 'good'
  const common = {
    entity: shift.entity,
    day: shift.day,
    polarity,
    severity: severityOf(shift.deviate, polarity),
    deviation: shift.deviate,
    shift,
  }
  if (shift.figure === 'joint') {
    const type = shift.bad ? 'performance_drop' : 'performance_spike'
    const nothing = { observed: null, expected: null, lower: null, upper: null }
    return { ...common, ...nothing, type, metric: 'multivariate', direction: shift.bad ? 'down' : 'up' }
  }
  const { metric, sign } = NAMES[shift.figure]
  const size = sign * shift.size
  const direction = size < 0 ? 'down' : 'up'
  const observed = metricOf(metric, x, shift)
  const expected = observed === null ? null : observed / Math.exp(size)
  const sd = Math.abs(shift.size / shift.deviate)
  const type: AnomalyType =
    metric === 'frequency' ? 'frequency_alert' : (`${metric}_${size < 0 ? 'drop' : 'spike'}` as AnomalyType)
  return {
    ...common,
    type,
    metric,
    direction,
    observed,
    expected,
    lower: expected === null ? null : expected * Math.exp(-INTERVAL * sd),
    upper: expected === null ? null : expected * Math.exp(INTERVAL * sd),
  }
}

/** An active entity that delivered nothing although it did the week before. */
export const stopped = (x: AccountEntity, entity: number, day: number): ShiftAnomaly | null => {
  if (day < x.start + 1 || day > x.end) return null
  const from = Math.max(x.start, day - WEEK)
  const meanOf = (column: Float64Array): number => sum(column, from, day - 1) / (day - from)
  const of = (
    column: Float64Array,
    type: AnomalyType,
    metric: Metric,
    least: number,
  ): ShiftAnomaly | null => {
    const expected = meanOf(column)
    if ((column[day] as number) > 0 || expected <= least) return null
    const again = (column[day - 1] as number) === 0
    return {
      entity,
      day,
      type,
      metric,
      direction: 'down',
      polarity: 'bad',
      severity: type === 'zero_impressions' ? 'MEDIUM' : again ? 'CRITICAL' : 'HIGH',
      observed: 0,
      expected,
      lower: null,
      upper: null,
      deviation: -1,
      shift: null,
    }
  }
  return (
    of(x.spend, 'zero_spend', 'spend', MISSED_SPEND) ??
    of(x.impressions, 'zero_impressions', 'impressions', MISSED_IMPRESSIONS)
  )
}

const keyOf = ({ entity, type, metric }: ShiftAnomaly): string => `${entity} ${type} ${metric}`

/** The anomalies of every day, ascending; of two of one type the loudest. */
export const toShiftAnomalies = (account: AccountDays, shifts: readonly Shift[]): ShiftAnomaly[][] => {
  const byDay: Map<string, ShiftAnomaly>[] = Array.from({ length: account.days }, () => new Map())
  const add = (anomaly: ShiftAnomaly): void => {
    const day = byDay[anomaly.day]
    const known = day?.get(keyOf(anomaly))
    if (!known || Math.abs(known.deviation) < Math.abs(anomaly.deviation)) day?.set(keyOf(anomaly), anomaly)
  }
  account.entities.forEach((x, i) => {
    for (let day = 0; day < Math.min(account.days, account.completeUntil); day++) {
      const anomaly = stopped(x, i, day)
      if (anomaly) add(anomaly)
    }
  })
  for (const shift of shifts) {
    const anomaly = fromShift(account.entities[shift.entity] as AccountEntity, shift)
    // Without a lead there is no cost of one: what is missing is told as missing leads.
    if (anomaly.metric === 'cpl' && anomaly.observed === null)
      add({ ...anomaly, type: 'leads_drop', metric: 'leads', direction: 'down', observed: 0 })
    else add(anomaly)
  }
  return byDay.map((day) => [...day.values()])
}
