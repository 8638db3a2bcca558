/**
 * What shifts are looked for in: the days of all entities of an account as columns, with what is known of them
 * from elsewhere. Day numbers here count from the first day of the columns.
 */
import type { FigureName } from './figures.ts'
import type { Level } from './level-name.ts'

export interface AccountEntity {
  readonly id: string
  readonly level: Level
  /** Index among the entities; -1: a campaign. */
  readonly parent: number
  /** First and last day it runs, both inclusive; the last may lie beyond the columns. */
  readonly start: number
  readonly end: number
  /** One value per day; 0 where nothing was delivered. */
  readonly spend: Float64Array
  readonly impressions: Float64Array
  readonly clicks: Float64Array
  readonly leads: Float64Array
  /** NaN where unknown. */
  readonly reach: Float64Array
  /** Log of all known budget factors up to the day. */
  readonly budget: Float64Array
  /** 1 on days on which the mix it lives in changed: a sibling or a child started or ended. */
  readonly mixed: Uint8Array
  /** 1 on days between its first and last on which it was known not to run. */
  readonly idle: Uint8Array
  /** Deviates by which the thresholds of a figure are raised for it; what is not named: 0. */
  readonly tolerance: Readonly<Partial<Record<FigureName | 'joint', number>>>
  /** Days that people called odd, of it or of what is above it: they teach nothing. */
  readonly confirmed: ReadonlySet<number>
}

/** When an entity is to be running, and what it delivered. */
export type Life = Pick<AccountEntity, 'parent' | 'start' | 'end' | 'idle' | 'spend' | 'impressions'>

/** Whether it is to be running on `day`. */
export const runsOn = ({ start, end, idle }: Life, day: number): boolean =>
  day >= start && day <= end && idle[day] !== 1

/**
 * A parent of which nothing is to be running is not to be running either: marks its days as idle.
 * @param entities parents before their children
 */
export const restWithChildren = (entities: readonly Life[]): void => {
  const children: Life[][] = entities.map(() => [])
  for (const entity of entities) children[entity.parent]?.push(entity)
  for (let i = entities.length - 1; i >= 0; i--) {
    const { start, end, idle, spend, impressions } = entities[i] as Life
    const below = children[i] as Life[]
    if (below.length === 0) continue
    for (let t = start; t <= Math.min(end, idle.length - 1); t++) {
      const delivered = (spend[t] as number) > 0 || (impressions[t] as number) > 0
      if (!delivered && !below.some((child) => runsOn(child, t))) idle[t] = 1
    }
  }
}

/** Both days inclusive. */
export const sumOfDays = (column: Float64Array, from: number, to: number): number => {
  let total = 0
  for (let t = from; t <= to; t++) total += column[t] as number
  return total
}

export interface AccountDays {
  readonly days: number
  /** Weekday of day 0, 0..6; which one is which does not matter. */
  readonly firstWeekday: number
  readonly entities: readonly AccountEntity[]
  /** 1 on days whose volume a holiday explains. */
  readonly holiday: Uint8Array
  /** Days before it are complete. */
  readonly completeUntil: number
  /** Leads of days before it have arrived. */
  readonly leadsUntil: number
}
