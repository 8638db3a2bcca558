/**
 * Today so far, against the same hours of the days before (ads-domain section 2, intraday). Every day is cut at
 * the hour today has reached, so that a morning is held against mornings:
 *
 * 1. the weekday baseline of the cuts gives what to expect and how far days stray from it
 * 2. what explains a move widens what is expected, and never narrows it: how the rest of the account fares today,
 *    the level of the last seven days where it left that of the weeks before, budgets changed in the last days
 * 3. only what lies far beyond all of that is told: a look per hour makes hundreds of looks a month, and a day
 *    that is merely odd is told by its final verdict a few hours later
 *
 * Leads are judged upwards only. Conversions of past days have all arrived, those of today have not, so few leads
 * by noon say nothing, whereas too many already are too many.
 */
import type { DayNumber, EntityHead } from '../frame.ts'
import { isActiveOn } from '../frame.ts'
import { countDeviate, studentDeviate } from '../shifts/tails.ts'
import { medianInPlace } from '../stats/robust.ts'
import { poissonP, studentP } from '../stats/two-sided.ts'
import { budgetMoves, directionOf, polarityOf } from './polarity.ts'
import type { Direction } from './polarity.ts'
import { capGood, zSeverity } from './severity.ts'
import type { AnomalyDraft, Signal } from './signal.ts'
import { judgeMetric } from './z-iqr.ts'
import { baselineScratch, weekdayBaseline } from './weekday-baseline.ts'
import type { BaselineParams, BaselineScratch, WeekdayBaseline } from './weekday-baseline.ts'
import { stoppedFinding } from './zero-delivery.ts'

/** Fewest complete hours that say something of a day. */
export const FEWEST_HOURS = 6

export type HourlyHead = Pick<EntityHead, 'id' | 'parentId' | 'campaignId' | 'activeRanges' | 'budgetChanges'>

/** The days of a level, each cut at the same hour. */
export interface HourlyFrame {
  readonly today: DayNumber
  /** How many hours of each day are summed up. */
  readonly hours: number
  /** Days before today whose figures reach that hour, ascending. */
  readonly days: Int32Array
  readonly heads: readonly HourlyHead[]
  /**
   * heads.length rows of days.length + 1 cells, today last: 0 on days the entity ran without delivering up to that
   * hour, NaN on days that do not count. Account currency.
   */
  readonly spend: Float64Array
  readonly leads: Float64Array
}

/** How much odder than usual a figure has to be, in deviates by entity id. */
export type Tolerances = Readonly<Record<'spend' | 'leads', ReadonlyMap<string, number>>>

const NO_TOLERANCES: Tolerances = { spend: new Map(), leads: new Map() }

export interface TodayFinding {
  /** Index among the heads. */
  readonly entity: number
  readonly anomaly: AnomalyDraft
}

/** Standard normal deviate from which a figure is told; chosen on simulated accounts (docs/alarms.md). */
const THRESHOLD = 4.2
/** Of spend below what is expected: less costs nothing yet. */
const DROP_THRESHOLD = 4.9
/** Of spending nothing at all, where the days before do not settle it. */
const STOP_THRESHOLD = 4.8
/** Smallest move worth an interruption: as a fraction of what is expected, and in money. */
const LEAST_CHANGE = 0.4
const LEAST_DROP = 0.6
const LEAST_MONEY = 10
/** Leads more than expected that are worth one. */
const LEAST_LEADS = 5
/** Counts of leads stray more than Poisson's even where a short history did not show it. */
const LEAST_DISPERSION = 1.3

/** Comparable days from which on a weekday is known by four of its own. */
const SETTLED_DAYS = 28
/** Days of the recent level, and how many of them must count. */
const RECENT_DAYS = 7
const FEWEST_RECENT_DAYS = 5
/** Explanations reach so far, as a factor up or down: beyond it the explanation itself is the news. */
const MOST_OF_ACCOUNT = 1.5
const MOST_OF_LEVEL = 4
/** Entities that make an account's day, and others that have to be there today for the rest of it to say something. */
const FEWEST_MEMBERS = 5
const FEWEST_OTHERS = 3
const LEAST_ACCOUNT_DAY = 0.05
const WEEK = 7
/** Money, respectively leads, added to both sides of a ratio so that small ones do not decide. */
const RATIO_MONEY = 5
const RATIO_LEADS = 5
/** Of a budget that changed, days back. */
const BUDGET_DAYS = 2

