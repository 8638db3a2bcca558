/** Which entities have rows in a window: one probe of the unique index (config, ad, date) per ad. */
import type { Knex } from 'knex'
import { toLocalDate } from '../../shared/core/days.ts'
import type { TrainableEntities } from '../../shared/training/training.ts'

const DELIVERING = `
  select a.campaign_id, a.adset_id, a.ad_id from ads_ads a
  where a.config_id = ? and exists (
    select 1 from ads_insights_daily i
    where i.config_id = a.config_id and i.ad_id = a.ad_id and i.date between ? and ?)
  order by a.campaign_id, a.adset_id, a.ad_id`

export const trainableEntities = (db: Knex): TrainableEntities => ({
  withRows: async (configId, from, to) => {
    const { rows } = (await db.raw(DELIVERING, [configId, toLocalDate(from), toLocalDate(to)])) as {
      rows: { campaign_id: string; adset_id: string; ad_id: string }[]
    }
    return {
      campaign: [...new Set(rows.map((row) => row.campaign_id))],
      adset: [...new Set(rows.map((row) => row.adset_id))],
      ad: rows.map((row) => row.ad_id),
    }
  },
})
