/** An account's days out of the frames of its three levels. */
import type { DayNumber, EntityHead, FrameBatch } from '../frame.ts'
import { frameAt, isActiveOn, weekdayOf } from '../frame.ts'
import { restWithChildren } from './account.ts'
import type { AccountDays, AccountEntity, Life } from './account.ts'
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
  /** Days that people called odd, by `level id`. What is below has them too: a parent's day is made of its children's. */
  readonly confirmed: ReadonlyMap<string, readonly DayNumber[]>
}

type AccountRows = Pick<AccountFrames, 'batches' | 'from' | 'to'>

type Building = {
  -readonly [K in keyof Life]: Life[K]
}

export const entityKey = (level: Level, id: string): string => `${level} ${id}`

/** Says when an entity ran. */
const lifeOf = (batch: FrameBatch, i: number, { from, to }: AccountRows): Building => {
  const days = to - from + 1
  const { activeRanges } = batch.heads[i] as EntityHead
  const rows = frameAt(batch, i)
  const life = {
    parent: -1,
    start: days,
    end: -1,
    spend: new Float64Array(days),
    impressions: new Float64Array(days),
    idle: new Uint8Array(days),
  }
  const delivered = new Uint8Array(days)
  for (let row = 0; row < rows.days.length; row++) {
    const t = (rows.days[row] as number) - from
    if (t < 0 || t >= days) continue
    life.spend[t] = rows.spend[row] as number
    life.impressions[t] = rows.impressions[row] as number
    delivered[t] = 1
    life.start = Math.min(life.start, t)
    life.end = t
  }
  for (let t = life.start; t < days; t++) {
    if (isActiveOn(activeRanges, from + t)) life.end = Math.max(life.end, t)
    else if (delivered[t] === 0) life.idle[t] = 1
  }
  // What still runs on the last day is not known to end.
  if (life.end === days - 1) life.end = Infinity
  return life
}

interface Placed {
  readonly level: Level
  readonly batch: FrameBatch
  /** Place in the batch. */
  readonly i: number
  readonly life: Building
}

/**
 * Campaigns first, then ad sets, then ads, each ascending by id, so that the order of the batches is all the same; those
 * without a day are left out. Entities whose parent is missing stand for themselves.
 */
const placedOf = (frames: AccountRows, isWanted: (head: EntityHead) => boolean = () => true): Placed[] => {
  const { batches, from, to } = frames
  const placed: Placed[] = []
  const index = new Map<string, number>()
  LEVELS_UP.toReversed().forEach((level, depth, levels) => {
    const above = levels[depth - 1]
    const found = batches[level]
      .flatMap((batch) => batch.heads.map((head, i) => ({ batch, i, head })))
      .filter(({ head }) => isWanted(head))
      .sort((a, b) => (a.head.id < b.head.id ? -1 : 1))
    for (const { batch, i, head } of found) {
      const life = lifeOf(batch, i, frames)
      if (life.start > to - from) continue
      if (above && head.parentId !== null) life.parent = index.get(entityKey(above, head.parentId)) ?? -1
      index.set(entityKey(level, head.id), placed.length)
      placed.push({ level, batch, i, life })
    }
  })
  restWithChildren(placed.map(({ life }) => life))
  return placed
}

/** Whether there is a day on which an entity was active and delivered nothing. */
const isSilentOnce = (batch: FrameBatch, i: number, { from, to }: AccountRows): boolean => {
  const delivered = new Uint8Array(to - from + 1)
  const { days, spend, impressions } = frameAt(batch, i)
  for (let row = 0; row < days.length; row++)
    if ((spend[row] as number) > 0 || (impressions[row] as number) > 0)
      delivered[(days[row] as number) - from] = 1
  return (batch.heads[i] as EntityHead).activeRanges.some(
    ([first, last]) =>
      delivered.subarray(Math.max(0, first - from), Math.max(0, last - from + 1)).indexOf(0) >= 0,
  )
}

/** Days on which a parent is not missed because all its children rest, by `level id`. */
export const restingDays = (frames: AccountRows): ReadonlyMap<string, readonly DayNumber[]> => {
  const resting = new Map<string, DayNumber[]>()
  // In most trees no parent can: what delivers does not rest.
  const campaigns = new Set<string>()
  for (const batch of [...frames.batches.campaign, ...frames.batches.adset])
    batch.heads.forEach(({ campaignId }, i) => {
      if (!campaigns.has(campaignId) && isSilentOnce(batch, i, frames)) campaigns.add(campaignId)
    })
  const placed = placedOf(frames, ({ campaignId }) => campaigns.has(campaignId))
  const parents = new Set(placed.map(({ life }) => life.parent))
  placed.forEach(({ level, batch, i, life }, at) => {
    if (!parents.has(at)) return
    const days: DayNumber[] = []
    life.idle.forEach((value, t) => {
      if (value === 1) days.push(frames.from + t)
    })
    if (days.length > 0) resting.set(entityKey(level, (batch.heads[i] as EntityHead).id), days)
  })
  return resting
}

/** Fills the other columns from the rows. */
const fill = (
  { level, batch, i, life }: Placed,
  frames: AccountFrames,
  above: AccountEntity | undefined,
): AccountEntity => {
  const { from, to, tolerances, confirmed } = frames
  const days = to - from + 1
  const head = batch.heads[i] as EntityHead
  const rows = frameAt(batch, i)
  const entity = {
    ...life,
    id: head.id,
    level,
    clicks: new Float64Array(days),
    leads: new Float64Array(days),
    reach: new Float64Array(days).fill(Number.NaN),
    budget: new Float64Array(days),
    mixed: new Uint8Array(days),
    tolerance: tolerances.get(entityKey(level, head.id)) ?? {},
    confirmed: new Set(above?.confirmed),
  }
  for (const day of confirmed.get(entityKey(level, head.id)) ?? []) entity.confirmed.add(day - from)
  for (let row = 0; row < rows.days.length; row++) {
    const t = (rows.days[row] as number) - from
    if (t < 0 || t >= days) continue
    entity.clicks[t] = rows.clicks[row] as number
    entity.leads[t] = rows.leads[row] as number
    entity.reach[t] = rows.reach[row] as number
  }
  for (const { day, ratio } of head.budgetChanges) {
    if (!(ratio > 0) || day > to) continue
    for (let t = Math.max(0, day - from); t < days; t++) (entity.budget[t] as number) += Math.log(ratio)
  }
  return entity
}

/** Tells a parent, what is above it and its children that one of them came or went. */
const mix = (
  entities: readonly AccountEntity[],
  children: readonly (readonly number[])[],
  i: number,
  t: number,
): void => {
  const parent = (entities[i] as AccountEntity).parent
  for (let at = parent; at >= 0; at = (entities[at] as AccountEntity).parent)
    (entities[at] as AccountEntity).mixed[t] = 1
  for (const sibling of children[parent] ?? [])
    if (sibling !== i) (entities[sibling] as AccountEntity).mixed[t] = 1
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

/** In the order of `placedOf`. */
export const accountOf = (frames: AccountFrames): AccountDays => {
  const { from, to, holidays, leadsArrived } = frames
  const days = to - from + 1
  const entities: AccountEntity[] = []
  // Parents come first.
  for (const placed of placedOf(frames)) entities.push(fill(placed, frames, entities[placed.life.parent]))
  const children: number[][] = entities.map(() => [])
  entities.forEach(({ parent }, i) => children[parent]?.push(i))
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
    firstWeekday: weekdayOf(from),
    entities,
    holiday,
    completeUntil: days,
    leadsUntil: Math.max(0, leadsArrived - from + 1),
  }
}
