/**
 * Features and classifications were kept for campaigns; now ad sets and ads have theirs. Existing rows become
 * rows of level `campaign` and survive both ways. The way back is refused while rows of other levels exist:
 * they would become campaigns that never were.
 */
import type { Knex } from 'knex'
import { AppError } from '../../shared/core/errors.ts'

/** What PostgreSQL named after the old table, and what it is called now. */
const RENAMED: readonly (readonly [kind: string, old: string, now: string])[] = [
  ['sequence', 'ml_campaign_classifications_id_seq', 'ml_classifications_id_seq'],
  ['index', 'ml_campaign_classifications_pkey', 'ml_classifications_pkey'],
]
const FOREIGN_KEYS = ['config_id', 'run_id'].map(
  (column) => [`ml_campaign_classifications_${column}_fkey`, `ml_classifications_${column}_fkey`] as const,
)

export const up = async (knex: Knex): Promise<void> => {
  await knex.raw(`
    alter table ml_campaign_classifications rename to ml_classifications;
    alter table ml_classifications rename column campaign_id to entity_id;
    alter table ml_classifications
      add column entity_type varchar(20) not null default 'campaign',
      add column parent_id varchar(100),
      drop constraint ml_classifications_entity_day,
      add constraint ml_classifications_entity_day
        unique (config_id, entity_type, entity_id, classification_date);
    ${RENAMED.map(([kind, old, now]) => `alter ${kind} ${old} rename to ${now};`).join('\n')}
    ${FOREIGN_KEYS.map(([old, now]) => `alter table ml_classifications rename constraint ${old} to ${now};`).join('\n')}
    create index idx_ml_classifications_entity_type on ml_classifications (entity_type);
    create index idx_ml_classifications_config_entity on ml_classifications (config_id, entity_type, entity_id);

    alter table ml_features rename column campaign_id to entity_id;
    alter table ml_features
      add column entity_type varchar(20) not null default 'campaign',
      add column parent_id varchar(100),
      drop constraint ml_features_entity_day,
      add constraint ml_features_entity_day unique (config_id, entity_type, entity_id, feature_date);
  `)
}

const refuseOtherLevels = async (knex: Knex): Promise<void> => {
  const tables = ['ml_classifications', 'ml_features']
  // Nobody adds such a row between the count and the change.
  await knex.raw(`lock table ${tables.join(', ')} in access exclusive mode`)
  const found: string[] = []
  for (const table of tables) {
    const [row] = (await knex(table).whereNot('entity_type', 'campaign').count('* as rows')) as {
      rows: number | string
    }[]
    const rows = Number(row?.rows ?? 0)
    if (rows > 0) found.push(`${rows} in ${table}`)
  }
  if (found.length > 0) {
    throw new AppError(
      'CONFLICT',
      `rows of ad sets or ads exist (${found.join(', ')}), and the earlier schema knows campaigns only: delete the rows whose entity_type is not campaign, then migrate down again`,
    )
  }
}

export const down = async (knex: Knex): Promise<void> => {
  await refuseOtherLevels(knex)
  await knex.raw(`
    alter table ml_features
      drop constraint ml_features_entity_day,
      drop column entity_type,
      drop column parent_id;
    alter table ml_features rename column entity_id to campaign_id;
    alter table ml_features
      add constraint ml_features_entity_day unique (config_id, campaign_id, feature_date);

    drop index idx_ml_classifications_entity_type;
    drop index idx_ml_classifications_config_entity;
    alter table ml_classifications
      drop constraint ml_classifications_entity_day,
      drop column entity_type,
      drop column parent_id;
    ${FOREIGN_KEYS.map(([old, now]) => `alter table ml_classifications rename constraint ${now} to ${old};`).join('\n')}
    ${RENAMED.map(([kind, old, now]) => `alter ${kind} ${now} rename to ${old};`).join('\n')}
    alter table ml_classifications rename column entity_id to campaign_id;
    alter table ml_classifications
      add constraint ml_classifications_entity_day unique (config_id, campaign_id, classification_date);
    alter table ml_classifications rename to ml_campaign_classifications;
  `)
}
