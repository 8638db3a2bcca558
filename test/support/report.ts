/** What the morning report is gathered from, written straight into the tables; and reports of every shape. */
import fc from 'fast-check'
import type { Knex } from 'knex'
import { ANOMALY_TYPES, POLARITIES, SEVERITIES } from '../../ml/detectors/signal.ts'
import type { Polarity, Severity } from '../../ml/detectors/signal.ts'
import { TIERS } from '../../ml/classify/tier.ts'
import type { Tier } from '../../ml/classify/tier.ts'
import { RECOMMENDATION_TYPES } from '../../ml/recommend/matrix.ts'
import type { RecommendationType } from '../../ml/recommend/matrix.ts'
import { toDayNumber, toLocalDate } from '../../shared/core/days.ts'
import type { LocalDate } from '../../shared/core/days.ts'
import { LEVELS } from '../../shared/core/entity.ts'
import type { Level } from '../../shared/core/entity.ts'
import { wireNumber } from '../../shared/core/wire.ts'
import { ANOMALY_STATUSES } from '../../shared/detection/anomalies.ts'
import { newRunId } from '../../shared/runs/run-id.ts'
import { REPORT_PARTS } from '../../shared/report/report.ts'
import type { DailyReport, ReportIncident } from '../../shared/report/report.ts'

export interface Subject {
  readonly level: Level
  readonly id: string
}

const subjectOf = ({ level, id }: Subject) => ({ entity_type: level, entity_id: id })

export interface MadeTier extends Subject {
  readonly day: LocalDate
  readonly tier: Tier
  readonly previous?: Tier
}

export const insertTier = async (knex: Knex, configId: number, made: MadeTier): Promise<void> => {
  const { day, tier, previous } = made
  const moved = previous === undefined ? 0 : TIERS.indexOf(tier) - TIERS.indexOf(previous)
  await knex('ml_classifications').insert({
    config_id: configId,
    ...subjectOf(made),
    tier,
    confidence: 0.9,
    probabilities: '{}',
    metrics_snapshot: '{}',
    previous_tier: previous ?? null,
    direction: moved === 0 ? 'stable' : moved > 0 ? 'improved' : 'declined',
    tier_since: day,
    classification_date: day,
    classified_at: `${day}T06:00:00Z`,
    valid_until: `${day}T06:00:00Z`,
    model_version: 'rules-1',
  })
}

export interface MadeAnomaly extends Subject {
  readonly day: LocalDate
  readonly severity: Severity
  readonly polarity?: Polarity
  readonly type?: string
  readonly metric?: string
  readonly observed?: number | null
  readonly expected?: number | null
  readonly status?: 'open' | 'acknowledged' | 'resolved'
  readonly alerted?: boolean
  readonly partial?: boolean
  readonly parentId?: string
}

export const insertAnomaly = async (knex: Knex, configId: number, made: MadeAnomaly): Promise<void> => {
  const polarity = made.polarity ?? 'bad'
  await knex('ml_anomalies').insert({
    config_id: configId,
    ...subjectOf(made),
    parent_id: made.parentId ?? null,
    type: made.type ?? 'cpl_spike',
    metric: made.metric ?? 'cpl',
    anomaly_date: made.day,
    severity: made.severity,
    signals: '[]',
    model_source: 'baseline',
    score: 1,
    observed: made.observed === undefined ? 40 : made.observed,
    expected: made.expected === undefined ? 10 : made.expected,
    direction: polarity === 'good' ? 'down' : 'up',
    polarity,
    status: made.status ?? 'open',
    alerted: made.alerted ?? true,
    partial: made.partial ?? false,
    first_seen: `${made.day}T06:00:00Z`,
    last_seen: `${made.day}T06:00:00Z`,
  })
}

export interface MadeAdvice extends Subject {
  readonly type: RecommendationType
  readonly day: LocalDate
  readonly expiresAt: string
  readonly priority?: number
  readonly leads?: number | null
  readonly changePct?: number | null
  /** Of the features of that day; absent: there are none. */
  readonly spend7d?: number
  readonly status?: 'active' | 'applied' | 'dismissed' | 'expired' | 'superseded'
  readonly title?: string
  readonly sentence?: string
}

export const insertAdvice = async (knex: Knex, configId: number, made: MadeAdvice): Promise<void> => {
  await knex('ml_recommendations').insert({
    config_id: configId,
    ...subjectOf(made),
    type: made.type,
    rule: 'scale_up',
    priority: made.priority ?? 5,
    confidence: 0.8,
    title: made.title ?? made.type,
    suggested_action: JSON.stringify({
      change_pct: made.changePct ?? null,
      expected: { leads: made.leads ?? null, cpl: null },
    }),
    reasoning: JSON.stringify({ sentence: made.sentence ?? `Because of ${made.id}.` }),
    status: made.status ?? 'active',
    recommendation_date: made.day,
    expires_at: made.expiresAt,
  })
  if (made.spend7d !== undefined) {
    await knex('ml_features').insert({
      config_id: configId,
      ...subjectOf(made),
      feature_date: made.day,
      watermark: `${made.day}T06:00:00Z`,
      features: JSON.stringify({ spend_7d: made.spend7d }),
    })
  }
}

