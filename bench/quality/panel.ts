/** A simulated account as the days the judge reads. */
import type { AccountDays, AccountEntity } from '../../ml/shifts/account.ts'
import { LEVELS_UP } from '../../ml/shifts/level-name.ts'
import type { Account, Level, SimulatedAd } from './simulate.ts'

const COLUMNS = ['spend', 'impressions', 'clicks', 'leads', 'reach'] as const

/** @param partial the last day is not over, and leads of the last three are still to come */
export const toPanel = (account: Account, partial: boolean): AccountDays => {
  const { days } = account
  const ids = new Map<string, number>()
  const levels = account.levels ?? LEVELS_UP
  const entities: AccountEntity[] = []
  const add = (level: Level, id: string, parent: number, ads: readonly SimulatedAd[]): number => {
    if (!levels.includes(level)) return parent
    const columns = Object.fromEntries(
      COLUMNS.map((c) => {
        const sum = new Float64Array(days)
        for (const ad of ads) for (let t = 0; t < days; t++) sum[t]! += ad[c][t]!
        return [c, sum]
      }),
    ) as Record<(typeof COLUMNS)[number], Float64Array>
    const budget = new Float64Array(days)
    const mixed = new Uint8Array(days)
    const i =
      entities.push({
        id,
        level,
        parent,
        start: Math.min(...ads.map((a) => a.start)),
        end: Math.max(...ads.map((a) => a.end)),
        ...columns,
        budget,
        mixed,
        idle: new Uint8Array(days),
        tolerance: {},
        confirmed: new Set(),
      }) - 1
    ids.set(`${level} ${id}`, i)
    return i
  }
  for (const campaignId of new Set(account.ads.map((a) => a.campaignId))) {
    const mine = account.ads.filter((a) => a.campaignId === campaignId)
    const c = add('campaign', campaignId, -1, mine)
    for (const adsetId of new Set(mine.map((a) => a.adsetId))) {
      const own = mine.filter((a) => a.adsetId === adsetId)
      const s = add('adset', adsetId, c, own)
      for (const ad of own) add('ad', ad.adId, s, [ad])
    }
  }
  const childrenOf = (i: number): number[] => entities.flatMap((e, k) => (e.parent === i ? [k] : []))
  for (const change of account.changes) {
    const { adsetId, campaignId } =
      account.ads.find((ad) => ad.adsetId === change.entityId || ad.campaignId === change.entityId) ?? {}
    const own = ids.get(`adset ${change.entityId}`) ?? ids.get(`campaign ${change.entityId}`)
    // What no row tells of moves what is above it.
    const i = own ?? ids.get(`adset ${adsetId}`) ?? ids.get(`campaign ${campaignId}`)
    if (i === undefined) continue
    const x = entities[i]!
    if (change.kind === 'budget' && own !== undefined) {
      const down = (k: number): void => {
        for (let t = change.day; t < days; t++) entities[k]!.budget[t]! += Math.log(change.factor)
        for (const c of childrenOf(k)) down(c)
      }
      down(i)
      // What is above moves by the entity's share of it.
      for (let p = x.parent; p >= 0; p = entities[p]!.parent) {
        let mine = 0,
          all = 0
        for (let t = Math.max(0, change.day - 7); t < change.day; t++) {
          mine += x.spend[t]!
          all += entities[p]!.spend[t]!
        }
        if (all > 0)
          for (let t = change.day; t < days; t++)
            entities[p]!.budget[t]! += Math.log(1 + (mine / all) * (change.factor - 1))
      }
    } else {
      for (let p = i; p >= 0; p = entities[p]!.parent) entities[p]!.mixed[change.day] = 1
      for (const c of own === undefined ? [] : childrenOf(i)) entities[c]!.mixed[change.day] = 1
    }
  }
  const holiday = new Uint8Array(days)
  for (const h of account.holidays) for (let t = h.day; t < h.day + h.days && t < days; t++) holiday[t] = 1
  return {
    days,
    entities,
    holiday,
    firstWeekday: 0,
    completeUntil: partial ? days - 1 : days,
    leadsUntil: partial ? days - 3 : days,
  }
}
