/** An account's days out of the frames of its three levels. */
import type { DayNumber, EntityHead, FrameBatch } from '../frame.ts'
import { frameAt, isActiveOn } from '../frame.ts'
import { restWithChildren } from './account.ts'
import type { AccountDays, AccountEntity } from './account.ts'
import { LEVELS_UP } from './level-name.ts'
import type { Level } from './level-name.ts'

export interface AccountFrames {
  /** Batches of each level, in any order; heads name their parents. */
  readonly batches: Readonly<Record<Level, readonly FrameBatch[]>>
  /** First and last day of the columns. */
  readonly from: DayNumber
  readonly to: DayNumber
  /** Days whose volume a holiday explains. */
  readonly holidays: readonly DayNumber[]
  /** Leads of days up to and including this one have arrived. */
  readonly leadsArrived: DayNumber
  /** Deviates by which thresholds are raised, by `level id`, then figure. */
  readonly tolerances: ReadonlyMap<string, AccountEntity['tolerance']>
}

/** Weekdays are told from one another only; which one it is does not matter. */
const WEEK = 7

type Building = {
  -readonly [K in keyof AccountEntity]: AccountEntity[K]
}

export const entityKey = (level: Level, id: string): string => `${level} ${id}`

/** Fills the columns from the rows, and says when it ran. */
const fill = (batch: FrameBatch, i: number, level: Level, frames: AccountFrames): Building => {
  const { from, to, tolerances } = frames
  const days = to - from + 1
  const head = batch.heads[i] as EntityHead
  const rows = frameAt(batch, i)
  const entity: Building = {
    id: head.id,
    level,
    parent: -1,
    start: days,
    end: -1,
    spend: new Float64Array(days),
    impressions: new Float64Array(days),
    clicks: new Float64Array(days),
    leads: new Float64Array(days),
    reach: new Float64Array(days).fill(Number.NaN),
    budget: new Float64Array(days),
    mixed: new Uint8Array(days),
    idle: new Uint8Array(days),
    tolerance: tolerances.get(entityKey(level, head.id)) ?? {},
  }
  const delivered = new Uint8Array(days)
  for (let row = 0; row < rows.days.length; row++) {
    const t = (rows.days[row] as number) - from
    if (t < 0 || t >= days) continue
    entity.spend[t] = rows.spend[row] as number
    entity.impressions[t] = rows.impressions[row] as number
    entity.clicks[t] = rows.clicks[row] as number
    entity.leads[t] = rows.leads[row] as number
    entity.reach[t] = rows.reach[row] as number
    delivered[t] = 1
    entity.start = Math.min(entity.start, t)
    entity.end = t
  }
  for (let t = entity.start; t < days; t++) {
    if (isActiveOn(head.activeRanges, from + t)) entity.end = Math.max(entity.end, t)
    else if (delivered[t] === 0) entity.idle[t] = 1
  }
  // What still runs on the last day is not known to end.
  if (entity.end === days - 1) entity.end = Infinity
  for (const { day, ratio } of head.budgetChanges) {
    if (!(ratio > 0) || day > to) continue
    for (let t = Math.max(0, day - from); t < days; t++) (entity.budget[t] as number) += Math.log(ratio)
  }
  return entity
}

/** Tells a parent, what is above it and its children that one of them came or went. */
const mix = (
  entities: readonly Building[],
  children: readonly (readonly number[])[],
  i: number,
  t: number,
): void => {
  const parent = (entities[i] as Building).parent
  for (let at = parent; at >= 0; at = (entities[at] as Building).parent)
    (entities[at] as Building).mixed[t] = 1
  for (const sibling of children[parent] ?? [])
    if (sibling !== i) (entities[sibling] as Building).mixed[t] = 1
}

/**
 * The first day with a row, not before `from`; without rows the last day. Days before anybody delivered teach nothing,
 * but they would count as days that were looked at.
 */
export const firstDayOf = ({ batches, from, to }: AccountFrames): DayNumber => {
  let first = to
  for (const level of LEVELS_UP)
    for (const { columns } of batches[level])
      for (const day of columns.days) if (day >= from && day < first) first = day
  return first
}

/**
 * Campaigns first, then ad sets, then ads, each ascending by id, so that the order of the batches is all the same.
 * Entities whose parent is missing stand for themselves.
 */
export const accountOf = (frames: AccountFrames): AccountDays => {
  const { batches, from, to, holidays, leadsArrived } = frames
  const days = to - from + 1
  const parents: (string | null)[] = []
  const entities: Building[] = []
  const index = new Map<string, number>()
  LEVELS_UP.toReversed().forEach((level, depth) => {
    const above = LEVELS_UP.toReversed()[depth - 1]
    const found = batches[level]
      .flatMap((batch) => batch.heads.map((head, i) => ({ batch, i, head })))
      .sort((a, b) => (a.head.id < b.head.id ? -1 : 1))
    for (const { batch, i, head } of found) {
      const entity = fill(batch, i, level, frames)
      if (entity.start >= days) continue
      index.set(entityKey(level, head.id), entities.length)
      parents.push(above && head.parentId !== null ? entityKey(above, head.parentId) : null)
      entities.push(entity)
    }
  })
  const children: number[][] = entities.map(() => [])
  parents.forEach((parent, i) => {
    const at = parent === null ? -1 : (index.get(parent) ?? -1)
    ;(entities[i] as Building).parent = at
    children[at]?.push(i)
  })
  restWithChildren(entities)
  entities.forEach((entity, i) => {
    // What was there on the first day may have begun long before.
    if (entity.start > 0) mix(entities, children, i, entity.start)
    if (entity.end + 1 < days) mix(entities, children, i, entity.end + 1)
    for (let t = entity.start + 1; t <= Math.min(entity.end, days - 1); t++)
      if (entity.idle[t] !== entity.idle[t - 1]) mix(entities, children, i, t)
  })
  const holiday = new Uint8Array(days)
  for (const day of holidays) if (day >= from && day <= to) holiday[day - from] = 1
  return {
    days,
    firstWeekday: ((from % WEEK) + WEEK) % WEEK,
    entities,
    holiday,
    completeUntil: days,
    leadsUntil: Math.max(0, leadsArrived - from + 1),
  }
}
