/**
 * What a day's shifts say in the words of findings: a type, a metric, what was seen and what was expected. One
 * shift may show in several figures; each that passed its own test is a signal of its own.
 */
import type { AnomalyType, Metric, Polarity, Severity, Signal } from '../detectors/signal.ts'
import { sumOfDays } from './account.ts'
import type { AccountDays, AccountEntity } from './account.ts'
import type { FigureName } from './figures.ts'
import { CENT } from './telling.ts'
import { FEWEST_DAY_LEADS } from './holding.ts'
import type { Shift } from './shift.ts'
import { rarityOf } from './tails.ts'
import { COUNT_START } from './windows.ts'

/** Half the width of the expected interval, in deviates. */
const INTERVAL = 2.5
/** Days before a shift that tell what a lead usually costs. */
const USUAL_DAYS = 28
/** Deviates from which a shift is severe. Those of MEDIUM begin at the threshold itself. */
const HIGH = 5
const CRITICAL = 7

/** A shift as a signal, before it is told which model its entity had. */
export interface ShiftSignal extends Omit<Signal, 'modelSource' | 'modelVersion'> {
  readonly shift: Shift
}

const ratio = (a: number, b: number): number | null => (b > 0 ? a / b : null)

type Column = 'spend' | 'impressions' | 'clicks' | 'leads' | 'reach'

interface Seen {
  readonly observed: number | null
  readonly expected: number | null
}

/**
 * How a figure shows in reports: amounts per day, ratios over the window. `grown` is what the figure moved by, as a
 * factor; of counts by a quarter of an event more than were seen, so that none at all still tells what was missed.
 */
const SEEN: Readonly<
  Record<FigureName, (of: (column: Column) => number, days: number, grown: number) => Seen>
> = {
  spend: (of, days, grown) => ({
    observed: of('spend') / days,
    expected: Math.max(CENT, of('spend') / days) / grown,
  }),
  cpm: (of, _, grown) => {
    const observed = ratio(of('spend'), of('leads'))
    return { observed, expected: observed === null ? null : observed / grown }
  },
  ctr: (of, _, grown) => ({
    observed: ratio(100 * of('clicks'), of('impressions')),
    expected: ratio((100 * (of('clicks') + COUNT_START)) / grown, of('impressions')),
  }),
  conversion_rate: (of, _, grown) => ({
    observed: ratio(100 * of('leads'), of('clicks')),
    expected: ratio((100 * (of('leads') + COUNT_START)) / grown, of('clicks')),
  }),
  cpl: (of, _, grown) => ({
    observed: ratio(of('spend'), of('leads')),
    expected: ratio(of('spend') * grown, of('leads') + COUNT_START),
  }),
  leads: (of, days, grown) => ({
    observed: of('leads') / days,
    expected: (of('leads') + COUNT_START) / days / grown,
  }),
  frequency: (of, _, grown) => {
    const observed = ratio(of('impressions'), of('reach'))
    return { observed, expected: observed === null ? null : observed / grown }
  },
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

/** The figure a metric's anomalies were judged by; the tolerance of a metric is that of its figures. */
export const figuresOf = (metric: Metric): (FigureName | 'joint')[] =>
  metric === 'multivariate'
    ? ['joint']
    : (Object.keys(NAMES) as FigureName[]).filter((figure) => NAMES[figure].metric === metric)

/** What a lead cost in the weeks before a day, and how many came a day; null when none came. */
const usualLeads = (
  { spend, leads, start }: AccountEntity,
  day: number,
): { readonly cost: number; readonly perDay: number } | null => {
  const from = Math.max(0, start, day - USUAL_DAYS)
  const came = sumOfDays(leads, from, day - 1)
  const cost = ratio(sumOfDays(spend, from, day - 1), came)
  return cost === null ? null : { cost, perDay: came / (day - from) }
}

/** One shift of `entity` as a signal. */
export const shiftSignal = (entity: AccountEntity, shift: Shift): ShiftSignal => {
  const polarity: Polarity = shift.bad ? 'bad' : 'good'
  const rarity = rarityOf(shift.deviate)
  const common = {
    detector: 'shift' as const,
    polarity,
    severity: severityOf(shift.deviate, polarity),
    deviation: shift.deviate,
    rarity,
    score: 1 - rarity,
    contributions: shift.shares,
    shift,
  }
  const from = shift.day - shift.window + 1
  const of = (column: Column): number => sumOfDays(entity[column], from, shift.day)
  const usual = shift.figure === 'cpm' ? usualLeads(entity, from) : null
  // A single day says nothing of what a lead costs where hardly any are expected.
  const isThin =
    shift.figure === 'cpm' &&
    (usual === null
      ? of('leads') === 0
      : shift.window === 1 &&
        Math.min(usual.perDay, of('spend') / usual.cost, of('leads') * Math.exp(shift.size) || Infinity) <
          FEWEST_DAY_LEADS)
  // Dearer impressions have no metric of their own.
  if (shift.figure === 'joint' || isThin) {
    const type = shift.bad ? 'performance_drop' : 'performance_spike'
    const nothing = { observed: null, expected: null, lower: null, upper: null }
    const contributions = shift.shares ?? { [shift.figure]: 1 }
    return {
      ...common,
      ...nothing,
      contributions,
      type,
      metric: 'multivariate',
      direction: shift.bad ? 'down' : 'up',
    }
  }
  const { metric, sign } = NAMES[shift.figure]
  const direction = sign * shift.size < 0 ? 'down' : 'up'
  const grown = Math.exp(shift.size)
  // Until a lead comes: what one costs at these prices, all else as before.
  const { observed, expected } =
    usual === null || of('leads') > 0
      ? SEEN[shift.figure](of, shift.window, grown)
      : { observed: usual.cost * grown, expected: usual.cost }
  // Without a lead there is no cost of one: what is missing is told as missing leads.
  if (shift.figure === 'cpl' && observed === null) {
    const leads = SEEN.leads(of, shift.window, grown)
    return {
      ...common,
      ...leads,
      type: 'leads_drop',
      metric: 'leads',
      direction: 'down',
      lower: null,
      upper: null,
    }
  }
  const sd = Math.abs(shift.size / shift.deviate)
  const type: AnomalyType =
    metric === 'frequency'
      ? 'frequency_alert'
      : metric === 'spend' && observed === 0
        ? 'zero_spend'
        : (`${metric}_${direction === 'down' ? 'drop' : 'spike'}` as AnomalyType)
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

/** The signals of the days from `from` on, by entity, then by day; of two of one (type, metric) the loudest. */
export const shiftSignals = (
  account: AccountDays,
  shifts: readonly Shift[],
  from = 0,
): ReadonlyMap<number, ReadonlyMap<number, readonly ShiftSignal[]>> => {
  const found = new Map<number, Map<number, ShiftSignal[]>>()
  for (const shift of shifts) {
    if (shift.day < from) continue
    const signal = shiftSignal(account.entities[shift.entity] as AccountEntity, shift)
    const days = found.get(shift.entity) ?? new Map<number, ShiftSignal[]>()
    found.set(shift.entity, days)
    const known = days.get(shift.day) ?? []
    days.set(shift.day, known)
    const same = known.findIndex(({ type, metric }) => type === signal.type && metric === signal.metric)
    if (same < 0) known.push(signal)
    else if (Math.abs(known[same]!.shift.deviate) < Math.abs(shift.deviate)) known[same] = signal
  }
  return found
}
