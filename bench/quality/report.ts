/** The figures of the bench as rows: what must be, what is aimed at, and what was measured. */
import chiSquareCdf from '@stdlib/stats-base-dists-chisquare-cdf'
import { renderTable } from '../../cli/output.ts'
import type { ReplayFigures } from './replay.ts'
import { LEADING_FAULTS } from './leading.ts'
import type { LeadingCase } from './leading.ts'
import type { Findings, Outcome } from './measure.ts'
import type { RoughName } from './rough.ts'
import { FAULT_TYPES } from './simulate.ts'

const DAYS_OF_MONTH = 30

/** What was found in each group of accounts. */
export interface Measured {
  readonly clean: Findings
  readonly faulty: Findings
  /** Accounts as clean ones, with twice the campaigns. */
  readonly doubled: Findings
  /** Clean accounts whose weekdays differ by up to 40% either way. */
  readonly weekly: Findings
  /** One ad after another with 12 expected leads a day and a worse conversion rate. */
  readonly cpl: Findings
  readonly joint: Findings
  readonly lasting: Findings
  /** Of accounts with faults of other makes. */
  readonly makes: Readonly<Record<RoughName, Findings>>
  /** Clean accounts by the gate that was replaced. */
  readonly classic: Findings
  readonly extraAlerts: number
  /** Days of clear faults that the forest calls odd. */
  readonly leading: readonly LeadingCase[]
  readonly replay: ReplayFigures
}

export interface Row {
  readonly what: string
  readonly must: string
  readonly aim: string
  readonly measured: string
  /** Null: nothing to measure it by. */
  readonly ok: boolean | null
  readonly aimed: boolean | null
}

const falseRate = ({ falseEpisodes, entityDays }: Findings): number =>
  (falseEpisodes / Math.max(1, entityDays)) * DAYS_OF_MONTH

const share = (part: number, whole: number): number => (whole === 0 ? Number.NaN : part / whole)

const mean = (values: readonly number[]): number =>
  share(
    values.reduce((a, b) => a + b, 0),
    values.length,
  )

const given = (values: readonly (number | null)[]): number[] =>
  values.filter((value): value is number => value !== null)

/** The smallest value that so large a part of them does not exceed. */
const quantile = (values: readonly number[], part: number): number =>
  values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(values.length * part) - 1)] ?? Number.NaN

const rightShare = (values: readonly (boolean | null)[]): { share: number; n: number } => {
  const known = values.filter((value) => value !== null)
  return { share: share(known.filter(Boolean).length, known.length), n: known.length }
}

const part = <T>(all: readonly T[], is: (one: T) => boolean): number =>
  share(all.filter(is).length, all.length)

const recall = (outcomes: readonly Outcome[], of: (one: Outcome) => number | null): number =>
  share(given(outcomes.map(of)).length, outcomes.length)

const weekdayP = ({ weekdayDays, weekdayIncidents }: Findings): number => {
  const days = weekdayDays.reduce((a, b) => a + b, 0)
  const incidents = weekdayIncidents.reduce((a, b) => a + b, 0)
  if (incidents === 0) return 1
  let squares = 0
  weekdayDays.forEach((n, weekday) => {
    const expected = (incidents * n) / days
    squares += ((weekdayIncidents[weekday] as number) - expected) ** 2 / expected
  })
  return 1 - chiSquareCdf(squares, weekdayDays.length - 1)
}

const figure = (value: number, digits = 3): string => (Number.isNaN(value) ? '-' : value.toFixed(digits))

/** A row whose figure is to be no more, or no less, than its bounds. */
const bounded = (
  what: string,
  value: number,
  sign: '<=' | '>=' | '>',
  must: number,
  aim: number | null,
  note = '',
  digits = 3,
): Row => {
  const holds = (bound: number): boolean =>
    sign === '<=' ? value <= bound : sign === '>=' ? value >= bound : value > bound
  const known = !Number.isNaN(value)
  return {
    what,
    must: `${sign} ${must}`,
    aim: aim === null ? '' : `${sign} ${aim}`,
    measured: `${figure(value, digits)}${note === '' ? '' : ` (${note})`}`,
    ok: known ? holds(must) : null,
    aimed: known && aim !== null ? holds(aim) : null,
  }
}

const precisionOf = ({ trueEpisodes, falseEpisodes }: Findings): number =>
  share(trueEpisodes, trueEpisodes + falseEpisodes)

/** A delay that leaves a week's time to fall silent. */
const SOON = 3

const DAY_ONE = ['zero_spend', 'spend_spike', 'spend_drop'] as const

