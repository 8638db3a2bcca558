/** The days of an account's entities, as columns from one day on, in the form detectors of single entities read. */
import { FRAME_COLUMNS } from '../../ml/frame.ts'
import type { BudgetChange, DailyFrame, EntityHead, FrameBatch } from '../../ml/frame.ts'
import { runsOn } from '../../ml/shifts/account.ts'
import type { AccountDays, AccountEntity } from '../../ml/shifts/account.ts'
import { LEVELS_UP } from '../../ml/shifts/level-name.ts'

export interface EntityDays {
  readonly head: EntityHead
  readonly frame: DailyFrame
}

const activeRangesOf = (entity: AccountEntity, firstDay: number, days: number): [number, number][] => {
  const ranges: [number, number][] = []
  for (let t = entity.start; t < days; t++) {
    if (!runsOn(entity, t)) continue
    const last = ranges.at(-1)
    if (last && last[1] === firstDay + t - 1) last[1]++
    else ranges.push([firstDay + t, firstDay + t])
  }
  return ranges
}

const budgetChangesOf = ({ budget }: AccountEntity, firstDay: number): BudgetChange[] => {
  const changes: BudgetChange[] = []
  for (let t = 1; t < budget.length; t++) {
    const step = (budget[t] as number) - (budget[t - 1] as number)
    if (step !== 0) changes.push({ day: firstDay + t, ratio: Math.exp(step) })
  }
  return changes
}

/**
 * Every day it ran or delivered.
 * @param firstDay day 0 of the columns, since 1970
 * @param reach7 people reached in the seven days up to each, where the source said it
 */
export const entityDays = (
  account: AccountDays,
  i: number,
  firstDay: number,
  reach7: Float64Array | null = null,
): EntityDays => {
  const entity = account.entities[i] as AccountEntity
  const rows: number[] = []
  for (let t = 0; t < account.days; t++) {
    const delivered = (entity.spend[t] as number) > 0 || (entity.impressions[t] as number) > 0
    if (delivered || runsOn(entity, t)) rows.push(t)
  }
  const column = (values: Float64Array): Float64Array => Float64Array.from(rows, (t) => values[t] as number)
  const path: AccountEntity[] = []
  for (let at = i; at >= 0; at = (account.entities[at] as AccountEntity).parent)
    path.push(account.entities[at] as AccountEntity)
  const above = path[1]
  const isDirect = above && LEVELS_UP.indexOf(above.level) === LEVELS_UP.indexOf(entity.level) + 1
  return {
    head: {
      id: entity.id,
      parentId: isDirect ? above.id : null,
      campaignId: path.at(-1)?.id ?? entity.id,
      activeRanges: activeRangesOf(entity, firstDay, account.days),
      ancestorCpl: null,
      budgetChanges: budgetChangesOf(entity, firstDay),
    },
    frame: {
      days: Int32Array.from(rows, (t) => firstDay + t),
      spend: column(entity.spend),
      impressions: column(entity.impressions),
      clicks: column(entity.clicks),
      leads: column(entity.leads),
      reach: column(entity.reach),
      reach7: reach7 ? column(reach7) : new Float64Array(rows.length).fill(Number.NaN),
    },
  }
}

/** The entities end to end, in that order. */
export const batchOf = (entities: readonly EntityDays[]): FrameBatch => {
  const offsets = new Int32Array(entities.length + 1)
  entities.forEach(({ frame }, i) => {
    offsets[i + 1] = (offsets[i] as number) + frame.days.length
  })
  const rows = offsets[entities.length] as number
  const column = (): Float64Array => new Float64Array(rows)
  const columns: DailyFrame = {
    days: new Int32Array(rows),
    spend: column(),
    impressions: column(),
    clicks: column(),
    leads: column(),
    reach: column(),
    reach7: column(),
  }
  entities.forEach(({ frame }, i) => {
    columns.days.set(frame.days, offsets[i])
    for (const name of FRAME_COLUMNS) columns[name].set(frame[name], offsets[i])
  })
  return { heads: entities.map(({ head }) => head), offsets, columns }
}
