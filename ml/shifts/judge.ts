/**
 * Finds shifts in the days of an account, day by day, each day by what was known before it. Per entity, from the
 * ads up:
 *
 * 1. a figure's level is forecast for the day: an ad's from its own days, a parent's from what its children
 *    promise, so that a change of mix is no shift of its own
 * 2. the last 1, 2, 3, 5 and 7 days are held against the level before them (a generalised likelihood ratio
 *    over windows; Lai 1995), and all independent figures together (Fisher 1925) for shifts too small in each
 * 3. odd days teach nothing; once they have lasted five days they are the new level, and the old one is
 *    remembered, so that neither the new level nor the way back is told again
 *
 * Thresholds are deviates of one test, not of a whole account: the rate of false findings per entity does not
 * depend on how many entities there are.
 */
import { runsOn } from './account.ts'
import type { AccountDays, AccountEntity } from './account.ts'
import { FIGURES, FIGURE_TABLE } from './figures.ts'
import type { AccountSums, Figure, FigureName } from './figures.ts'
import { Level } from './level.ts'
import type { Look } from './level.ts'
import { LEVELS_UP } from './level-name.ts'
import { countDeviate, deviateAtRate, jointDeviate, studentDeviate } from './tails.ts'
import { weekdayEffects, weekdayOf } from './weekday.ts'
import type { WeekdayEffects } from './weekday.ts'

export interface ShiftParams {
  /** Deviate from which a figure without leads has shifted. */
  readonly threshold: number
  /** Of figures that count leads. */
  readonly leadsThreshold: number
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
  leadsThreshold: 3.4,
  goodThreshold: 4.3,
  jointThreshold: 3.6,
  witness: 3,
}

/** The false discovery rate the thresholds stand for (ads-domain section 11, ANOMALY_FDR_Q). */
const DEFAULT_FDR = 0.1

/** Thresholds at another rate of false findings: half the rate, half as many by chance. */
export const shiftParamsAt = (fdr: number): ShiftParams => {
  const at = (deviate: number): number =>
    fdr === DEFAULT_FDR ? deviate : deviateAtRate(deviate, fdr / DEFAULT_FDR)
  const { threshold, leadsThreshold, goodThreshold, jointThreshold, witness } = defaultShiftParams
  return {
    threshold: at(threshold),
    leadsThreshold: at(leadsThreshold),
    goodThreshold: at(goodThreshold),
    jointThreshold: at(jointThreshold),
    witness,
  }
}

/** Added to a count before its logarithm is taken: none is not infinitely few. */
export const COUNT_START = 0.25

/** Lengths of the windows, in days. */
const WINDOWS = [1, 2, 3, 5, 7] as const
/** Days a level has to be seen before anything is held against it. */
const FEWEST_DAYS = 7
/** Odd days in a row that make a new level. */
const LASTING_DAYS = 5
/** A single day of leads says something from so many expected on. */
const FEWEST_DAY_LEADS = 3
/** Within this deviate of the former level, a shift is the way back. */
const WAY_BACK = 2.5
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
}

/** A child's part of a shift, in the unit of the total: money, events, impressions, people. */
export interface Part {
  readonly entity: number
  readonly gap: number
  readonly promised: number
}

interface Verdict {
  readonly deviate: number
  readonly expected: number
  readonly size: number
}

interface Loudest {
  readonly deviate: number
  readonly size: number
  /** 0: nothing was judged. */
  readonly window: number
}

/** Adds up the variance of a promise. */
interface Uncertainty {
  variance: number
}