export const rowsOf = (measured: Measured): Row[] => {
  const { clean, faulty, doubled, weekly, cpl, joint, leading } = measured
  const byFault = leading.filter((one) => one.byFault)
  const clear = faulty.outcomes.filter((one) => one.clear && one.type !== 'joint')
  const twelve = cpl.outcomes.filter((one) => one.clear && one.leadsPerDay >= 9 && one.leadsPerDay <= 16)
  const small = cpl.outcomes.filter(
    ({ factor, leadsPerDay }) => factor >= 1.5 && factor <= 1.75 && leadsPerDay >= 9 && leadsPerDay <= 16,
  )
  const clearSmall = small.filter((one) => one.clear)
  const clearJoint = joint.outcomes.filter((one) => one.clear)
  const found = faulty.outcomes.filter(({ incidents }) => incidents > 0)
  const lasting = measured.lasting.outcomes.filter((one) => one.clear && one.silentFrom !== null)
  const silent = given(lasting.map(({ silentFrom }) => silentFrom))
  const soon = given(
    lasting.map(({ delay, silentFrom }) => ((delay ?? Infinity) <= SOON ? silentFrom : null)),
  )
  const cause = rightShare(
    faulty.outcomes.filter(({ level }) => level === 'ad').map(({ causeRight }) => causeRight),
  )
  const causes = rightShare(faulty.outcomes.map(({ causeRight }) => causeRight))
  const metrics = rightShare(
    faulty.outcomes.filter(({ type }) => type !== 'joint').map(({ metricRight }) => metricRight),
  )
  const severeTrue = faulty.severeTrue
  const severeAll = severeTrue + faulty.severeFalse + clean.severeFalse
  const episodes = (one: Findings): string => `${one.falseEpisodes} in ${one.entityDays} entity-days`
  const growth = falseRate(doubled) / Math.max(falseRate(clean), 1e-9) - 1
  return [
    bounded('false episodes per entity-month, clean', falseRate(clean), '<=', 0.05, 0.02, episodes(clean), 4),
    bounded('the same, with faults', falseRate(faulty), '<=', 0.05, 0.02, episodes(faulty), 4),
    bounded(
      'precision of alerted episodes',
      precisionOf(faulty),
      '>=',
      0.85,
      0.95,
      `${faulty.trueEpisodes} true`,
    ),
    bounded(
      'recall of clear faults, fitting metric',
      recall(clear, ({ fittingDelay }) => fittingDelay),
      '>=',
      0.9,
      0.95,
      `${clear.length} faults; any metric ${figure(recall(clear, ({ delay }) => delay))}`,
    ),
    ...DAY_ONE.map((type) => {
      const some = faulty.outcomes.filter((one) => one.type === type && one.clear)
      const first = some.filter(({ fittingDelay }) => fittingDelay === 0).length
      return bounded(`${type} on day one`, share(first, some.length), '>=', 1, 1, `${some.length} faults`)
    }),
    bounded(
      'cpl at 12 leads a day: recall',
      recall(twelve, ({ fittingDelay }) => fittingDelay),
      '>=',
      0.92,
      0.96,
      `${twelve.length} clear faults`,
    ),
    bounded('its mean delay, days', mean(given(twelve.map(({ delay }) => delay))), '<=', 2, 1.5, '', 2),
    bounded(
      'mean delay of a 50-75% rise, days',
      mean(given(clearSmall.map(({ delay }) => delay))),
      '<=',
      4,
      null,
      `recall ${figure(recall(clearSmall, ({ delay }) => delay))} of ${clearSmall.length}; with the ${
        small.length - clearSmall.length
      } that are not clear ${figure(mean(given(small.map(({ delay }) => delay))), 2)} days, recall ${figure(
        recall(small, ({ delay }) => delay),
      )}`,
      2,
    ),
    bounded(
      'clear joint shifts found',
      recall(clearJoint, ({ delay }) => delay),
      '>=',
      0.6,
      0.75,
      `${clearJoint.length} faults`,
    ),
    bounded('extra alerts by a partial day or late leads', measured.extraAlerts, '<=', 0, 0, '', 0),
    bounded(
      'single-day cpl alerts below 3 expected leads',
      clean.thinAlerts + faulty.thinAlerts + cpl.thinAlerts,
      '<=',
      0,
      0,
      '',
      0,
    ),
    bounded(
      'alert rate by weekday, p',
      weekdayP(weekly),
      '>',
      0.01,
      0.05,
      `${weekly.weekdayIncidents.reduce((a, b) => a + b, 0)} incidents`,
    ),
    bounded(
      'alerted incidents per fault found',
      mean(found.map(({ incidents }) => incidents)),
      '<=',
      1.3,
      1.1,
      `${found.length} faults`,
      2,
    ),
    bounded(
      'silent again after a lasting change, day (95% of them)',
      quantile(silent, 0.95),
      '<=',
      7,
      5,
      `mean ${figure(mean(silent), 1)} of ${silent.length}; of the ${soon.length} found on the first ${
        SOON + 1
      } days ${quantile(soon, 0.95)}, mean ${figure(mean(soon), 1)}`,
      0,
    ),
    bounded(
      'false rate with twice the entities, growth',
      clean.falseEpisodes + doubled.falseEpisodes === 0 ? 0 : growth,
      '<=',
      0.2,
      0,
      `${figure(falseRate(doubled), 4)} instead of ${figure(falseRate(clean), 4)}`,
      2,
    ),
    bounded(
      'precision of HIGH and CRITICAL',
      share(severeTrue, severeAll),
      '>=',
      0.95,
      0.98,
      `${severeAll} episodes`,
    ),
    bounded('cause named first at the right ad', cause.share, '>=', 0.95, 0.99, `${cause.n} faults of ads`),
    bounded('cause right at any level', causes.share, '>=', 0.95, 0.99, `${causes.n} faults`),
    bounded('leading metric right', metrics.share, '>=', 0.95, 0.99, `${metrics.n} faults`),
    bounded(
      "the forest's leading feature right",
      part(leading, ({ right }) => right),
      '>=',
      0.95,
      0.99,
      `${leading.length} odd days; the feature the fault itself moves ${figure(part(leading, ({ moved }) => moved))}`,
    ),
    bounded(
      'the same, on days odd by the fault alone',
      part(byFault, ({ right }) => right),
      '>=',
      0.95,
      0.99,
      `${byFault.length} days; ${figure(part(byFault, ({ moved }) => moved))}`,
    ),
    bounded(
      'judged by a model on the eighth day',
      measured.replay.eighthDays.byModel / measured.replay.eighthDays.all,
      '>=',
      0.95,
      1,
      `${measured.replay.eighthDays.all} entities`,
    ),
    bounded(
      `replay of ${measured.replay.entities} entities over 90 days, trained weekly, s`,
      measured.replay.seconds,
      '<=',
      60,
      20,
      '',
      2,
    ),
    {
      what: 'for comparison: false episodes, clean, by rules behind Benjamini-Hochberg',
      must: '',
      aim: '',
      measured: `${figure(falseRate(measured.classic), 2)} (${episodes(measured.classic)})`,
      ok: null,
      aimed: null,
    },
  ]
}

