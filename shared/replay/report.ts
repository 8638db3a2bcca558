/** What a replay says, on the wire and against labels. */
import { MODEL_SOURCES } from '../../ml/detectors/signal.ts'
import type { AnomalyType, Metric, ModelSource, Polarity, Severity } from '../../ml/detectors/signal.ts'
import type { AccountEntity } from '../../ml/shifts/account.ts'
import type { Level } from '../../ml/shifts/level-name.ts'
import { toLocalDate } from '../core/days.ts'
import type { LocalDate } from '../core/days.ts'
import type { FolderAccount, Label } from './read-folder.ts'
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
  /** Share of alerted episodes that match a label; null without labels or episodes. */
  readonly precision: number | null
  /** Share of labels somebody was told of; null without labels. */
  readonly recall: number | null
  /** Labels of these days, and those somebody was told of. */
  readonly labels: number
  readonly labels_told: number
  /** Alerted episodes that match a label. */
  readonly alerted_episodes_right: number
  /** Entity-days by the model that judged them; baseline: statistics alone. */
  readonly judged_by: Readonly<Record<ModelSource, number>>
  /** Likewise of the eighth days of entities, the first on which there is a history to judge by. */
  readonly eighth_days_judged_by: Readonly<Record<ModelSource, number>>
}

export interface ReplayReport {
  readonly days: readonly ReplayDay[]
  readonly totals: ReplayTotals
}

export interface ReplayedAccount {
  readonly account: Pick<FolderAccount, 'id' | 'firstDay' | 'days'>
  readonly replayed: Replayed
}

const incidentName = (accountId: string, index: number): string => `${accountId}#${index + 1}`

interface Episode {
  readonly account: string
  readonly entity: number
  readonly from: number
  to: number
}

const episodesOf = ({ account, replayed }: ReplayedAccount): Episode[] => {
  const open = new Map<number, Episode>()
  const episodes: Episode[] = []
  for (const { day, anomalies } of replayed.days) {
    for (const entity of new Set(anomalies.filter(({ alerted }) => alerted).map((one) => one.entity))) {
      const current = open.get(entity)
      if (current && day - current.to <= EPISODE_GAP_DAYS + 1) current.to = day
      else {
        const episode = { account: account.id, entity, from: day, to: day }
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

/** A label is met by an episode of its entity, of what is above and of what is below it. */
const meets = ({ account }: ReplayedAccount, episode: Episode, label: Label): boolean => {
  if (label.accountId !== account.id) return false
  const { entities } = account.days
  const labelled = entities.findIndex(({ id, level }) => id === label.entityId && level === label.level)
  if (labelled < 0) return false
  const related =
    pathOf(entities, episode.entity).includes(labelled) || pathOf(entities, labelled).includes(episode.entity)
  return (
    related &&
    episode.from <= label.end - account.firstDay + AFTERMATH_DAYS &&
    episode.to >= label.start - account.firstDay
  )
}

const sumOf = (
  accounts: readonly ReplayedAccount[],
  value: (day: Replayed['days'][number]) => number,
): number =>
  accounts.reduce((sum, { replayed }) => sum + replayed.days.reduce((days, day) => days + value(day), 0), 0)

type ByModel = Readonly<Record<ModelSource, number>>

const judgesOf = (
  accounts: readonly ReplayedAccount[],
  value: (day: Replayed['days'][number]) => ByModel,
): ByModel => {
  const sum = { own: 0, adset: 0, campaign: 0, account: 0, baseline: 0 }
  for (const { replayed } of accounts)
    for (const day of replayed.days) for (const source of MODEL_SOURCES) sum[source] += value(day)[source]
  return sum
}

export const replayReport = (
  accounts: readonly ReplayedAccount[],
  labels: readonly Label[],
): ReplayReport => {
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
  const shown = new Set(
    accounts.flatMap(({ account, replayed }) => replayed.days.map(({ day }) => account.firstDay + day)),
  )
  const told = labels.filter(({ start, end }) => {
    for (let day = start; day <= end; day++) if (shown.has(day)) return true
    return false
  })
  const episodes = accounts.map((one) => ({ one, episodes: episodesOf(one) }))
  const count = episodes.reduce((sum, { episodes: list }) => sum + list.length, 0)
  const right = episodes.reduce(
    (sum, { one, episodes: list }) =>
      sum + list.filter((episode) => told.some((label) => meets(one, episode, label))).length,
    0,
  )
  const found = told.filter((label) =>
    episodes.some(({ one, episodes: list }) => list.some((episode) => meets(one, episode, label))),
  ).length
  const incidents = accounts.flatMap(({ account, replayed }) => {
    const seen = new Set<number>()
    const alerted = new Set<number>()
    for (const { anomalies } of replayed.days)
      for (const { incident, alerted: isAlerted } of anomalies) {
        if (incident === null) continue
        seen.add(incident)
        if (isAlerted) alerted.add(incident)
      }
    return [{ id: account.id, seen: seen.size, alerted: alerted.size }]
  })
  const alertedIncidents = incidents.reduce((sum, one) => sum + one.alerted, 0)
  const days = [...byDate.keys()].sort((a, b) => a - b)
  return {
    days: days.map((day) => ({ date: toLocalDate(day), anomalies: byDate.get(day) ?? [] })),
    totals: {
      accounts: accounts.length,
      entities: accounts.reduce((sum, { account }) => sum + account.days.entities.length, 0),
      days: days.length,
      hypotheses: sumOf(accounts, (day) => day.hypotheses),
      signals: sumOf(accounts, (day) => day.signals),
      gated: sumOf(accounts, (day) => day.gated),
      anomalies: sumOf(accounts, (day) => day.anomalies.length),
      alerted: sumOf(accounts, (day) => day.anomalies.filter(({ alerted }) => alerted).length),
      incidents: incidents.reduce((sum, one) => sum + one.seen, 0),
      alerted_incidents: alertedIncidents,
      alerted_incidents_per_day: days.length === 0 ? 0 : alertedIncidents / days.length,
      alerted_episodes: count,
      precision: told.length === 0 || count === 0 ? null : right / count,
      recall: told.length === 0 ? null : found / told.length,
      labels: told.length,
      labels_told: found,
      alerted_episodes_right: right,
      judged_by: judgesOf(accounts, ({ judgedBy }) => judgedBy),
      eighth_days_judged_by: judgesOf(accounts, ({ eighthDays }) => eighthDays),
    },
  }
}
