/** Asking twice for the same quiet is one mute: the earliest is kept. */
import type { Knex } from 'knex'

const KEY = `config_id, coalesce(entity_type, ''), coalesce(entity_id, ''), coalesce(metric, ''), muted_until`

export const up = async (knex: Knex): Promise<void> => {
  await knex.raw(`
    delete from mutes m using (
      select id, row_number() over (partition by ${KEY} order by muted_from, id) as place from mutes
    ) twin
    where m.id = twin.id and twin.place > 1;
    create unique index mutes_once on mutes (${KEY});
  `)
}

export const down = async (knex: Knex): Promise<void> => {
  await knex.raw('drop index mutes_once')
}
