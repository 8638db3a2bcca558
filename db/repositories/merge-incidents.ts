/**
 * What is kept of an incident when detection says something of it again. Two that began on one day in one campaign
 * with one metric and direction are one: its root is what they have in common, its causes are they.
 */
import { SEVERITIES } from '../../ml/detectors/signal.ts'
import type { Polarity, Severity } from '../../ml/detectors/signal.ts'
import type {
  EntityKey,
  IncidentCause,
  IncidentState,
  SavedIncident,
} from '../../shared/detection/incident-store.ts'

/** From the entity up to its campaign. */
export type PathOf = (entity: EntityKey) => readonly EntityKey[]

/** Worst last. */
const POLARITY_ORDER: readonly Polarity[] = ['good', 'neutral', 'bad']

export const isLouder = (a: Severity, b: Severity): boolean => SEVERITIES.indexOf(a) > SEVERITIES.indexOf(b)

const louder = (a: Severity, b: Severity): Severity => (isLouder(a, b) ? a : b)
const worse = (a: Polarity, b: Polarity): Polarity =>
  POLARITY_ORDER.indexOf(a) > POLARITY_ORDER.indexOf(b) ? a : b

const same = (a: EntityKey, b: EntityKey): boolean =>
  a.entityType === b.entityType && a.entityId === b.entityId

const sum = (a: number | null, b: number | null): number | null =>
  a === null || b === null ? (a ?? b) : a + b

/** What `common` has of the incident directly below it; shares of the incident's own whole. */
const partsOf = (state: IncidentState, common: EntityKey, pathOf: PathOf): IncidentCause[] => {
  if (same(state.root, common)) return state.causes.filter(({ depth }) => depth === 1)
  const path = pathOf(state.root)
  const above = path.findIndex((entity) => same(entity, common))
  const child = path[above - 1]
  if (!child) return []
  const figures = same(child, state.figuresOf)
    ? { observed: state.observed, expected: state.expected }
    : { observed: null, expected: null }
  return [{ ...child, ...figures, depth: 1, share: 1 }]
}

/** Of one whole: by what each cost, else alike. */
const joinCauses = (
  a: IncidentState,
  b: IncidentState,
  common: EntityKey,
  pathOf: PathOf,
): IncidentCause[] => {
  const costs = [a, b].map(({ money }) => Math.abs(money ?? 0))
  const known = costs.every((cost) => cost > 0)
  const pieces = [a, b].map((state) => partsOf(state, common, pathOf))
  // One of them is all that is below already.
  if (pieces.some((parts) => parts.length === 0)) return []
  const parts = pieces.flatMap((some, i) =>
    some.map((part) => ({ ...part, share: part.share * (known ? (costs[i] as number) : 1) })),
  )
  const byChild = new Map<string, IncidentCause>()
  for (const part of parts) {
    const key = `${part.entityType} ${part.entityId}`
    const twin = byChild.get(key)
    byChild.set(key, twin ? { ...twin, share: twin.share + part.share } : part)
  }
  const total = [...byChild.values()].reduce((whole, { share }) => whole + share, 0)
  if (total === 0) return []
  return [...byChild.values()]
    .map((part) => ({ ...part, share: part.share / total }))
    .toSorted((x, y) => y.share - x.share)
}

const commonOf = (a: IncidentState, b: IncidentState, pathOf: PathOf): EntityKey =>
  pathOf(a.root).find((entity) => pathOf(b.root).some((other) => same(entity, other))) ?? {
    entityType: 'campaign',
    entityId: a.campaignId,
  }

/** Whether the incident is known to have `part` in it already. */
const covers = (whole: IncidentState, part: IncidentState, pathOf: PathOf): boolean =>
  partsOf(part, whole.root, pathOf).every((child) =>
    whole.causes.some((cause) => cause.depth === 1 && same(cause, child)),
  )

/** Two parts of one incident. */
const joined = <State extends IncidentState>(a: State, b: IncidentState, pathOf: PathOf): State => {
  const common = commonOf(a, b, pathOf)
  const loudest = isLouder(b.severity, a.severity) ? b : a
  return {
    ...a,
    root: common,
    causes: joinCauses(a, b, common, pathOf),
    severity: louder(a.severity, b.severity),
    polarity: worse(a.polarity, b.polarity),
    dateTo: Math.max(a.dateTo, b.dateTo),
    figuresOf: loudest.figuresOf,
    observed: loudest.observed,
    expected: loudest.expected,
    money: sum(a.money, b.money),
  }
}

/** What detection says now of all of it. What an incident is called by stays: its metric, direction, first day. */
const updated = <State extends IncidentState>(stored: State, said: IncidentState): State => {
  const severity = louder(stored.severity, said.severity)
  const polarity = worse(stored.polarity, said.polarity)
  // Said of an older day, when more is known.
  if (said.dateTo < stored.dateTo) return { ...stored, severity, polarity }
  // Figures of another metric would be read as those of its own.
  const isItsMetric = said.metric === stored.metric && said.direction === stored.direction
  return {
    ...stored,
    severity,
    polarity,
    root: said.root,
    dateTo: said.dateTo,
    money: said.money,
    ...(isItsMetric
      ? { figuresOf: said.figuresOf, observed: said.observed, expected: said.expected, causes: said.causes }
      : { causes: said.causes.map((cause) => ({ ...cause, observed: null, expected: null })) }),
  }
}

/**
 * @param stored null: a new one
 * @param said what a save says of this one incident, at least one
 */
export const mergeIncident = (
  stored: IncidentState | null,
  said: readonly SavedIncident[],
  pathOf: PathOf,
): IncidentState => {
  let state = stored
  for (const whole of said) if (stored && whole.id !== null) state = updated(state ?? stored, whole)
  const [first, ...others] = said.filter(({ id }) => id === null || !stored)
  if (!first) return state as IncidentState
  const fresh = others.reduce<IncidentState>((all, next) => joined(all, next, pathOf), first)
  if (!state) return fresh
  const common = commonOf(state, fresh, pathOf)
  if (same(common, fresh.root)) return updated(state, fresh)
  return same(common, state.root) && covers(state, fresh, pathOf)
    ? { ...state, severity: louder(state.severity, fresh.severity) }
    : joined(state, fresh, pathOf)
}
