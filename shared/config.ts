/**
 * The configuration: one schema over the environment, read once in `main.ts`, frozen. All problems are
 * reported together, each with what to do; unknown names close to ours are pointed out.
 */
import { z } from 'zod'
import { SERIES_CLASSES, SERIES_FAMILIES } from '../ml/series/member.ts'
import { TimeZone } from './core/days.ts'
import { isRange } from './notify/addresses.ts'

const flag = (fallback: boolean) =>
  z.preprocess(
    (value) => (typeof value === 'string' ? value.trim().toLowerCase() : value),
    z
      .union([z.boolean(), z.enum(['true', 'false', '1', '0', 'on', 'off', 'yes', 'no'])], {
        error: 'must be true or false',
      })
      .transform((value) => value === true || ['true', '1', 'on', 'yes'].includes(String(value)))
      .default(fallback),
  )
const whole = (fallback: number, min: number, max: number) =>
  z.coerce
    .number({ error: `must be a whole number from ${min} to ${max}` })
    .int()
    .min(min)
    .max(max)
    .default(fallback)
const real = (fallback: number, min: number, max: number) =>
  z.coerce
    .number({ error: `must be a number from ${min} to ${max}` })
    .min(min)
    .max(max)
    .default(fallback)
const url = (protocols: readonly string[]) =>
  z
    .string()
    .refine((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol), {
      error: `must be a URL that starts with ${protocols.map((p) => `${p}//`).join(' or ')}`,
    })
    .optional()

/**
 * One entry per variable; `.describe` is the line `.env.example` and `vigia doctor` print.
 * Secrets carry `.meta({ secret: true })`.
 */
