/** A replay for people: what would have been told, and how much. */
import { MODEL_SOURCES } from '../../ml/detectors/signal.ts'
import type { ModelSource } from '../../ml/detectors/signal.ts'
import { toDayNumber } from '../core/days.ts'
import type { LocalDate } from '../core/days.ts'
import { dayText } from '../detection/sentence.ts'
import type { ReplayReport, ReplayTotals } from './report.ts'

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
  const onModels = shareOf(eighth, MODELS)
  const onEighth =
    entities === 0
      ? ''
      : `; of ${many(entities, 'entity', 'entities')} on their eighth day ${percent(onModels)} by a model${onModels < 1 ? ': there is none before a training on enough days (--train-every)' : ''}`
  return `Days were judged by an own model ${percent(own)}, by one of siblings ${percent(pooled)}, by statistics alone ${percent(shareOf(judged, ['baseline']))}${onEighth}.`
}

const precisionText = ({ precision, ...totals }: ReplayTotals): string => {
  const { alerted_episodes: episodes, alerted_episodes_right: right, alerted_episodes_wrong: wrong } = totals
  if (episodes === 0) return 'precision unknown, as nobody was told of anything'
  if (precision === null) return 'precision unknown, as labels speak of nothing that was told'
  const judged = right + wrong
  const rest = judged === episodes ? '' : ` that labels speak of, ${count.format(episodes)} in all`
  return `precision ${percent(precision)} (${right} of ${many(judged, 'alerted episode')}${rest})`
}

const labelsText = (totals: ReplayTotals): string => {
  const { labels, labels_told: told, recall, precision } = totals
  if (recall === null && precision === null)
    return 'No labels fall into these days: precision and recall are unknown.'
  const found =
    recall === null ? 'recall unknown' : `recall ${percent(recall)} (${told} of ${labels} told of)`
  return `Against labels: ${found}, ${precisionText(totals)}.`
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
