/** Made-up rows of ads, written straight into the tables. */
import type { Knex } from 'knex'
import { toDayNumber, toLocalDate } from '../../shared/core/days.ts'

export interface AdDay {
  readonly adId: string
  readonly adsetId: string
  readonly campaignId: string
  readonly date: string
  readonly spend: number
  readonly impressions: number
  readonly clicks: number
  readonly leads: number
  readonly reach: number | null
}

let accounts = 0

/** A config with nothing in it, whose leads arrive with their day unless a test says otherwise. */
export const newConfig = async (knex: Knex, timezone = 'America/Sao_Paulo', lagDays = 0): Promise<number> => {
  accounts += 1
  const [row] = (await knex('ads_configs')
    .insert({
      account_id: `rows_${accounts}`,
      name: `Rows ${accounts}`,
      timezone,
      attribution_lag_days: lagDays,
    })
    .returning('id')) as { id: number }[]
  if (!row) throw new Error('no config')
  return row.id
}

const distinct = <T>(rows: readonly T[], keyOf: (row: T) => string): T[] => [
  ...new Map(rows.map((row) => [keyOf(row), row])).values(),
]

/** Rows and, where they are new, their ads, ad sets and campaigns. */
export const insertDays = async (knex: Knex, configId: number, rows: readonly AdDay[]): Promise<void> => {
  const config = { config_id: configId }
  const insertAll = async (table: string, records: Record<string, unknown>[]): Promise<void> => {
    for (let i = 0; i < records.length; i += 1000)
      await knex(table)
        .insert(records.slice(i, i + 1000))
        .onConflict()
        .ignore()
  }
  await insertAll(
    'ads_campaigns',
    distinct(rows, (row) => row.campaignId).map(({ campaignId }) => ({
      ...config,
      campaign_id: campaignId,
      name: campaignId,
    })),
  )
  await insertAll(
    'ads_adsets',
    distinct(rows, (row) => row.adsetId).map(({ adsetId, campaignId }) => ({
      ...config,
      adset_id: adsetId,
      campaign_id: campaignId,
      name: adsetId,
    })),
  )
  await insertAll(
    'ads_ads',
    distinct(rows, (row) => row.adId).map(({ adId, adsetId, campaignId }) => ({
      ...config,
      ad_id: adId,
      adset_id: adsetId,
      campaign_id: campaignId,
      name: adId,
    })),
  )
  await insertAll(
    'ads_insights_daily',
    rows.map((row) => ({
      ...config,
      ad_id: row.adId,
      adset_id: row.adsetId,
      campaign_id: row.campaignId,
      date: row.date,
      spend: row.spend,
      impressions: row.impressions,
      clicks: row.clicks,
      leads: row.leads,
      reach: row.reach,
    })),
  )
}

/** `days` days up to `lastDay` of one ad, different from day to day and from ad to ad. */
export const adDays = (
  adId: string,
  days: number,
  lastDay: string,
  parents: { readonly adsetId: string; readonly campaignId: string },
): AdDay[] => {
  const salt = Buffer.from(adId).reduce((sum, byte) => sum + byte, 0)
  const last = toDayNumber(lastDay)
  return Array.from({ length: days }, (_, i) => {
    const day = last - days + 1 + i
    const wave = 1.5 + Math.sin(day * 12.9898 + salt)
    return {
      adId,
      ...parents,
      date: toLocalDate(day),
      spend: Math.round(5000 * wave) / 100,
      impressions: 1000 + Math.round(800 * wave),
      clicks: 20 + Math.round(10 * Math.cos(day + salt)),
      leads: (day + salt) % 4,
      reach: 800 + Math.round(600 * wave),
    }
  })
}
