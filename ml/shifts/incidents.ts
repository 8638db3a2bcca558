/**
 * Anomalies that tell of one thing, as one incident: those of one campaign whose entities lie above and below each
 * other, of metrics that move together, on days that follow one another. An incident is opened once, grows, and
 * is over when nothing of it was seen for a day; what comes back within a few days is the same one.
 */
import { compareSeverity } from '../detectors/severity.ts'
import type { AnomalyDraft, AnomalyType, Metric, Polarity, Severity } from '../detectors/signal.ts'
import { shiftSignal } from './anomalies.ts'
import type { ShiftSignal } from './anomalies.ts'
import { sumOfDays } from './account.ts'
import type { AccountDays, AccountEntity } from './account.ts'
import { effectsOf, sharesOf } from './causes.ts'
import type { ChildFigures } from './causes.ts'
import type { FigureName } from './figures.ts'
import type { Part, Shift } from './shift.ts'
import { LEVELS_UP } from './level-name.ts'
import type { Origins } from './origins.ts'

/** Where nothing is known of their sums, a child that is so much of what is odd is its cause. */
const MAIN_SHARE = 0.6
/** New incidents a config is told of on one day, unless told otherwise (ads-domain, alarm budget). */
export const DAILY_BUDGET = 10

/** Metrics that one fault moves together: of one family, one incident tells. */
export const INCIDENT_FAMILIES = ['volume', 'yield', 'audience'] as const
export type IncidentFamily = (typeof INCIDENT_FAMILIES)[number]

/** Days without a sign after which what is seen is another incident. A frequency that stays is told again weekly. */
export const FORGOTTEN_DAYS: Readonly<Record<IncidentFamily, number>> = { volume: 4, yield: 4, audience: 8 }

/** Days without a sign after which it is over; it may come back until it is forgotten. */
export const OVER_DAYS = 2

/** Days between what is seen of one matter and the first or last day of an incident of another family. */
const NEXT_DAYS = 1

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

/** An anomaly of an account. */
export interface AccountAnomaly extends AnomalyDraft {
  /** Index among the entities. */
  readonly entity: number
  /** From the first day of the columns. */
  readonly day: number
  /** What bore it out; null for what a rule says alone. */
  readonly shift: Shift | null
}

export interface Cause {
  /** Index among the entities. */
  readonly entity: number
  /** 1: a child of the root; those of depth n + 1 are children of the first of depth n. */
  readonly depth: number
  /** Of what happened to their parent. */
  readonly share: number
  readonly observed: number | null
  readonly expected: number | null
}

export interface Incident {
  /** Of a store; null when it began in this book. */
  readonly stored: number | null
  readonly family: IncidentFamily
  /** Index of its campaign. */
  readonly campaign: number
  /** Lowest common ancestor of its members and of who is to blame. */
  root: number
  /** Of the loudest anomaly of the first day. */
  readonly metric: Metric
  readonly direction: 'up' | 'down'
  readonly polarity: Polarity
  /** The loudest so far. */
  severity: Severity
  /** First and last day on which something of it was seen. */
  from: number
  to: number
  readonly members: Set<number>
  /** Ranked, from the root down. */
  causes: readonly Cause[]
  /** Who is to blame: who explains all of its days best; where that is not known, the last that makes up most. */
  culprit: number
  /** Whose figures `observed` and `expected` are: who is to blame, or the loudest with an anomaly of its metric. */
  figuresOf: number
  /** Over all of its days: amounts per day, ratios of sums. */
  observed: number | null
  expected: number | null
  /** Money spent beyond, or below 0 short of, what was expected since it began; null when that cannot be told. */
  money: number | null
  /** Whether anybody is told of it, since it began or came back. */
  alerted: boolean
}

export interface ToldAnomaly extends AccountAnomaly {
  readonly alerted: boolean
  /** Index among the incidents of the book. */
  readonly incident: number | null
}

