/** How many of the newest days still get leads, per config: until then a day's leads are not judged as they are. */
import type { Knex } from 'knex'

export const up = async (knex: Knex): Promise<void> => {
  await knex.raw(`
    alter table ads_configs
      add column attribution_lag_days smallint not null default 3
        constraint ads_configs_attribution_lag check (attribution_lag_days between 0 and 28)
  `)
}

export const down = async (knex: Knex): Promise<void> => {
  await knex.raw('alter table ads_configs drop column attribution_lag_days')
}
