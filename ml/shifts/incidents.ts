/**
 * Anomalies that tell of one thing, as one incident: those of one campaign whose entities lie above and below each
 * other, of metrics that move together, on days that follow one another. An incident is opened once, grows, and
 * is over when nothing of it was seen for a day; what comes back within a few days is the same one.
 */
import type { Metric, Severity } from '../detectors/signal.ts'
import { compareSeverity } from '../detectors/severity.ts'
import type { AccountDays, AccountEntity } from './account.ts'
import type { ShiftAnomaly } from './anomalies.ts'
import type { Part } from './judge.ts'
import { LEVELS_UP } from './level-name.ts'

/** Days without a sign after which what is seen is another incident. */
const FORGOTTEN_DAYS = 4
/** New incidents a config is told of on one day. */
const DAILY_BUDGET = 10
/** A child that makes up so much of a shift is its cause; otherwise all children share it. */
const MAIN_SHARE = 0.6
/** The others moved with it when they moved by so much of its relative move. */
const SHARED_MOVE = 0.4

/** Metrics that one fault moves together: of one family, one incident tells. */
export const INCIDENT_FAMILIES = ['volume', 'yield', 'audience'] as const
export type IncidentFamily = (typeof INCIDENT_FAMILIES)[number]

const FAMILIES: Readonly<Record<Metric, IncidentFamily>> = {
  spend: 'volume',
  impressions: 'volume',
  leads: 'yield',
  cpl: 'yield',
  ctr: 'yield',
  conversion_rate: 'yield',
  multivariate: 'yield',
  frequency: 'audience',
  reach: 'audience',
}

export interface Incident {
  readonly id: number
  /** Lowest common ancestor of its members. */
  root: number
  /** Of its loudest anomaly. */
  metric: Metric
  direction: 'up' | 'down'
  severity: Severity
  readonly opened: number
  last: number
  readonly members: Set<number>
  /** From the root down: the child that makes up most of it, and so on; empty: the root itself. */
  causes: readonly { readonly entity: number; readonly share: number }[]
  loudest: ShiftAnomaly
}

export interface ToldAnomaly extends ShiftAnomaly {
  readonly alerted: boolean
  readonly incident: number | null
}

const ancestors = (account: AccountDays, i: number): number[] => {
  const path: number[] = []
  for (let p = i; p >= 0; p = (account.entities[p] as AccountEntity).parent) path.push(p)
  return path
}

const commonRoot = (account: AccountDays, members: Iterable<number>): number => {
  let common: number[] | null = null
  for (const member of members) {
    const path = ancestors(account, member)
    common = common ? common.filter((i) => path.includes(i)) : path
  }
  return common?.[0] ?? -1
}

const volumeOfToday = (today: readonly ShiftAnomaly[], { entity, direction }: ShiftAnomaly): boolean =>
  today.some(
    (other) =>
      other.entity === entity && FAMILIES[other.metric] === 'volume' && other.direction === direction,
  )

const familyOf = (anomaly: ShiftAnomaly, today: readonly ShiftAnomaly[]): IncidentFamily =>
  // Fewer leads for less money are one matter with the money.
  anomaly.metric === 'leads' && volumeOfToday(today, anomaly) ? 'volume' : FAMILIES[anomaly.metric]

const louder = (a: ShiftAnomaly, b: ShiftAnomaly): number =>
  compareSeverity(b.severity, a.severity) || Math.abs(b.deviation) - Math.abs(a.deviation)

/**
 * Where a shift comes from: the child whose gap is most of the sum of gaps, and of that child likewise.
 * Shares of the gaps in the direction of the whole; they sum to 1 when no child went the other way.
 */
