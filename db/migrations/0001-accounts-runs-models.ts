/**
 * The first schema: accounts and their daily figures, runs and schedules, the model registry, anomalies,
 * and what keeps the API safe. `ml_campaign_classifications` and `ml_features` have the shape they had
 * when only campaigns were known; 0002 carries them to three levels.
 */
import type { Knex } from 'knex'

/** Campaigns, ad sets and ads differ only in their ids. */
const entityTable = (name: string, ids: readonly string[]): string => `
create table ${name} (
  config_id int not null references ads_configs on delete cascade,
  ${ids.map((id) => `${id} varchar(100) not null`).join(',\n  ')},
  name text not null,
  objective text,
  status text not null default 'ACTIVE',
  daily_budget numeric(15,2),
  lifetime_budget numeric(15,2),
  targeting jsonb,
  updated_at timestamptz not null default now(),
  primary key (config_id, ${ids[0]})
);
${ids
  .slice(1)
  .map((id) => `create index ${name}_${id} on ${name} (config_id, ${id});`)
  .join('\n')}
`

/** Daily and hourly figures differ only in the hour. */
const insightsTable = (name: string, hour: string, key: string): string => `
create table ${name} (
  config_id int not null references ads_configs on delete cascade,
  ad_id varchar(100) not null,
  adset_id varchar(100) not null,
  campaign_id varchar(100) not null,
  date date not null,
  ${hour}
  spend numeric(15,2) not null,
  impressions bigint not null,
  reach bigint,
  clicks bigint not null,
  leads bigint not null,
  updated_at timestamptz not null default now(),
  unique (config_id, ad_id, ${key})
);
create index ${name}_date on ${name} (config_id, ${key});
`

const ACCOUNTS = `
create table ads_configs (
  id serial primary key,
  account_id text not null unique,
  name text not null,
  timezone text not null default 'America/Sao_Paulo',
  currency varchar(3) not null default 'BRL',
  source_url text,
  is_active boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index ads_configs_name on ads_configs (name);
${entityTable('ads_campaigns', ['campaign_id'])}
${entityTable('ads_adsets', ['adset_id', 'campaign_id'])}
${entityTable('ads_ads', ['ad_id', 'adset_id', 'campaign_id'])}
create table ads_entity_status (
  config_id int not null references ads_configs on delete cascade,
  entity_type varchar(20) not null default 'campaign',
  entity_id varchar(100) not null,
  status text not null,
  from_at timestamptz not null,
  to_at timestamptz,
  primary key (config_id, entity_type, entity_id, from_at)
);
create table ads_budget_changes (
  id bigserial primary key,
  config_id int not null references ads_configs on delete cascade,
  entity_type varchar(20) not null default 'campaign',
  entity_id varchar(100) not null,
  old numeric(15,2) not null,
  new numeric(15,2) not null,
  changed_at timestamptz not null,
  unique (config_id, entity_type, entity_id, changed_at)
);
${insightsTable('ads_insights_daily', '', 'date')}
${insightsTable('ads_insights_hourly', 'hour smallint not null check (hour between 0 and 23),', 'date, hour')}
create table ads_reach (
  config_id int not null references ads_configs on delete cascade,
  entity_type varchar(20) not null default 'campaign',
  entity_id varchar(100) not null,
  date date not null,
  window_days smallint not null check (window_days in (1, 7)),
  reach bigint not null,
  primary key (config_id, entity_type, entity_id, date, window_days)
);
create table ads_imports (
  id bigserial primary key,
  config_id int not null references ads_configs on delete cascade,
  sha256 char(64) not null,
  date_from date,
  date_to date,
  report jsonb not null,
  actor text not null,
  created_at timestamptz not null default now(),
  unique (config_id, sha256)
);
create index ads_imports_covered on ads_imports (config_id, date_to);
`