const entityOf = (account: AccountDays, i: number): AccountEntity => account.entities[i] as AccountEntity

/** From i up to its campaign. */
export const ancestors = (account: AccountDays, i: number): number[] => {
  const path: number[] = []
  for (let p = i; p >= 0; p = entityOf(account, p).parent) path.push(p)
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

const volumeOfToday = (today: readonly AccountAnomaly[], { entity, direction }: AccountAnomaly): boolean =>
  today.some(
    (other) =>
      other.entity === entity && FAMILIES[other.metric] === 'volume' && other.direction === direction,
  )

const familyOf = (anomaly: AccountAnomaly, today: readonly AccountAnomaly[]): IncidentFamily =>
  // Fewer leads for less money are one matter with the money.
  anomaly.metric === 'leads' && volumeOfToday(today, anomaly) ? 'volume' : FAMILIES[anomaly.metric]

type Move = Pick<AccountAnomaly, 'metric' | 'direction'>

/** More and less money are two matters, as are junk clicks and lost ones; else one fault moves figures either way. */
const isOneMatter = (family: IncidentFamily, a: Move, b: Move): boolean =>
  a.direction === b.direction || (family !== 'volume' && (a.metric !== 'ctr' || b.metric !== 'ctr'))

/**
 * Whether findings of another family are the same matter all the same, if they are of the same days: several figures
 * that changed together leave open which, and how often people see an ad is one of them. Money is none of it.
 */
const isPartOf = (incident: Pick<Incident, 'family' | 'metric'>, metric: Metric): boolean =>
  metric === 'multivariate'
    ? incident.family === 'audience'
    : FAMILIES[metric] === 'audience' && incident.metric === 'multivariate'

type Loudness = Pick<AccountAnomaly, 'severity' | 'deviation'>

/** Of two anomalies or incidents, the more severe first, of those the odder. */
export const louder = (a: Loudness, b: Loudness): number =>
  compareSeverity(b.severity, a.severity) || Math.abs(b.deviation ?? 0) - Math.abs(a.deviation ?? 0)

/** How the figure of a shift is made of totals: which of both the children promised, and its unit. */
const RATIOS: Readonly<
  Partial<Record<FigureName, { readonly over: 'spend' | 'impressions' | 'clicks'; readonly unit: number }>>
> = {
  cpm: { over: 'spend', unit: 1 },
  ctr: { over: 'impressions', unit: 100 },
  conversion_rate: { over: 'clicks', unit: 100 },
  cpl: { over: 'spend', unit: 1 },
  frequency: { over: 'impressions', unit: 1 },
}
/** Figures whose promised total is what is divided by. */
const PROMISED_BELOW: ReadonlySet<string> = new Set(['cpm', 'cpl', 'frequency'])

interface Ranked {
  readonly entity: number
  readonly share: number
  readonly observed: number | null
  readonly expected: number | null
}

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null)

/** The children behind a shift, by share. */
const rankParts = (account: AccountDays, { figure, parts, day, window }: Shift): Ranked[] => {
  const ratio = RATIOS[figure as FigureName]
  const unit = ratio?.unit ?? 1 / window
  const children = parts.map(({ entity, gap, promised }): ChildFigures => {
    const total = { observed: promised + gap, expected: promised }
    if (!ratio)
      return {
        numerator: total.observed,
        expectedNumerator: total.expected,
        denominator: 0,
        expectedDenominator: 0,
      }
    const base = sumOfDays(entityOf(account, entity)[ratio.over], day - window + 1, day)
    return PROMISED_BELOW.has(figure)
      ? {
          numerator: base,
          expectedNumerator: base,
          denominator: total.observed,
          expectedDenominator: total.expected,
        }
      : {
          numerator: total.observed,
          expectedNumerator: total.expected,
          denominator: base,
          expectedDenominator: base,
        }
  })
  const shares = sharesOf(effectsOf(children, !ratio))
  return children
    .map((child, k): Ranked => {
      const value = (above: number, below: number): number | null =>
        finite(ratio ? (unit * above) / below : unit * above)
      const { entity } = parts[k] as Part
      // Dear impressions are told by what a lead costs for them.
      const perLead =
        figure === 'cpm'
          ? child.denominator / sumOfDays(entityOf(account, entity).leads, day - window + 1, day)
          : 1
      return {
        entity,
        share: shares[k] as number,
        observed: value(child.numerator * perLead, child.denominator),
        expected: value(child.expectedNumerator * perLead, child.expectedDenominator),
      }
    })
    .sort((a, b) => b.share - a.share || a.entity - b.entity)
}

