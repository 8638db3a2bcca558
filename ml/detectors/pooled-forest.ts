/**
 * A forest for entities that have too few days for one of their own (ads-domain section 2, model ladder): fitted
 * on the days of all entities of a level below one ancestor, each in multiples of its own usual day.
 *
 * 1. `entityRows`   an entity's days, divided by its medians
 * 2. `createPool`   gathers those of an ancestor's entities, at most POOL_ROWS of them
 * 3. fit and judge  as an entity's own forest (`entity-forest.ts`), in multiples
 *
 * What an entity without a lead of its own pays for one is taken from the pool's ancestor, in training and judging
 * alike, so that an entity is measured with one rod whichever of its ancestors judges it.
 */
import { lowerBound, rowOf } from '../frame.ts'
import type { DailyFrame, DayNumber, EntityHead } from '../frame.ts'
import { ctrOf } from '../ratios.ts'
import type { Level } from '../shifts/level-name.ts'
import { quantileSorted } from '../stats/quantile.ts'
import {
  decodeForest,
  encodeForest,
  FEATURES,
  fingerprintOf,
  judgeValues,
  writeFeatures,
} from './entity-forest.ts'
import type {
  ArtifactIdentity,
  EntityForest,
  EntityForestParams,
  EntityJudge,
  EntityMatrix,
  Feature,
  Sha256,
} from './entity-forest.ts'
import type { ForestVerdict } from './forest-signal.ts'

/** Changes whenever the same days and parameters would give other tensors. */
export const POOLED_ALGORITHM_VERSION = 'pooled_isolation_forest@1'

/** Most rows a pool is fitted on: sixteen times what one tree sees. */
export const POOL_ROWS = 4096
/** Fewest days an entity needs before the judged one: its medians are no measure before. */
export const LEAST_SCALE_ROWS = 7

/** Nearest first. */
export const ANCESTOR_LEVELS = ['adset', 'campaign', 'account'] as const
export type AncestorLevel = (typeof ANCESTOR_LEVELS)[number]

/**
 * Whose entities' days make the account's pool for a level, the first that are enough: a young account has few
 * campaigns, but their ads' days in multiples of a usual day are measured with the same rod.
 */
export const ACCOUNT_LENDERS: Readonly<Record<Level, readonly Level[]>> = {
  campaign: ['campaign', 'adset', 'ad'],
  adset: ['adset', 'ad'],
  ad: ['ad'],
}

export interface Ancestor {
  readonly level: AncestorLevel
  readonly id: string
}

/** Those above an entity, nearest first; the account's id is the config's. */
export const ancestorsOf = (
  level: Level,
  { parentId, campaignId }: Pick<EntityHead, 'parentId' | 'campaignId'>,
  configId: number,
): readonly Ancestor[] => [
  ...(level === 'ad' && parentId !== null ? [{ level: 'adset', id: parentId } as const] : []),
  ...(level === 'campaign' ? [] : [{ level: 'campaign', id: campaignId } as const]),
  { level: 'account', id: String(configId) },
]

/** An entity's usual day: what its figures are divided by. */
export interface EntityScale {
  /** Days with impressions it was measured on. */
  readonly rows: number
  /** Medians; 1 where the median is 0. */
  readonly spend: number
  readonly leads: number
  readonly ctr: number
  /** spend / leads of those days; null without leads. */
  readonly cplRef: number | null
}

const isRow = (frame: DailyFrame, i: number, excludedDays: ReadonlySet<DayNumber>): boolean =>
  (frame.impressions[i] as number) > 0 && !excludedDays.has(frame.days[i] as number)

const medianOrOne = (values: Float64Array): number => quantileSorted(values.sort(), 0.5) || 1

/** Measures the rows [from, to) of `frame`. */
const measure = (
  frame: DailyFrame,
  from: number,
  to: number,
  excludedDays: ReadonlySet<DayNumber>,
): EntityScale => {
  const spends = new Float64Array(to - from)
  const leads = new Float64Array(to - from)
  const ctrs = new Float64Array(to - from)
  let rows = 0
  let spendSum = 0
  let leadSum = 0
  for (let i = from; i < to; i += 1) {
    // As for an entity's own forest, the reference is of all days of the window.
    spendSum += frame.spend[i] as number
    leadSum += frame.leads[i] as number
    if (!isRow(frame, i, excludedDays)) continue
    spends[rows] = frame.spend[i] as number
    leads[rows] = frame.leads[i] as number
    ctrs[rows] = ctrOf(frame.clicks[i] as number, frame.impressions[i] as number)
    rows += 1
  }
  return {
    rows,
    spend: rows > 0 ? medianOrOne(spends.subarray(0, rows)) : 1,
    leads: rows > 0 ? medianOrOne(leads.subarray(0, rows)) : 1,
    ctr: rows > 0 ? medianOrOne(ctrs.subarray(0, rows)) : 1,
    cplRef: leadSum > 0 ? spendSum / leadSum : null,
  }
}