/** How one entity fares. */
interface Standing {
  run: number
  lastOdd: number
  /** Size of what was odd yesterday, per figure. */
  readonly sizes: Float64Array
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

const NONE: WeekdayEffects = { effect: new Float64Array(7), variance: new Float64Array(7) }

export const findShifts = (account: AccountDays, params: ShiftParams = defaultShiftParams): Shift[] => {
  const { days, entities } = account
  const figures = FIGURE_TABLE.map((figure, j) => ({ figure, j }))
  const levels = entities.map(() => FIGURE_TABLE.map(() => new Level(days)))
  const standings = entities.map((): Standing => ({
    run: 0,
    lastOdd: -9,
    sizes: new Float64Array(FIGURE_TABLE.length),
  }))
  const children: number[][] = entities.map(() => [])
  entities.forEach(({ parent }, i) => children[parent]?.push(i))
  const order = LEVELS_UP.flatMap((level) =>
    entities.flatMap((entity, i) => (entity.level === level ? [i] : [])),
  )
  const sums = sumsOf(account)
  const shifts: Shift[] = []

  const levelOf = (i: number, j: number): Level => (levels[i] as Level[])[j] as Level
  const childrenOf = (i: number): number[] => children[i] as number[]
  const leavesOf = (i: number): number[] =>
    childrenOf(i).flatMap((c) => (childrenOf(c).length > 0 ? leavesOf(c) : [c]))
  const belowOf = (i: number): number[] => childrenOf(i).flatMap((c) => [c, ...belowOf(c)])

  // What the account shares: noise per level of the tree, dispersion and rate of counts.
  const pooledNoise = FIGURE_TABLE.map(({ noise }) => new Map(LEVELS_UP.map((level) => [level, noise ** 2])))
  const dispersionSum = FIGURE_TABLE.map(({ noise }) => DISPERSION_DAYS * noise ** 2)
  const dispersionDays = FIGURE_TABLE.map(() => DISPERSION_DAYS)
  const dispersionOf = (j: number): number => (dispersionSum[j] as number) / (dispersionDays[j] as number)
  const rates = FIGURE_TABLE.map(() => ({ seen: 0, among: 0 }))

  /** What the children of i promise for `day` at their levels before `from`; adds up the variance of the sum. */
  const gather = (
    i: number,
    j: number,
    from: number,
    day: number,
    former: boolean,
    into: Uncertainty,
  ): number => {
    const figure = FIGURE_TABLE[j] as Figure
    let sum = 0
    for (const c of childrenOf(i)) {
      const child = entities[c] as AccountEntity
      if (!runsOn(child, day)) continue
      // A figure of volume is owed also by a child that gave nothing.
      if (!figure.volume && !(figure.exposure(child, day) > 0)) continue
      const level = levelOf(c, j)
      const at = Math.max(from, child.start)
      let mean = level.meanBefore[at] as number
      let variance = level.varianceBefore[at] as number
      if (former && day <= level.formerUntil) {
        mean = level.formerMean
        variance = level.formerVariance
      }
      if (!Number.isFinite(mean)) {
        mean = level.mean
        variance = level.variance
      }
      if (!Number.isFinite(mean)) continue
      // The level of a sum corrects what its own children promise.
      const part =
        childrenOf(c).length > 0
          ? gather(c, j, from, day, former, into) * Math.exp(figure.sign * mean)
          : figure.part(child, day, mean)
      sum += part
      into.variance += part * part * variance
    }
    return sum
  }

  for (let t = 0; t < Math.min(days, account.completeUntil); t++) {
    const weekdays = FIGURE_TABLE.map(({ ofAccount }) =>
      ofAccount ? weekdayEffects(account, t, (day) => ofAccount(sums, day)) : NONE,
    )
    const noises = FIGURE_TABLE.map(() => new Map(LEVELS_UP.map((level) => [level, [] as number[]])))

    for (const i of order) {
      const entity = entities[i] as AccountEntity
      if (!runsOn(entity, t)) continue
      const isSum = childrenOf(i).length > 0
      const standing = standings[i] as Standing

      /** Day d against the levels before `from`; null when it says nothing. */
      const look = (j: number, from: number, d: number, former = false): Look | null => {
        const figure = FIGURE_TABLE[j] as Figure
        const level = levelOf(i, j)
        if (!Number.isFinite(level.among[d])) return null
        const weekday = weekdays[j] as WeekdayEffects
        const w = weekdayOf(account, d)
        const weekdayVariance = weekday.variance[w] as number
        if (!isSum)
          return {
            seen: level.seen[d] as number,
            among: level.among[d] as number,
            variance: 0,
            weekdayVariance,
          }
        const into: Uncertainty = { variance: 0 }
        const sum = gather(i, j, from, d, former, into)
        if (!(sum > 0)) return null
        const base = sum * Math.exp(figure.sign * (weekday.effect[w] as number))
        const variance = into.variance / (sum * sum)
        const whole = figure.whole(entity, d)
        return figure.kind === 'count'
          ? { seen: whole, among: base, variance, weekdayVariance }
          : { seen: figure.sign * Math.log(whole / base), among: 1, variance, weekdayVariance }
      }

      /** The days [from, t] against a level; null when they say nothing. */
      const judge = (
        j: number,
        from: number,
        mean: number,
        variance: number,
        former = false,
      ): Verdict | null => {
        const isCount = (FIGURE_TABLE[j] as Figure).kind === 'count'
        const dispersion = dispersionOf(j)
        let seen = 0
        let expected = 0
        let scatter = 0
        let common = 0
        let ofWeekdays = 0
        let n = 0
        for (let d = from; d <= t; d++) {
          const day = look(j, from, d, former)
          if (!day) continue
          n++
          if (isCount) {
            const mu = day.among * Math.exp(mean)
            seen += day.seen
            expected += mu
            scatter += mu * mu * dispersion
            common += mu * Math.sqrt(day.variance)
            ofWeekdays += mu * mu * day.weekdayVariance
          } else {
            seen += day.seen - mean
            common += Math.sqrt(day.variance)
            ofWeekdays += day.weekdayVariance
          }
        }
        if (n === 0) return null
        if (isCount) {
          if (!(expected > 0)) return null
          const spread =
            expected + scatter + expected * expected * Math.expm1(variance) + common * common + ofWeekdays
          return {
            deviate: countDeviate(seen, expected, spread),
            expected,
            size: Math.log((seen + COUNT_START) / expected),
          }
        }
        const level = levelOf(i, j)
        const sd = Math.sqrt(level.noise / n + variance + (common / n) ** 2 + ofWeekdays / (n * n))
        return { deviate: studentDeviate(seen / n / sd, level.freedom), expected: 0, size: seen / n }
      }

      /** What each child's total was beyond its promise over the days [from, t]. */
      const partsOf = (j: number, from: number): Part[] => {
        const figure = FIGURE_TABLE[j] as Figure
        return childrenOf(i).map((c) => {
          const child = entities[c] as AccountEntity
          const level = levelOf(c, j)
          let gap = 0
          let promised = 0
          for (let d = from; d <= t; d++) {
            if (!runsOn(child, d) || !(figure.volume || figure.exposure(child, d) > 0)) continue
            const mean = level.meanBefore[Math.max(from, child.start)] as number
            if (!Number.isFinite(mean)) continue
            const weekday =
              figure.sign * ((weekdays[j] as WeekdayEffects).effect[weekdayOf(account, d)] as number)
            const promise =
              childrenOf(c).length > 0
                ? gather(c, j, from, d, false, { variance: 0 }) * Math.exp(figure.sign * mean)
                : figure.part(child, d, mean)
            promised += promise * Math.exp(weekday)
            gap += figure.whole(child, d) - promise * Math.exp(weekday)
          }
          return { entity: c, gap, promised }
        })
      }

      const present = FIGURE_TABLE.map(() => false)
      const windows: (Verdict | null)[][] = FIGURE_TABLE.map(() => [])
      const wasOdd = standing.lastOdd === t - 1
      let ended = false

      for (const { figure, j } of figures) {
        const level = levelOf(i, j)
        if (figure.usesLeads && t >= account.leadsUntil) continue
        if (figure.volume && entity.mixed[t]) {
          level.variance = Math.max(level.variance, (isSum ? MIX_OF_SUM : MIX_OF_ONE) ** 2)
          level.floor = t
        }
        level.mark(t)
        const exposure = figure.exposure(entity, t)
        if (!Number.isFinite(exposure)) {
          level.wander(figure, isSum)
          continue
        }
        if (figure.volume && account.holiday[t] === 1) continue
        const effect = (weekdays[j] as WeekdayEffects).effect[weekdayOf(account, t)] as number
        const seen = figure.observe(entity, t) - (figure.kind === 'count' ? 0 : effect)
        const among = figure.kind === 'count' ? exposure * Math.exp(effect) : 1
        level.seen[t] = seen
        level.among[t] = among
        if (level.days === 0) {
          level.noise = pooledNoise[j]?.get(entity.level) as number
          const rate = rates[j] as { seen: number; among: number }
          if (isSum) level.startAt(t, 0, SUM_START ** 2)
          else if (figure.kind === 'gaussian') {
            level.startAt(t, seen, level.noise)
            continue
          } else if (!figure.volume && rate.among > 0)
            level.startAt(t, Math.log((rate.seen + 0.5) / rate.among), KNOWN_START)
          else level.startAt(t, Math.log((seen + 0.5) / among), UNKNOWN_START)
        }
        present[j] = true
        if (figure.kind === 'gaussian') level.shareNoise(pooledNoise[j]?.get(entity.level) as number)
        if (level.days < FEWEST_DAYS) continue
        const size = standing.sizes[j] as number
        if (wasOdd && size !== 0) {
          // Which is today nearer to: what was odd yesterday, or the level before?
          const today = judge(j, t, level.mean, level.variance)
          const odds =
            today &&
            (figure.kind === 'count'
              ? today.expected * (Math.exp(today.size) * size - Math.expm1(size))
              : (today.size - size / 2) * size)
          if (odds !== null && odds < 0) {
            level.floor = t
            ended = true
          }
        }
        for (const [w, window] of WINDOWS.entries()) {
          const from = t - window + 1
          if (from < level.floor || from < entity.start || !Number.isFinite(level.meanBefore[from])) break
          const variance = (level.varianceBefore[from] as number) + (figure.wander ** 2 * (window - 1)) / 3
          const verdict = judge(j, from, level.meanBefore[from] as number, variance)
          const tooFew = figure.usesLeads && window === 1 && (verdict?.expected ?? 0) < FEWEST_DAY_LEADS
          ;(windows[j] as (Verdict | null)[])[w] = tooFew ? null : verdict
        }
      }

      const loudest = windows.map((verdicts) => {
        let best: Loudest = { deviate: 0, size: 0, window: 0 }
        verdicts.forEach((verdict, w) => {
          if (verdict && Math.abs(verdict.deviate) > Math.abs(best.deviate))
            best = { deviate: verdict.deviate, size: verdict.size, window: WINDOWS[w] as number }
        })
        return best
      })
      /** A figure of leads moves because another does: alone it is chance. */
      const isBorneOut = ({ name }: Figure, deviate: number): boolean =>
        (WITNESSES[name] ?? []).some((witness) => {
          const other = (loudest[FIGURES.indexOf(witness)] as Loudest).deviate
          return other * Math.sign(deviate) > params.witness
        })

      let oddWindow = 0
      standing.sizes.fill(0)
      for (const { figure, j } of figures) {
        const { deviate, size, window } = loudest[j] as Loudest
        const bad = figure.bad === 0 || Math.sign(deviate) === figure.bad
        const threshold =
          (entity.tolerance[figure.name] ?? 0) +
          (bad ? (figure.usesLeads ? params.leadsThreshold : params.threshold) : params.goodThreshold)
        if (Math.abs(deviate) <= threshold || (figure.usesLeads && !isBorneOut(figure, deviate))) continue
        const level = levelOf(i, j)
        const from = t - window + 1
        const back = isSum
          ? judge(j, from, level.meanBefore[from] as number, level.varianceBefore[from] as number, true)
          : t <= level.formerUntil
            ? judge(j, from, level.formerMean, level.formerVariance)
            : null
        if (back && Math.abs(back.deviate) < WAY_BACK) {
          for (const c of isSum ? belowOf(i) : [i]) levelOf(c, j).recall(t)
          level.floor = t + 1
          present[j] = false
          continue
        }
        oddWindow = Math.max(oddWindow, window)
        standing.sizes[j] = size
        shifts.push({
          day: t,
          entity: i,
          figure: figure.name,
          deviate,
          window,
          size,
          bad,
          shares: null,
          parts: partsOf(j, from),
        })
      }
      if (oddWindow === 0 && !ended) {
        let joint = 0
        let best = 0
        for (let w = 1; w < WINDOWS.length; w++) {
          const verdicts = figures.flatMap(({ figure, j }) => {
            const verdict = windows[j]?.[w]
            return verdict && INDEPENDENT.has(figure.name) ? [verdict] : []
          })
          if (verdicts.length < 3) continue
          const deviate = jointDeviate(
            verdicts.reduce((sum, verdict) => sum + verdict.deviate ** 2, 0),
            verdicts.length,
          )
          if (deviate <= joint) continue
          joint = deviate
          best = w
        }
        if (joint > params.jointThreshold + (entity.tolerance.joint ?? 0)) {
          oddWindow = WINDOWS[best] as number
          const squares = figures.flatMap(({ figure, j }): [FigureName, number][] => {
            const verdict = windows[j]?.[best]
            if (!verdict || !INDEPENDENT.has(figure.name)) return []
            standing.sizes[j] = verdict.size
            return [[figure.name, verdict.deviate ** 2]]
          })
          const total = squares.reduce((sum, [, square]) => sum + square, 0)
          const cost = figures.reduce(
            (sum, { figure, j }) =>
              sum + (INDEPENDENT.has(figure.name) ? figure.bad * (windows[j]?.[best]?.deviate ?? 0) : 0),
            0,
          )
          shifts.push({
            day: t,
            entity: i,
            figure: 'joint',
            deviate: joint,
            window: oddWindow,
            size: 0,
            bad: cost >= 0,
            shares: Object.fromEntries(squares.map(([name, square]) => [name, square / total])),
            parts: [],
          })
        }
      }

      if (oddWindow > 0) {
        standing.run++
        standing.lastOdd = t
      } else {
        // Days of a fault that is over are not looked back on.
        if (wasOdd) for (const { j } of figures) levelOf(i, j).floor = Math.max(levelOf(i, j).floor, t)
        standing.run = 0
      }
      const lasts = standing.run >= LASTING_DAYS
      if (lasts) {
        standing.run = 0
        standing.lastOdd = -9
      }

      for (const { figure, j } of figures) {
        if (!present[j]) continue
        const level = levelOf(i, j)
        const dispersion = dispersionOf(j)
        level.days++
        if (lasts) {
          const settle = (c: number): void => {
            const settled = entities[c] as AccountEntity
            const own = levelOf(c, j)
            if (!runsOn(settled, t) || own.floor > t) return
            own.settle(Math.max(settled.start, t - LASTING_DAYS + 1), t, figure.kind, dispersion)
          }
          if (!isSum) settle(i)
          else {
            for (const leaf of leavesOf(i)) settle(leaf)
            level.variance = Math.max(level.variance, SETTLED_SUM ** 2)
            for (const c of [i, ...belowOf(i)]) levelOf(c, j).floor = t + 1
          }
          continue
        }
        if (oddWindow > 0) {
          level.rollBack(Math.max(entity.start, level.floor, t - oddWindow + 1), t, figure)
          continue
        }
        const today = look(j, t, t)
        level.wander(figure, isSum)
        if (!today) continue
        if (figure.kind === 'gaussian') {
          level.learnGaussian(today)
          const own = level.ownNoise
          if (own !== null) noises[j]?.get(entity.level)?.push(own)
          continue
        }
        if (!isSum) {
          const expected = today.among * Math.exp(level.mean)
          const variance = expected + expected * expected * (dispersion + level.variance + today.variance)
          if (level.days >= FEWEST_DAYS && expected > 0) {
            // Weighted moments, so that days with many events say more.
            const weight = (expected * expected) / (variance * variance)
            const gap = Math.min((today.seen - expected) ** 2, 12 * variance)
            const excess = gap - expected - expected * expected * (level.variance + today.variance)
            dispersionDays[j] = (dispersionDays[j] as number) + weight * expected * expected
            dispersionSum[j] = Math.max(
              (dispersionSum[j] as number) + weight * excess,
              LEAST_DISPERSION * figure.noise ** 2 * dispersionDays[j],
            )
          }
          if (!figure.volume) {
            const rate = rates[j] as { seen: number; among: number }
            rate.seen = rate.seen * 0.999 + today.seen
            rate.among = rate.among * 0.999 + today.among
          }
        }
        level.learnCount(today, dispersion)
      }
    }

    noises.forEach((byLevel, j) => {
      for (const [level, values] of byLevel) {
        if (values.length === 0) continue
        values.sort((a, b) => a - b)
        const pooled = pooledNoise[j] as Map<string, number>
        pooled.set(level, 0.8 * (pooled.get(level) as number) + 0.2 * (values[values.length >> 1] as number))
      }
    })
  }
  return shifts
}
