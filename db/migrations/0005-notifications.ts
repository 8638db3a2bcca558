/**
 * Who is told of incidents and what became of each message; whom and what nobody wants to hear of; and the
 * holidays of each account.
 */
import type { Knex } from 'knex'

const SEVERITIES = `('LOW', 'MEDIUM', 'HIGH', 'CRITICAL')`

export const up = async (knex: Knex): Promise<void> => {
  await knex.raw(`
    create table webhooks (
      id bigserial primary key,
      -- Null: of all configs.
      config_id int references ads_configs on delete cascade,
      name text not null,
      kind text not null check (kind in ('standard', 'slack')),
      url text not null,
      events text[] not null,
      severity_min text not null default 'LOW' check (severity_min in ${SEVERITIES}),
      -- Messages to a paused one wait; a disabled one gets none.
      status text not null default 'active' check (status in ('active', 'paused', 'disabled')),
      status_reason text,
      -- Needed to sign, so kept as it is.
      secret text,
      previous_secret text,
      previous_until timestamptz,
      -- One worker at a time sends to it: until then, unless it ends before; the token names its turn.
      busy_until timestamptz,
      busy_token uuid,
      actor text not null,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    );
    create index webhooks_config on webhooks (config_id);

    create table webhook_deliveries (
      id bigserial primary key,
      webhook_id bigint not null references webhooks on delete cascade,
      -- Null: a test call.
      config_id int references ads_configs on delete cascade,
      -- What the receiver tells repetitions by.
      message_id uuid not null default gen_random_uuid(),
      -- Names what happened: it is told to a webhook once.
      event_id text not null,
      event_type text not null,
      incident_id bigint,
      -- JSON as it is signed, to the byte.
      body text not null,
      status text not null default 'pending' check (status in ('pending', 'delivered', 'dead')),
      attempts int not null default 0,
      -- Tries go on for a while from here: the first one, or when somebody asked for it again or ended a pause.
      retry_from timestamptz not null default now(),
      next_attempt_at timestamptz not null default now(),
      last_attempt_at timestamptz,
      last_status int,
      last_error text,
      delivered_at timestamptz,
      created_at timestamptz not null default now(),
      unique (webhook_id, event_id)
    );
    create index webhook_deliveries_pending on webhook_deliveries (webhook_id, id) where status = 'pending';
    create index webhook_deliveries_newest on webhook_deliveries (webhook_id, id desc);
    create index webhook_deliveries_config on webhook_deliveries (config_id);
    create index webhook_deliveries_ended on webhook_deliveries (created_at) where status <> 'pending';

    create table mutes (
      id bigserial primary key,
      config_id int not null references ads_configs on delete cascade,
      -- Null: all entities, of the metric.
      entity_type varchar(20),
      entity_id varchar(100),
      -- Null: all metrics, of the entity.
      metric text,
      -- Days of the config's zone, both included.
      muted_from date not null,
      muted_until date not null,
      reason text,
      actor text not null,
      created_at timestamptz not null default now(),
      check ((entity_type is null) = (entity_id is null)),
      check (entity_id is not null or metric is not null),
      check (muted_until >= muted_from)
    );
    create index mutes_config on mutes (config_id, muted_until);

    -- Days of its own; those of its country are computed.
    create table ads_holidays (
      config_id int not null references ads_configs on delete cascade,
      date date not null,
      days int not null default 1 check (days between 1 and 366),
      name text not null default '',
      primary key (config_id, date)
    );
    -- ISO 3166-1 and 3166-2 (the part after the hyphen).
    alter table ads_configs add column holiday_country text, add column holiday_region text,
      add constraint ads_configs_holiday_region check (holiday_region is null or holiday_country is not null);
  `)
}

export const down = async (knex: Knex): Promise<void> => {
  await knex.raw(`
    alter table ads_configs drop column holiday_country, drop column holiday_region;
    drop table ads_holidays;
    drop table mutes;
    drop table webhook_deliveries;
    drop table webhooks;
  `)
}