/** Of the seven days before, how many must have spent by that hour for nothing to be news. */
const FEWEST_SPENDING_DAYS = 6
/** And of all days at most this share may have spent nothing by then. */
const MOST_IDLE_DAYS = 0.05
/** One whose worst day brought this share of the usual by that hour does not stop by chance. */
const LEAST_SHARE = 0.45

/** What is known of an entity before it is judged. */
interface Standing {
  readonly spend: number
  readonly leads: number
  /** Of `calm`. */
  readonly spendBase: WeekdayBaseline
  readonly leadsBase: WeekdayBaseline | null
  /** Spend of the days before, each divided by how the account fared that day. */
  readonly calm: Float64Array
}

const clamp = (value: number, most: number): number => Math.min(most, Math.max(1 / most, value))

const rowsOf = (frame: HourlyFrame, column: 'spend' | 'leads', entity: number): Float64Array => {
  const width = frame.days.length + 1
  return frame[column].subarray(entity * width, entity * width + width - 1)
}

const todayOf = (frame: HourlyFrame, column: 'spend' | 'leads', entity: number): number =>
  frame[column][(entity + 1) * (frame.days.length + 1) - 1] as number

/** Of the days that count. */
const medianOf = (values: Float64Array, { work }: BaselineScratch): number => {
  let n = 0
  for (const value of values) if (!Number.isNaN(value)) work[n++] = value
  return medianInPlace(work, n)
}

/** Median of the values of the days from `from` on that count, and how many they are. */
const medianSince = (
  days: Int32Array,
  values: Float64Array,
  from: DayNumber,
  { work }: BaselineScratch,
): { readonly n: number; readonly median: number } => {
  let n = 0
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number
    if ((days[i] as number) >= from && !Number.isNaN(value)) work[n++] = value
  }
  return { n, median: medianInPlace(work, n) }
}

/** Levels of the last seven days and of all, as a ratio; 1 when either is unknown or nothing. */
const recentLevel = (frame: HourlyFrame, values: Float64Array, scratch: BaselineScratch): number => {
  const recent = medianSince(frame.days, values, frame.today - RECENT_DAYS, scratch)
  const all = medianOf(values, scratch)
  return recent.n >= FEWEST_RECENT_DAYS && all > 0 ? clamp(recent.median / all, MOST_OF_LEVEL) : 1
}

/**
 * How the account fared on each of the days: the median over its entities of what each spent, as a factor of what it
 * usually spends. Weekdays, holidays and slow mornings that all entities share are in it. Null where there are too
 * few entities to tell the account's from their own.
 */
const accountDays = (frame: HourlyFrame, scratch: BaselineScratch): Float64Array | null => {
  const { days, heads } = frame
  const members: { readonly values: Float64Array; readonly usual: number }[] = []
  for (let entity = 0; entity < heads.length; entity++) {
    const values = rowsOf(frame, 'spend', entity)
    const usual = medianOf(values, scratch)
    if (usual >= LEAST_MONEY) members.push({ values, usual })
  }
  if (members.length < FEWEST_MEMBERS) return null
  const ratios = new Float64Array(members.length)
  return Float64Array.from(days, (_, i) => {
    let n = 0
    for (const { values, usual } of members) {
      const value = values[i] as number
      if (!Number.isNaN(value)) ratios[n++] = (value + RATIO_MONEY) / (usual + RATIO_MONEY)
    }
    // A day on which hardly anything ran, or all of it stood still, divides nothing.
    const factor = n < FEWEST_MEMBERS ? 1 : medianInPlace(ratios, n)
    return Math.max(factor, LEAST_ACCOUNT_DAY)
  })
}

/** How the account should fare on a weekday, by the same weekday of the last four weeks. */
const usualAccountDay = (frame: HourlyFrame, factors: Float64Array): number => {
  const same = Array.from(factors).filter((_, i) => {
    const back = frame.today - (frame.days[i] as number)
    return back % WEEK === 0 && back <= 4 * WEEK
  })
  return medianInPlace(Float64Array.from(same.length > 0 ? same : factors))
}

