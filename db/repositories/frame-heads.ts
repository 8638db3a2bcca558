/**
 * What a detector must know of entities besides their numbers: when they and their ancestors were active, what
 * a lead costs their ancestors, and changes of budget. Each is one query for a page of entities.
 */
import type { Knex } from 'knex'
import type { BudgetChange, DayNumber, EntityHead } from '../../ml/frame.ts'
import { toLocalDate } from '../../shared/core/days.ts'
import type { Level } from '../../shared/core/entity.ts'
import type { FrameRequest } from '../../shared/entities/frames.ts'
import { arrayRows } from '../array-rows.ts'
import { activity, groupBy, key, lineage, NEWEST_DAYS_SQL, statusSql } from './activity.ts'
import type { ActivityFacts, StatusRow } from './activity.ts'
import type { EntityPage } from './frame-pages.ts'

export interface SpendAndLeads {
  spend: number
  leads: number
}

/** What the ancestors of a request's entities spent and got over a window. */
export interface AncestorTotals {
  readonly adsets: ReadonlyMap<string, SpendAndLeads>
  readonly campaigns: ReadonlyMap<string, SpendAndLeads>
  account(): Promise<SpendAndLeads>
}

type TotalsRow = readonly [string | null, string | null, number, number]

const add = (map: Map<string, SpendAndLeads>, id: string | null, spend: number, leads: number): void => {
  if (id === null) return
  const total = map.get(id) ?? { spend: 0, leads: 0 }
  total.spend += spend
  total.leads += leads
  map.set(id, total)
}

/** What the whole account spent and got. */
export const loadAccountTotal = async (
  db: Knex,
  configId: number,
  from: DayNumber,
  to: DayNumber,
): Promise<SpendAndLeads> => {
  const [row] = await arrayRows<readonly [number | null, number | null]>(
    db,
    `select sum(spend)::float8, sum(leads::float8) from ads_insights_daily
     where config_id = $1 and date between $2 and $3`,
    [configId, toLocalDate(from), toLocalDate(to)],
  )
  return { spend: row?.[0] ?? 0, leads: row?.[1] ?? 0 }
}

/** @param campaignIds null: all of the account */
export const loadTotals = async (
  db: Knex,
  { configId, level, from, to }: FrameRequest,
  campaignIds: readonly string[] | null,
): Promise<AncestorTotals> => {
  const window = [configId, toLocalDate(from), toLocalDate(to)]
  const totalsBy = (campaign: string, adset: string, where: string, values: readonly unknown[]) =>
    arrayRows<TotalsRow>(
      db,
      `select ${campaign}, ${adset}, sum(spend)::float8, sum(leads::float8)
       from ads_insights_daily where config_id = $1 and date between $2 and $3 ${where} group by 1, 2 order by 1, 2`,
      values,
    )
  const adsets = new Map<string, SpendAndLeads>()
  const campaigns = new Map<string, SpendAndLeads>()
  if (level !== 'campaign') {
    const adset = level === 'ad' ? 'adset_id' : 'null::text'
    const rows = campaignIds
      ? await totalsBy(
          'campaign_id',
          adset,
          'and ad_id = any(array(select ad_id from ads_ads where config_id = $1 and campaign_id = any($4)))',
          [...window, campaignIds],
        )
      : await totalsBy('campaign_id', adset, '', window)
    for (const [campaignId, adsetId, spend, leads] of rows) {
      add(campaigns, campaignId, spend, leads)
      add(adsets, adsetId, spend, leads)
    }
  }
  let account: Promise<SpendAndLeads> | undefined
  return {
    adsets,
    campaigns,
    account: () => (account ??= loadAccountTotal(db, configId, from, to)),
  }
}

const STATUS_SQL = statusSql({ ad: '= any($2)', adset: '= any($3)', campaign: '= any($4)' })

type BudgetRow = readonly [Level, string, DayNumber, number]

const BUDGET_SQL = `
  select b.entity_type, b.entity_id, (b.changed_at at time zone c.timezone)::date - date '1970-01-01',
         b.new::float8 / b.old::float8
  from ads_budget_changes b join ads_configs c on c.id = b.config_id
  where b.config_id = $1 and b.old > 0 and (
    (b.entity_type = 'ad' and b.entity_id = any($2)) or
    (b.entity_type = 'adset' and b.entity_id = any($3)) or
    (b.entity_type = 'campaign' and b.entity_id = any($4)))
    and (b.changed_at at time zone c.timezone)::date between $5 and $6
  order by b.changed_at, b.id`

export interface HeadFacts extends ActivityFacts {
  readonly budgets: readonly BudgetRow[]
}

/** @param ids the entities and all their ancestors */
export const loadHeadFacts = async (
  db: Knex,
  { configId, from, to }: Pick<FrameRequest, 'configId' | 'from' | 'to'>,
  ids: Readonly<Record<Level, readonly string[]>>,
): Promise<HeadFacts> => {
  const window = [toLocalDate(from), toLocalDate(to)]
  const among = [ids.ad, ids.adset, ids.campaign]
  const statuses = await arrayRows<StatusRow>(db, STATUS_SQL, [configId, ...among])
  const budgets = await arrayRows<BudgetRow>(db, BUDGET_SQL, [configId, ...among, ...window])
  const days = await arrayRows<readonly [DayNumber]>(db, NEWEST_DAYS_SQL, [configId, window[1]])
  return { statuses, budgets, newestDays: days.map(([day]) => day) }
}

const costPerLead = (total: SpendAndLeads | undefined): number | null =>
  total && total.leads > 0 ? total.spend / total.leads : null

export const makeHeads = async (
  request: Pick<FrameRequest, 'level' | 'from' | 'to'>,
  page: EntityPage,
  daysOf: (entity: number) => Int32Array,
  facts: HeadFacts,
  totals: AncestorTotals,
): Promise<readonly EntityHead[]> => {
  const { level } = request
  const rangesOf = activity(request, page, facts, (i) => {
    const days = daysOf(i)
    const first = days[0]
    const last = days.at(-1)
    return first === undefined || last === undefined ? null : [first, last]
  })
  const changes = groupBy(
    facts.budgets,
    ([type, id]) => key(type, id),
    ([, , day, ratio]): BudgetChange => ({ day, ratio }),
  )
  const heads: EntityHead[] = []
  for (const [i, id] of page.ids.entries()) {
    const parentId = page.parentIds[i] ?? null
    const campaignId = page.campaignIds[i] as string
    const family = lineage(level, id, parentId, campaignId)
    heads.push({
      id,
      parentId,
      campaignId,
      activeRanges: rangesOf(i),
      ancestorCpl:
        (level === 'ad' ? costPerLead(totals.adsets.get(parentId ?? '')) : null) ??
        (level === 'campaign' ? null : costPerLead(totals.campaigns.get(campaignId))) ??
        costPerLead(await totals.account()),
      budgetChanges: family.flatMap((member) => changes.get(member) ?? []).toSorted((a, b) => a.day - b.day),
    })
  }
  return heads
}
