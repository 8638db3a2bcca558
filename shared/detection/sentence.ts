/**
 * An incident in one sentence a marketer reads: what happened, where, since when, what it cost, and what makes up most
 * of it. E.g. `Leads of ad set "Lookalike 2%" cost 41.50 BRL instead of 20.00 since 9 March, 312.40 BRL more than
 * expected; ad "Video 1" makes up 87% of it.`
 */
import { clip, printable } from '../core/columns.ts'
import { toLocalDate } from '../core/days.ts'
import type { DayNumber } from '../../ml/frame.ts'
import { LEVELS } from '../core/entity.ts'
import type { Level } from '../core/entity.ts'
import type { NamedEntity, ToldIncident } from './incident-store.ts'

/** A cause that makes up less of the whole is not what to look at first. */
const MAIN_SHARE = 0.6
/** Longer names push what is said of them out of sight. */
const NAME_WIDTH = 60
const ALL_OF_IT = 0.995
/** Shares and amounts that show as more than nothing. */
const PERCENT = 0.005
const CENT = 0.005

export const LEVEL_WORDS: Readonly<Record<Level, string>> = {
  campaign: 'campaign',
  adset: 'ad set',
  ad: 'ad',
}
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
] as const

const twoDigitFormat = new Intl.NumberFormat('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })
const oneDigitFormat = new Intl.NumberFormat('en-US', { maximumFractionDigits: 1 })
const wholeFormat = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })

const twoDigits = (value: number): string => twoDigitFormat.format(value)
const oneDigit = (value: number): string => oneDigitFormat.format(value)
const whole = (value: number): string => wholeFormat.format(value)
/** An empty currency is one nobody knows. */
const amount = (value: number, currency: string): string =>
  currency === '' ? twoDigits(value) : `${twoDigits(value)} ${currency}`
const countText = (value: number): string => (value < 100 ? oneDigit(value) : whole(value))

interface DayParts {
  readonly day: number
  readonly month: string
  readonly year: number
}

const partsOf = (day: DayNumber): DayParts => {
  const [year = 0, month = 1, dayOfMonth = 1] = toLocalDate(day).split('-').map(Number)
  return { day: dayOfMonth, month: MONTHS[month - 1] ?? '', year }
}

/** `9 March` */
export const dayText = (day: DayNumber): string => {
  const { day: dayOfMonth, month } = partsOf(day)
  return `${dayOfMonth} ${month}`
}

/** `since 9 March`, `on 9 March`, `from 9 to 11 March`. */
const whenOf = (from: DayNumber, to: DayNumber, isOver: boolean): string => {
  const a = partsOf(from)
  const b = partsOf(to)
  const start = dayText(from)
  if (!isOver) return `since ${start}`
  if (from === to) return `on ${start}`
  const end = dayText(to)
  if (a.year !== b.year) return `from ${start} ${a.year} to ${end} ${b.year}`
  return a.month === b.month ? `from ${a.day} to ${end}` : `from ${start} to ${end}`
}

