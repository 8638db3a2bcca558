/**
 * Finds shifts in the days of an account, day by day, each day by what was known before it. Per entity, from the
 * ads up:
 *
 * 1. a figure's level is forecast for the day: an ad's from its own days, a parent's from what its children
 *    promise, so that a change of mix is no shift of its own
 * 2. the last 1, 2, 3, 5 and 8 days are held against the level before them (a generalised likelihood ratio
 *    over windows; Lai 1995), and all independent figures together (Fisher 1925) for shifts too small in each
 * 3. odd days teach nothing; once they have lasted four days they are the new level, and the old one is
 *    remembered, so that neither the new level nor the way back is told again
 *
 * Thresholds are deviates of one test, not of a whole account: the rate of false findings per entity hardly
 * depends on how many entities there are.
 */
import { WEEK } from '../frame.ts'
import { sumOfDays } from './account.ts'
import type { AccountDays, AccountEntity } from './account.ts'
import { FIGURES, FIGURE_TABLE } from './figures.ts'
import type { AccountSums, Figure, FigureName } from './figures.ts'
import { Level, Past, REMEMBERED_DAYS } from './level.ts'
import type { Look } from './level.ts'
import { LEVELS_UP } from './level-name.ts'
import { Calibration, FAR, Tail } from './calibration.ts'
import { Drift } from './drift.ts'
import { Scan } from './origins.ts'
import type { Origins } from './origins.ts'
import { Promises } from './promises.ts'
import { deviateAtRate, jointBound, jointDeviate } from './tails.ts'
import { runsOf, treeOf } from './tree.ts'
import { gapsOf, weekdayEffects, weekdayOf } from './weekday.ts'
import { deviateOf, LONGEST, noHeld, sizeOf, Windows, WINDOWS } from './windows.ts'

export interface ShiftParams {
  /** Deviate from which a figure without leads has shifted. */
  readonly threshold: number
  /** Of money that leaps from one day to the next: of which nobody wants to hear a day later, once it is surer. */
  readonly leapThreshold: number
  /** Of figures that count leads, where many are expected: every day of waiting costs some. */
  readonly leadsThreshold: number
  /** Of figures that count leads, where few are expected. */
  readonly fewLeadsThreshold: number
  /** Of shifts for the better, which nobody needs to be woken for. */
  readonly goodThreshold: number
  /** Of all independent figures together. */
  readonly jointThreshold: number
  /** What another figure has to show for one of leads to count. */
  readonly witness: number
}

/** Chosen on simulated accounts (bench/quality), reported on others. */
export const defaultShiftParams: ShiftParams = {
  threshold: 4.2,
  leapThreshold: 3.3,
  leadsThreshold: 3.1,
  fewLeadsThreshold: 3.6,
  goodThreshold: 4.3,
  jointThreshold: 3.4,
  witness: 2.8,
}

/** The false discovery rate the thresholds stand for (ads-domain section 11, ANOMALY_FDR_Q). */
const DEFAULT_FDR = 0.1

/** Thresholds at another rate of false findings: half the rate, half as many by chance. */
export const shiftParamsAt = (fdr: number): ShiftParams => {
  const at = (deviate: number): number =>
    fdr === DEFAULT_FDR ? deviate : deviateAtRate(deviate, fdr / DEFAULT_FDR)
  const {
    threshold,
    leapThreshold,
    leadsThreshold,
    fewLeadsThreshold,
    goodThreshold,
    jointThreshold,
    witness,
  } = defaultShiftParams
  return {
    threshold: at(threshold),
    leapThreshold: at(leapThreshold),
    leadsThreshold: at(leadsThreshold),
    fewLeadsThreshold: at(fewLeadsThreshold),
    goodThreshold: at(goodThreshold),
    jointThreshold: at(jointThreshold),
    witness,
  }
}

/** The least amount of money. */
export const CENT = 0.01

/** Days a level has to be seen before anything is held against it. */
const FEWEST_DAYS = 7
/** Odd days in a row that make a new level. */
const LASTING_DAYS = 4
/** Days that a shift is taken to have lasted at most when it is found. */
const SURE_DAYS = 3
/** Log of the odds at which something odd is taken to be over. */
const ENDED = -1.5
/** A single day of leads says something from so many expected on. */
export const FEWEST_DAY_LEADS = 3
/** What holidays do to money, as a log, before any ad tells; and how it differs from ad to ad. */
const HOLIDAY_MOVE = -0.2
const HOLIDAY_SD = 0.35
const HOLIDAY_SCATTER = 0.1
/** How far prices and rates may be off on a holiday, as a log. */
const HOLIDAY_RATE_SD = 0.25
/** Impressions a day from which none at all is no chance. */
const FEWEST_SHOWN = 30
/** How rare silence counts as, of who never was silent. */
const SILENCE = -6
/** Log of the odds from which more clicks are taken to bring leads as clicks did before. */
const SURELY_REAL = 1.5
/** Growth or fall of a day's money, as a log, that is a leap. */
const LEAST_LEAP = 0.5
/** Entities of a small account, and what thresholds rise by when there are twice as many. */
const FEW_ENTITIES = 20
const SURER_PER_DOUBLING = 0.05
/** How often days are far out, against a normal distribution: as in most accounts, and where leaps are common. */
const LIGHT_TAIL = 0.7
const HEAVY_TAIL = 1.2
/** Expected a day: few leads, many leads. In between thresholds go with the log. */
const FEW_LEADS = 2
const MANY_LEADS = 8
/** Moves of a figure of leads, as a log, that many days give by chance and hardly any fault: they have to be surer. */
const SMALL_MOVE = 0.4
const SMALL_MOVE_SURPLUS = 0.8
/** Growth of the click rate, as a log, that may be junk. */
const LEAST_JUNK = 0.25
/** Within this deviate of the former level, a shift is the way back. */
const WAY_BACK = 2.5
/** Of the way from the present level: who is as near as that to the former one is back, however rare the rest is. */
const FAR_NEARER = 1 / 3
/** Log of the odds from which a figure is back at its former level, whether or not that is loud. */
const SURELY_BACK = 5
/** What a change of mix may move, as a log: of an entity among others, and of the sum of others. */
const MIX_OF_ONE = 0.4
const MIX_OF_SUM = 0.15
/** Where a rate starts that the account knows, and one that nothing is known of. */
const KNOWN_START = 0.35
const UNKNOWN_START = 1
/** A sum starts where its children promise. */
const SUM_START = 0.1
const SETTLED_SUM = 0.08
/** Weight of the first guess of a dispersion, in days. */
const DISPERSION_DAYS = 200
const LEAST_DISPERSION = 0.2

