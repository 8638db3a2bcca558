/** A replay for people: what would have been told, and how much. */
import { compareSeverity } from '../../ml/detectors/severity.ts'
import { MODEL_SOURCES } from '../../ml/detectors/signal.ts'
import type { ModelSource, Severity } from '../../ml/detectors/signal.ts'
import type { AccountEntity } from '../../ml/shifts/account.ts'
import { LEAD_METRICS } from '../../ml/shifts/gate.ts'
import { ancestors } from '../../ml/shifts/incidents.ts'
import type { Incident } from '../../ml/shifts/incidents.ts'
import { toDayNumber } from '../core/days.ts'
import type { LocalDate } from '../core/days.ts'
import type { NamedEntity } from '../detection/incident-store.ts'
import { dayText, entityText, sentenceOf } from '../detection/sentence.ts'
import type { FolderAccount } from './read-folder.ts'
import type { Replayed } from './replay.ts'
import type { ReplayReport, ReplayTotals } from './report.ts'

export interface ToldIncident {
  readonly account: string
  readonly severity: Severity
  /** `campaign "Summer"` */
  readonly campaign: string
  /** First and last day something of it was seen on, since 1970. */
  readonly from: number
  readonly to: number
  /** Whether it was over on the last day of the replay. */
  readonly isOver: boolean
  readonly money: number | null
  readonly sentence: string
}

export interface ReplayedForPeople {
  readonly account: Pick<FolderAccount, 'id' | 'firstDay' | 'days' | 'names' | 'currency'>
  readonly replayed: Replayed
}

/** The first of each depth. */
const mainCausesOf = ({ causes }: Incident): Incident['causes'] =>
  causes.filter(({ depth }, i) => causes.findIndex((one) => one.depth === depth) === i)

/** What was told of in the days of the replay, oldest first. */
export const toldIncidents = ({ account, replayed }: ReplayedForPeople): ToldIncident[] => {
  const { entities } = account.days
  const { days, incidents } = replayed
  const told = new Set(
    days.flatMap(({ anomalies }) => anomalies.flatMap((one) => (one.alerted ? [one.incident] : []))),
  )
  const lastDay = days.at(-1)?.day ?? 0
  const namedOf = (i: number): NamedEntity => {
    const { level, id } = entities[i] as AccountEntity
    const name = account.names[i] ?? null
    return { entityType: level, entityId: id, name: name === id ? null : name }
  }
  return incidents.flatMap((incident, i): ToldIncident[] => {
    if (!told.has(i)) return []
    const judgedUntil = LEAD_METRICS.includes(incident.metric)
      ? Math.min(lastDay, account.days.leadsUntil - 1)
      : lastDay
    const isOver = incident.to < judgedUntil - 1
    const root = namedOf(incident.root)
    const figuresOf = namedOf(incident.figuresOf)
    const from = account.firstDay + incident.from
    const to = account.firstDay + incident.to
    const { metric, direction, polarity, observed, expected, money, severity, family, alerted } = incident
    return [
      {
        account: account.id,
        severity,
        campaign: entityText(namedOf(incident.campaign)),
        from,
        to,
        isOver,
        money,
        sentence: sentenceOf({
          incident: {
            id: i,
            family,
            severity,
            alerted,
            members: [],
            causes: [],
            campaignId: namedOf(incident.campaign).entityId,
            root,
            figuresOf,
            metric,
            direction,
            polarity,
            observed,
            expected,
            money,
            dateFrom: from,
            dateTo: to,
            status: isOver ? 'resolved' : 'open',
          },
          currency: account.currency ?? '',
          path: ancestors(account.days, incident.root).map(namedOf),
          figuresOf,
          mainCauses: mainCausesOf(incident).map(({ entity, share, observed: seen }) => ({
            ...namedOf(entity),
            share,
            observed: seen,
          })),
        }),
      },
    ]
  })
}

/** The loudest first, of those the dearest, then the newest. */
export const mostUrgentFirst = (incidents: readonly ToldIncident[]): ToldIncident[] =>
  incidents.toSorted(
    (a, b) =>
      compareSeverity(b.severity, a.severity) ||
      Math.abs(b.money ?? 0) - Math.abs(a.money ?? 0) ||
      b.from - a.from,
  )

const count = new Intl.NumberFormat('en-US')
const many = (n: number, one: string, more = `${one}s`): string =>
  `${count.format(n)} ${n === 1 ? one : more}`
const percent = (share: number): string => `${Math.round(share * 1000) / 10}%`

const ofYear = (date: LocalDate): string => `${dayText(toDayNumber(date))} ${date.slice(0, 4)}`

const shareOf = (judged: Readonly<Record<ModelSource, number>>, sources: readonly ModelSource[]): number => {
  const sum = (names: readonly ModelSource[]): number => names.reduce((n, name) => n + judged[name], 0)
  return sum(sources) / Math.max(1, sum(MODEL_SOURCES))
}

const POOLED = ['adset', 'campaign', 'account'] as const
const MODELS = ['own', ...POOLED] as const

const modelsText = ({ judged_by: judged, eighth_days_judged_by: eighth }: ReplayTotals): string => {
  const own = shareOf(judged, ['own'])
  const pooled = shareOf(judged, POOLED)
  if (own + pooled === 0) return 'No models: statistics judged alone.'
  const entities = MODEL_SOURCES.reduce((n, name) => n + eighth[name], 0)
  const onEighth =
    entities === 0
      ? ''
      : `; of ${many(entities, 'entity', 'entities')} on their eighth day ${percent(shareOf(eighth, MODELS))} by a model`
  return `Days were judged by an own model ${percent(own)}, by one of siblings ${percent(pooled)}, by statistics alone ${percent(shareOf(judged, ['baseline']))}${onEighth}.`
}

const labelsText = ({ labels, labels_told: told, recall, precision, ...totals }: ReplayTotals): string => {
  if (recall === null) return 'No labels fall into these days: precision and recall are unknown.'
  const episodes = totals.alerted_episodes
  const right =
    precision === null ? '' : ` (${totals.alerted_episodes_right} of ${episodes} alerted episodes)`
  return `Against labels: recall ${percent(recall)} (${told} of ${labels} told of), precision ${precision === null ? 'unknown, as nobody was told of anything' : percent(precision)}${right}.`
}

/** The totals in sentences; days that could not be looked at are not counted. */
export const describeTotals = ({ days, totals }: ReplayReport): string[] => {
  const [first, last] = [days[0], days.at(-1)]
  if (!first || !last) return ['No day could be looked at.']
  const { alerted_incidents: told, incidents, entities, accounts } = totals
  const perDay = Math.round(totals.alerted_incidents_per_day * 100) / 100
  const where = accounts === 1 ? '' : ` in ${many(accounts, 'account')}`
  const quiet = incidents - told
  return [
    `Looked at ${many(days.length, 'day')}, ${ofYear(first.date)} to ${ofYear(last.date)}, of ${many(entities, 'entity', 'entities')}${where}.`,
    `${many(told, 'incident')} would have been told of, ${perDay} a day${quiet > 0 ? `; ${count.format(quiet)} more kept quiet` : ''}.`,
    `${many(totals.signals, 'signal')}, ${count.format(totals.gated)} of them not borne out, made ${many(totals.anomalies, 'anomaly', 'anomalies')}.`,
    modelsText(totals),
    labelsText(totals),
  ]
}
