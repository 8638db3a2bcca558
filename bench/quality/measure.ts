/**
 * What the judge says of simulated accounts held against their labels. The words, as bench/README.md has them:
 *
 *   alerted    an anomaly the incident book tells of
 *   episode    a run of alerted days of one entity with at most one day between
 *   matches    the days overlap [start, end + 7] of the label, and the entity is the labelled one, its
 *              ancestor or its descendant; an episode that matches none is false
 *   clear      a fault of which an ideal test expects a log-likelihood ratio of at least 9
 */
import type { AccountDays, AccountEntity } from '../../ml/shifts/account.ts'
import { runsOn } from '../../ml/shifts/account.ts'
import type { Incident, ToldAnomaly } from '../../ml/shifts/incidents.ts'
import { weekdayOf } from '../../ml/shifts/weekday.ts'
import { loadConfig } from '../../shared/config.ts'
import { judgementParams } from '../../shared/detection/params.ts'
import { replayAccount } from '../../shared/replay/replay.ts'
import { toPanel } from './panel.ts'
import type { Account, FaultType, Label } from './simulate.ts'

/** Nothing is judged before an entity's eighth day. */
const FIRST_JUDGED = 7
/** Days after a fault on which an alert still speaks of it. */
const AFTERWARDS = 7
const EPISODE_GAP = 2
/** Alerts of a lasting fault are followed so far. */
const FOLLOWED_DAYS = 20
const FEWEST_DAY_LEADS = 3
/** Day 0 of an account, since 1970. */
const FIRST_DAY = 20_000
export const CLEAR = 9

export interface Verdicts {
  readonly panel: AccountDays
  /** By day; of those that are alerted. */
  readonly alerts: readonly (readonly ToldAnomaly[])[]
  readonly incidents: readonly Incident[]
}

/** What would have been told of the account day by day, at the shipped defaults. */
export const judgeAccount = (account: Account): Verdicts => {
  const panel = toPanel(account, true)
  const { days, incidents } = replayAccount({
    account: panel,
    firstDay: FIRST_DAY,
    from: 0,
    to: panel.days - 1,
    // Through the gate forests alert nobody: their figures are of no account here.
    wanted: null,
    reach7: null,
    forests: null,
    params: judgementParams(loadConfig({})),
  })
  const alerts: ToldAnomaly[][] = Array.from({ length: panel.days }, () => [])
  for (const { day, anomalies } of days) alerts[day] = anomalies.filter(({ alerted }) => alerted)
  return { panel, alerts, incidents }
}

/** How one fault fared. */
export interface Outcome {
  readonly type: FaultType
  readonly level: Label['level']
  readonly clear: boolean
  readonly evidence: number
  readonly factor: number
  readonly lasting: boolean
  readonly leadsPerDay: number
  /** Days from its start to the first alert; null: none. */
  readonly delay: number | null
  /** The same of the labelled metric. */
  readonly fittingDelay: number | null
  readonly incidents: number
  /** Whether the first incident names the labelled entity; null without incident. */
  readonly causeRight: boolean | null
  /** Whether it leads with a metric the fault moves. */
  readonly metricRight: boolean | null
  /** Of a lasting fault that was found: the day, the fault's first being 1, from which on it is silent. */
  readonly silentFrom: number | null
}

export interface Findings {
  entityDays: number
  trueEpisodes: number
  falseEpisodes: number
  /** Episodes whose loudest anomaly is HIGH or CRITICAL. */
  severeTrue: number
  severeFalse: number
  /** Judged entity days, and first alerts of incidents, by weekday: episodes of one incident are no chances of their own. */
  readonly weekdayDays: Float64Array
  readonly weekdayIncidents: Float64Array
  /** Alerts of the cost per lead made of a single day with fewer than three expected leads. */
  thinAlerts: number
  /** First anomalies of false episodes by level, figure and direction. */
  readonly falseBy: Map<string, number>
  readonly outcomes: Outcome[]
}

export const noFindings = (): Findings => ({
  entityDays: 0,
  trueEpisodes: 0,
  falseEpisodes: 0,
  severeTrue: 0,
  severeFalse: 0,
  weekdayDays: new Float64Array(7),
  weekdayIncidents: new Float64Array(7),
  thinAlerts: 0,
  falseBy: new Map(),
  outcomes: [],
})

/** Metrics a fault moves: any of them in the lead is right. */
const MOVES: Readonly<Record<FaultType, readonly string[]>> = {
  zero_spend: ['spend'],
  spend_spike: ['spend'],
  spend_drop: ['spend'],
  // On its first day, where leads are few, as a multivariate one of the price alone.
  cpm_rise: ['cpl', 'multivariate'],
  ctr_drop: ['ctr'],
  cvr_drop: ['conversion_rate', 'cpl', 'leads'],
  leads_stop: ['leads', 'conversion_rate', 'cpl'],
  frequency_rise: ['frequency'],
  saturation: ['frequency', 'reach', 'ctr'],
  junk_clicks: ['ctr', 'conversion_rate'],
  joint: ['multivariate', 'cpl', 'ctr', 'conversion_rate', 'spend', 'frequency', 'leads'],
}

const pathUp = ({ entities }: AccountDays, i: number): number[] => {
  const path: number[] = []
  for (let p = i; p >= 0; p = (entities[p] as AccountEntity).parent) path.push(p)
  return path
}