export const ConfigSchema = z.object({
  DATABASE_URL: url(['postgres:', 'postgresql:'])
    .describe('PostgreSQL >= 14. Empty: an embedded PostgreSQL under VIGIA_HOME')
    .meta({ secret: true }),
  REDIS_URL: url(['redis:', 'rediss:'])
    .describe('Redis >= 6.2 or Valkey for the queues. Empty: the queues live in PostgreSQL')
    .meta({ secret: true }),
  VIGIA_HOME: z.string().min(1).default('.vigia').describe('Folder of the embedded database and its lock'),
  HOST: z
    .string()
    .min(1)
    .default('127.0.0.1')
    .describe('Address the API binds. Anything but loopback needs an API key'),
  PORT: whole(8080, 0, 65535).describe('Port of the API. 0: any free one'),
  METRICS_PORT: whole(0, 0, 65535).describe('Port of /metrics in workers and scheduler. 0: off'),
  LOG_LEVEL: z
    .enum(['error', 'warn', 'info', 'debug'])
    .default('info')
    .describe('error, warn, info or debug'),
  LOG_DEBUG_SAMPLE: real(0.01, 0, 1).describe('Share of debug lines kept when LOG_LEVEL is debug'),
  BODY_LIMIT_MB: whole(10, 1, 1024).describe('Largest request body in MiB'),
  MODELS_STORAGE_PATH: z.string().min(1).default('models_storage').describe('Folder of the model artifacts'),
  VIGIA_TIMEZONE: TimeZone.default('America/Sao_Paulo').describe('Time zone of the schedules (IANA name)'),
  SCHEDULE_PRESET: z
    .enum(['default', 'compact'])
    .default('default')
    .describe('Timetable: default or compact'),
  COMPUTE_THREADS: whole(0, 0, 256).describe(
    'Threads for training and detection. 0: all cores but one; with two cores or fewer, all',
  ),
  WORKER_CONCURRENCY: whole(4, 1, 64).describe('Jobs a worker runs at once per queue'),
  PG_POOL_MAX: whole(8, 2, 200).describe(
    'PostgreSQL connections per process for data; queues have their own',
  ),
  JWT_SECRET: z
    .string()
    .min(32, 'needs at least 32 characters')
    .optional()
    .describe('HS256 secret for Bearer tokens. Empty: off')
    .meta({ secret: true }),
  JWT_JWKS_URL: url(['https:', 'http:']).describe('JWKS for RS256, ES256 or EdDSA Bearer tokens. Empty: off'),
  JWT_ISSUER: z.string().optional().describe('Required `iss` of Bearer tokens. Empty: any'),
  JWT_AUDIENCE: z.string().optional().describe('Required `aud` of Bearer tokens. Empty: any'),
  RATE_LIMITS: flag(true).describe('Limit requests per key or address'),
  AUDIT_DAYS: whole(365, 1, 36500).describe('Days the audit log is kept'),
  OTEL_EXPORTER_OTLP_ENDPOINT: url(['https:', 'http:']).describe('OTLP endpoint for traces. Empty: off'),
  MODEL_CACHE_MB: whole(512, 1, 65536).describe('Memory for loaded model artifacts in MiB'),
  MODEL_CACHE_ENTRIES: whole(20_000, 1, 10_000_000).describe('Most model artifacts held in memory'),
  USE_ISOLATION_FOREST: flag(true).describe('Train and use a forest per entity'),
  ISOLATION_FOREST_MIN_SAMPLES: whole(50, 2, 3650).describe('Fewest days with impressions to train on'),
  ISOLATION_FOREST_CONTAMINATION: real(0.1, 0.0001, 0.5).describe(
    'Share of training days beyond the threshold',
  ),
  ISOLATION_FOREST_HISTORY_DAYS: whole(90, 14, 3650).describe('Days of history a forest is trained on'),
  ISOLATION_FOREST_TREES: whole(100, 1, 1000).describe('Trees per forest'),
  ISOLATION_FOREST_SEED: whole(42, 0, 4_294_967_295).describe('random_state of the forests'),
  ANOMALY_Z_THRESHOLD: real(2.5, 0.1, 100).describe('Robust z beyond which a day is odd'),
  ANOMALY_IQR_MULTIPLIER: real(1.5, 0.1, 100).describe('Fences: quartiles -/+ this times the IQR'),
  ANOMALY_MIN_HISTORY_DAYS: whole(7, 2, 365).describe('Fewest days for a weekday baseline'),
  ANOMALY_BASELINE_DAYS: whole(56, 7, 365).describe('Days the weekday baseline looks back'),
  ANOMALY_FDR_Q: real(0.1, 0.0001, 1).describe(
    'How many false findings are borne: 0.05 is half as many as 0.1',
  ),
  USE_ALERT_GATE: flag(true).describe(
    'Anomalies are what the whole account bears out; false: every signal is one',
  ),
  ALARM_BUDGET_PER_DAY: whole(10, 1, 100_000).describe('New incidents a config is told of on one day'),
  FREQUENCY_IDEAL: real(2.5, 0.1, 100).describe('Frequency an alert is measured against'),
  FREQUENCY_LOW: real(3, 0.1, 100).describe('7-day frequency above which an alert is LOW'),
  FREQUENCY_MEDIUM: real(5, 0.1, 100).describe('7-day frequency above which an alert is MEDIUM'),
  FREQUENCY_HIGH: real(7, 0.1, 100).describe('7-day frequency above which an alert is HIGH'),
  FREQUENCY_CRITICAL: real(10, 0.1, 100).describe('7-day frequency above which an alert is CRITICAL'),
  CHANGE_POINT_PCT: real(0.3, 0.01, 10).describe('Smallest lasting change that counts, as a fraction'),
  SERIES_CLASS: z
    .enum(SERIES_CLASSES)
    .default('standard')
    .describe('Class of a series nobody gave one: standard, short or waveform'),
  SERIES_MODELS: z
    .string()
    .default('zscore,isolation_forest')
    .transform((text) => text.split(',').map((name) => name.trim()))
    .pipe(z.array(z.enum(SERIES_FAMILIES)).min(1))
    .describe('Families a training makes when it names none, the primary first'),
  SERIES_KEEP_POINTS: whole(5000, 0, 100_000).describe('Last points kept with a version, for its plot'),
  SERIES_KEEP_VERSIONS: whole(10, 1, 1000).describe('Newest versions of a series that are not archived'),
  MODEL_CACHE_TTL_S: whole(0, 0, 86_400).describe(
    'Seconds a series model is kept in memory. 0: until there is no room',
  ),
  ALIAS_REFRESH_S: whole(60, 1, 300).describe(
    'Seconds after which the version that serves is looked up again',
  ),
  WARMUP_MODELS: whole(100, 0, 10_000).describe('Models loaded at start, those most predicted with first'),
  LOAD_TIMEOUT_MS: whole(1000, 1, 60_000).describe('Milliseconds after which a baseline answers for a model'),
  PARSE_OFFLOAD_MB: real(1, 0, 1024).describe('Bodies with points above this many MiB are read on a thread'),
  WARN_PAST_DAYS: whole(30, 0, 36_500).describe('A point older than this is judged with a warning'),
  WARN_FUTURE_HOURS: whole(24, 0, 876_000).describe(
    'A point further ahead than this is judged with a warning',
  ),
  DRIFT_WARN: real(0.1, 0, 100).describe('Divergence (KL, nats) from which a series drifts a little'),
  DRIFT_ALERT: real(0.5, 0, 100).describe('Divergence (KL, nats) from which a series drifts'),
  WEBHOOK_ALLOW: z
    .string()
    .default('')
    .transform((text) => text.split(',').flatMap((range) => range.trim() || []))
    .pipe(
      z.array(z.string().refine(isRange, 'must be ranges such as 10.0.0.0/8 or fd00::/8, parted by commas')),
    )
    .describe('Ranges (CIDR) webhooks may lead to although they are not public. Empty: none'),
  DETECT_AD_EVERY_HOURS: whole(2, 1, 2).describe('Ads are checked every hour (1) or every second hour (2)'),
})