/** How the account fares today without the entity's campaign, or without the entity where it is the only one. */
const restOfAccount = (
  frame: HourlyFrame,
  standings: readonly (Standing | null)[],
  entity: number,
): { readonly spend: number; readonly leads: number } => {
  const { campaignId } = frame.heads[entity] as HourlyHead
  const among = (belongs: (other: number) => boolean): { spend: number; leads: number } | null => {
    const ratios: number[] = []
    let leads = RATIO_LEADS
    let expectedLeads = RATIO_LEADS
    standings.forEach((standing, other) => {
      if (standing === null || !belongs(other)) return
      if (standing.spendBase.expected >= LEAST_MONEY)
        ratios.push((standing.spend + RATIO_MONEY) / (standing.spendBase.expected + RATIO_MONEY))
      if (standing.leadsBase !== null) {
        leads += standing.leads
        expectedLeads += standing.leadsBase.expected
      }
    })
    if (ratios.length < FEWEST_OTHERS) return null
    return { spend: medianInPlace(Float64Array.from(ratios)), leads: leads / expectedLeads }
  }
  return (
    among((other) => frame.heads[other]?.campaignId !== campaignId) ??
    among((other) => other !== entity) ?? { spend: 1, leads: 1 }
  )
}

const budgetFactor = ({ budgetChanges }: HourlyHead, today: DayNumber): number =>
  budgetChanges.reduce(
    (factor, { day, ratio }) => (day <= today && today - day <= BUDGET_DAYS ? factor * ratio : factor),
    1,
  )

/** What is expected when each explanation may hold or not: the two ends. */
const endsOf = (expected: number, factors: readonly number[]): readonly [number, number] => [
  factors.reduce((low, factor) => low * Math.min(1, factor), expected),
  factors.reduce((high, factor) => high * Math.max(1, factor), expected),
]

/** Of the days that count; 0 without any. */
const meanOf = (values: Float64Array): number => {
  let sum = 0
  let n = 0
  for (const value of values) {
    if (Number.isNaN(value)) continue
    sum += value
    n += 1
  }
  return n === 0 ? 0 : sum / n
}

/** Sample standard deviation of the days that count. */
const deviationOf = (values: Float64Array): number => {
  const mean = meanOf(values)
  let squares = 0
  let n = 0
  for (const value of values) {
    if (Number.isNaN(value)) continue
    squares += (value - mean) ** 2
    n += 1
  }
  return Math.sqrt(squares / (n - 1))
}

/** Of few events the median lies below the mean: what comes now and then is no spike. */
const usualOn = (base: WeekdayBaseline, values: Float64Array, direction: Direction): number =>
  direction === 'up' ? Math.max(base.expected, meanOf(values)) : base.expected

/**
 * How far days stray from `expected`: in proportion to their size, on a busy weekday further than the scale of all
 * weekdays says. Three values are too few to tell a weekday's own level from its noise, so that the scale of a
 * history of less than four weeks comes out too small; there what days differ by at all counts.
 */
const scaleAt = (
  base: WeekdayBaseline,
  values: Float64Array,
  expected: number,
  scratch: BaselineScratch,
): number => {
  const usual = medianOf(values, scratch)
  const scale = base.n < SETTLED_DAYS ? Math.max(base.scale, deviationOf(values)) : base.scale
  return usual > 0 ? scale * Math.max(1, expected / usual) : scale
}

/**
 * How far spend is from what is expected, as a standard normal deviate. Spend strays by factors, so that the
 * distance is one of logarithms, and comes in lumps, of which few may be missing by chance. The ratio of variance to
 * mean bounds the size of a lump from above, since days stray for other reasons too.
 */
const distanceOf = (observed: number, expected: number, scale: number, df: number): number => {
  const ratio = Math.log((observed + RATIO_MONEY) / (expected + RATIO_MONEY))
  const byFactor = Math.abs(studentDeviate((ratio * (expected + RATIO_MONEY)) / scale, df))
  if (observed >= expected) {
    const byMoney = studentDeviate((observed - expected) / scale, df)
    return Math.min(byFactor, byMoney)
  }
  const lump = (scale * scale) / expected
  const byLumps = Math.abs(countDeviate(Math.floor(observed / lump), expected / lump, expected / lump))
  return Math.min(byFactor, byLumps)
}

type Finding = Omit<Signal, 'modelSource' | 'modelVersion'>

const anomalyOf = (signal: Omit<Finding, 'contributions'>): AnomalyDraft => {
  const whole: Signal = { ...signal, contributions: null, modelSource: 'baseline', modelVersion: null }
  const { detector: _, ...speaker } = whole
  return { ...speaker, signals: [whole] }
}

/** Whether it has always spent a good part of the usual by that hour, over four weeks or more. */
const neverIdles = (calm: Float64Array, scratch: BaselineScratch): boolean => {
  let least = Infinity
  let n = 0
  for (const value of calm) {
    if (Number.isNaN(value)) continue
    n += 1
    least = Math.min(least, value)
  }
  return n >= SETTLED_DAYS && least >= LEAST_SHARE * medianOf(calm, scratch)
}