/** `ad set "Lookalike 2%"`; by its id when it has no name. */
export const entityText = ({ entityType, entityId, name }: NamedEntity): string => {
  const shown = clip(printable(name ?? ''), NAME_WIDTH)
  return shown === '' ? `${LEVEL_WORDS[entityType]} ${entityId}` : `${LEVEL_WORDS[entityType]} "${shown}"`
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

export interface MainCause extends NamedEntity {
  /** Of the whole incident, 0 to 1. */
  readonly share: number
  /** Of the incident's metric, as of its anomalies. */
  readonly observed: number | null
}

/** The lowest cause that by itself makes up most of the whole; null when the root itself is to blame. */
export const mainCauseOf = ({ mainCauses }: Pick<ToldIncident, 'mainCauses'>): MainCause | null => {
  let main: MainCause | null = null
  let share = 1
  for (const cause of mainCauses) {
    // Beyond 1 where others went the other way.
    share *= Math.min(1, cause.share)
    if (share < MAIN_SHARE) break
    const { entityType, entityId, name, observed } = cause
    main = { entityType, entityId, name, share, observed }
  }
  return main
}

/** All that a sentence is made of. */
export interface DescribedIncident extends Pick<
  ToldIncident,
  'currency' | 'path' | 'figuresOf' | 'mainCauses'
> {
  readonly incident: Omit<ToldIncident['incident'], 'id' | 'alerted' | 'members' | 'causes' | 'figuresOf'>
}

interface Wording {
  readonly subject: string
  readonly currency: string
  readonly isOver: boolean
  readonly observed: number | null
  readonly expected: number | null
  readonly isUp: boolean
  readonly polarity: DescribedIncident['incident']['polarity']
}

/** What happened, up to the days. Figures of an incident that goes on are those of its worst day or days. */
type Phrase = (told: Wording) => string

const instead = (expected: number | null, text: (value: number) => string): string =>
  expected === null ? '' : ` instead of ${text(expected)}`

/** A rate in percent, of which less or more than expected was seen. */
const ratePhrase =
  (name: string): Phrase =>
  ({ subject, isOver, isUp, observed, expected }) => {
    const percent = (value: number): string => `${twoDigits(value)}%`
    if (observed === null) return `The ${name} of ${subject} ${isUp ? 'rose' : 'fell'}`
    const verb = isOver ? 'was' : 'has been'
    return `The ${name} of ${subject} ${verb} ${percent(observed)}${instead(expected, percent)}`
  }

const joint: Phrase = ({ subject, polarity }) =>
  polarity === 'neutral'
    ? `Several figures of ${subject} changed together`
    : `Several figures of ${subject} got ${polarity === 'good' ? 'better' : 'worse'} together`

const PHRASES: Readonly<Record<DescribedIncident['incident']['metric'], Phrase>> = {
  spend: ({ subject, currency, isOver, isUp, observed, expected }) => {
    const has = isOver ? '' : 'has '
    const perDay = (value: number): string => `${amount(value, currency)} a day`
    if (observed === null) return `Spend of ${subject} ${isUp ? 'rose' : 'fell'}`
    if (observed === 0) return `${capital(subject)} ${has}spent nothing${instead(expected, perDay)}`
    return `${capital(subject)} ${has}spent ${perDay(observed)}${instead(expected, twoDigits)}`
  },
  cpl: ({ subject, currency, isUp, observed, expected }) =>
    observed === null
      ? `Leads of ${subject} became ${isUp ? 'dearer' : 'cheaper'}`
      : `Leads of ${subject} cost ${amount(observed, currency)}${instead(expected, twoDigits)}`,
  leads: ({ subject, isOver, isUp, observed, expected }) => {
    const has = isOver ? '' : 'has '
    if (observed === null) return `${capital(subject)} ${has}brought ${isUp ? 'more' : 'fewer'} leads`
    const seen =
      observed === 0 ? 'no leads' : `${countText(observed)} ${observed === 1 ? 'lead' : 'leads'} a day`
    const normal = observed === 0 ? (value: number): string => `${countText(value)} a day` : countText
    return `${capital(subject)} ${has}brought ${seen}${instead(expected, normal)}`
  },
  ctr: ratePhrase('click rate'),
  conversion_rate: ratePhrase('conversion rate'),
  frequency: ({ subject, isOver, isUp, observed, expected }) => {
    const seen = isOver ? 'People saw' : 'People have seen'
    return observed === null
      ? `${seen} ${subject} ${isUp ? 'more' : 'less'} often`
      : `${seen} ${subject} ${oneDigit(observed)} times each${instead(expected, oneDigit)}`
  },
  impressions: ({ subject, isOver, isUp, observed, expected }) => {
    const verb = isOver ? 'was' : 'has been'
    const times = (value: number): string => `${whole(value)} times a day`
    if (observed === null) return `${capital(subject)} ${verb} shown ${isUp ? 'more' : 'less'}`
    if (observed === 0)
      return `${capital(subject)} ${isOver ? 'was' : 'has'} not ${isOver ? '' : 'been '}shown at all${instead(expected, times)}`
    return `${capital(subject)} ${verb} shown ${times(observed)}${instead(expected, whole)}`
  },
  reach: ({ subject, isOver, isUp, observed, expected }) => {
    const has = isOver ? '' : 'has '
    return observed === null
      ? `${capital(subject)} ${has}reached ${isUp ? 'more' : 'fewer'} people`
      : `${capital(subject)} ${has}reached ${whole(observed)} people${instead(expected, whole)}`
  },
  multivariate: joint,
}

/** Whether money says the same as the rest: lost where it got worse, more spent where more was spent. */
const isInLine = (
  money: number,
  { metric, direction, polarity }: Pick<DescribedIncident['incident'], 'metric' | 'direction' | 'polarity'>,
): boolean => {
  if (metric === 'spend') return money > 0 === (direction === 'up')
  return polarity === 'neutral' || money > 0 === (polarity === 'bad')
}

/** Of metrics that are money, what was spent beyond is said as it is; of others, it is what they cost. */
const moneyText = ({ incident, currency }: DescribedIncident): string => {
  const { money, metric } = incident
  // More clicks cost nothing by themselves: what is lost is what they were to bring.
  if (metric === 'ctr' && incident.direction === 'up' && incident.polarity === 'bad')
    return ', but the clicks brought no more leads'
  if (money === null || Math.abs(money) < CENT || !isInLine(money, incident)) return ''
  const beyond = `${amount(Math.abs(money), currency)} ${money > 0 ? 'more' : 'less'} than expected`
  return metric === 'spend' || metric === 'cpl' ? `, ${beyond}` : `; it cost ${beyond}`
}

const NOTHING: Readonly<Partial<Record<DescribedIncident['incident']['metric'], string>>> = {
  spend: 'spent nothing',
  impressions: 'was not shown at all',
  leads: 'brought none',
}

/** What a cause stopped doing, of which the whole does only less. */
const nothingText = (
  { observed }: MainCause,
  { metric, observed: whole }: DescribedIncident['incident'],
): string => {
  const nothing = NOTHING[metric]
  return nothing === undefined || observed !== 0 || whole === 0 ? '' : `, which ${nothing},`
}

const causeText = (told: DescribedIncident, subject: NamedEntity): string => {
  const { incident } = told
  // The figures are of one branch, what most of it is made of is another: two matters in one sentence.
  const isRoot =
    subject.entityType === incident.root.entityType && subject.entityId === incident.root.entityId
  const isInChain = told.mainCauses.some(
    ({ entityType, entityId }) => entityType === subject.entityType && entityId === subject.entityId,
  )
  if (!isRoot && !isInChain) return ''
  const cause = mainCauseOf(told)
  if (cause) {
    // Nor is anything said of what is above the subject: that would be less than what is said already.
    if (LEVELS.indexOf(cause.entityType) < LEVELS.indexOf(subject.entityType)) return ''
    if (cause.entityType === subject.entityType && cause.entityId === subject.entityId) return ''
    const share =
      cause.share >= ALL_OF_IT ? 'all' : `${Math.min(99, Math.floor(Math.round(cause.share * 1000) / 10))}%`
    return `; ${entityText(cause)}${nothingText(cause, incident)} makes up ${share} of it`
  }
  const [first] = told.mainCauses
  // Nobody may know the parts, as of several figures together.
  if (!first || first.share < PERCENT) return ''
  return `; the largest part, ${Math.round(first.share * 100)}%, is ${entityText(first)}`
}

/** One sentence, with its full stop. */
export const sentenceOf = (told: DescribedIncident): string => {
  const { incident, currency, path, figuresOf } = told
  const root: NamedEntity = path[0] ?? { ...incident.root, name: null }
  const isOwn =
    figuresOf.entityType === incident.root.entityType && figuresOf.entityId === incident.root.entityId
  const subject = isOwn ? root : figuresOf
  const isOver = incident.status === 'resolved'
  const what = PHRASES[incident.metric]({
    subject: entityText(subject),
    currency,
    isOver,
    observed: incident.observed,
    expected: incident.expected,
    isUp: incident.direction === 'up',
    polarity: incident.polarity,
  })
  // What is loudest is told, of what is below the root; the root says where all of it is. Ads of several ad sets are
  // called alike.
  const place = isOwn ? (root.entityType === 'ad' ? path[1] : undefined) : root
  const where = place ? ` in ${entityText(place)}` : ''
  const when = whenOf(incident.dateFrom, incident.dateTo, isOver)
  return `${what}${where} ${when}${moneyText(told)}${causeText(told, subject)}.`
}
