/**
 * Series of any kind: what they are, what the versions of their models need beyond those of entities, what is
 * counted per hour for statistics and drift, and the tokens of rate limits.
 */
import type { Knex } from 'knex'

export const up = async (knex: Knex): Promise<void> => {
  await knex.raw(`
    create table series (
      id varchar(128) collate "C" primary key,
      class text not null check (class in ('standard', 'short', 'waveform')),
      -- Ascending; null until the first training has succeeded.
      channels text[],
      ranges jsonb not null default '{}',
      timestamp_unit text not null default 's' check (timestamp_unit in ('s', 'ms')),
      min_points int,
      max_points int,
      tags jsonb not null default '{}',
      last_version int not null default 0,
      -- Counts deletions. The row stays, so that a number is never given twice.
      generation int not null default 1,
      deleted_at timestamptz,
      -- The last look at drift: level, version, and the divergence of each column.
      drift jsonb,
      -- Of those, null when there is none: few series drift, and who counts them looks at no others.
      drift_level text check (drift_level in ('warn', 'alert')),
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    );
    create index series_drifting on series (drift_level) where drift_level is not null;
    create index series_tags on series using gin (tags jsonb_path_ops);
    create index series_created on series (created_at desc, id) where deleted_at is null;
    create index series_class_created on series (class, created_at desc, id) where deleted_at is null;

    alter table model_versions
      add column series_id varchar(128) collate "C" references series,
      -- Of the series, which keeps it; here so that lists of versions find few among many.
      add column class text,
      add column data_hash char(64),
      add column members jsonb,
      -- Families of the members, ascending.
      add column families text[],
      add column baseline jsonb,
      add column drift_edges jsonb,
      add column tail_uri text,
      -- The version that was stable when this one was trained.
      add column parent int,
      add column tags jsonb not null default '{}',
      -- Trace id of the request that asked for it.
      add column correlation_id text,
      add column duration_ms int,
      -- When somebody asked for it again: by restoring it, training it again or going back to it.
      add column restored_at timestamptz;
    create index model_versions_series on model_versions (series_id, version desc) where series_id is not null;
    create index model_versions_series_created on model_versions (created_at desc, id desc)
      where series_id is not null;
    create index model_versions_series_state on model_versions (state, created_at desc, id desc)
      where series_id is not null;
    create index model_versions_series_class on model_versions (class, created_at desc, id desc)
      where series_id is not null;
    create index model_versions_series_points on model_versions (points) where series_id is not null;
    create index model_versions_families on model_versions using gin (families) where series_id is not null;
    create index model_versions_data on model_versions (data_hash) where data_hash is not null;
    create index model_versions_tags on model_versions using gin (tags jsonb_path_ops)
      where series_id is not null;

    create table series_stats (
      series_id varchar(128) collate "C" not null,
      hour timestamptz not null,
      predictions bigint not null default 0,
      anomalies bigint not null default 0,
      errors bigint not null default 0,
      fallbacks bigint not null default 0,
      -- Predictions by the size of their z against the baseline.
      z_hist bigint[] not null default '{}',
      primary key (series_id, hour)
    );
    create index series_stats_hour on series_stats (hour);
    create table drift_sketches (
      series_id varchar(128) collate "C" not null,
      version int not null,
      -- A column of the frame; of a waveform one of its figures.
      channel text not null,
      hour timestamptz not null,
      counts bigint[] not null,
      primary key (series_id, version, channel, hour)
    );
    create index drift_sketches_hour on drift_sketches (hour);

    -- As rate-limiter-flexible wants it.
    create table rate_limits (
      key varchar(255) primary key,
      points integer not null default 0,
      expire bigint
    );
    -- Rules of its own, by name; null: those of everybody.
    alter table api_keys add column limits jsonb;

    -- What one process signs another can check, and nobody outside can make.
    create table signing_keys (
      name text primary key,
      secret text not null
    );
    insert into signing_keys values
      ('cursors', replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''));
  `)
}

export const down = async (knex: Knex): Promise<void> => {
  await knex.raw(`
    drop table signing_keys;
    alter table api_keys drop column limits;
    drop table rate_limits;
    drop table drift_sketches;
    drop table series_stats;
    -- Models of entities stay as they are.
    delete from model_versions where series_id is not null;
    alter table model_versions
      drop column restored_at, drop column duration_ms, drop column correlation_id, drop column tags, drop column parent,
      drop column tail_uri, drop column drift_edges, drop column baseline, drop column families,
      drop column members, drop column data_hash, drop column class, drop column series_id;
    drop table series;
  `)
}