/**
 * Where the parent itself is calm, or nothing is known of its sums: by what each child explains, and where that is not
 * known either, by how odd it is below each.
 */
const rankLoudness = (
  account: AccountDays,
  children: readonly number[],
  today: readonly AccountAnomaly[],
  metric: Metric,
  gains: Gains,
): Ranked[] => {
  const isKnown = children.some((child) => (gains.get(child) ?? 0) > 0)
  const weights = children.map((child) =>
    isKnown
      ? (gains.get(child) ?? 0)
      : Math.max(
          0,
          ...today
            .filter((one) => one.metric === metric && ancestors(account, one.entity).includes(child))
            .map(({ deviation }) => (deviation ?? 0) ** 2),
        ),
  )
  const total = weights.reduce((all, weight) => all + weight, 0)
  return children
    .map((entity, k): Ranked => {
      const own = today.find((one) => one.entity === entity && one.metric === metric)
      return {
        entity,
        share: total === 0 ? 0 : (weights[k] as number) / total,
        observed: own?.observed ?? null,
        expected: own ? expectedOf(own.observed, own, null) : null,
      }
    })
    .sort((a, b) => b.share - a.share || a.entity - b.entity)
}

/** What each entity explains, as a log-likelihood ratio. */
type Gains = ReadonlyMap<number, number>

/** What each entity explains of several days together. */
const addUp = (days: Iterable<Origins>): Gains => {
  const gains = new Map<number, number>()
  for (const origins of days)
    origins.entities.forEach((entity, k) =>
      gains.set(entity, (gains.get(entity) ?? 0) + (origins.gains[k] as number)),
    )
  return gains
}

/** Who explains most, of who is above or below one that is odd; of those that explain the same the lowest. */
const bestOf = (gains: Gains, isNear: (entity: number) => boolean): number | null => {
  let best: number | null = null
  let most = 0
  for (const [entity, gain] of gains) {
    // Parents come before their children.
    if (gain <= 0 || gain < most || !isNear(entity)) continue
    best = entity
    most = gain
  }
  return best
}

interface Blame {
  readonly gains: Gains
  /** Null: nobody explains anything. */
  readonly best: number | null
}

/** The shares from the root down to who is to blame, and of what is directly below. */
const causesOf = (
  account: AccountDays,
  children: readonly (readonly number[])[],
  root: number,
  today: readonly AccountAnomaly[],
  { metric }: AccountAnomaly,
  { gains, best }: Blame,
): { readonly causes: readonly Cause[]; readonly culprit: number } => {
  const causes: Cause[] = []
  const path = best === null ? null : ancestors(account, best)
  for (let at = root, depth = 1; ; depth++) {
    const below = children[at] as readonly number[]
    if (below.length === 0) return { causes, culprit: best ?? at }
    const shift = today.find((one) => one.entity === at && one.metric === metric)?.shift
    const ranked =
      shift && shift.parts.length > 0
        ? rankParts(account, shift)
        : rankLoudness(account, below, today, metric, gains)
    const [main] = ranked
    // Of which nothing is known, no shares are said.
    if (!main || main.share <= 0) return { causes, culprit: best ?? at }
    for (const one of ranked) causes.push({ ...one, depth })
    const isOnTheWay = path ? at !== best && path.includes(main.entity) : main.share >= MAIN_SHARE
    if (!isOnTheWay) return { causes, culprit: best ?? at }
    at = main.entity
  }
}

