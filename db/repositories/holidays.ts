/** Holidays of configs in PostgreSQL. */
import type { Knex } from 'knex'
import type { Holiday, HolidayStore } from '../../shared/entities/holidays.ts'

const write = async (trx: Knex.Transaction, configId: number, days: readonly Holiday[]): Promise<void> => {
  await trx.raw(
    `insert into ads_holidays (config_id, date, days, name)
     select :configId, date, days, name
     from jsonb_to_recordset(cast(:input as jsonb)) as own(date date, days int, name text)
     on conflict (config_id, date) do update set days = excluded.days, name = excluded.name`,
    { configId, input: JSON.stringify(days) },
  )
}

export const holidayStore = (db: Knex): HolidayStore => ({
  read: async (configId) => {
    const [config, days] = (await Promise.all([
      db('ads_configs')
        .where({ id: configId })
        .first('holiday_country as country', 'holiday_region as region'),
      db('ads_holidays').where({ config_id: configId }).orderBy('date').select('date', 'days', 'name'),
    ])) as [{ country: string | null; region: string | null } | undefined, Holiday[]]
    return config ? { ...config, days } : null
  },
  replace: (configId, { country, region, days }) =>
    db.transaction(async (trx) => {
      await trx('ads_configs')
        .where({ id: configId })
        .update({ holiday_country: country, holiday_region: region, updated_at: trx.fn.now() })
      await trx('ads_holidays').where({ config_id: configId }).delete()
      await write(trx, configId, days)
    }),
  add: (configId, days) => db.transaction((trx) => write(trx, configId, days)),
})