const RUNS = `
create table runs (
  id uuid primary key,
  job text not null,
  key text not null,
  queue text not null,
  config_id int references ads_configs on delete cascade,
  parent_id uuid references runs on delete cascade,
  as_of timestamptz,
  payload jsonb not null,
  status text not null default 'queued'
    check (status in ('queued', 'running', 'succeeded', 'partial', 'failed', 'skipped', 'cancelled')),
  -- 'children' while a spawning run waits for them, 'finish' once only its closing step is left.
  phase text not null default 'run' check (phase in ('run', 'children', 'finish')),
  progress float8 not null default 0,
  counts jsonb not null default '{"done":0,"skipped":0,"failed":0}',
  reasons jsonb not null default '{}',
  result jsonb,
  error text,
  -- Counts executions; with lease_until it is the fencing token.
  attempt int not null default 0,
  lease_until timestamptz,
  -- Names the queue job that carries the run; a queue job that ended is never added again under its name.
  generation int not null default 1,
  -- Failed tries and executions cut short by a dying worker, both since the run was last started.
  tries int not null default 0,
  deaths int not null default 0,
  -- Not before: a delayed start or the wait before the next try.
  available_at timestamptz,
  cancel_requested boolean not null default false,
  actor text not null,
  trace_id text,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz,
  updated_at timestamptz not null default now(),
  unique (job, key)
);
create index runs_open on runs (status, updated_at) where status in ('queued', 'running');
create index runs_parent on runs (parent_id) where parent_id is not null;
create index runs_by_config on runs (config_id, created_at desc);
create index runs_by_job on runs (job, created_at desc);

create table outbox (
  run_id uuid primary key references runs on delete cascade,
  created_at timestamptz not null default now()
);

create table schedules (
  id text primary key,
  job text not null,
  cron text not null,
  -- Set by an operator; wins over cron and survives a change of preset.
  cron_override text,
  timezone text not null,
  paused boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create table schedule_claims (
  schedule_id text not null references schedules on delete cascade,
  scheduled_at timestamptz not null,
  claimed_at timestamptz not null default now(),
  state text not null check (state in ('claimed', 'missed')),
  run_id uuid references runs on delete set null,
  primary key (schedule_id, scheduled_at)
);
`

const MODELS = `
create table model_versions (
  id bigserial primary key,
  model text not null,
  version int not null check (version >= 1),
  family text not null,
  fingerprint char(64) not null,
  entity_key text not null,
  config_id int references ads_configs on delete cascade,
  entity_type varchar(20),
  entity_id varchar(100),
  params jsonb not null,
  stats jsonb not null,
  points int not null,
  artifact_uri text not null,
  artifact_sha256 char(64) not null,
  artifact_bytes bigint not null,
  state text not null default 'ready' check (state in ('ready', 'archived', 'broken')),
  trained_at timestamptz not null,
  run_id uuid references runs on delete set null,
  actor text not null,
  created_at timestamptz not null default now(),
  unique (model, version),
  unique (model, fingerprint)
);
create index model_versions_config on model_versions (config_id, entity_type, entity_id);

create table model_aliases (
  model text not null,
  alias text not null,
  version int not null,
  updated_at timestamptz not null default now(),
  primary key (model, alias),
  foreign key (model, version) references model_versions (model, version) on delete cascade
);
`