const causesOf = (
  account: AccountDays,
  root: number,
  today: readonly ShiftAnomaly[],
  loudest: ShiftAnomaly,
): { entity: number; share: number }[] => {
  const path: { entity: number; share: number }[] = []
  for (let at = root; ;) {
    const shift = today.find(({ entity, metric }) => entity === at && metric === loudest.metric)?.shift
    const children = account.entities.flatMap((x, i) => (x.parent === at ? [i] : []))
    if (children.length === 0) return path
    let shares: { entity: number; share: number }[]
    if (shift && shift.parts.length > 0) {
      const total = shift.parts.reduce((sum, { gap }) => sum + gap, 0)
      shares = shift.parts.map(({ entity, gap }) => ({ entity, share: total === 0 ? 0 : gap / total }))
    } else {
      // The root itself may be calm where only what is below it is odd.
      const loud = children.map((entity) => ({
        entity,
        weight: Math.max(
          0,
          ...today
            .filter((a) => a.metric === loudest.metric && ancestors(account, a.entity).includes(entity))
            .map(({ deviation }) => deviation * deviation),
        ),
      }))
      const total = loud.reduce((sum, { weight }) => sum + weight, 0)
      shares = loud.map(({ entity, weight }) => ({ entity, share: total === 0 ? 0 : weight / total }))
    }
    const main = shares.reduce((best, next) => (next.share > best.share ? next : best))
    if (main.share < MAIN_SHARE || (shift && isShared(shift.parts, main.entity))) return path
    path.push(main)
    at = main.entity
  }
}

/** Whether the others moved nearly as far, each for its size: then it is what they have in common that moved. */
const isShared = (parts: readonly Part[], main: number): boolean => {
  const own = parts.find(({ entity }) => entity === main)
  const others = parts.filter(({ entity }) => entity !== main)
  const gap = others.reduce((sum, part) => sum + part.gap, 0)
  const promised = others.reduce((sum, part) => sum + part.promised, 0)
  if (!own || promised <= 0) return false
  return gap / promised / (own.gap / own.promised) > SHARED_MOVE
}

export interface IncidentBook {
  /** Takes the anomalies of the next day. @returns them, told of or not, with their incidents */
  take(day: number, anomalies: readonly ShiftAnomaly[]): readonly ToldAnomaly[]
  readonly incidents: readonly Incident[]
}

export const openIncidentBook = (account: AccountDays): IncidentBook => {
  const incidents: (Incident & { readonly family: IncidentFamily; readonly alerted: boolean })[] = []

  const related = (a: number, b: number): boolean =>
    ancestors(account, a).includes(b) || ancestors(account, b).includes(a)

  return {
    incidents,
    take: (day, anomalies) => {
      const bad = anomalies.filter(({ polarity }) => polarity === 'bad')
      // Groups of today: what is related through somebody who is odd today.
      const groups: { readonly family: IncidentFamily; readonly members: ShiftAnomaly[] }[] = []
      const upFirst = bad.toSorted(
        (a, b) =>
          LEVELS_UP.indexOf((account.entities[b.entity] as AccountEntity).level) -
          LEVELS_UP.indexOf((account.entities[a.entity] as AccountEntity).level),
      )
      for (const anomaly of upFirst) {
        const family = familyOf(anomaly, bad)
        const group = groups.find(
          (one) => one.family === family && one.members.some(({ entity }) => related(entity, anomaly.entity)),
        )
        if (group) group.members.push(anomaly)
        else groups.push({ family, members: [anomaly] })
      }
      groups.sort((a, b) => louder(a.members.toSorted(louder)[0]!, b.members.toSorted(louder)[0]!))

      const told = new Map<ShiftAnomaly, { incident: number; alerted: boolean }>()
      let fresh = 0
      for (const { family, members } of groups) {
        const loudest = members.toSorted(louder)[0] as ShiftAnomaly
        let incident = incidents.find(
          (one) =>
            one.family === family &&
            day - one.last <= FORGOTTEN_DAYS &&
            [...one.members].some((known) => members.some(({ entity }) => related(known, entity))),
        )
        if (!incident) {
          incident = {
            id: incidents.length + 1,
            family,
            alerted: fresh < DAILY_BUDGET,
            root: -1,
            metric: loudest.metric,
            direction: loudest.direction,
            severity: loudest.severity,
            opened: day,
            last: day,
            members: new Set(),
            causes: [],
            loudest,
          }
          incidents.push(incident)
          fresh++
        }
        incident.last = day
        for (const { entity } of members) incident.members.add(entity)
        if (louder(loudest, incident.loudest) <= 0) {
          incident.loudest = loudest
          incident.metric = loudest.metric
          incident.direction = loudest.direction
          incident.severity = loudest.severity
        }
        const root = commonRoot(account, incident.members)
        incident.root = root
        incident.causes = causesOf(account, root, members, loudest)
        for (const anomaly of members) told.set(anomaly, { incident: incident.id, alerted: incident.alerted })
      }
      return anomalies.map((anomaly) => ({
        ...anomaly,
        ...(told.get(anomaly) ?? { alerted: false, incident: null }),
      }))
    },
  }
}
