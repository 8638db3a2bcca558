/**
 * What is built on features: feedback on tiers, advice, forecasts with their points; and which runs a run
 * waits for before it starts.
 */
import type { Knex } from 'knex'

const ENTITY = `
  config_id int not null references ads_configs on delete cascade,
  entity_type varchar(20) not null default 'campaign',
  entity_id varchar(100) not null,`

const TIERS = `('UNDERPERFORMER', 'LOW', 'MODERATE', 'HIGH_PERFORMER')`

export const up = async (knex: Knex): Promise<void> => {
  await knex.raw(`
    create table ml_classification_feedback (
      id bigserial primary key,
      ${ENTITY}
      classification_id bigint references ml_classifications on delete set null,
      -- The day the tier was about: what a trainer learns from.
      classification_date date not null,
      original_tier text not null check (original_tier in ${TIERS}),
      correct_tier text not null check (correct_tier in ${TIERS}),
      reason text,
      actor text not null,
      -- The newest of an entity and day is valid; those it replaced are kept.
      is_valid boolean not null default true,
      created_at timestamptz not null default now(),
      run_id uuid references runs on delete set null
    );
    create index ml_classification_feedback_entity
      on ml_classification_feedback (config_id, entity_type, entity_id);
    create unique index ml_classification_feedback_valid
      on ml_classification_feedback (config_id, entity_type, entity_id, classification_date) where is_valid;
    create index ml_features_day on ml_features (config_id, entity_type, feature_date desc, id desc);
    create index ml_classifications_date on ml_classifications (config_id, classification_date desc, id desc);

    create table ml_recommendations (
      id bigserial primary key,
      ${ENTITY}
      parent_id varchar(100),
      type text not null,
      rule text not null,
      priority int not null,
      confidence float8 not null,
      title text not null,
      suggested_action jsonb not null,
      reasoning jsonb not null,
      status text not null default 'active'
        check (status in ('active', 'applied', 'dismissed', 'expired', 'superseded')),
      -- D of the features it was made from.
      recommendation_date date not null,
      acted_at timestamptz,
      actor text,
      reason text,
      outcome jsonb,
      expires_at timestamptz not null,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now(),
      run_id uuid references runs on delete set null
    );
    create unique index ml_recommendations_active
      on ml_recommendations (config_id, entity_type, entity_id, type) where status = 'active';
    create index ml_recommendations_status on ml_recommendations (config_id, status);
    create index ml_recommendations_acted
      on ml_recommendations (config_id, entity_type, entity_id, type, acted_at desc) where acted_at is not null;

    create table ml_forecasts (
      id bigserial primary key,
      ${ENTITY}
      parent_id varchar(100),
      metric text not null check (metric in ('spend', 'leads', 'cpl')),
      horizon_days int not null check (horizon_days between 1 and 30),
      -- D: the points are the days after it.
      forecast_date date not null,
      watermark timestamptz not null,
      model text not null,
      weights jsonb not null,
      metrics jsonb not null,
      insufficient_data boolean not null default false,
      created_at timestamptz not null default now(),
      run_id uuid references runs on delete set null,
      unique (config_id, entity_type, entity_id, metric, horizon_days, forecast_date)
    );
    create index ml_forecasts_date on ml_forecasts (config_id, forecast_date desc, id desc);
    create table ml_forecast_points (
      forecast_id bigint not null references ml_forecasts on delete cascade,
      step int not null check (step between 1 and 30),
      date date not null,
      -- Null where a cost per lead has no leads to divide by.
      predicted float8,
      lower float8,
      upper float8,
      actual float8,
      abs_error float8,
      pct_error float8,
      in_interval boolean,
      primary key (forecast_id, step)
    );
    -- Points whose day is still to come, or to be validated.
    create index ml_forecast_points_pending on ml_forecast_points (date) where actual is null;

    alter table runs drop constraint runs_phase_check;
    -- 'needs' while a run waits for others before it starts.
    alter table runs add constraint runs_phase_check check (phase in ('run', 'needs', 'children', 'finish'));
    create table run_needs (
      run_id uuid not null references runs on delete cascade,
      needs_id uuid not null references runs on delete cascade,
      primary key (run_id, needs_id)
    );
    create index run_needs_needed on run_needs (needs_id);
  `)
}

export const down = async (knex: Knex): Promise<void> => {
  await knex.raw(`
    drop table run_needs;
    -- Runs that wait would never be met again by the earlier version.
    update runs set phase = 'run', status = 'queued' where phase = 'needs';
    alter table runs drop constraint runs_phase_check;
    alter table runs add constraint runs_phase_check check (phase in ('run', 'children', 'finish'));
    drop table ml_forecast_points;
    drop table ml_forecasts;
    drop table ml_recommendations;
    drop index ml_features_day;
    drop index ml_classifications_date;
    drop table ml_classification_feedback;
  `)
}
