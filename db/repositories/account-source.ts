/** Trees of a config in PostgreSQL: set-based, whatever their size. */
import type { Knex } from 'knex'
import { toLocalDate } from '../../shared/core/days.ts'
import type { Level } from '../../shared/core/entity.ts'
import type { AccountSource } from '../../shared/detection/account-source.ts'
import { arrayRows } from '../array-rows.ts'
import { readAccountFrames } from './account-frames.ts'

const SIZES = `
  select campaign_id, 1 + (select count(*)::int from ads_adsets s
                           where s.config_id = c.config_id and s.campaign_id = c.campaign_id)
                        + (select count(*)::int from ads_ads a
                           where a.config_id = c.config_id and a.campaign_id = c.campaign_id)
  from ads_campaigns c where c.config_id = $1`

const OF_ENTITIES: Readonly<Record<Level, string>> = {
  campaign: ' and c.campaign_id = any($2)',
  adset:
    ' and c.campaign_id in (select campaign_id from ads_adsets where config_id = $1 and adset_id = any($2))',
  ad: ' and c.campaign_id in (select campaign_id from ads_ads where config_id = $1 and ad_id = any($2))',
}

const STAMP = `
  select concat_ws('|',
    (select concat(count(*), ' ', sum(reach)) from ads_reach where config_id = $1 and date between $2 and $3),
    (select concat(count(*), ' ', max(from_at), ' ', max(to_at), ' ', count(to_at)) from ads_entity_status
     where config_id = $1),
    (select concat(count(*), ' ', max(id)) from ads_budget_changes where config_id = $1),
    (select concat(count(*), ' ', sum(days), ' ', max(date)) from ads_holidays where config_id = $1),
    (select concat(holiday_country, ' ', holiday_region, ' ', attribution_lag_days, ' ', timezone)
     from ads_configs where id = $1),
    (select concat(count(*), ' ', max(updated_at)) from ads_campaigns where config_id = $1),
    (select concat(count(*), ' ', max(updated_at)) from ads_adsets where config_id = $1),
    (select concat(count(*), ' ', max(updated_at)) from ads_ads where config_id = $1),
    (select concat(count(*), ' ', max(f.id)) from ml_anomaly_feedback f join ml_anomalies a on a.id = f.anomaly_id
     where a.config_id = $1))`

export const accountSource = (db: Knex): AccountSource => ({
  pages: async (configId, level, entityIds, most) => {
    const rows = await arrayRows<readonly [string, number]>(
      db,
      `${SIZES}${entityIds ? OF_ENTITIES[level] : ''} order by c.campaign_id`,
      entityIds ? [configId, entityIds] : [configId],
    )
    if (!entityIds && rows.reduce((sum, [, size]) => sum + size, 0) <= most) return [null]
    const pages: string[][] = []
    let room = 0
    for (const [id, size] of rows) {
      if (size > room) {
        pages.push([])
        room = most
      }
      pages.at(-1)?.push(id)
      room -= size
    }
    return pages
  },

  frames: (request) => readAccountFrames(db, request),

  stamp: async (configId, from, to) => {
    const [row] = await arrayRows<readonly [string]>(db, STAMP, [
      configId,
      toLocalDate(from),
      toLocalDate(to),
    ])
    return row?.[0] ?? ''
  },
})
