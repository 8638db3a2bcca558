/** What a replay says, on the wire and against labels. */
import { MODEL_SOURCES, noneBySource } from '../../ml/detectors/signal.ts'
import type { AnomalyType, Metric, ModelSource, Polarity, Severity } from '../../ml/detectors/signal.ts'
import type { AccountEntity } from '../../ml/shifts/account.ts'
import type { Level } from '../../ml/shifts/level-name.ts'
import { toLocalDate } from '../core/days.ts'
import type { LocalDate } from '../core/days.ts'
import { incidentName, replayIncidents } from './incidents.ts'
import type { NamedReplay, ReplayIncident } from './incidents.ts'
import type { Label } from './read-folder.ts'
import type { Replayed } from './replay.ts'

/** Days after the end of a labelled fault on which it may still be told of: windows look back a week. */
const AFTERMATH_DAYS = 7
/** Alert days of an entity this far apart are one episode. */
const EPISODE_GAP_DAYS = 1

export interface ReplayAnomaly {
  readonly account_id: string
  readonly entity_type: Level
  readonly entity_id: string
  readonly anomaly_date: LocalDate
  readonly type: AnomalyType
  readonly metric: Metric
  readonly severity: Severity
  readonly polarity: Polarity
  readonly alerted: boolean
  /** Unique in the report. */
  readonly incident: string | null
}

export interface ReplayDay {
  /** The day whose run said it. */
  readonly date: LocalDate
  readonly anomalies: readonly ReplayAnomaly[]
}

export interface ReplayTotals {
  readonly accounts: number
  readonly entities: number
  readonly days: number
  readonly hypotheses: number
  readonly signals: number
  readonly gated: number
  readonly anomalies: number
  /** Anomalies of incidents somebody is told of. */
  readonly alerted: number
  readonly incidents: number
  readonly alerted_incidents: number
  readonly alerted_incidents_per_day: number
  /** Runs of alert days of one entity. */
  readonly alerted_episodes: number
  /** Share of alerted episodes that match a label, among those labels speak of; null where that is none. */
  readonly precision: number | null
  /** Share of labels somebody was told of; null without labels. */
  readonly recall: number | null
  /** Labels of these days, and those somebody was told of. */
  readonly labels: number
  readonly labels_told: number
  /** Alerted episodes that match a label. */
  readonly alerted_episodes_right: number
  /** Alerted episodes that match none, where labels speak of them. */
  readonly alerted_episodes_wrong: number
  /** Entity-days by the model that judged them; baseline: statistics alone. */
  readonly judged_by: Readonly<Record<ModelSource, number>>
  /** Likewise of the eighth days of entities, the first on which there is a history to judge by. */
  readonly eighth_days_judged_by: Readonly<Record<ModelSource, number>>
}

export interface ReplayReport {
  readonly days: readonly ReplayDay[]
  readonly totals: ReplayTotals
  /** Those the days speak of: by account, the oldest first. */
  readonly incidents: readonly ReplayIncident[]
}

interface Episode {
  readonly entity: number
  readonly from: number
  to: number
}

const episodesOf = ({ replayed }: NamedReplay): Episode[] => {
  const open = new Map<number, Episode>()
  const episodes: Episode[] = []
  for (const { day, anomalies } of replayed.days) {
    for (const entity of new Set(anomalies.filter(({ alerted }) => alerted).map((one) => one.entity))) {
      const current = open.get(entity)
      if (current && day - current.to <= EPISODE_GAP_DAYS + 1) current.to = day
      else {
        const episode = { entity, from: day, to: day }
        open.set(entity, episode)
        episodes.push(episode)
      }
    }
  }
  return episodes
}

const pathOf = (entities: readonly AccountEntity[], i: number): number[] => {
  const path: number[] = []
  for (let at = i; at >= 0; at = (entities[at] as AccountEntity).parent) path.push(at)
  return path
}

/** What a label tells of, where the replay knows it. */
interface Place {
  readonly one: NamedReplay
  readonly entity: number
  /** Days of the account. */
  readonly from: number
  readonly to: number
}

const placesOf = (accounts: readonly NamedReplay[], labels: readonly Label[]): (Place | null)[] => {
  const keyOf = (...parts: readonly string[]): string => JSON.stringify(parts)
  const places = new Map<string, { one: NamedReplay; entity: number }>()
  for (const one of accounts) {
    one.account.days.entities.forEach(({ level, id }, entity) => {
      places.set(keyOf(one.account.id, level, id), { one, entity })
    })
  }
  return labels.map(({ accountId, level, entityId, start, end }) => {
    const place = places.get(keyOf(accountId, level, entityId))
    if (!place) return null
    const { firstDay } = place.one.account
    return { ...place, from: start - firstDay, to: end - firstDay }
  })
}

const overlaps = (episode: Episode, { from, to }: Pick<Place, 'from' | 'to'>): boolean =>
  episode.from <= to && episode.to >= from