export interface MadeForecast extends Subject {
  readonly metric: 'spend' | 'leads' | 'cpl'
  readonly day: LocalDate
  readonly horizonDays?: number
  /** Of every day. */
  readonly predicted: number
  readonly halfWidth: number
  readonly insufficient?: boolean
}

export const insertForecast = async (knex: Knex, configId: number, made: MadeForecast): Promise<void> => {
  const { predicted, halfWidth, horizonDays = 7 } = made
  const [row] = (await knex('ml_forecasts')
    .insert({
      config_id: configId,
      ...subjectOf(made),
      metric: made.metric,
      horizon_days: horizonDays,
      forecast_date: made.day,
      watermark: `${made.day}T06:00:00Z`,
      model: 'ets',
      weights: '{}',
      metrics: '{}',
      insufficient_data: made.insufficient ?? false,
    })
    .returning('id')) as { id: number }[]
  if (!row || made.insufficient) return
  await knex('ml_forecast_points').insert(
    Array.from({ length: horizonDays }, (_, i) => ({
      forecast_id: row.id,
      step: i + 1,
      date: toLocalDate(toDayNumber(made.day) + 1 + i),
      predicted,
      lower: Math.max(0, predicted - halfWidth),
      upper: predicted + halfWidth,
    })),
  )
}

/** That a step was done for a day, over all entities of its level. */
export const insertRun = async (
  knex: Knex,
  configId: number,
  job: string,
  payload: Readonly<Record<string, unknown>>,
  made: { readonly status?: string; readonly result?: Readonly<Record<string, unknown>> } = {},
): Promise<void> => {
  const id = newRunId(new Date())
  await knex('runs').insert({
    id,
    job,
    key: id,
    queue: 'ml',
    config_id: configId,
    payload: JSON.stringify(payload),
    actor: 'test',
    status: made.status ?? 'succeeded',
    result: made.result ? JSON.stringify(made.result) : null,
  })
}

/** What people, machines and the ill-disposed call their campaigns. */
export const HOSTILE_NAMES = [
  '<script>alert(1)</script>',
  `"><img src=x onerror='alert(1)'>`,
  `'; & "quoted" &amp; </title></style>`,
  'مرحبا بالعالم – حملة الصيف',
  '\u202Eesrever\u202C campaign',
  '🔥🔥 Leads 👨‍👩‍👧‍👦 日本語キャンペーン',
  'x'.repeat(100),
  `${'Nome muito comprido de campanha | '.repeat(12)}fim`,
  'tab\there\u001B[31mred\u0007\r\nline',
  '   ',
] as const

