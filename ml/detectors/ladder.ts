/**
 * The model ladder (ads-domain section 2): an entity is judged by its own forest, else by the nearest pooled forest
 * above it, else by statistics alone. `judgeByLadder` climbs it wherever the models come from; `trainLadder` makes
 * all of it in memory, for a replay that has no store.
 */
import { frameAt, lowerBound, sliceFrame } from '../frame.ts'
import type { DailyFrame, DayNumber, EntityHead, FrameBatch } from '../frame.ts'
import type { Level } from '../shifts/level-name.ts'
import { buildEntityMatrix, drawEntityForestSeeds, fitForJudging, judgeDay } from './entity-forest.ts'
import type { EntityForestParams, EntityForestSeeds, EntityJudge, EntityMatrix } from './entity-forest.ts'
import type { ForestVerdict } from './forest-signal.ts'
import {
  ACCOUNT_LENDERS,
  ANCESTOR_LEVELS,
  ancestorsOf,
  createPool,
  entityRows,
  judgePooledDay,
  scaleBefore,
} from './pooled-forest.ts'
import type { Ancestor, Pool } from './pooled-forest.ts'
import type { ModelSource } from './signal.ts'

/** The best first. */
export const RUNGS = ['own', ...ANCESTOR_LEVELS] as const
export type Rung = (typeof RUNGS)[number]

export interface LadderVerdict {
  readonly source: ModelSource
  /** null on a day without impressions, and from statistics. */
  readonly verdict: ForestVerdict | null
}

const BASELINE: LadderVerdict = { source: 'baseline', verdict: null }

/**
 * @param judgeOf the usable model of a rung, or null
 * @param windowDays how far back an entity's usual day is looked for
 */
export const judgeByLadder = (
  judgeOf: (rung: Rung) => EntityJudge | null,
  frame: DailyFrame,
  day: DayNumber,
  windowDays: number,
  excludedDays: ReadonlySet<DayNumber>,
): LadderVerdict => {
  const own = judgeOf('own')
  if (own) return { source: 'own', verdict: judgeDay(own, frame, day) }
  for (const source of ANCESTOR_LEVELS) {
    const judge = judgeOf(source)
    if (!judge) continue
    const scale = scaleBefore(frame, day, windowDays, excludedDays)
    return scale ? { source, verdict: judgePooledDay(judge, frame, day, scale) } : BASELINE
  }
  return BASELINE
}

/** All entities of a level of one account. */
export interface LadderLevel {
  readonly level: Level
  readonly batch: FrameBatch
  /** Days labelled `true_positive`, per entity that has any. */
  readonly excludedDays: ReadonlyMap<string, ReadonlySet<DayNumber>>
}

export interface LadderOptions {
  /** The account's id in the ladder. */
  readonly configId: number
  /** The training window, both inclusive: nothing else is looked at. */
  readonly from: DayNumber
  readonly to: DayNumber
  /** Fewest rows of a model. */
  readonly minSamples: number
  readonly forest: EntityForestParams
  /** Shared by many trainings of the same parameters. */
  readonly seeds?: EntityForestSeeds
}

/** Models in memory. Each is fitted when it is first asked for; of those not asked for lately it forgets. */
export interface Ladder {
  /** @param entity its place in the batch of its level */
  own(level: Level, entity: number): EntityJudge | null
  pooled(level: Level, ancestor: Ancestor): EntityJudge | null
  /** The rungs of an entity, for `judgeByLadder`. */
  rungsOf(level: Level, entity: number): (rung: Rung) => EntityJudge | null
}

const NO_DAYS: ReadonlySet<DayNumber> = new Set()
/** Models a ladder holds at once, at about 0.2 MB: those of an account have to be no bother in memory. */
const KEPT_JUDGES = 64

const keyOf = ({ level, id }: Ancestor): string => `${level} ${id}`

/** What the window says of a level, gathered when its first model is asked for. */
interface Gathered {
  readonly pools: ReadonlyMap<string, Pool>
  /** Per entity: spend / leads of its nearest ancestor with leads, or null. */
  readonly ancestorCpl: readonly (number | null)[]
  /** For a pool without leads: the same of the ancestors above it. */
  readonly poolCpl: ReadonlyMap<string, number | null>
}