export type Config = Readonly<z.infer<typeof ConfigSchema>>

const SCHEMAS: Readonly<Record<string, z.ZodType>> = ConfigSchema.shape
const NAMES = Object.keys(SCHEMAS)

/** Names this near to one of ours are taken for a slip of the finger; two letters changed places count as 2. */
const NEAR_MISS = 2

/** Levenshtein distance, at most `limit` + 1. */
const distance = (a: string, b: string, limit: number): number => {
  if (Math.abs(a.length - b.length) > limit) return limit + 1
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const substituted = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      row[j] = Math.min(substituted, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1)
    }
    previous = row
  }
  return previous[b.length] ?? limit + 1
}

const isBlank = (text: string | undefined): boolean => text === undefined || text.trim() === ''

const nearMisses = (environment: Readonly<Record<string, string | undefined>>): string[] =>
  Object.keys(environment)
    // Short names are near to everything; longer ones of the environment are near to ours by accident only.
    .filter((name) => name.length >= 5 && !NAMES.includes(name))
    .flatMap((name) => {
      const meant = NAMES.find((known) => known.length >= 5 && distance(name, known, NEAR_MISS) <= NEAR_MISS)
      // Where the setting itself is set, its neighbour belongs to another program.
      return meant === undefined || !isBlank(environment[meant])
        ? []
        : [`${name}: is not a setting; did you mean ${meant}?`]
    })

/** Every problem of the environment at once, one per line. */
export class ConfigError extends Error {
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(`the configuration cannot be used:\n${problems.map((problem) => `  ${problem}`).join('\n')}`)
    this.name = 'ConfigError'
    this.problems = problems
  }
}

/**
 * Reads the settings out of an environment; an empty or blank text counts as not set.
 * @throws ConfigError naming every problem
 */
export const loadConfig = (environment: Readonly<Record<string, string | undefined>>): Config => {
  const given = Object.fromEntries(
    NAMES.map((name) => [name, isBlank(environment[name]) ? undefined : environment[name]]),
  )
  const parsed = ConfigSchema.safeParse(given)
  const problems = nearMisses(environment)
  if (!parsed.success) {
    for (const issue of parsed.error.issues) problems.push(`${issue.path.join('.')}: ${issue.message}`)
  }
  if (problems.length > 0 || !parsed.success) throw new ConfigError(problems)
  return Object.freeze(parsed.data)
}

const MASK = '***'

const isSecret = (name: string): boolean => SCHEMAS[name]?.meta()?.['secret'] === true

/** PostgreSQL also takes the password as a parameter. */
const SECRET_PARAMETER = /pass|secret|token/i

const maskUrl = (text: string): string => {
  const url = new URL(text)
  if (url.password) url.password = MASK
  for (const name of url.searchParams.keys())
    if (SECRET_PARAMETER.test(name)) url.searchParams.set(name, MASK)
  return url.toString()
}

const printable = (name: string, value: unknown): unknown => {
  if (typeof value !== 'string') return value
  // By its name: a secret with a colon in it parses as a URL too.
  if (name.endsWith('_URL') || name.endsWith('_ENDPOINT')) return maskUrl(value)
  return isSecret(name) ? MASK : value
}

/** The configuration for printing: secrets masked, also passwords within URLs. */
export const redactedConfig = (config: Config): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(config).map(([name, value]) => [name, printable(name, value)]))

/** The text of `.env.example`: every setting with what it means and its default. */
export const renderEnvExample = (): string => {
  const defaults: Readonly<Record<string, string | number | boolean | readonly string[] | undefined>> =
    ConfigSchema.parse({})
  const lines = NAMES.flatMap((name) => {
    const value = defaults[name]
    return [
      '',
      `# ${SCHEMAS[name]?.description ?? ''}`,
      `${name}=${value === undefined ? '' : String(value)}`,
    ]
  })
  return [
    '# Settings of vigia with their defaults. Copy to .env and change what you need.',
    ...lines,
    '',
  ].join('\n')
}