/** A label is met by an episode of its entity, of what is above and of what is below it. */
const meets = (one: NamedReplay, episode: Episode, place: Place): boolean => {
  if (place.one !== one || !overlaps(episode, { ...place, to: place.to + AFTERMATH_DAYS })) return false
  const { entities } = one.account.days
  return (
    pathOf(entities, episode.entity).includes(place.entity) ||
    pathOf(entities, place.entity).includes(episode.entity)
  )
}

const sumOf = (accounts: readonly NamedReplay[], value: (day: Replayed['days'][number]) => number): number =>
  accounts.reduce((sum, { replayed }) => sum + replayed.days.reduce((days, day) => days + value(day), 0), 0)

type ByModel = Readonly<Record<ModelSource, number>>

const judgesOf = (
  accounts: readonly NamedReplay[],
  value: (day: Replayed['days'][number]) => ByModel,
): ByModel => {
  const sum = noneBySource()
  for (const { replayed } of accounts)
    for (const day of replayed.days) for (const source of MODEL_SOURCES) sum[source] += value(day)[source]
  return sum
}

export interface Labels {
  /** What was truly odd. */
  readonly faults: readonly Label[]
  /** What was told of and was nothing; null: whatever is no fault. */
  readonly falseAlarms: readonly Label[] | null
}

/** How what was told fares against labels. */
const scoresOf = (
  accounts: readonly NamedReplay[],
  { faults, falseAlarms }: Labels,
): Pick<
  ReplayTotals,
  | 'alerted_episodes'
  | 'alerted_episodes_right'
  | 'alerted_episodes_wrong'
  | 'precision'
  | 'recall'
  | 'labels'
  | 'labels_told'
> => {
  const inRange = ({ one, from, to }: Place): boolean =>
    one.replayed.days.some(({ day }) => from <= day && day <= to)
  const placed = placesOf(accounts, faults)
  const places = placed.flatMap((place) => (place && inRange(place) ? [place] : []))
  const wrongs = falseAlarms && placesOf(accounts, falseAlarms)
  let right = 0
  let wrong = 0
  let count = 0
  const found = new Set<Place>()
  for (const one of accounts) {
    for (const episode of episodesOf(one)) {
      count++
      const met = places.filter((place) => meets(one, episode, place))
      for (const place of met) found.add(place)
      if (met.length > 0) right++
      else if (
        !wrongs ||
        wrongs.some(
          (place) => place?.one === one && place.entity === episode.entity && overlaps(episode, place),
        )
      )
        wrong++
    }
  }
  const isKnown = places.length > 0 || (falseAlarms !== null && falseAlarms.length > 0)
  return {
    alerted_episodes: count,
    alerted_episodes_right: right,
    alerted_episodes_wrong: isKnown ? wrong : 0,
    precision: isKnown && right + wrong > 0 ? right / (right + wrong) : null,
    recall: places.length === 0 ? null : found.size / places.length,
    labels: places.length,
    labels_told: found.size,
  }
}

/** @param labels of the accounts */
export const replayReport = (accounts: readonly NamedReplay[], labels: Labels): ReplayReport => {
  const byDate = new Map<number, ReplayAnomaly[]>()
  for (const { account, replayed } of accounts) {
    for (const { day, anomalies } of replayed.days) {
      const date = account.firstDay + day
      const list = byDate.get(date) ?? []
      byDate.set(date, list)
      for (const { entity, type, metric, severity, polarity, alerted, incident } of anomalies) {
        const { level, id } = account.days.entities[entity] as AccountEntity
        list.push({
          account_id: account.id,
          entity_type: level,
          entity_id: id,
          anomaly_date: toLocalDate(date),
          type,
          metric,
          severity,
          polarity,
          alerted,
          incident: incident === null ? null : incidentName(account.id, incident),
        })
      }
    }
  }
  const incidents = accounts.flatMap(replayIncidents)
  const alertedIncidents = incidents.filter(({ alerted }) => alerted).length
  const days = [...byDate.keys()].sort((a, b) => a - b)
  return {
    days: days.map((day) => ({ date: toLocalDate(day), anomalies: byDate.get(day) ?? [] })),
    totals: {
      accounts: accounts.length,
      entities: accounts.reduce((sum, { replayed }) => sum + replayed.entities, 0),
      days: days.length,
      hypotheses: sumOf(accounts, (day) => day.hypotheses),
      signals: sumOf(accounts, (day) => day.signals),
      gated: sumOf(accounts, (day) => day.gated),
      anomalies: sumOf(accounts, (day) => day.anomalies.length),
      alerted: sumOf(accounts, (day) => day.anomalies.filter(({ alerted }) => alerted).length),
      incidents: incidents.length,
      alerted_incidents: alertedIncidents,
      alerted_incidents_per_day: days.length === 0 ? 0 : alertedIncidents / days.length,
      ...scoresOf(accounts, labels),
      judged_by: judgesOf(accounts, ({ judgedBy }) => judgedBy),
      eighth_days_judged_by: judgesOf(accounts, ({ eighthDays }) => eighthDays),
    },
    incidents,
  }
}