/** Whether an alert of the cost per lead is of one day on which hardly any leads were to be had. */
const isThin = ({ entities }: AccountDays, { metric, shift, expected, entity, day }: ToldAnomaly): boolean =>
  metric === 'cpl' &&
  shift?.window === 1 &&
  expected !== null &&
  ((entities[entity] as AccountEntity).spend[day] as number) / expected < FEWEST_DAY_LEADS

/** Adds the verdicts on one account to the findings. */
export const compare = (account: Account, { panel, alerts, incidents }: Verdicts, into: Findings): void => {
  const { entities } = panel
  const lastDay = Math.min(panel.days, panel.completeUntil)
  const paths = entities.map((_, i) => pathUp(panel, i))
  const related = (a: number, b: number): boolean =>
    (paths[a] as number[]).includes(b) || (paths[b] as number[]).includes(a)
  const labels = account.labels.map((label) => ({
    label,
    entity: entities.findIndex(({ id, level }) => id === label.entityId && level === label.level),
  }))
  const alerted = new Set(alerts.flat().map(({ incident }) => incident))
  // An only child and its parent are the same money.
  const leaves = entities.map((_, i) =>
    paths.flatMap((path, ad) => (entities[ad]?.level === 'ad' && path.includes(i) ? [ad] : [])).join(' '),
  )
  const speaksOf = (from: number, to: number, entity: number): boolean =>
    labels.some(
      ({ label, entity: labelled }) =>
        from <= label.end + AFTERWARDS && to >= label.start && related(entity, labelled),
    )

  const byEntity: ToldAnomaly[][] = entities.map(() => [])
  const opened = new Set<number | null>()
  for (const today of alerts) {
    for (const alert of today) {
      byEntity[alert.entity]?.push(alert)
      if (!opened.has(alert.incident)) (into.weekdayIncidents[weekdayOf(panel, alert.day)] as number)++
      opened.add(alert.incident)
      if (isThin(panel, alert)) into.thinAlerts++
    }
  }
  entities.forEach((entity, i) => {
    for (let t = entity.start + FIRST_JUDGED; t < lastDay; t++) {
      if (!runsOn(entity, t)) continue
      into.entityDays++
      ;(into.weekdayDays[weekdayOf(panel, t)] as number)++
    }
    const mine = byEntity[i] as ToldAnomaly[]
    for (let first = 0, next = 0; first < mine.length; first = next) {
      const opening = mine[first] as ToldAnomaly
      let last = opening.day
      let severe = false
      for (next = first; next < mine.length; next++) {
        const { day, severity } = mine[next] as ToldAnomaly
        if (day - last > EPISODE_GAP) break
        last = day
        severe ||= severity === 'HIGH' || severity === 'CRITICAL'
      }
      if (speaksOf(opening.day, last, i)) {
        into.trueEpisodes++
        if (severe) into.severeTrue++
      } else {
        into.falseEpisodes++
        if (severe) into.severeFalse++
        const what = `${entity.level} ${opening.metric} ${opening.direction} w${opening.shift?.window ?? 0}`
        into.falseBy.set(what, (into.falseBy.get(what) ?? 0) + 1)
      }
    }
  })

  for (const { label, entity } of labels) {
    // Nobody is told of a day that is not over.
    if (label.start >= lastDay) continue
    const until = Math.min(label.end + AFTERWARDS, lastDay - 1)
    let first: number | null = null
    let fitting: number | null = null
    let last = label.start - 1
    for (let day = label.start; day <= until; day++) {
      for (const alert of alerts[day] ?? []) {
        if (!related(alert.entity, entity)) continue
        first ??= day
        if (alert.metric === label.metric) fitting ??= day
        // Of what the fault does not move, something may be said by chance.
        if (day - label.start < FOLLOWED_DAYS && MOVES[label.type].includes(alert.metric)) last = day
      }
    }
    const own = incidents.filter(
      ({ from, to, members }, index) =>
        alerted.has(index) &&
        from <= label.end + AFTERWARDS &&
        to >= label.start &&
        [...members].some((member) => related(member, entity)),
    )
    const incident = own[0]
    const named = incident?.culprit
    into.outcomes.push({
      type: label.type,
      level: label.level,
      clear: label.evidence >= CLEAR,
      evidence: label.evidence,
      factor: label.factor,
      lasting: label.lasting,
      leadsPerDay: label.leadsPerDay,
      delay: first === null ? null : first - label.start,
      fittingDelay: fitting === null ? null : fitting - label.start,
      incidents: own.length,
      causeRight: named === undefined ? null : leaves[named] === leaves[entity],
      metricRight: incident ? MOVES[label.type].includes(incident.metric) : null,
      silentFrom: label.lasting && first !== null ? last - label.start + 2 : null,
    })
  }
}

const nameOf = ({ entity, day, type, metric }: ToldAnomaly): string => `${day} ${entity} ${type} ${metric}`

/**
 * Alerts of the newest days of an account seen before its end that the whole account does not give: those
 * that only an unfinished day or missing leads can have made.
 */
export const extraAlerts = (whole: Verdicts, seen: Verdicts): number => {
  const ids = new Map(whole.panel.entities.map(({ level, id }, i) => [`${level} ${id}`, i]))
  const days = seen.panel.days
  let extra = 0
  for (let day = days - 3; day < days; day++) {
    const known = new Set(whole.alerts[day]?.map(nameOf))
    for (const alert of seen.alerts[day] ?? []) {
      const { level, id } = seen.panel.entities[alert.entity] as AccountEntity
      if (!known.has(nameOf({ ...alert, entity: ids.get(`${level} ${id}`) ?? -1 }))) extra++
    }
  }
  return extra
}