const finite = fc.oneof(
  fc.constantFrom(0, 0.004, 0.5, 1, 9.96, 12.5, 999.99, 999.996, 1000, 1e9),
  fc.double({ min: 0, max: 1e7, noNaN: true }),
)
const orNull = <T>(inner: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(inner, { nil: null })
const name = fc.oneof(fc.constantFrom(...HOSTILE_NAMES), fc.string({ unit: 'binary', maxLength: 60 }))
const dates = fc.integer({ min: 19_000, max: 21_000 }).map(toLocalDate)
const figures = fc.record({ spend: finite, leads: finite, cpl: orNull(finite) })
const interval = fc.tuple(finite, finite).map(([predicted, width]) => ({
  predicted,
  lower: Math.max(0, predicted - width),
  upper: predicted + width,
}))
const percent = orNull(fc.double({ min: -100, max: 1e6, noNaN: true }).map((value) => wireNumber(value) ?? 0))
const level = fc.constantFrom(...LEVELS)
const tier = fc.constantFrom(...TIERS)
const whole = fc.nat({ max: 5000 })

const incident: fc.Arbitrary<ReportIncident> = fc.record({
  id: fc.integer({ min: 1 }),
  campaign_id: fc.constant('1'),
  campaign_name: orNull(name),
  root: fc.record({ entity_type: level, entity_id: fc.constant('1'), name: orNull(name) }),
  metric: fc.constantFrom('spend', 'cpl', 'multivariate'),
  direction: fc.constantFrom('up', 'down'),
  polarity: fc.constantFrom(...POLARITIES),
  severity: fc.constantFrom(...SEVERITIES),
  date_from: dates,
  date_to: dates,
  sentence: name.map((text) => `Leads of ad "${text}" cost more.`),
  money: orNull(finite.map((amount) => ({ amount, currency: 'BRL' }))),
  main_cause: fc.constant(null),
  findings: fc.integer({ min: 1, max: 200 }),
  status: fc.constantFrom(...ANOMALY_STATUSES),
})
const incidents = fc.record({ total: whole, top: fc.array(incident, { maxLength: 3 }) })

const nextWeek: fc.Arbitrary<DailyReport['next_week']> = orNull(
  fc
    .record({ spend: interval, leads: interval, cpl: orNull(finite), from: dates, late: fc.nat({ max: 6 }) })
    .chain(({ from, late, ...sums }) =>
      fc
        .array(fc.record({ spend: interval, leads: interval }), { minLength: 7, maxLength: 7 })
        .map((days) => ({
          ...sums,
          from,
          to: toLocalDate(toDayNumber(from) + 6),
          forecast_date: toLocalDate(toDayNumber(from) - 1 - late),
          campaigns: late + 1,
          left_out: late,
          days: days.map((day, i) => ({ ...day, date: toLocalDate(toDayNumber(from) + i) })),
        })),
    ),
)

const changes = fc.record({ spend: percent, leads: percent, cpl: percent })

/** Reports of every shape, with parts that are empty, names that are hostile, and figures of any size. */
export const anyReport: fc.Arbitrary<DailyReport> = fc.record({
  config: fc.record({
    id: fc.integer({ min: 1, max: 1e6 }),
    name,
    currency: fc.constantFrom('BRL', 'USD', 'JPY', 'KWD'),
    timezone: fc.constantFrom('America/Sao_Paulo', 'Asia/Kolkata'),
  }),
  date: dates,
  data_as_of: orNull(fc.constant('2026-03-11T07:00:00.000Z')),
  notices: fc.array(fc.record({ part: fc.constantFrom(...REPORT_PARTS), text: name }), { maxLength: 3 }),
  totals: fc.record({
    day: figures,
    week: figures,
    week_before: figures,
    change: changes,
  }),
  history: fc
    .tuple(dates, fc.array(fc.record({ spend: finite, leads: finite }), { minLength: 28, maxLength: 28 }))
    .map(([first, days]) => days.map((day, i) => ({ ...day, date: toLocalDate(toDayNumber(first) + i) }))),
  next_week: nextWeek,
  tiers: fc.subarray([...LEVELS]).chain((levels) =>
    fc.tuple(
      ...levels.map((entity_type) =>
        fc.record({
          entity_type: fc.constant(entity_type),
          date: dates,
          counts: fc.record({ UNDERPERFORMER: whole, LOW: whole, MODERATE: whole, HIGH_PERFORMER: whole }),
        }),
      ),
    ),
  ),
  tier_changes: fc.array(
    fc.record({
      entity_type: level,
      entity_id: fc.constant('1'),
      entity_name: name,
      from: tier,
      to: tier,
      direction: fc.constantFrom('improved', 'declined'),
    }),
    { maxLength: 4 },
  ),
  tier_changes_total: whole,
  campaigns: fc.record({
    total: whole,
    top: fc.array(
      fc.record({
        campaign_id: fc.constant('1'),
        campaign_name: name,
        tier: orNull(tier),
        days_in_tier: orNull(fc.integer({ min: 1, max: 400 })),
        week: figures,
        change: changes,
      }),
      { maxLength: 4 },
    ),
  }),
  incidents: fc.record({ open: incidents, quiet: incidents, over: incidents }),
  anomalies: fc.record({
    open: whole,
    alerted: whole,
    campaigns: whole,
    groups: fc.array(
      fc.record({
        campaign_id: fc.constant('1'),
        campaign_name: name,
        findings: fc.integer({ min: 1, max: 200 }),
        id: fc.integer({ min: 1 }),
        type: fc.constantFrom(...ANOMALY_TYPES),
        metric: fc.constantFrom('spend', 'cpl', 'multivariate'),
        severity: fc.constantFrom(...SEVERITIES),
        polarity: fc.constantFrom(...POLARITIES),
        alerted: fc.boolean(),
        partial: fc.boolean(),
        date: dates,
        entity_type: level,
        entity_id: fc.constant('1'),
        entity_name: name,
        observed: orNull(finite),
        expected: orNull(finite),
        sentence: fc.constantFrom('Cost per lead rose: BRL 40.00, expected BRL 10.00', 'Click rate rose'),
      }),
      { maxLength: 4 },
    ),
  }),
  advice: fc.record({
    active: whole,
    top: fc.array(
      fc.record({
        id: fc.integer({ min: 1 }),
        type: fc.constantFrom(...RECOMMENDATION_TYPES),
        priority: fc.integer({ min: 1, max: 10 }),
        title: fc.constantFrom('Raise the budget by 20%', 'Pause it'),
        entity_type: level,
        entity_id: fc.constant('1'),
        entity_name: name,
        campaign_name: orNull(name),
        expected_leads: orNull(finite),
        expected_saving: orNull(finite),
        sentence: fc.constant('It brings leads at BRL 10.00 each, the account pays BRL 20.00.'),
      }),
      { maxLength: 4 },
    ),
  }),
})