/** Per day: what was spent beyond what the figure, had it stayed as expected, would have been worth. */
const MONEY: Readonly<Partial<Record<Metric, (x: AccountEntity, t: number, expected: number) => number>>> = {
  spend: (x, t, expected) => (x.spend[t] as number) - expected,
  cpl: (x, t, expected) => (x.spend[t] as number) - (x.leads[t] as number) * expected,
  leads: (x, t, expected) => (x.spend[t] as number) * (1 - (x.leads[t] as number) / expected),
  ctr: (x, t, expected) =>
    (x.spend[t] as number) *
    (1 - (100 * (x.clicks[t] as number)) / ((x.impressions[t] as number) * expected)),
  conversion_rate: (x, t, expected) =>
    (x.spend[t] as number) * (1 - (100 * (x.leads[t] as number)) / ((x.clicks[t] as number) * expected)),
}

/** Of an incident's entity over its days; null where they do not tell, or are not there. */
const SEEN: Readonly<Partial<Record<Metric, (of: (column: SeenColumn) => number, days: number) => number>>> =
  {
    spend: (of, days) => of('spend') / days,
    impressions: (of, days) => of('impressions') / days,
    leads: (of, days) => of('leads') / days,
    cpl: (of) => of('spend') / of('leads'),
    ctr: (of) => (100 * of('clicks')) / of('impressions'),
    conversion_rate: (of) => (100 * of('leads')) / of('clicks'),
  }
type SeenColumn = 'spend' | 'impressions' | 'clicks' | 'leads'

const seenOver = (account: AccountDays, { figuresOf, metric, from, to }: Incident): number | null => {
  if (from < 0) return null
  const entity = entityOf(account, figuresOf)
  const seen = SEEN[metric]?.((column) => sumOfDays(entity[column], from, to), to - from + 1)
  return seen === undefined ? null : finite(seen)
}

/** Rules that expect the mean of a week, which sinks with every day on which there is nothing. */
const STOPPED: ReadonlySet<AnomalyType> = new Set(['zero_spend', 'zero_impressions'])

/**
 * What was expected where `observed` was seen instead.
 * @param before what was on the day before, of the same entity; null where that is not known
 */
const expectedOf = (
  observed: number | null,
  { shift, ...anomaly }: AccountAnomaly,
  before: number | null,
): number | null => {
  if (STOPPED.has(anomaly.type)) {
    const judged = anomaly.signals.find(({ detector }) => detector === 'shift')?.expected
    return judged ?? Math.max(anomaly.expected ?? 0, before ?? 0)
  }
  // By how much impressions got dearer is known well; what a lead cost on a day or two is not.
  return shift?.figure === 'cpm' && observed !== null && anomaly.observed && anomaly.expected
    ? observed * (anomaly.expected / anomaly.observed)
    : anomaly.expected
}

/** Whether what was seen is on the wrong side of what was expected: less of what is said to have risen. */
const isBelied = (
  { direction, expected: before }: Incident,
  seen: number,
  told: AccountAnomaly | null,
): boolean => {
  const expected = told ? expectedOf(seen, told, before) : before
  return expected !== null && seen !== expected && seen > expected !== (direction === 'up')
}

/**
 * @param branches entities none of which is part of another, with what was expected of each
 * @returns null also where the days of the incident say the contrary of what is odd: clicks that bring no leads save
 * nothing, and what got worse saved nothing either
 */
const moneyOf = (
  account: AccountDays,
  { metric, direction, from, to }: Incident,
  branches: readonly Pick<AccountAnomaly, 'entity' | 'expected'>[],
): number | null => {
  const ofDay = MONEY[metric]
  if (!ofDay) return null
  let money: number | null = null
  for (const { entity, expected } of branches) {
    if (expected === null || expected === 0) continue
    money ??= 0
    for (let t = Math.max(0, from); t <= to; t++) {
      const value = ofDay(entityOf(account, entity), t, expected)
      if (Number.isFinite(value)) money += value
    }
  }
  // All of it is bad news.
  const isLoss = metric !== 'spend' || direction === 'up'
  return money === null || money === 0 || money > 0 === isLoss ? money : null
}