/**
 * The usual day of an entity as it was known before `day`, of the `windowDays` days before it.
 * @returns null with fewer than seven days with impressions
 */
export const scaleBefore = (
  frame: DailyFrame,
  day: DayNumber,
  windowDays: number,
  excludedDays: ReadonlySet<DayNumber>,
): EntityScale | null => {
  const from = lowerBound(frame.days, day - windowDays)
  const scale = measure(frame, from, lowerBound(frame.days, day), excludedDays)
  return scale.rows < LEAST_SCALE_ROWS ? null : scale
}

const DIVISOR: Readonly<Record<Feature, (scale: EntityScale, cplRef: number) => number>> = {
  spend: ({ spend }) => spend,
  cpl: (_, cplRef) => cplRef,
  ctr: ({ ctr }) => ctr,
  leads: ({ leads }) => leads,
  frequency: () => 1,
}

const WIDTH = FEATURES.length
const CPL = FEATURES.indexOf('cpl')
const SPEND = FEATURES.indexOf('spend')

/** An entity's training days in multiples of its usual day. */
export interface EntityRows {
  readonly id: string
  readonly n: number
  readonly days: Int32Array
  /** n x FEATURES. */
  readonly values: Float64Array
  /** Median spend; null when the entity has leads, and so a cost per lead of its own. */
  readonly leadlessSpend: number | null
  /** Of all its days, in currency. */
  readonly spend: number
  readonly leads: number
}

/** @param frame the training window and nothing else; `excludedDays` days labelled true_positive */
export const entityRows = (
  id: string,
  frame: DailyFrame,
  excludedDays: ReadonlySet<DayNumber>,
): EntityRows => {
  const scale = measure(frame, 0, frame.days.length, excludedDays)
  const days = new Int32Array(scale.rows)
  const values = new Float64Array(scale.rows * WIDTH)
  let n = 0
  let spend = 0
  let leads = 0
  for (let i = 0; i < frame.days.length; i += 1) {
    spend += frame.spend[i] as number
    leads += frame.leads[i] as number
    if (!isRow(frame, i, excludedDays)) continue
    days[n] = frame.days[i] as number
    const at = n * WIDTH
    writeFeatures(frame, i, FEATURES, scale.cplRef, values, at)
    for (let c = 0; c < WIDTH; c += 1)
      values[at + c] = (values[at + c] as number) / DIVISOR[FEATURES[c] as Feature](scale, scale.cplRef ?? 1)
    n += 1
  }
  return { id, n, days, values, leadlessSpend: scale.cplRef === null ? scale.spend : null, spend, leads }
}

/** FNV-1a (Fowler, Noll, Vo). */
const hashOf = (text: string): number => {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash
}