const FINDINGS = `
create table ml_features (
  id bigserial primary key,
  config_id int not null references ads_configs on delete cascade,
  campaign_id varchar(100) not null,
  feature_date date not null,
  watermark timestamptz not null,
  features jsonb not null,
  insufficient_data boolean not null default false,
  created_at timestamptz not null default now(),
  run_id uuid references runs on delete set null,
  constraint ml_features_entity_day unique (config_id, campaign_id, feature_date)
);
create table ml_campaign_classifications (
  id bigserial primary key,
  config_id int not null references ads_configs on delete cascade,
  campaign_id varchar(100) not null,
  tier text not null,
  confidence float8 not null,
  probabilities jsonb not null,
  metrics_snapshot jsonb not null,
  previous_tier text,
  direction text not null,
  tier_since date not null,
  classification_date date not null,
  classified_at timestamptz not null,
  valid_until timestamptz not null,
  model_version text not null,
  created_at timestamptz not null default now(),
  run_id uuid references runs on delete set null,
  constraint ml_classifications_entity_day unique (config_id, campaign_id, classification_date)
);

create table ml_anomalies (
  id bigserial primary key,
  config_id int not null references ads_configs on delete cascade,
  entity_type varchar(20) not null default 'campaign',
  entity_id varchar(100) not null,
  parent_id varchar(100),
  type text not null,
  metric text not null,
  anomaly_date date not null,
  severity text not null check (severity in ('LOW', 'MEDIUM', 'HIGH', 'CRITICAL')),
  signals jsonb not null,
  model_source text not null,
  baseline_reason text,
  model_version int,
  score float8 not null,
  rarity float8,
  observed float8,
  expected float8,
  lower float8,
  upper float8,
  deviation float8,
  direction text not null,
  polarity text not null,
  contributions jsonb,
  partial boolean not null default false,
  alerted boolean not null default true,
  status text not null default 'open' check (status in ('open', 'acknowledged', 'resolved')),
  resolution text,
  notes text,
  actor text,
  acted_at timestamptz,
  first_seen timestamptz not null,
  last_seen timestamptz not null,
  times_seen int not null default 1,
  incident_id bigint,
  created_at timestamptz not null default now(),
  run_id uuid references runs on delete set null,
  unique (config_id, entity_type, entity_id, type, metric, anomaly_date)
);
create index ml_anomalies_status on ml_anomalies (config_id, status, anomaly_date);
create index ml_anomalies_date on ml_anomalies (config_id, anomaly_date desc, id desc);
create index ml_anomalies_incident on ml_anomalies (incident_id) where incident_id is not null;
create table ml_anomaly_feedback (
  id bigserial primary key,
  anomaly_id bigint not null references ml_anomalies on delete cascade,
  verdict text not null check (verdict in ('true_positive', 'false_positive')),
  actor text not null,
  notes text,
  created_at timestamptz not null default now(),
  run_id uuid references runs on delete set null
);
create index ml_anomaly_feedback_anomaly on ml_anomaly_feedback (anomaly_id);
`

const SAFETY = `
create table api_keys (
  id serial primary key,
  name text not null unique,
  role text not null check (role in ('viewer', 'trainer', 'admin')),
  key_hash char(64) not null unique,
  prefix text not null,
  config_ids int[],
  actor text not null,
  created_at timestamptz not null default now(),
  last_used_at timestamptz,
  revoked_at timestamptz
);
create table audit_log (
  id bigserial primary key,
  at timestamptz not null default now(),
  actor text not null,
  action text not null,
  target text not null,
  before jsonb,
  after jsonb,
  trace_id text
);
create index audit_log_at on audit_log (at);
create table idempotency_keys (
  principal text not null,
  key text not null,
  method text not null,
  path text not null,
  body_sha256 char(64) not null,
  -- Null while the first request is still being answered.
  status int,
  headers jsonb,
  reply jsonb,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  primary key (principal, key)
);
create index idempotency_keys_expiry on idempotency_keys (expires_at);
`

/** Children before their parents. */
const TABLES = [
  'idempotency_keys',
  'audit_log',
  'api_keys',
  'ml_anomaly_feedback',
  'ml_anomalies',
  'ml_campaign_classifications',
  'ml_features',
  'model_aliases',
  'model_versions',
  'schedule_claims',
  'schedules',
  'outbox',
  'runs',
  'ads_imports',
  'ads_reach',
  'ads_insights_hourly',
  'ads_insights_daily',
  'ads_budget_changes',
  'ads_entity_status',
  'ads_ads',
  'ads_adsets',
  'ads_campaigns',
  'ads_configs',
]

export const up = async (knex: Knex): Promise<void> => {
  await knex.raw(`${ACCOUNTS}${RUNS}${MODELS}${FINDINGS}${SAFETY}`)
}

export const down = async (knex: Knex): Promise<void> => {
  await knex.raw(TABLES.map((table) => `drop table if exists ${table}`).join(';'))
}