export interface BookOptions {
  /** Incidents of earlier days, as they were left. */
  readonly known?: readonly Incident[]
  /** All that will be taken: what is known of them is said anew. */
  readonly days?: ReadonlySet<number>
  /** How many may be told of on a day. */
  readonly budgetOf?: (day: number) => number
  /** What the judge said of an entity on a day: of known incidents, what happened on their earlier days. */
  readonly signalsOf?: (entity: number, day: number) => readonly ShiftSignal[]
  /** Whether nobody wants to hear of that metric of the entity on that day; asked for it and all above it. */
  readonly isMuted?: (entity: number, metric: Metric, day: number) => boolean
}

export interface IncidentBook {
  /** Takes the anomalies of a day, later days after earlier ones. @returns them with their incidents */
  take(day: number, anomalies: readonly AccountAnomaly[]): readonly ToldAnomaly[]
  readonly incidents: readonly Incident[]
}

export const openIncidentBook = (
  account: AccountDays,
  {
    known = [],
    days = new Set(),
    budgetOf = () => DAILY_BUDGET,
    signalsOf = () => [],
    isMuted = () => false,
  }: BookOptions = {},
): IncidentBook => {
  const incidents: Incident[] = known.map((one) => ({ ...one, members: new Set(one.members) }))
  const children: number[][] = account.entities.map(() => [])
  account.entities.forEach(({ parent }, i) => children[parent]?.push(i))

  const related = (a: number, b: number): boolean =>
    ancestors(account, a).includes(b) || ancestors(account, b).includes(a)
  const muted = ({ entity, metric }: Pick<AccountAnomaly, 'entity' | 'metric'>, day: number): boolean =>
    ancestors(account, entity).some((i) => isMuted(i, metric, day))

  /** What is related through somebody who is odd today, of one family. */
  const groupsOf = (
    anomalies: readonly AccountAnomaly[],
  ): { readonly family: IncidentFamily; readonly members: AccountAnomaly[] }[] => {
    const groups: { readonly family: IncidentFamily; readonly members: AccountAnomaly[] }[] = []
    const upFirst = anomalies.toSorted(
      (a, b) =>
        LEVELS_UP.indexOf(entityOf(account, b.entity).level) -
        LEVELS_UP.indexOf(entityOf(account, a.entity).level),
    )
    for (const anomaly of upFirst) {
      const family = familyOf(anomaly, anomalies)
      const group = groups.find(
        (one) =>
          one.family === family &&
          one.members.every((member) => isOneMatter(family, member, anomaly)) &&
          one.members.some(({ entity }) => related(entity, anomaly.entity)),
      )
      if (group) group.members.push(anomaly)
      else groups.push({ family, members: [anomaly] })
    }
    for (const { members } of groups) members.sort(louder)
    return groups.sort((a, b) => louder(a.members[0]!, b.members[0]!))
  }

  /** The entity whose figures are told, and the next loudest that are neither above nor below one before them. */
  const branchesOf = (
    { figuresOf, expected }: Incident,
    anomalies: readonly AccountAnomaly[],
  ): Pick<AccountAnomaly, 'entity' | 'expected'>[] => {
    const branches: Pick<AccountAnomaly, 'entity' | 'expected'>[] = [{ entity: figuresOf, expected }]
    for (const one of anomalies)
      if (branches.every(({ entity }) => !related(entity, one.entity)))
        branches.push({ entity: one.entity, expected: expectedOf(one.observed, one, null) })
    return branches
  }

  /** The incident of a group, opened where there is none. */
  const indexFor = (family: IncidentFamily, members: readonly AccountAnomaly[], day: number): number => {
    const { entity, metric, direction, polarity, severity } = members[0] as AccountAnomaly
    const campaign = ancestors(account, entity).at(-1) as number
    const isNear = (one: Incident, most: number): boolean =>
      day - one.to <= most &&
      one.from - day <= most &&
      [...one.members].some((member) => members.some((other) => related(member, other.entity)))
    const joined = incidents.findIndex(
      (one) =>
        one.family === family &&
        isOneMatter(family, one, { metric, direction }) &&
        isNear(one, FORGOTTEN_DAYS[family]),
    )
    if (joined >= 0) return joined
    const shared = incidents.findIndex(
      (one) => members.every((other) => isPartOf(one, other.metric)) && isNear(one, NEXT_DAYS),
    )
    if (shared >= 0) return shared
    // What befalls several branches of a campaign on one day is one matter, at what they have in common.
    const twin = incidents.findIndex(
      (one) =>
        one.campaign === campaign &&
        one.metric === metric &&
        one.direction === direction &&
        one.from === day &&
        one.family === family,
    )
    if (twin >= 0) return twin
    return (
      incidents.push({
        stored: null,
        family,
        campaign,
        root: -1,
        metric,
        direction,
        polarity,
        severity,
        from: day,
        to: day,
        members: new Set(),
        causes: [],
        culprit: -1,
        figuresOf: entity,
        observed: null,
        expected: null,
        money: null,
        alerted: false,
      }) - 1
    )
  }

  /** By incident, then day. */
  const origins = new Map<number, Map<number, Origins>>()

  /** The loudest of a day that knows where it began. */
  const originOf = (loudestFirst: readonly { readonly shift: Shift | null }[]): Origins | null => {
    for (const { shift } of loudestFirst) if (shift?.origins) return shift.origins
    return null
  }

  /** What is known of the days of an incident before it is touched. */
  const formerOrigins = ({
    family,
    from,
    to,
    members,
    metric,
    direction,
  }: Incident): Map<number, Origins> => {
    const former = new Map<number, Origins>()
    for (let day = Math.max(0, from); day <= to; day++) {
      if (days.has(day)) continue
      const signals = [...members]
        .flatMap((entity) => signalsOf(entity, day))
        .filter(
          (signal) =>
            signal.polarity === 'bad' &&
            ((FAMILIES[signal.metric] === family && isOneMatter(family, signal, { metric, direction })) ||
              isPartOf({ family, metric }, signal.metric)),
        )
      const origin = originOf(signals.sort(louder))
      if (origin) former.set(day, origin)
    }
    return former
  }

  /** Who explains best all that is known of an incident. @param members of the day, the loudest first */
  const blameOf = (
    index: number,
    incident: Incident,
    members: readonly AccountAnomaly[],
    day: number,
  ): Blame => {
    const byDay = origins.get(index) ?? formerOrigins(incident)
    origins.set(index, byDay)
    const origin = originOf(members)
    if (origin) byDay.set(day, origin)
    else byDay.delete(day)
    const gains = addUp(byDay.values())
    return {
      gains,
      best: bestOf(gains, (entity) => [...incident.members].some((one) => related(one, entity))),
    }
  }

  /** What its anomalies of a day say of who is to blame, who may be calm by itself; null: nothing. */
  const toldOf = (
    { culprit, metric, direction }: Incident,
    alike: readonly AccountAnomaly[],
  ): AccountAnomaly | null => {
    const own = alike.find(({ entity }) => entity === culprit)
    if (own) return own
    for (const { shift, ...anomaly } of alike) {
      const at = shift?.origins?.entities.indexOf(culprit) ?? -1
      if (!shift?.origins || at < 0) continue
      const { sizes, window } = shift.origins
      const size = sizes[at] as number
      if (shift.figure !== 'joint' && !Number.isFinite(size)) continue
      const implied = { ...shift, entity: culprit, size, window, parts: [] }
      const told = { ...anomaly, ...shiftSignal(entityOf(account, culprit), implied), entity: culprit }
      if (told.metric === metric && told.direction === direction) return told
    }
    return null
  }

  return {
    incidents,
    take: (day, anomalies) => {
      const told = new Map<AccountAnomaly, { incident: number; alerted: boolean }>()
      let left = budgetOf(day)
      const ofToday = new Map<number, AccountAnomaly[]>()
      for (const { family, members } of groupsOf(anomalies.filter(({ polarity }) => polarity === 'bad'))) {
        const index = indexFor(family, members, day)
        for (const { entity } of members) incidents[index]!.members.add(entity)
        ofToday.set(index, [...(ofToday.get(index) ?? []), ...members])
      }
      for (const [index, members] of ofToday) {
        members.sort(louder)
        const loudest = members[0] as AccountAnomaly
        const incident = incidents[index] as Incident
        const before = incident.culprit < 0 ? null : incident.severity
        const isAsLoud = ({ severity }: AccountAnomaly): boolean =>
          before === null || compareSeverity(severity, before) >= 0
        if (isAsLoud(loudest)) incident.severity = loudest.severity
        // An older day that is looked at again says nothing of what its newest day made of it.
        const isNewest = before === null || day >= incident.to || days.has(incident.to)
        // It was told of as over: whether it is back is told like something new.
        if (before !== null && day - incident.to > OVER_DAYS) incident.alerted = false
        // Days that came late are looked at after newer ones.
        incident.from = Math.min(incident.from, day)
        incident.to = Math.max(incident.to, day)
        const blame = blameOf(index, incident, members, day)
        const blamedBefore = incident.culprit
        const blamed = isNewest ? (blame.best ?? -1) : blamedBefore
        incident.root = commonRoot(account, blamed < 0 ? incident.members : [...incident.members, blamed])
        if (isNewest && (isAsLoud(loudest) || (blame.best !== null && blame.best !== blamedBefore))) {
          const { causes, culprit } = causesOf(account, children, incident.root, members, loudest, blame)
          incident.culprit = culprit
          const isOwn = loudest.metric === incident.metric && loudest.direction === incident.direction
          // Figures of another metric would be read as those of its own.
          incident.causes = isOwn
            ? causes
            : causes.map((cause) => ({ ...cause, observed: null, expected: null }))
        }
        // It is told by the metric it began with, whatever else got loud in it since.
        const alike = members.filter(
          ({ metric, direction }) => metric === incident.metric && direction === incident.direction,
        )
        const [own] = alike
        if (own && isNewest) {
          const isToldAnew = isAsLoud(own) || incident.culprit !== blamedBefore
          // Who is to blame is what to look at; where nothing is known of its figures, who is loudest.
          const told = isToldAnew ? (toldOf(incident, alike) ?? own) : null
          if (told && told.entity !== incident.figuresOf) {
            incident.figuresOf = told.entity
            incident.expected = null
          }
          const ofDays = seenOver(account, incident)
          // An anomaly may be of more days than the incident has, whose figures may be as expected then.
          const seen = ofDays !== null && isBelied(incident, ofDays, told) ? (told?.observed ?? null) : ofDays
          if (told) incident.expected = expectedOf(seen, told, incident.expected)
          incident.observed = seen ?? (told ? told.observed : incident.observed)
          incident.money = moneyOf(account, incident, branchesOf(incident, alike))
        }
        if (!incident.alerted && left > 0 && members.some((one) => !muted(one, day))) {
          incident.alerted = true
          left--
        }
        for (const anomaly of members)
          told.set(anomaly, { incident: index, alerted: incident.alerted && !muted(anomaly, day) })
      }
      return anomalies.map((anomaly) => ({
        ...anomaly,
        ...(told.get(anomaly) ?? { alerted: false, incident: null }),
      }))
    },
  }
}