/** What a figure of leads is borne out by: all count leads, against clicks, money or the calendar. */
const WITNESSES: Readonly<Partial<Record<FigureName, readonly FigureName[]>>> = {
  conversion_rate: ['cpl'],
  cpl: ['conversion_rate', 'ctr'],
  leads: ['cpl', 'spend'],
}

/** Figures that say different things, for the joint test. */
const INDEPENDENT: ReadonlySet<FigureName> = new Set(['spend', 'cpm', 'ctr', 'conversion_rate', 'frequency'])

export interface Shift {
  readonly day: number
  /** Index among the entities. */
  readonly entity: number
  readonly figure: FigureName | 'joint'
  /** Signed deviate: how rare. */
  readonly deviate: number
  /** Days it is seen over, the last of them `day`. */
  readonly window: number
  /** Log of observed / expected over the window, of the figure as it is kept; 0 for joint. */
  readonly size: number
  /** Whether it costs. */
  readonly bad: boolean
  /** Joint: squared deviate of each figure as a share of their sum. */
  readonly shares: Readonly<Partial<Record<FigureName, number>>> | null
  /** How far each child's total was from what it promised over the window; empty for who has none, and joint. */
  readonly parts: readonly Part[]
  /** What each entity of its campaign explains of the days odd so far; null of shifts for the better. */
  readonly origins: Origins | null
}

/** Before it is known where it began. */
interface FoundShift extends Omit<Shift, 'origins'> {
  /** Place of its entity in the tree. */
  readonly at: number
}

/** A child's part of a shift, in the unit of the total: money, events, impressions, people. */
export interface Part {
  readonly entity: number
  readonly gap: number
  readonly promised: number
}

/** How one entity fares. */
interface Standing {
  run: number
  /** Days that are odd together, the last of them that of the newest finding. */
  span: number
  lastOdd: number
  /** Days with delivery since the last without. */
  delivered: number
  /** Days without delivery that are told of, up to yesterday. */
  silent: number
  /** Size of what was odd yesterday, per figure. */
  readonly sizes: Float64Array
  /** The same of the last odd day. */
  readonly told: Float64Array
  /** Log of the odds that what was odd yesterday goes on, never more than even. */
  odds: number
  /** Per figure: the last day on which the level before what has lasted is remembered; -1: there is none. */
  readonly formerUntil: Int32Array
  /** Log of the odds that a figure is back at that level rather than at the new one, never less than even. */
  readonly backOdds: Float64Array
}

const sumsOf = ({ days, entities }: AccountDays): AccountSums => {
  const sums = {
    spend: new Float64Array(days),
    impressions: new Float64Array(days),
    clicks: new Float64Array(days),
    leads: new Float64Array(days),
  }
  for (const entity of entities) {
    if (entity.parent >= 0) continue
    for (const name of ['spend', 'impressions', 'clicks', 'leads'] as const)
      for (let t = 0; t < days; t++) (sums[name][t] as number) += entity[name][t] as number
  }
  return sums
}

/** @param share of the way from `low` to `high`; not beyond either */
const between = (low: number, high: number, share: number): number =>
  low + Math.max(0, Math.min(1, share)) * (high - low)

const FIGURE_COUNT = FIGURE_TABLE.length
const isCount = Uint8Array.from(FIGURE_TABLE, ({ kind }) => (kind === 'count' ? 1 : 0))
const SPEND = FIGURES.indexOf('spend')
const CONVERSION = FIGURES.indexOf('conversion_rate')
/** Fewest independent figures that are tested together. */
const FEWEST_TOGETHER = 3

