/**
 * Detection day by day over the past of an account, as it would have run: each day by what was known before it.
 * Nothing is stored. Pure, so that it can run on a thread.
 */
import { detectDay } from '../../ml/detectors/detect-day.ts'
import { noneBySource } from '../../ml/detectors/signal.ts'
import type { AnomalyType, ModelSource } from '../../ml/detectors/signal.ts'
import { rowOf } from '../../ml/frame.ts'
import type { AccountDays, AccountEntity } from '../../ml/shifts/account.ts'
import { shiftSignals } from '../../ml/shifts/anomalies.ts'
import { passGate, withoutLeads } from '../../ml/shifts/gate.ts'
import { louder, openIncidentBook } from '../../ml/shifts/incidents.ts'
import type { AccountAnomaly, Incident, ToldAnomaly } from '../../ml/shifts/incidents.ts'
import { findShifts } from '../../ml/shifts/judge.ts'
import type { JudgementParams } from '../detection/params.ts'
import { forestDay } from './forests.ts'
import type { ForestDays } from './forests.ts'
import { entityDays } from './frames.ts'

export interface ReplayTask {
  readonly account: AccountDays
  /** Day 0 of the account, since 1970. */
  readonly firstDay: number
  /** Days that are reported, both inclusive, counted from the first of the account. */
  readonly from: number
  readonly to: number
  /** Entities that are reported, by index; null: all. The others are judged with them. */
  readonly wanted: readonly number[] | null
  /** Per entity and day: people reached in the seven days up to it, NaN where unknown; null: all unknown. */
  readonly reach7: readonly Float64Array[] | null
  /** What forests said of each day; null where none are used. */
  readonly forests: ForestDays | null
  readonly params: JudgementParams
}

export interface ReplayedDay {
  /** Counted from the first of the account. */
  readonly day: number
  readonly hypotheses: number
  readonly signals: number
  /** Signals that became no anomaly. */
  readonly gated: number
  readonly anomalies: readonly ToldAnomaly[]
  /** Entities by the model that judged them. */
  readonly judgedBy: Readonly<Record<ModelSource, number>>
  /** Likewise, of those of whom it was the eighth day. */
  readonly eighthDays: Readonly<Record<ModelSource, number>>
}

/** An incident as it was after the last day. */
export interface ReplayedIncident extends Incident {
  /** Of the anomaly it began with. */
  readonly type: AnomalyType
  /** How many anomalies belong to it, of all entities. */
  readonly findings: number
  /** Day whose check told of it first; null: nobody was told. */
  readonly toldFrom: number | null
}

export interface Replayed {
  /** How many entities are reported. */
  readonly entities: number
  readonly days: readonly ReplayedDay[]
  readonly incidents: readonly ReplayedIncident[]
}

/** The incidents of a book with what their anomalies say of them. @param told by day, the first day first */
const withHistory = (
  incidents: readonly Incident[],
  told: readonly (readonly ToldAnomaly[])[],
): ReplayedIncident[] => {
  const members: ToldAnomaly[][] = incidents.map(() => [])
  for (const day of told) for (const one of day) if (one.incident !== null) members[one.incident]?.push(one)
  return incidents.map((incident, i) => {
    const findings = members[i] as readonly ToldAnomaly[]
    const [first] = findings
      .filter(
        ({ day, metric, direction }) =>
          day === findings[0]?.day && metric === incident.metric && direction === incident.direction,
      )
      .sort(louder)
    return {
      ...incident,
      // It was made of the loudest of its first day, whose metric it has.
      type: (first as ToldAnomaly).type,
      findings: findings.length,
      toldFrom: findings.find(({ alerted }) => alerted)?.day ?? null,
    }
  })
}

/** An entity is judged from its eighth day on: seven make a history. */
const FIRST_JUDGED = 7

export const replayAccount = ({
  account,
  firstDay,
  from,
  to,
  wanted,
  reach7,
  forests,
  params,
}: ReplayTask): Replayed => {
  const until = Math.min(to, account.completeUntil - 1)
  const shifts = shiftSignals(account, findShifts(account, params.shifts))
  const hypotheses = new Float64Array(account.days)
  const signals = new Float64Array(account.days)
  const gated = new Float64Array(account.days)
  const anomalies: AccountAnomaly[][] = Array.from({ length: account.days }, () => [])
  const judgedBy = Array.from({ length: account.days }, noneBySource)
  const eighthDays = Array.from({ length: account.days }, noneBySource)
  const excludedDays = new Set<number>()

  const reported = wanted && new Set(wanted)
  account.entities.forEach((entity: AccountEntity, i) => {
    const isReported = !reported || reported.has(i)
    const { head, frame } = entityDays(account, i, firstDay, reach7?.[i])
    let lastFrequencyAlertDay: number | null = null
    for (let t = Math.max(0, entity.start); t <= until; t++) {
      const { source, verdict } = forestDay(forests, i * account.days + t)
      const judge = { modelSource: source, modelVersion: null }
      const found = detectDay(
        { day: firstDay + t, frame, head, excludedDays, lastFrequencyAlertDay, verdict, ...judge },
        params.detection,
      )
      if (isReported && rowOf(frame.days, firstDay + t) >= 0) {
        ;(judgedBy[t] as Record<ModelSource, number>)[source]++
        if (t === entity.start + FIRST_JUDGED) (eighthDays[t] as Record<ModelSource, number>)[source]++
      }
      const isProvisional = t >= account.leadsUntil
      const raised = isProvisional ? withoutLeads(found.signals) : found.signals
      if (raised.some(({ detector }) => detector === 'frequency')) lastFrequencyAlertDay = firstDay + t
      const own = shifts.get(i)?.get(t) ?? []
      const day = passGate(raised, own, judge, params.openGate)
      if (isReported) {
        ;(hypotheses[t] as number) += found.hypotheses
        ;(signals[t] as number) += raised.length + own.length
        ;(gated[t] as number) += day.gated
      }
      for (const anomaly of day.anomalies) anomalies[t]?.push({ ...anomaly, entity: i, day: t })
    }
  })

  const book = openIncidentBook(account, { budgetOf: () => params.alarmBudget })
  const toldByDay: (readonly ToldAnomaly[])[] = []
  const days: ReplayedDay[] = []
  for (let t = 0; t <= until; t++) {
    const told = book.take(t, anomalies[t] ?? [])
    toldByDay.push(told)
    if (t < from) continue
    days.push({
      day: t,
      hypotheses: hypotheses[t] as number,
      signals: signals[t] as number,
      gated: gated[t] as number,
      anomalies: reported ? told.filter(({ entity }) => reported.has(entity)) : told,
      judgedBy: judgedBy[t] ?? noneBySource(),
      eighthDays: eighthDays[t] ?? noneBySource(),
    })
  }
  return {
    entities: reported?.size ?? account.entities.length,
    days,
    incidents: withHistory(book.incidents, toldByDay),
  }
}