export interface MakeRow {
  readonly make: string
  readonly entityDays: number
  readonly falseRate: number
  readonly precision: number
  readonly severePrecision: number
  /** Clear faults. */
  readonly faults: number
  readonly recall: number
  readonly fitting: number
  /** Of silences and of money that rose or fell. */
  readonly dayOne: number
  readonly incidents: number
  readonly metric: number
}

/** Of accounts of other makes: the same figures, without bounds of their own. */
export const makeRowsOf = (makes: Measured['makes']): MakeRow[] =>
  Object.entries(makes).map(([make, findings]): MakeRow => {
    const clear = findings.outcomes.filter((one) => one.clear && one.type !== 'joint')
    const money = clear.filter(({ type }) => DAY_ONE.some((name) => name === type))
    const found = findings.outcomes.filter(({ incidents }) => incidents > 0)
    return {
      make,
      entityDays: findings.entityDays,
      falseRate: falseRate(findings),
      precision: precisionOf(findings),
      severePrecision: share(findings.severeTrue, findings.severeTrue + findings.severeFalse),
      faults: clear.length,
      recall: recall(clear, ({ delay }) => delay),
      fitting: recall(clear, ({ fittingDelay }) => fittingDelay),
      dayOne: share(money.filter(({ delay }) => delay === 0).length, money.length),
      incidents: mean(found.map(({ incidents }) => incidents)),
      metric: rightShare(found.filter(({ type }) => type !== 'joint').map(({ metricRight }) => metricRight))
        .share,
    }
  })

