/** Anomalies that tell of one thing, as one incident. Until now no anomaly belonged to one. */
import type { Knex } from 'knex'

export const up = async (knex: Knex): Promise<void> => {
  await knex.raw(`
    create table ml_incidents (
      id bigserial primary key,
      config_id int not null references ads_configs on delete cascade,
      campaign_id varchar(100) not null,
      family text not null,
      -- Lowest common ancestor of its anomalies.
      root_type varchar(20) not null,
      root_id varchar(100) not null,
      metric text not null,
      direction text not null check (direction in ('up', 'down')),
      polarity text not null,
      severity text not null check (severity in ('LOW', 'MEDIUM', 'HIGH', 'CRITICAL')),
      -- First and last day on which something of it was seen, in the config's zone.
      date_from date not null,
      date_to date not null,
      -- [{depth, entity_type, entity_id, share, observed, expected}]
      causes jsonb not null,
      -- Whose figures observed and expected are.
      figures_type varchar(20) not null,
      figures_id varchar(100) not null,
      observed float8,
      expected float8,
      money numeric(15,2),
      -- When it was told of; null: it is not told of.
      alerted_at timestamptz,
      status text not null default 'open' check (status in ('open', 'acknowledged', 'resolved')),
      -- over: it is not seen any more; settled: none of its anomalies is open; manual: a person said so.
      resolution text check (resolution in ('over', 'settled', 'manual')),
      notes text,
      actor text,
      acted_at timestamptz,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now(),
      run_id uuid references runs on delete set null,
      check (date_to >= date_from),
      check ((status = 'resolved') = (resolution is not null)),
      constraint ml_incidents_key unique (config_id, campaign_id, metric, direction, date_from)
    );
    create index ml_incidents_status on ml_incidents (config_id, status);
    create index ml_incidents_newest on ml_incidents (config_id, date_from desc, id desc);

    update ml_anomalies set incident_id = null where incident_id is not null;
    alter table ml_anomalies add constraint ml_anomalies_incident_id_fkey
      foreign key (incident_id) references ml_incidents on delete set null;
  `)
}

export const down = async (knex: Knex): Promise<void> => {
  await knex.raw(`
    alter table ml_anomalies drop constraint ml_anomalies_incident_id_fkey;
    update ml_anomalies set incident_id = null where incident_id is not null;
    drop table ml_incidents;
  `)
}