export const trainLadder = (levels: readonly LadderLevel[], options: LadderOptions): Ladder => {
  const { configId, from, to, minSamples, forest } = options
  const byLevel = new Map(levels.map((level) => [level.level, level]))
  let seeds = options.seeds
  const windowOf = ({ batch }: LadderLevel, entity: number): DailyFrame => {
    const frame = frameAt(batch, entity)
    return sliceFrame(frame, lowerBound(frame.days, from), lowerBound(frame.days, to + 1))
  }
  const excludedOf = ({ batch, excludedDays }: LadderLevel, entity: number): ReadonlySet<DayNumber> =>
    excludedDays.get(batch.heads[entity]?.id ?? '') ?? NO_DAYS

  const gather = (own: LadderLevel): Gathered => {
    const pools = new Map<string, Pool>()
    const totals = new Map<string, { spend: number; leads: number }>()
    const families = own.batch.heads.map((head: EntityHead) => ancestorsOf(own.level, head, configId))
    families.forEach((family, entity) => {
      const rows = entityRows(
        own.batch.heads[entity]?.id ?? '',
        windowOf(own, entity),
        excludedOf(own, entity),
      )
      for (const ancestor of family) {
        const key = keyOf(ancestor)
        const pool = pools.get(key) ?? createPool()
        pools.set(key, pool)
        pool.add(rows)
        const total = totals.get(key) ?? { spend: 0, leads: 0 }
        total.spend += rows.spend
        total.leads += rows.leads
        totals.set(key, total)
      }
    })
    const nearestCpl = (family: readonly Ancestor[]): number | null => {
      for (const ancestor of family) {
        const total = totals.get(keyOf(ancestor))
        if (total && total.leads > 0) return total.spend / total.leads
      }
      return null
    }
    const ancestorCpl = families.map(nearestCpl)
    const poolCpl = new Map<string, number | null>()
    for (const [entity, family] of families.entries())
      for (const ancestor of family) poolCpl.set(keyOf(ancestor), ancestorCpl[entity] ?? null)
    return { pools, ancestorCpl, poolCpl }
  }

  const gathered = new Map<Level, Gathered>()
  const gatheredOf = (own: LadderLevel): Gathered => {
    const known = gathered.get(own.level) ?? gather(own)
    gathered.set(own.level, known)
    return known
  }
  const judges = new Map<string, EntityJudge | null>()
  const fit = (key: string, matrixOf: () => EntityMatrix): EntityJudge | null => {
    const known = judges.get(key)
    if (known !== undefined) {
      // Whoever was asked last stands last.
      judges.delete(key)
      judges.set(key, known)
      return known
    }
    const matrix = matrixOf()
    const judge =
      matrix.n < minSamples ? null : fitForJudging(matrix, forest, (seeds ??= drawEntityForestSeeds(forest)))
    judges.set(key, judge)
    const [oldest] = judges.keys()
    if (judges.size > KEPT_JUDGES && oldest !== undefined) judges.delete(oldest)
    return judge
  }

  const ladder: Ladder = {
    own: (level, entity) => {
      const own = byLevel.get(level)
      if (!own) return null
      return fit(`own ${level} ${entity}`, () =>
        buildEntityMatrix(
          windowOf(own, entity),
          gatheredOf(own).ancestorCpl[entity] ?? null,
          excludedOf(own, entity),
        ))
    },
    pooled: (level, ancestor) => {
      const key = keyOf(ancestor)
      for (const lender of ancestor.level === 'account' ? ACCOUNT_LENDERS[level] : [level]) {
        const own = byLevel.get(lender)
        const pool = own && gatheredOf(own).pools.get(key)
        if (!pool) continue
        const judge = fit(`${lender} ${key}`, () => pool.matrix(gatheredOf(own).poolCpl.get(key) ?? null))
        if (judge) return judge
      }
      return null
    },
    rungsOf: (level, entity) => {
      const head = byLevel.get(level)?.batch.heads[entity]
      const family = head ? ancestorsOf(level, head, configId) : []
      return (rung) => {
        if (rung === 'own') return ladder.own(level, entity)
        const ancestor = family.find((one) => one.level === rung)
        return ancestor ? ladder.pooled(level, ancestor) : null
      }
    },
  }
  return ladder
}

/**
 * Judges `day` of an entity of a ladder trained on earlier days.
 * @param frame of the entity; may be densified and go on after `day`
 */
export const scoreLadder = (
  ladder: Ladder,
  level: Level,
  entity: number,
  frame: DailyFrame,
  day: DayNumber,
  windowDays: number,
  excludedDays: ReadonlySet<DayNumber> = NO_DAYS,
): LadderVerdict => judgeByLadder(ladder.rungsOf(level, entity), frame, day, windowDays, excludedDays)