export const renderMakes = (rows: readonly MakeRow[]): string =>
  renderTable<MakeRow>(
    [
      { title: 'other make', cell: ({ make }) => make },
      { title: 'entity-days', align: 'right', cell: ({ entityDays }) => String(entityDays) },
      { title: 'false a month', align: 'right', cell: ({ falseRate: rate }) => figure(rate, 4) },
      { title: 'precision', align: 'right', cell: ({ precision }) => figure(precision, 3) },
      { title: 'HIGH and above', align: 'right', cell: ({ severePrecision }) => figure(severePrecision, 3) },
      { title: 'clear faults', align: 'right', cell: ({ faults }) => String(faults) },
      { title: 'found', align: 'right', cell: ({ recall: found }) => figure(found, 3) },
      { title: 'fitting metric', align: 'right', cell: ({ fitting }) => figure(fitting, 3) },
      { title: 'money, day one', align: 'right', cell: ({ dayOne }) => figure(dayOne, 3) },
      { title: 'incidents a fault', align: 'right', cell: ({ incidents }) => figure(incidents, 2) },
      { title: 'leading metric', align: 'right', cell: ({ metric }) => figure(metric, 3) },
    ],
    rows,
  )

export interface LeadingRow {
  readonly type: string
  readonly days: number
  readonly right: number
  readonly moved: number
  readonly byFault: number
  readonly rightByFault: number
}

/** Of faults whose days are scored at all: a day without impressions is not. */
export const leadingRowsOf = (cases: readonly LeadingCase[]): LeadingRow[] =>
  LEADING_FAULTS.flatMap((type) => {
    const own = cases.filter((one) => one.type === type)
    if (own.length === 0) return []
    const byFault = own.filter((one) => one.byFault)
    return [
      {
        type,
        days: own.length,
        right: part(own, ({ right }) => right),
        moved: part(own, ({ moved }) => moved),
        byFault: byFault.length,
        rightByFault: part(byFault, ({ right }) => right),
      },
    ]
  })

export const renderLeading = (rows: readonly LeadingRow[]): string =>
  renderTable<LeadingRow>(
    [
      { title: "the forest's leading feature: fault", cell: ({ type }) => type },
      { title: 'odd days', align: 'right', cell: ({ days }) => String(days) },
      { title: 'right', align: 'right', cell: ({ right }) => figure(right) },
      { title: 'what the fault itself moves', align: 'right', cell: ({ moved }) => figure(moved) },
      { title: 'odd by the fault alone', align: 'right', cell: ({ byFault }) => String(byFault) },
      { title: 'right', align: 'right', cell: ({ rightByFault }) => figure(rightByFault) },
    ],
    rows,
  )

export interface TypeRow {
  readonly type: string
  readonly strength: string
  readonly faults: number
  readonly found: number
  readonly fitting: number
  readonly delay: number
  readonly cause: number
}

/** By the evidence an ideal test would have. */
const STRENGTHS = [
  { strength: 'hidden, < 9', from: 0, to: 9 },
  { strength: 'clear, 9-30', from: 9, to: 30 },
  { strength: 'plain, > 30', from: 30, to: Infinity },
] as const

export const typeRowsOf = ({ outcomes }: Findings): TypeRow[] =>
  FAULT_TYPES.flatMap((type) =>
    STRENGTHS.flatMap(({ strength, from, to }) => {
      const some = outcomes.filter((one) => one.type === type && one.evidence >= from && one.evidence < to)
      if (some.length === 0) return []
      return [
        {
          type,
          strength,
          faults: some.length,
          found: recall(some, ({ delay }) => delay),
          fitting: recall(some, ({ fittingDelay }) => fittingDelay),
          delay: mean(given(some.map(({ delay }) => delay))),
          cause: rightShare(some.map(({ causeRight }) => causeRight)).share,
        },
      ]
    }),
  )

const mark = (value: boolean | null): string => (value === null ? '-' : value ? 'yes' : 'NO')

export const renderRows = (rows: readonly Row[]): string =>
  renderTable<Row>(
    [
      { title: 'what', cell: ({ what }) => what },
      { title: 'must', cell: ({ must }) => must },
      { title: 'aim', cell: ({ aim }) => aim },
      { title: 'ok', cell: ({ ok }) => mark(ok) },
      { title: 'aim met', cell: ({ aimed }) => mark(aimed) },
      { title: 'measured', cell: ({ measured }) => measured },
    ],
    rows,
  )

export const renderTypes = (rows: readonly TypeRow[]): string =>
  renderTable<TypeRow>(
    [
      { title: 'fault', cell: ({ type }) => type },
      { title: 'log-likelihood ratio', cell: ({ strength }) => strength },
      { title: 'faults', align: 'right', cell: ({ faults }) => String(faults) },
      { title: 'found', align: 'right', cell: ({ found }) => figure(found, 2) },
      { title: 'fitting metric', align: 'right', cell: ({ fitting }) => figure(fitting, 2) },
      { title: 'delay, days', align: 'right', cell: ({ delay }) => figure(delay, 2) },
      { title: 'cause right', align: 'right', cell: ({ cause }) => figure(cause, 2) },
    ],
    rows,
  )