export const findShifts = (account: AccountDays, params: ShiftParams = defaultShiftParams): Shift[] => {
  const { days } = account
  const tree = treeOf(account.entities)
  const { entities, indices, up } = tree
  const standings = entities.map((): Standing => ({
    run: 0,
    span: 0,
    lastOdd: -9,
    delivered: 0,
    silent: 0,
    sizes: new Float64Array(FIGURE_COUNT),
    told: new Float64Array(FIGURE_COUNT),
    odds: Number.NaN,
    formerUntil: new Int32Array(FIGURE_COUNT).fill(-1),
    backOdds: new Float64Array(FIGURE_COUNT),
  }))
  const topOf = (i: number): number => {
    let top = i
    while ((tree.parent[top] as number) >= 0) top = tree.parent[top] as number
    return top
  }
  const isSumOf = (i: number): boolean => (tree.end[i] as number) > (tree.first[i] as number)
  const runs = runsOf(tree, days)
  const runsAt = (at: number, day: number): boolean => runs[day * entities.length + at] === 1
  const past = new Past(entities.length, FIGURE_COUNT)
  const levels = entities.flatMap((_, i) =>
    FIGURE_TABLE.map((figure, j) => new Level(past, i, j, isSumOf(i) ? figure.sign : 1, figure)),
  )
  const promises = new Promises(tree, days, runs, past, levels, LONGEST)
  const sums = sumsOf(account)
  const shifts: Shift[] = []
  /** Of the day that is judged. */
  const newest: FoundShift[] = []

  const levelOf = (i: number, j: number): Level => levels[i * FIGURE_COUNT + j] as Level
  const childrenOf = (i: number): number[] => {
    const first = tree.first[i] as number
    return Array.from({ length: (tree.end[i] as number) - first }, (_, k) => first + k)
  }
  const leavesOf = (i: number): number[] => childrenOf(i).flatMap((c) => (isSumOf(c) ? leavesOf(c) : [c]))
  const belowOf = (i: number): number[] => childrenOf(i).flatMap((c) => [c, ...belowOf(c)])

  // What the account shares: noise per level of the tree, dispersion and rate of counts.
  const pooledNoise = Float64Array.from(FIGURE_TABLE.flatMap(({ noise }) => LEVELS_UP.map(() => noise ** 2)))
  const dispersionSum = Float64Array.from(FIGURE_TABLE, ({ noise }) => DISPERSION_DAYS * noise ** 2)
  const dispersionDays = Float64Array.from(FIGURE_TABLE, () => DISPERSION_DAYS)
  const dispersionOf = (j: number): number => (dispersionSum[j] as number) / (dispersionDays[j] as number)
  const seenRate = new Float64Array(FIGURE_COUNT)
  const amongRate = new Float64Array(FIGURE_COUNT)
  /** Noise of who learnt from today, by figure and level. */
  const noises = Array.from(pooledNoise, () => new Float64Array(entities.length))
  const noiseCounts = new Uint32Array(noises.length)
  /** Of a figure at the level of what is judged. */
  const noiseAt = (j: number): number => j * LEVELS_UP.length + (tree.levels[i] as number)

  const { seen: seens, among: amongs } = past
  const wholes = entities.flatMap((entity) => FIGURE_TABLE.map(({ whole }) => entity[whole]))
  const tolerances = Float64Array.from(
    entities.flatMap(({ tolerance }) => FIGURES.map((name) => tolerance[name] ?? 0)),
  )
  // Per figure and weekday, as known before today: what is added to the log, how far off, and the factor on a sum.
  const effects = new Float64Array(FIGURE_COUNT * WEEK)
  const effectVariances = new Float64Array(FIGURE_COUNT * WEEK)
  const effectFactors = new Float64Array(FIGURE_COUNT * WEEK).fill(1)
  // The same by figure and day, of the days a window reaches back over; of money with what holidays do.
  const dayVariances = new Float64Array(FIGURE_COUNT * days)
  const dayFactors = new Float64Array(FIGURE_COUNT * days)
  const weekdayAt = Uint8Array.from({ length: days }, (_, t) => weekdayOf(account, t))
  const weekdayGaps = FIGURE_TABLE.map(({ ofAccount }) =>
    ofAccount ? gapsOf(account, (t) => ofAccount(sums, t)) : null,
  )
  const learnWeekdays = (t: number): void =>
    weekdayGaps.forEach((gaps, j) => {
      if (!gaps) return
      const { effect, variance } = weekdayEffects(account, t, gaps)
      const { sign } = FIGURE_TABLE[j] as Figure
      effects.set(effect, j * WEEK)
      effectVariances.set(variance, j * WEEK)
      effect.forEach((log, w) => {
        effectFactors[j * WEEK + w] = Math.exp(sign * log)
      })
    })

  // What a holiday does to money, as a log, and how far off that may be: shown by what all ads have in common.
  const moves = new Float64Array(days)
  const moveVariances = new Float64Array(days)
  const leaves = entities.flatMap((_, i) => (isSumOf(i) ? [] : [i]))
  leaves.sort((a, b) => (indices[a] as number) - (indices[b] as number))
  const learnHoliday = (t: number): void => {
    const gaps: number[] = []
    let noise = 0
    for (const i of leaves) {
      const entity = entities[i] as AccountEntity
      const level = levelOf(i, SPEND)
      if (level.days < FEWEST_DAYS || !runsAt(i, t)) continue
      const gap = (FIGURE_TABLE[SPEND] as Figure).observe(entity, t) - level.mean
      if (!Number.isFinite(gap)) continue
      gaps.push(gap - (effects[SPEND * WEEK + (weekdayAt[t] as number)] as number))
      noise += level.noise + level.variance
    }
    gaps.sort((a, b) => a - b)
    const n = gaps.length
    // A median of normal values has the variance of pi / 2 as many means.
    const shown = n === 0 ? 0 : 1 / ((Math.PI / 2) * (noise / n / n) + HOLIDAY_SCATTER ** 2)
    const known = 1 / HOLIDAY_SD ** 2
    const median = n === 0 ? 0 : ((gaps[(n - 1) >> 1] as number) + (gaps[n >> 1] as number)) / 2
    moves[t] = (shown * median + known * HOLIDAY_MOVE) / (shown + known)
    moveVariances[t] = 1 / (shown + known) + HOLIDAY_SCATTER ** 2
  }

  /** Lays out what is known of the weekdays, and holidays, of the days up to t. */
  const spreadWeekdays = (t: number): void =>
    FIGURE_TABLE.forEach(({ volume }, j) => {
      for (let d = Math.max(0, t - LONGEST + 1); d <= t; d++) {
        const at = j * WEEK + (weekdayAt[d] as number)
        dayVariances[j * days + d] =
          (effectVariances[at] as number) +
          (volume ? (moveVariances[d] as number) : account.holiday[d] === 1 ? HOLIDAY_RATE_SD ** 2 : 0)
        dayFactors[j * days + d] = effectFactors[at] as number
      }
    })

  const windows = new Windows(FIGURE_COUNT)
  const calibration = new Calibration(FIGURE_COUNT)
  const tail = new Tail()
  const drift = new Drift(
    entities.length,
    FIGURE_TABLE.map(({ wander }) => wander),
  )
  const held = noHeld()
  /** The level that days are held against. Numbers that are handed to a function are wrapped, one by one. */
  const against = { mean: Number.NaN, rate: Number.NaN, variance: Number.NaN }
  const day: Look = {
    seen: Number.NaN,
    among: Number.NaN,
    variance: Number.NaN,
    concentration: Number.NaN,
    weekdayVariance: Number.NaN,
  }
  const present = new Uint8Array(FIGURE_COUNT)
  const quiet = FIGURE_TABLE.map((_, n) =>
    n >= FEWEST_TOGETHER ? jointBound(params.jointThreshold, n) : Infinity,
  )
  /** What no threshold of a figure is below. */
  const leasts = FIGURE_TABLE.map(({ usesLeads, surplus }, j) =>
    Math.min(
      j === SPEND
        ? params.leapThreshold
        : usesLeads
          ? params.leadsThreshold + surplus
          : params.threshold + surplus,
      params.goodThreshold,
    ),
  )
  const independent = FIGURES.flatMap((name, j) => (INDEPENDENT.has(name) ? [j] : []))

  // What is judged: an entity on a day.
  let t = 0
  /** Asked for beyond every threshold but that of leaps, since many run: who reads has not more time for more. */
  let surer = 0
  let i = 0
  let entity = entities[0] as AccountEntity
  let standing = standings[0] as Standing
  let isSum = false
  let wasOdd = false
  /** People called the day odd: it teaches nothing. */
  let isConfirmed = false
  /** What was odd yesterday is over. */
  let ended = false
  /** Days that are odd, the last of them t; 0: none. */
  let oddWindow = 0
  const sizesBefore = new Float64Array(FIGURE_COUNT)

  /** Fills `day` with today against the levels before it. @returns whether it says anything */
  const look = (j: number): boolean => {
    const at = past.at(i, j, t)
    const among = amongs[at] as number
    if (Number.isNaN(among)) return false
    day.weekdayVariance = dayVariances[j * days + t] as number
    if (!isSum) {
      day.seen = seens[at] as number
      day.among = among
      day.variance = 0
      day.concentration = 1
      return true
    }
    promises.gather(i, j, t, t, false)
    const sum = promises.sum(0)
    if (!(sum > 0)) return false
    const base = sum * (dayFactors[j * days + t] as number)
    const whole = (wholes[i * FIGURE_COUNT + j] as Float64Array)[t] as number
    day.variance = promises.variance(0)
    day.concentration = promises.concentration(0)
    const { kind, sign, volume } = FIGURE_TABLE[j] as Figure
    if (kind === 'count') {
      day.seen = whole
      day.among = base
    } else {
      day.seen = sign * Math.log(whole / base) - (volume ? (moves[t] as number) : 0)
      day.among = 1
    }
    return true
  }

  /** Fills `held` with the days [from, t] against the level. @returns whether they say anything */
  const judgeCount = (j: number, from: number, former: boolean): boolean => {
    const { rate, variance } = against
    const dispersion = dispersionOf(j)
    let seen = 0
    let expected = 0
    let scatter = 0
    let common = 0
    let ofWeekdays = 0
    if (isSum) {
      promises.gather(i, j, from, t, former)
      const whole = wholes[i * FIGURE_COUNT + j] as Float64Array
      for (let d = from; d <= t; d++) {
        const k = d - from
        const sum = promises.sum(k)
        if (Number.isNaN(amongs[past.at(i, j, d)]) || !(sum > 0)) continue
        const mu = sum * (dayFactors[j * days + d] as number) * rate
        seen += whole[d] as number
        expected += mu
        scatter += mu * mu * dispersion * promises.concentration(k)
        common += mu * Math.sqrt(promises.variance(k))
        ofWeekdays += mu * mu * (dayVariances[j * days + d] as number)
      }
    } else {
      for (let d = from; d <= t; d++) {
        const at = past.at(i, j, d)
        const among = amongs[at] as number
        if (Number.isNaN(among)) continue
        const mu = among * rate
        seen += seens[at] as number
        expected += mu
        scatter += mu * mu * dispersion
        ofWeekdays += mu * mu * (dayVariances[j * days + d] as number)
      }
    }
    if (!(expected > 0)) return false
    held.isCount = true
    held.seen = seen
    held.expected = expected
    held.spread =
      expected + scatter + expected * expected * Math.expm1(variance) + common * common + ofWeekdays
    return true
  }

  /** Likewise, of logs of amounts and ratios. */
  const judgeGaussian = (j: number, from: number, former: boolean): boolean => {
    const { mean, variance } = against
    const level = levelOf(i, j)
    let seen = 0
    let common = 0
    let ofWeekdays = 0
    let n = 0
    if (isSum) {
      promises.gather(i, j, from, t, former)
      const whole = wholes[i * FIGURE_COUNT + j] as Float64Array
      const { sign, volume } = FIGURE_TABLE[j] as Figure
      for (let d = from; d <= t; d++) {
        const k = d - from
        const sum = promises.sum(k)
        if (Number.isNaN(amongs[past.at(i, j, d)]) || !(sum > 0)) continue
        const base = sum * (dayFactors[j * days + d] as number)
        const log = sign * Math.log((whole[d] as number) / base) - (volume ? (moves[d] as number) : 0)
        seen += log - mean
        common += Math.sqrt(promises.variance(k))
        ofWeekdays += dayVariances[j * days + d] as number
        n++
      }
    } else {
      for (let d = from; d <= t; d++) {
        const at = past.at(i, j, d)
        if (Number.isNaN(amongs[at])) continue
        seen += (seens[at] as number) - mean
        ofWeekdays += dayVariances[j * days + d] as number
        n++
      }
    }
    if (n === 0) return false
    const sd = Math.sqrt(level.noise / n + variance + (common / n) ** 2 + ofWeekdays / (n * n))
    held.isCount = false
    held.statistic = seen / n / sd
    held.freedom = level.freedom
    held.expected = 0
    held.size = seen / n
    return true
  }

  const judgeAgainst = (j: number, from: number, former: boolean): boolean =>
    isCount[j] === 1 ? judgeCount(j, from, former) : judgeGaussian(j, from, former)

  /** Fills `held` with the days [from, t] against a level. @returns whether they say anything */
  const judge = (j: number, from: number, mean: number, variance: number, former: boolean): boolean => {
    against.mean = mean
    against.rate = Math.exp(mean)
    against.variance = variance
    return judgeAgainst(j, from, former)
  }

  /** Log of the odds that what is held is `apart` from its level, as a log, rather than at it. */
  const oddsOf = ({ noise, variance }: Level, apart: number): number =>
    held.isCount
      ? (held.seen * apart - held.expected * Math.expm1(apart)) / (held.spread / held.expected)
      : ((held.size - apart / 2) * apart) / (noise + variance)

  /** What each child's total was beyond its promise over the days [from, t]. */
  const partsOf = (j: number, from: number): Part[] => {
    const { whole } = FIGURE_TABLE[j] as Figure
    return childrenOf(i).map((c) => {
      const column = (entities[c] as AccountEntity)[whole]
      let gap = 0
      let promised = 0
      for (let d = from; d <= t; d++) {
        const owed = promises.of(c, j, from, d)
        if (Number.isNaN(owed)) continue
        const promise = owed * (dayFactors[j * days + d] as number)
        promised += promise
        gap += (column[d] as number) - promise
      }
      return { entity: indices[c] as number, gap, promised }
    })
  }

  /** Days in a row on which nothing was delivered by who had delivered every day; 0: it delivers. */
  const silentDays = (): number => {
    if ((entity.spend[t] as number) > 0) {
      standing.delivered++
      standing.silent = 0
      return 0
    }
    if (standing.silent > 0) return ++standing.silent
    const isSure = standing.delivered >= FEWEST_DAYS && shownBefore() >= FEWEST_SHOWN
    standing.delivered = 0
    return isSure ? ++standing.silent : 0
  }
  /** Impressions a day in the week before. */
  const shownBefore = (): number => {
    let sum = 0
    for (let d = Math.max(0, t - FEWEST_DAYS); d < t; d++) sum += entity.impressions[d] as number
    return sum / FEWEST_DAYS
  }

  /** Whether `name` shows the same in any window. */
  const shows = (name: FigureName, sign: number): boolean => {
    const other = FIGURES.indexOf(name)
    const w = windows.loudest(other, params.witness)
    return w >= 0 && windows.deviate(other, w) * sign > params.witness
  }

  /** A figure of leads moves because another does: alone it is chance. */
  const isBorneOut = ({ name }: Figure, deviate: number): boolean =>
    (WITNESSES[name] ?? []).some((witness) => shows(witness, Math.sign(deviate))) ||
    (name === 'conversion_rate' && deviate < 0 && shows('ctr', 1))

  /**
   * More clicks that bring no more leads are junk. Whether the leads of the days [from, t] leave that open:
   * where hardly any are expected, they do.
   */
  const isJunk = (from: number, size: number): boolean => {
    if (t >= account.leadsUntil) return false
    const level = levelOf(i, CONVERSION)
    if (!judge(CONVERSION, from, level.meanBefore(from), level.variance, false)) return false
    return held.expected * Math.expm1(-size) + held.seen * size <= SURELY_REAL
  }

  /** Fills `held` with the days [from, t] against the level that was left. @returns whether there is one to say it of */
  const judgeFormer = (j: number, from: number): boolean => {
    const level = levelOf(i, j)
    if (!isSum && t > level.formerUntil) return false
    return isSum
      ? judge(j, from, level.meanBefore(from), level.varianceBefore(from), true)
      : judge(j, from, level.formerMean, level.formerVariance, false)
  }

  /** The level before what has lasted is the level again. */
  const goBack = (j: number): void => {
    for (const c of isSum ? leavesOf(i) : [i]) {
      const own = levelOf(c, j)
      if (own.settledBy === i) own.recall(t, drift.variance(j))
    }
    for (const c of isSum ? belowOf(i) : []) levelOf(c, j).floor = t + 1
    levelOf(i, j).floor = t + 1
    standing.formerUntil[j] = -1
    standing.backOdds[j] = 0
    present[j] = 0
  }

  /** Whether what had lasted is over: a level that is left quietly would else be followed slowly. */
  const lookBack = (): void => {
    for (let j = 0; j < FIGURE_COUNT; j++) {
      if (!present[j] || t > (standing.formerUntil[j] as number)) continue
      // Of a parent whose children left their levels one by one, each knows for itself.
      if (isSum && leavesOf(i).some((c) => t <= levelOf(c, j).formerUntil && levelOf(c, j).settledBy !== i))
        continue
      if (!judgeFormer(j, t)) continue
      const formerSize = sizeOf(held)
      const isClose = Math.abs(deviateOf(held)) < WAY_BACK
      const level = levelOf(i, j)
      if (!judge(j, t, level.mean, level.variance, false)) continue
      const size = sizeOf(held)
      // What is far from both is nearer to one of them by chance.
      const isNear = isClose || Math.abs(formerSize) < FAR_NEARER * Math.abs(size)
      standing.backOdds[j] = isNear
        ? Math.max(0, (standing.backOdds[j] as number) + oddsOf(level, size - formerSize))
        : 0
      if ((standing.backOdds[j] as number) > SURELY_BACK) goBack(j)
    }
  }

  /** Tells of what a figure shows over window w, unless it is the way back. */
  const raise = (j: number, w: number, bad: boolean): void => {
    const figure = FIGURE_TABLE[j] as Figure
    const deviate = windows.deviate(j, w)
    const size = windows.size(j, w)
    const window = WINDOWS[w] as number
    const from = t - window + 1
    if (judgeFormer(j, from) && Math.abs(deviateOf(held)) < WAY_BACK) {
      goBack(j)
      return
    }
    oddWindow = Math.max(oddWindow, window)
    standing.sizes[j] = size
    newest.push({
      at: i,
      day: t,
      entity: indices[i] as number,
      figure: figure.name,
      deviate,
      window,
      size,
      bad,
      shares: null,
      parts: partsOf(j, from),
    })
  }

  /**
   * What those who came or went today would move, as a log, if the money stayed what it is: of a parent by its
   * children, of a child by its siblings.
   */
  const movedByMix = (): number => {
    const group = isSum ? i : (tree.parent[i] as number)
    if (group < 0) return 0
    let gone = 0
    let before = 0
    let come = 0
    let now = 0
    for (const c of childrenOf(group)) {
      const { spend } = entities[c] as AccountEntity
      const ran = t > 0 && runsAt(c, t - 1)
      const runs = runsAt(c, t)
      const lately = ran ? sumOfDays(spend, Math.max(0, t - WEEK), t - 1) : 0
      before += lately
      now += spend[t] as number
      if (ran && !runs) gone += lately
      if (!ran && runs) come += spend[t] as number
    }
    const moved = Math.log((1 - come / now) / (1 - gone / before))
    return Number.isFinite(moved) ? moved : 0
  }

  /** Takes in the figures of the day. */
  const observe = (): void => {
    for (let j = 0; j < FIGURE_COUNT; j++) {
      const figure = FIGURE_TABLE[j] as Figure
      const level = levelOf(i, j)
      if (figure.usesLeads && t >= account.leadsUntil) continue
      if (figure.volume && entity.mixed[t]) {
        // Who has nobody above it is told of its own children.
        const ofSum = isSum || (tree.parent[i] as number) < 0
        const moved = Math.max((ofSum ? MIX_OF_SUM : MIX_OF_ONE) ** 2, movedByMix() ** 2)
        if (moved > level.variance) {
          level.variance = moved
          level.since = t
        }
        level.floor = t
      }
      level.mark(t)
      const exposure = figure.exposure(entity, t)
      if (!Number.isFinite(exposure)) {
        level.wander(drift.variance(j), isSum)
        continue
      }
      if (figure.volume && figure.usesLeads && account.holiday[t] === 1) continue
      const effect = effects[j * WEEK + (weekdayAt[t] as number)] as number
      const move = figure.volume ? (moves[t] as number) : 0
      const seen = figure.observe(entity, t) - (figure.kind === 'count' ? 0 : effect + move)
      const among = figure.kind === 'count' ? exposure * Math.exp(effect) : 1
      level.see(t, seen, among)
      if (level.days === 0) {
        level.noise = pooledNoise[noiseAt(j)] as number
        if (isSum) level.startAt(t, 0, SUM_START ** 2)
        else if (figure.kind === 'gaussian') {
          level.startAt(t, seen, level.noise)
          continue
        } else if (!figure.volume && (amongRate[j] as number) > 0)
          level.startAt(t, Math.log(((seenRate[j] as number) + 0.5) / (amongRate[j] as number)), KNOWN_START)
        else level.startAt(t, Math.log((seen + 0.5) / among), UNKNOWN_START)
      }
      present[j] = 1
      if (figure.kind === 'gaussian') level.shareNoise(pooledNoise[noiseAt(j)] as number)
    }
  }

  /** Whether what was odd yesterday goes on. */
  const followUp = (): void => {
    // Log of the odds that today is like what was odd, rather than like the levels before.
    let odds = 0
    let ofLeads = 0
    for (let j = 0; j < FIGURE_COUNT; j++) {
      const figure = FIGURE_TABLE[j] as Figure
      const size = standing.sizes[j] as number
      const level = levelOf(i, j)
      if (size === 0 || !present[j] || !judge(j, t, level.mean, level.variance, false)) continue
      const own = oddsOf(level, size)
      // Figures of leads all count the same leads.
      if (!figure.usesLeads) odds += own
      else if (Math.abs(own) > Math.abs(ofLeads)) ofLeads = own
    }
    standing.odds = Math.min(0, standing.odds + odds + ofLeads)
    ended = standing.odds < ENDED
    if (ended) for (let j = 0; j < FIGURE_COUNT; j++) if (standing.sizes[j] !== 0) levelOf(i, j).floor = t
  }

  /** Holds the last days against the levels before them. */
  const hold = (): void => {
    for (let j = 0; j < FIGURE_COUNT; j++) {
      const figure = FIGURE_TABLE[j] as Figure
      const level = levelOf(i, j)
      if (!present[j] || level.days < FEWEST_DAYS) continue
      if (isSum) promises.extend(i, j, t)
      for (let w = 0; w < WINDOWS.length; w++) {
        const window = WINDOWS[w] as number
        const from = t - window + 1
        if (from < level.floor || from < entity.start) break
        const mean = level.meanBefore(from)
        if (Number.isNaN(mean)) break
        const variance = level.varianceBefore(from) + (drift.variance(j) * (window - 1)) / 3
        against.mean = mean
        against.rate = level.factorBefore(from)
        against.variance = variance
        if (!judgeAgainst(j, from, false)) continue
        if (figure.usesLeads && window === 1 && held.expected < FEWEST_DAY_LEADS) continue
        calibration.apply(j, w, isSum, held, !wasOdd && !isConfirmed)
        windows.set(j, w, held)
      }
    }
    if (!wasOdd && !isConfirmed && windows.roughBound(SPEND, 0) >= 0)
      tail.note(windows.roughBound(SPEND, 0) > FAR ** 2 ? windows.deviate(SPEND, 0) : 0)
  }

  /** Where money leaps now and then without a reason, a leap has to be surer. */
  const leapThreshold = (): number => {
    const heavy = (tail.weight - LIGHT_TAIL) / (HEAVY_TAIL - LIGHT_TAIL)
    return between(params.leapThreshold, params.threshold, heavy)
  }

  /** The deviate from which figure j has shifted to the worse over window w. */
  const badThreshold = (j: number, w: number): number => {
    const { usesLeads, surplus } = FIGURE_TABLE[j] as Figure
    const size = windows.size(j, w)
    if (j === SPEND && w === 0 && Math.abs(size) > LEAST_LEAP) return leapThreshold()
    if (!usesLeads) return params.threshold + surplus + surer
    const perDay = windows.expected(j, w) / (WINDOWS[w] as number)
    const few = Math.log(MANY_LEADS / perDay) / Math.log(MANY_LEADS / FEW_LEADS)
    const { leadsThreshold: many, fewLeadsThreshold: most } = params
    const threshold = between(many, most, few)
    return threshold + surplus + surer + (Math.abs(size) < SMALL_MOVE ? SMALL_MOVE_SURPLUS : 0)
  }

  /** Tells of what figure j shows over window w. @returns whether there was something to tell, and whether it is bad */
  const tellFigure = (j: number, w: number, tolerance: number): 'good' | 'bad' | null => {
    const figure = FIGURE_TABLE[j] as Figure
    const deviate = windows.deviate(j, w)
    const size = windows.size(j, w)
    const from = t - (WINDOWS[w] as number) + 1
    const bad =
      figure.bad === 0 ||
      Math.sign(deviate) === figure.bad ||
      (figure.name === 'ctr' && size > LEAST_JUNK && isJunk(from, size))
    const threshold = tolerance + (bad ? badThreshold(j, w) : params.goodThreshold)
    if (Math.abs(deviate) <= threshold || (figure.usesLeads && !isBorneOut(figure, deviate))) return null
    raise(j, w, bad)
    return bad ? 'bad' : 'good'
  }

  /** Tells of what single figures show. */
  const tell = (): void => {
    let told = false
    for (let j = 0; j < FIGURE_COUNT; j++) {
      const { usesLeads } = FIGURE_TABLE[j] as Figure
      const tolerance = tolerances[i * FIGURE_COUNT + j] as number
      const w = windows.loudest(j, (leasts[j] as number) + tolerance)
      if (w < 0) continue
      const verdict = tellFigure(j, w, tolerance)
      // A leap of today may be beyond its threshold where a longer window is louder, but not beyond its own.
      if (verdict === null && j === SPEND && w > 0 && windows.roughBound(j, 0) >= 0)
        tellFigure(j, 0, tolerance)
      told ||= usesLeads && verdict === 'bad'
    }
    // What is told of one figure of leads is told of the others that show it.
    if (!told) return
    for (let j = 0; j < FIGURE_COUNT; j++) {
      const figure = FIGURE_TABLE[j] as Figure
      if (!figure.usesLeads || standing.sizes[j] !== 0) continue
      const threshold = params.witness + (tolerances[i * FIGURE_COUNT + j] as number)
      const w = windows.loudest(j, threshold)
      if (w >= 0 && windows.deviate(j, w) * figure.bad > threshold) raise(j, w, true)
    }
  }

  /** Tells of who stopped delivering. */
  const tellSilence = (): void => {
    const silent = silentDays()
    if (silent > 0 && silent <= LASTING_DAYS) {
      const level = levelOf(i, SPEND)
      if (isSum) promises.gather(i, SPEND, t, t, false)
      const owed = isSum ? promises.sum(0) : promises.owedBy(i, SPEND, t)
      const promised = owed * level.factorOf(level.mean)
      const size = Math.log(CENT / promised)
      if (size < 0) {
        oddWindow = Math.max(oddWindow, 1)
        standing.sizes[SPEND] = size
        newest.push({
          at: i,
          day: t,
          entity: indices[i] as number,
          figure: 'spend',
          deviate: SILENCE,
          window: 1,
          size,
          bad: true,
          shares: null,
          parts: partsOf(SPEND, t),
        })
      }
    }
  }

  /** The window over which all independent figures together are rarest, and how rare; null: none is rare. */
  const together = (): { readonly deviate: number; readonly w: number } | null => {
    let found = null
    for (let w = 1; w < WINDOWS.length; w++) {
      let n = 0
      let most = 0
      for (let k = 0; k < independent.length; k++) {
        const square = windows.roughBound(independent[k] as number, w)
        if (square < 0) continue
        n++
        most += square
      }
      if (n < FEWEST_TOGETHER || most <= (quiet[n] as number)) continue
      const judged = independent.filter((j) => windows.roughBound(j, w) >= 0)
      if (judged.reduce((sum, j) => sum + windows.bound(j, w) ** 2, 0) <= (quiet[n] as number)) continue
      let squares = 0
      for (const j of judged) squares += windows.deviate(j, w) ** 2
      const deviate = jointDeviate(squares, n)
      if (deviate > (found?.deviate ?? 0)) found = { deviate, w }
    }
    return found
  }

  /** Tells of what shows in no single figure. */
  const tellTogether = (): void => {
    const found = together()
    if (!found || found.deviate <= params.jointThreshold + surer + (entity.tolerance.joint ?? 0)) return
    oddWindow = WINDOWS[found.w] as number
    const squares: [FigureName, number][] = []
    let total = 0
    let cost = 0
    for (const j of independent) {
      if (windows.roughBound(j, found.w) < 0) continue
      const { name, bad } = FIGURE_TABLE[j] as Figure
      const deviate = windows.deviate(j, found.w)
      standing.sizes[j] = windows.size(j, found.w)
      squares.push([name, deviate ** 2])
      total += deviate ** 2
      cost += bad * deviate
    }
    newest.push({
      at: i,
      day: t,
      entity: indices[i] as number,
      figure: 'joint',
      deviate: found.deviate,
      window: oddWindow,
      size: 0,
      bad: cost >= 0,
      shares: Object.fromEntries(squares.map(([name, square]) => [name, square / total])),
      parts: [],
    })
  }

  /** @returns whether what is odd has lasted */
  const lastsNow = (): boolean => {
    if (oddWindow === 0 && wasOdd && !ended) {
      // Neither told again nor over.
      oddWindow = standing.run + 1
      standing.sizes.set(sizesBefore)
    }
    if (oddWindow > 0) {
      // What was found late began earlier; what is found again has gone on since.
      const away = t - standing.lastOdd
      const goesOn =
        wasOdd ||
        (away <= LASTING_DAYS && standing.sizes.some((size, j) => size * (standing.told[j] as number) > 0))
      standing.run = goesOn ? standing.run + away : Math.min(oddWindow, SURE_DAYS)
      standing.told.set(standing.sizes)
      standing.lastOdd = t
      if (!wasOdd) standing.odds = 0
    } else {
      // Days of a fault that is over are not looked back on.
      if (wasOdd)
        for (let j = 0; j < FIGURE_COUNT; j++) levelOf(i, j).floor = Math.max(levelOf(i, j).floor, t)
    }
    standing.span = oddWindow > 0 ? Math.max(oddWindow, standing.run) : 0
    if (standing.run < LASTING_DAYS) return false
    standing.run = 0
    standing.lastOdd = -9
    return true
  }

  /** What has lasted is the level now. */
  const settle = (figure: Figure, j: number): void => {
    const dispersion = dispersionOf(j)
    let settled = 0
    for (const c of isSum ? leavesOf(i) : [i]) {
      const { start, confirmed } = entities[c] as AccountEntity
      const own = levelOf(c, j)
      if (!runsAt(c, t) || own.floor > t) continue
      const from = Math.max(start, t - LASTING_DAYS + 1)
      if (own.settle(from, t, figure.kind, dispersion, confirmed, i)) settled++
    }
    if (settled === 0) return
    standing.formerUntil[j] = t + REMEMBERED_DAYS
    standing.backOdds[j] = 0
    // What is above has had its days of telling too: it does not look back on the former level either.
    for (let p = tree.parent[i] as number; p >= 0; p = tree.parent[p] as number) levelOf(p, j).floor = t + 1
    if (!isSum) return
    const level = levelOf(i, j)
    level.variance = Math.max(level.variance, SETTLED_SUM ** 2)
    for (const c of [i, ...belowOf(i)]) levelOf(c, j).floor = t + 1
  }

  /** What the day of an entity without children tells of how counts scatter. */
  const learnDispersion = (figure: Figure, j: number, level: Level, dispersion: number): void => {
    const expected = day.among * Math.exp(level.mean)
    if (level.days < FEWEST_DAYS || !(expected > 0)) return
    const variance = expected + expected * expected * (dispersion + level.variance + day.variance)
    // Weighted moments, so that days with many events say more.
    const weight = (expected * expected) / (variance * variance)
    const gap = Math.min((day.seen - expected) ** 2, 12 * variance)
    const excess = gap - expected - expected * expected * (level.variance + day.variance)
    const known = (dispersionDays[j] as number) + weight * expected * expected
    dispersionDays[j] = known
    dispersionSum[j] = Math.max(
      (dispersionSum[j] as number) + weight * excess,
      LEAST_DISPERSION * figure.noise ** 2 * known,
    )
  }

  const learn = (lasts: boolean): void => {
    for (let j = 0; j < FIGURE_COUNT; j++) {
      const figure = FIGURE_TABLE[j] as Figure
      if (!present[j]) continue
      const level = levelOf(i, j)
      const dispersion = dispersionOf(j)
      level.days++
      if (lasts || oddWindow > 0) drift.note(i, j, Number.NaN)
      if (lasts) {
        settle(figure, j)
        continue
      }
      if (oddWindow > 0) {
        const from = Math.max(entity.start, level.floor, t - oddWindow + 1)
        level.rollBack(from, t, drift.variance(j))
        promises.forget(i, j, from)
        continue
      }
      const isSeen = !isConfirmed && look(j)
      if (!isSum && level.days > FEWEST_DAYS)
        drift.note(i, j, isSeen ? level.gapOf(day, figure.kind === 'count', dispersion) : Number.NaN)
      level.wander(drift.variance(j), isSum)
      if (!isSeen || account.holiday[t] === 1) continue
      // Of a day on which somebody came or went the children learn all that moved: above them it would count twice.
      if (isSum && figure.volume && entity.mixed[t]) continue
      if (figure.kind === 'gaussian') {
        level.learnGaussian(day)
        const own = level.ownNoise
        if (own !== null) {
          const at = noiseAt(j)
          const n = noiseCounts[at] as number
          noiseCounts[at] = n + 1
          ;(noises[at] as Float64Array)[n] = own
        }
        continue
      }
      if (!isSum) {
        learnDispersion(figure, j, level, dispersion)
        if (!figure.volume) {
          seenRate[j] = (seenRate[j] as number) * 0.999 + day.seen
          amongRate[j] = (amongRate[j] as number) * 0.999 + day.among
        }
      }
      level.learnCount(day, dispersion * day.concentration)
    }
  }

  const judgeEntity = (): void => {
    present.fill(0)
    windows.clear()
    wasOdd = standing.lastOdd === t - 1
    isConfirmed = entity.confirmed.has(t)
    ended = false
    oddWindow = 0
    observe()
    if (wasOdd) followUp()
    else lookBack()
    hold()
    sizesBefore.set(standing.sizes)
    standing.sizes.fill(0)
    tell()
    tellSilence()
    if (oddWindow === 0 && !ended) tellTogether()
    learn(lastsNow())
  }

  /** What leaf `at` shows of figure j over the days [from, t], for the scan. */
  const scanLeaf = (scan: Scan, at: number, j: number, from: number): void => {
    i = at
    entity = entities[at] as AccountEntity
    isSum = false
    const level = levelOf(at, j)
    // Days before the floor tell of something else.
    const first = level.floor <= t ? Math.max(from, level.floor) : from
    const mean = first < entity.start || level.days < FEWEST_DAYS ? Number.NaN : level.meanBefore(first)
    if (Number.isNaN(mean)) return
    const variance = level.varianceBefore(first) + (drift.variance(j) * (t - first)) / 3
    if (judge(j, first, mean, variance, false)) scan.see(at, held)
    // Who stopped shows nothing, and tells most.
    else if (j === SPEND && runsAt(at, t) && (entity.spend[first - 1] as number) > 0)
      scan.seeLog(at, -Infinity, level.noise + variance)
  }

  /** What each entity of the campaign explains of the days [from, t] of a shift. */
  const originsOf = ({ at, figure, size }: FoundShift, from: number): Origins => {
    const scan = new Scan(tree, topOf(at))
    for (const j of figure === 'joint' ? independent : [FIGURES.indexOf(figure)]) {
      scan.begin((FIGURE_TABLE[j] as Figure).kind === 'count')
      for (const leaf of scan.leaves) scanLeaf(scan, leaf, j, from)
      scan.addUp(figure === 'joint' ? ((standings[at] as Standing).sizes[j] as number) : size)
    }
    return scan.origins(t - from + 1, figure !== 'joint')
  }

  /** Keeps what was found on the day, with where it began: one answer for what moved one way in one campaign. */
  const trace = (): void => {
    const known = new Map<string, Origins>()
    for (const found of newest.splice(0)) {
      const { at, ...shift } = found
      let origins: Origins | null = null
      if (shift.bad) {
        const { figure, size, window } = shift
        const from = Math.max(0, t - Math.max(window, (standings[at] as Standing).span) + 1)
        const key = figure === 'joint' ? `${at}` : `${topOf(at)} ${figure} ${Math.sign(size)} ${from}`
        origins = known.get(key) ?? originsOf(found, from)
        known.set(key, origins)
      }
      shifts.push({ ...shift, origins })
    }
  }

  for (t = 0; t < Math.min(days, account.completeUntil); t++) {
    past.begin(t)
    learnWeekdays(t)
    noiseCounts.fill(0)
    if (account.holiday[t] === 1) learnHoliday(t)
    spreadWeekdays(t)
    let running = 0
    for (let at = 0; at < entities.length; at++) if (runsAt(at, t)) running++
    surer = SURER_PER_DOUBLING * Math.max(0, Math.log2(running / FEW_ENTITIES))
    for (i of up) {
      if (!runsAt(i, t)) continue
      entity = entities[i] as AccountEntity
      standing = standings[i] as Standing
      isSum = isSumOf(i)
      judgeEntity()
    }
    trace()
    calibration.learn()
    tail.learn()
    drift.learn()
    noises.forEach((values, at) => {
      const n = noiseCounts[at] as number
      if (n === 0) return
      const median = values.subarray(0, n).sort()[n >> 1] as number
      pooledNoise[at] = 0.8 * (pooledNoise[at] as number) + 0.2 * median
    })
  }
  return shifts
}
