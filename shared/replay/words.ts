/** A replay for people: what would have been told, and how much. */
import type { AccountEntity } from '../../ml/shifts/account.ts'
import type { Incident } from '../../ml/shifts/incidents.ts'
import { toLocalDate } from '../core/days.ts'
import type { FolderAccount } from './read-folder.ts'
import type { Replayed } from './replay.ts'
import type { ReplayTotals } from './report.ts'

export interface ToldIncident {
  readonly severity: string
  readonly since: string
  readonly until: string
  readonly what: string
  readonly where: string
  readonly cause: string
}

const METRICS: Readonly<Record<Incident['metric'], string>> = {
  spend: 'spend',
  cpl: 'cost per lead',
  ctr: 'click rate',
  leads: 'leads',
  conversion_rate: 'conversion rate',
  frequency: 'frequency',
  impressions: 'impressions',
  reach: 'reach',
  multivariate: 'several figures',
}

const ratio = (value: number): string => `${value > 0 ? '+' : ''}${Math.round(value * 100)}%`

const whatOf = ({ metric, direction, observed, expected }: Incident): string => {
  if (metric === 'multivariate') return 'several figures moved together'
  const moved = `${METRICS[metric]} ${direction}`
  return observed === null || !expected ? moved : `${moved} ${ratio(observed / expected - 1)}`
}

/** What was told in the days of the replay, oldest first. */
export const toldIncidents = (
  { firstDay, days: { entities }, names }: Pick<FolderAccount, 'firstDay' | 'days' | 'names'>,
  { days, incidents }: Replayed,
): ToldIncident[] => {
  const told = new Set(
    days.flatMap(({ anomalies }) => anomalies.flatMap((one) => (one.alerted ? [one.incident] : []))),
  )
  const nameOf = (i: number): string => {
    const { level, id } = entities[i] as AccountEntity
    const name = names[i]
    return name && name !== id ? `${level} ${name} (${id})` : `${level} ${id}`
  }
  return incidents.flatMap((incident, i) =>
    told.has(i)
      ? {
          severity: incident.severity,
          since: toLocalDate(firstDay + incident.from),
          until: toLocalDate(firstDay + incident.to),
          what: whatOf(incident),
          where: nameOf(incident.root),
          cause: incident.culprit === incident.root ? '' : nameOf(incident.culprit),
        }
      : [],
  )
}

const percent = (share: number): string => `${Math.round(share * 1000) / 10}%`

/** The totals in sentences. */
export const describeTotals = (totals: ReplayTotals): string[] => {
  const { days, entities, signals, gated, anomalies, alerted_incidents: told } = totals
  const perDay = Math.round(totals.alerted_incidents_per_day * 100) / 100
  return [
    `${days} days of ${entities} entities: ${signals} signals, ${gated} of them not borne out; ${anomalies} anomalies; ${told} incidents told, ${perDay} a day.`,
    ...(totals.labels > 0
      ? [
          `Of ${totals.labels} labels ${totals.recall === null ? '-' : percent(totals.recall)} were told; ${totals.precision === null ? '-' : percent(totals.precision)} of ${totals.alerted_episodes} alerted episodes match a label.`,
        ]
      : []),
  ]
}
