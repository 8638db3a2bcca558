/** Configs in PostgreSQL. */
import type { Knex } from 'knex'
import { numericId } from '../../shared/core/page.ts'
import type { AdsConfig, ConfigFilter, ConfigStore } from '../../shared/entities/configs.ts'

interface ConfigRow {
  id: number
  account_id: string
  name: string
  timezone: string
  currency: string
  source_url: string | null
  attribution_lag_days: number
  is_active: boolean
  created_at: Date
  updated_at: Date
}

const fromRow = (row: ConfigRow): AdsConfig => ({
  id: row.id,
  account_id: row.account_id,
  name: row.name,
  timezone: row.timezone,
  currency: row.currency,
  source_url: row.source_url,
  attribution_lag_days: row.attribution_lag_days,
  is_active: row.is_active,
  created_at: row.created_at.toISOString(),
  updated_at: row.updated_at.toISOString(),
})

const GREATEST_ID = 2_147_483_647

export const configs = (db: Knex): ConfigStore => {
  const table = () => db<ConfigRow>('ads_configs')
  const filtered = ({ ids, isActive }: ConfigFilter) => {
    const query = table()
    if (ids) void query.whereIn('id', ids)
    if (isActive !== null) void query.where({ is_active: isActive })
    return query
  }
  return {
    page: async (filter, { page, pageSize, afterId }) => {
      const rows = filtered(filter).orderBy('id', 'desc').limit(pageSize)
      if (afterId === null) void rows.offset((page - 1) * pageSize)
      else void rows.where('id', '<', Math.min(numericId(afterId), GREATEST_ID))
      const [found, counted] = await Promise.all([
        rows.select('*'),
        filtered(filter).count<{ total: number }[]>('* as total'),
      ])
      return { rows: found.map(fromRow), total: counted[0]?.total ?? 0 }
    },
    byId: async (id) => {
      const row = await table().where({ id }).first()
      return row ? fromRow(row) : null
    },
    byAccountId: async (accountId) => {
      const row = await table().where({ account_id: accountId }).first()
      return row ? fromRow(row) : null
    },
    byName: async (name) => (await table().where({ name }).orderBy('id').limit(2).select('*')).map(fromRow),
    append: async ({ name, account_id, timezone, currency, source_url, attribution_lag_days }) => {
      const [row] = await table()
        .insert({
          name,
          account_id,
          timezone,
          currency,
          source_url: source_url ?? null,
          // Without a word the column's own default.
          ...(attribution_lag_days === undefined ? {} : { attribution_lag_days }),
        })
        .onConflict('account_id')
        .ignore()
        .returning('*')
      return row ? fromRow(row) : null
    },
    change: async (id, patch) => {
      const given = Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined))
      const [row] = await table()
        .where({ id })
        .update({ ...given, updated_at: db.fn.now() })
        .returning('*')
      return row ? fromRow(row) : null
    },
    erase: async (id) => (await table().where({ id }).delete()) > 0,
  }
}