/**
 * An entity that spent on the days before and today nothing; where it has to be sure, one that spends every day by
 * this hour, the same weekday included.
 */
const stopped = (frame: HourlyFrame, values: Float64Array, mustBeSure: boolean): AnomalyDraft | null => {
  let days = 0
  let idle = 0
  let recent = 0
  let spending = 0
  let sum = 0
  let aWeekAgo = 0
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number
    if (Number.isNaN(value)) continue
    const back = frame.today - (frame.days[i] as number)
    days += 1
    if (value === 0) idle += 1
    if (back > RECENT_DAYS) continue
    recent += 1
    sum += value
    if (value > 0) spending += 1
    if (back === RECENT_DAYS) aWeekAgo = value
  }
  const expected = sum / recent
  if (!(expected > LEAST_MONEY)) return null
  const isRegular = spending >= FEWEST_SPENDING_DAYS && aWeekAgo > 0 && idle <= MOST_IDLE_DAYS * days
  if (mustBeSure && !isRegular) return null
  return anomalyOf(stoppedFinding('spend', expected, 'HIGH'))
}

/** Every signal of spend and leads, by the rules a whole day is looked at with, and of entities that stopped. */
export const everySignalOfToday = (frame: HourlyFrame, params: BaselineParams): TodayFinding[] => {
  const findings: TodayFinding[] = []
  if (frame.hours < FEWEST_HOURS) return findings
  const { today, days, heads } = frame
  const scratch = baselineScratch(params.baselineDays)
  heads.forEach((head, entity) => {
    const spend = todayOf(frame, 'spend', entity)
    if (Number.isNaN(spend)) return
    const leads = todayOf(frame, 'leads', entity)
    const baselineOf = (column: 'spend' | 'leads'): WeekdayBaseline | null =>
      weekdayBaseline(column, rowsOf(frame, column, entity), days, today, params, scratch)
    const baselines = { spend: baselineOf('spend'), leads: baselineOf('leads') }
    const totals = { spend, leads, impressions: 0, clicks: 0 }
    const circumstances = {
      cplHeld:
        leads > 0 &&
        baselines.spend !== null &&
        baselines.leads !== null &&
        spend * baselines.leads.expected <= baselines.spend.expected * leads,
      conversionFell: false,
      ...budgetMoves(head.budgetChanges, today),
    }
    for (const metric of ['spend', 'leads'] as const) {
      const view = {
        observed: todayOf(frame, metric, entity),
        baseline: baselines[metric],
        totals,
        circumstances,
      }
      const judged = judgeMetric(metric, view, params)
      if (typeof judged !== 'string') findings.push({ entity, anomaly: anomalyOf(judged) })
    }
    const stop =
      spend === 0 && isActiveOn(head.activeRanges, today)
        ? stopped(frame, rowsOf(frame, 'spend', entity), false)
        : null
    if (stop !== null) findings.push({ entity, anomaly: stop })
  })
  return findings
}