/** The finaliser of MurmurHash3 (Appleby): every bit of an entity and day moves half of the bits. */
const lotOf = (entityHash: number, day: DayNumber): number => {
  let h = entityHash ^ Math.imul(day, 0x9e3779b1)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** The days of an ancestor's entities of one level. */
export interface Pool {
  /** Days with impressions that were added, kept or not. */
  readonly rows: number
  add(entity: EntityRows): void
  /**
   * What the pool's forest is fitted on, days in order. `cplRef` of it is the pool's spend / leads.
   * @param ancestorCpl of the nearest ancestor above with leads, for a pool without; null when there is none
   */
  matrix(ancestorCpl: number | null): EntityMatrix
}

/**
 * Keeps the rows that drew the lowest lots (bottom-k sampling), a lot being a hash of entity and day: an even
 * sample over entities and days, the same in whatever order they come. Memory is that of twice `most` rows.
 */
export const createPool = (most = POOL_ROWS): Pool => {
  let capacity = 128
  let values = new Float64Array(capacity * WIDTH)
  let days = new Int32Array(capacity)
  let lots = new Uint32Array(capacity)
  /** Per row: the divisor of an entity without leads, NaN for one with. */
  let leadless = new Float64Array(capacity)
  let kept = 0
  let rows = 0
  let spend = 0
  let leads = 0
  /** Higher lots are out whatever comes. */
  let limit = 0xffff_ffff

  const grow = (): void => {
    capacity *= 2
    const wider = <T extends Float64Array | Int32Array | Uint32Array>(old: T, fresh: T): T => {
      fresh.set(old)
      return fresh
    }
    values = wider(values, new Float64Array(capacity * WIDTH))
    days = wider(days, new Int32Array(capacity))
    lots = wider(lots, new Uint32Array(capacity))
    leadless = wider(leadless, new Float64Array(capacity))
  }

  /** Lets go of all but the `most` lowest lots. */
  const prune = (): void => {
    if (kept <= most) return
    limit = lots.slice(0, kept).sort()[most - 1] as number
    let next = 0
    for (let i = 0; i < kept && next < most; i += 1) {
      if ((lots[i] as number) > limit) continue
      values.copyWithin(next * WIDTH, i * WIDTH, (i + 1) * WIDTH)
      days[next] = days[i] as number
      lots[next] = lots[i] as number
      leadless[next] = leadless[i] as number
      next += 1
    }
    kept = next
  }

  return {
    get rows() {
      return rows
    },
    add: (entity) => {
      rows += entity.n
      spend += entity.spend
      leads += entity.leads
      const hash = hashOf(entity.id)
      for (let i = 0; i < entity.n; i += 1) {
        const lot = lotOf(hash, entity.days[i] as number)
        if (lot > limit) continue
        if (kept === 2 * most) prune()
        if (kept === capacity) grow()
        values.set(entity.values.subarray(i * WIDTH, (i + 1) * WIDTH), kept * WIDTH)
        days[kept] = entity.days[i] as number
        lots[kept] = lot
        leadless[kept] = entity.leadlessSpend ?? Number.NaN
        kept += 1
      }
    },
    matrix: (ancestorCpl) => {
      prune()
      const cplRef = leads > 0 ? spend / leads : ancestorCpl
      const features = cplRef === null ? FEATURES.filter((feature) => feature !== 'cpl') : FEATURES
      const order = Array.from({ length: kept }, (_, i) => i).sort(
        (a, b) => (days[a] as number) - (days[b] as number) || (lots[a] as number) - (lots[b] as number),
      )
      const matrix = new Float64Array(kept * features.length)
      order.forEach((row, i) => {
        let at = i * features.length
        for (let c = 0; c < WIDTH; c += 1) {
          if (c === CPL && cplRef === null) continue
          const divisor = leadless[row] as number
          matrix[at] =
            c === CPL && cplRef !== null && !Number.isNaN(divisor)
              ? // (spend + ref) / (0 + 1) in multiples of the ref.
                ((values[row * WIDTH + SPEND] as number) * divisor) / cplRef + 1
              : (values[row * WIDTH + c] as number)
          at += 1
        }
      })
      return { rows: matrix, n: kept, features, cplRef }
    },
  }
}

/**
 * Judges `day` of `frame` by a pooled forest; null on a day without impressions. Values, medians and ranges of the
 * verdict are in the entity's own units again.
 * @param scale of the entity before `day`
 */
export const judgePooledDay = (
  judge: EntityJudge,
  frame: DailyFrame,
  day: DayNumber,
  scale: EntityScale,
): ForestVerdict | null => {
  const i = rowOf(frame.days, day)
  if (i < 0 || !((frame.impressions[i] as number) > 0)) return null
  const { features } = judge.model
  const cplRef = scale.cplRef ?? judge.model.cplRef
  const divisors = Float64Array.from(features, (feature) => DIVISOR[feature](scale, cplRef ?? 1))
  const values = new Float64Array(features.length)
  writeFeatures(frame, i, features, cplRef, values, 0)
  const verdict = judgeValues(
    judge,
    values.map((value, c) => value / (divisors[c] as number)),
  )
  if (!verdict) return null
  const inUnits = (column: ArrayLike<number>): Float64Array =>
    Float64Array.from(column, (value, c) => value * (divisors[c] as number))
  const { score, threshold, isAnomaly, contributions } = verdict
  return {
    score,
    threshold,
    isAnomaly,
    get rarity() {
      return verdict.rarity
    },
    features,
    contributions,
    values,
    medians: inUnits(verdict.medians),
    q05: inUnits(verdict.q05),
    q95: inUnits(verdict.q95),
  }
}

/** Names what a pooled fit depends on: equal fingerprints give equal tensors. */
export const pooledFingerprintOf = (
  matrix: EntityMatrix,
  params: EntityForestParams,
  sha256: Sha256,
): string => fingerprintOf(matrix, params, sha256, POOLED_ALGORITHM_VERSION)

/** What a pooled artifact says of itself: the level of its entities, and whose they are. */
export interface PooledIdentity extends Omit<ArtifactIdentity, 'entityType' | 'entityId'> {
  readonly entityType: Level
  readonly ancestor: Ancestor
}

export const encodePooledForest = (
  model: EntityForest,
  params: EntityForestParams,
  { entityType, ancestor, ...identity }: PooledIdentity,
  sha256: Sha256,
): Uint8Array => {
  const whose = [
    ['entity_type', entityType],
    ['ancestor_type', ancestor.level],
    ['ancestor_id', ancestor.id],
  ] as const
  return encodeForest(POOLED_ALGORITHM_VERSION, model, params, { ...identity, whose }, sha256)
}

/** @throws ArtifactFormatError naming what is wrong, also for an entity's own forest */
export const decodePooledForest = (file: Uint8Array, sha256: Sha256 | null): EntityJudge =>
  decodeForest(POOLED_ALGORITHM_VERSION, file, sha256)