export const judgeToday = (
  frame: HourlyFrame,
  params: BaselineParams,
  tolerances: Tolerances = NO_TOLERANCES,
): TodayFinding[] => {
  const findings: TodayFinding[] = []
  if (frame.hours < FEWEST_HOURS) return findings
  const { today, days, heads } = frame
  const scratch = baselineScratch(params.baselineDays)
  const baselineOf = (column: 'spend' | 'leads', entity: number): WeekdayBaseline | null =>
    weekdayBaseline(column, rowsOf(frame, column, entity), days, today, params, scratch)

  const factors = accountDays(frame, scratch)
  const usualFactor = factors === null ? 1 : usualAccountDay(frame, factors)
  const standings = heads.map((_, entity): Standing | null => {
    const spend = todayOf(frame, 'spend', entity)
    if (Number.isNaN(spend)) return null
    const values = rowsOf(frame, 'spend', entity)
    const calm = factors === null ? values : values.map((value, i) => value / (factors[i] as number))
    const spendBase = weekdayBaseline('spend', calm, days, today, params, scratch)
    if (spendBase === null) return null
    const leads = todayOf(frame, 'leads', entity)
    return { spend, leads, spendBase, leadsBase: baselineOf('leads', entity), calm }
  })

  const spendAnomaly = (entity: number, standing: Standing): AnomalyDraft | null => {
    const head = heads[entity] as HourlyHead
    const { spend, leads, spendBase, leadsBase, calm } = standing
    const raw = factors === null ? spendBase : baselineOf('spend', entity)
    if (raw === null) return null
    // Cheap, and almost every entity ends here.
    const direction = directionOf(spend - raw.expected)
    const least = direction === 'up' ? LEAST_CHANGE : LEAST_DROP
    if (Math.abs(spend - raw.expected) < Math.max(LEAST_MONEY, least * raw.expected)) return null
    // Paused since: whoever did it knows.
    if (direction === 'down' && !isActiveOn(head.activeRanges, today)) return null
    const values = rowsOf(frame, 'spend', entity)
    const account =
      factors === null
        ? 1
        : usualFactor * clamp(restOfAccount(frame, standings, entity).spend / usualFactor, MOST_OF_ACCOUNT)
    const explained = [recentLevel(frame, calm, scratch), budgetFactor(head, today)]
    const calmly = endsOf(usualOn(spendBase, calm, direction), explained)
    const plainly = endsOf(usualOn(raw, values, direction), explained)
    const low = Math.min(calmly[0] * account, plainly[0])
    const high = Math.max(calmly[1] * account, plainly[1])
    const expected = direction === 'up' ? high : low
    const change = spend - expected
    if (direction !== directionOf(change)) return null
    if (Math.abs(change) < Math.max(LEAST_MONEY, least * expected)) return null
    const scale = account * scaleAt(spendBase, calm, expected / account, scratch)
    const distance = distanceOf(spend, expected, scale, spendBase.n - 1)
    if (spend === 0) {
      const sure = distance >= STOP_THRESHOLD || neverIdles(calm, scratch)
      const stop = sure ? stopped(frame, values, true) : null
      if (stop !== null) return stop
    }
    const threshold = direction === 'up' ? THRESHOLD : DROP_THRESHOLD
    if (distance < threshold + (tolerances.spend.get(head.id) ?? 0)) return null
    const z = change / scale
    const cplHeld = leads > 0 && leadsBase !== null && spend * leadsBase.expected <= raw.expected * leads
    const polarity = polarityOf('spend', direction, {
      cplHeld,
      conversionFell: false,
      ...budgetMoves(head.budgetChanges, today),
    })
    const rarity = studentP(z, spendBase.n - 1)
    return anomalyOf({
      detector: 'z_iqr',
      type: direction === 'up' ? 'spend_spike' : 'spend_drop',
      metric: 'spend',
      severity: zSeverity(distance),
      polarity,
      direction,
      score: 1 - rarity,
      rarity,
      observed: spend,
      expected,
      lower: Math.max(0, low - params.zThreshold * scale),
      upper: high + params.zThreshold * scale,
      deviation: z,
    })
  }

  const leadsAnomaly = (entity: number, standing: Standing): AnomalyDraft | null => {
    const { spend, leads, spendBase, leadsBase } = standing
    if (leadsBase === null || leads - leadsBase.expected < LEAST_LEADS) return null
    const values = rowsOf(frame, 'leads', entity)
    const usual = usualOn(leadsBase, values, 'up')
    const moreSpend = clamp((spend + RATIO_MONEY) / (spendBase.expected + RATIO_MONEY), MOST_OF_LEVEL)
    const [, high] = endsOf(usual, [
      clamp(restOfAccount(frame, standings, entity).leads, MOST_OF_ACCOUNT),
      recentLevel(frame, values, scratch),
      moreSpend,
    ])
    const change = leads - high
    if (change < Math.max(LEAST_LEADS, LEAST_CHANGE * high)) return null
    const scale = scaleAt(leadsBase, values, high, scratch)
    const variance = Math.max(LEAST_DISPERSION * high, scale * scale)
    const tolerated = tolerances.leads.get((heads[entity] as HourlyHead).id) ?? 0
    if (countDeviate(leads, high, variance) < THRESHOLD + tolerated) return null
    const z = change / scale
    const rarity = Math.max(studentP(z, leadsBase.n - 1), poissonP(leads, high))
    return anomalyOf({
      detector: 'z_iqr',
      type: 'leads_spike',
      metric: 'leads',
      severity: capGood(zSeverity(z), 'good'),
      polarity: 'good',
      direction: 'up',
      score: 1 - rarity,
      rarity,
      observed: leads,
      expected: high,
      lower: Math.max(0, leadsBase.expected - params.zThreshold * scale),
      upper: high + params.zThreshold * scale,
      deviation: z,
    })
  }

  standings.forEach((standing, entity) => {
    if (standing === null) return
    for (const anomaly of [spendAnomaly(entity, standing), leadsAnomaly(entity, standing)])
      if (anomaly !== null) findings.push({ entity, anomaly })
  })
  return findings
}
