/** What a run keeps of a replay. */
import { toLocalDate } from '../core/days.ts'
import type { LocalDate } from '../core/days.ts'
import type { Level } from '../core/entity.ts'
import { mostUrgentFirst } from './incidents.ts'
import type { ReplayIncident } from './incidents.ts'
import type { ReplayOverrides } from './overrides.ts'
import type { ConfigReplay } from './replay-config.ts'
import type { ReplayDay } from './report.ts'

/** A run's row is read whole by every list of runs: what nobody was told of is left out beyond so many. */
const MOST_ANOMALIES = 5000
const MOST_INCIDENTS = 200
const MOST_CAUSES = 2000

const shortened = (days: readonly ReplayDay[]): readonly ReplayDay[] => {
  const anomalies = days.reduce((sum, day) => sum + day.anomalies.length, 0)
  if (anomalies <= MOST_ANOMALIES) return days
  let room = MOST_ANOMALIES
  return days.map(({ date, anomalies: all }) => {
    const kept = all.filter(({ alerted }) => alerted).slice(0, room)
    room -= kept.length
    return { date, anomalies: kept }
  })
}

/** An incident, with null for causes there was no room for. */
type ListedIncident = Omit<ReplayIncident, 'causes'> & { readonly causes: ReplayIncident['causes'] | null }

/** All causes of the first ones, so that shares sum to what they are of. */
const withCauses = (incidents: readonly ReplayIncident[]): ListedIncident[] => {
  let room = MOST_CAUSES
  return incidents.map((incident) => {
    room -= incident.causes.length
    return room < 0 ? { ...incident, causes: null } : incident
  })
}

/** What was asked for, as it was asked. */
export interface AskedReplay {
  readonly configId: number
  readonly from: LocalDate
  readonly to: LocalDate
  readonly entityType: Level | null
  readonly trainEveryDays: number
  readonly overrides: ReplayOverrides
}

/** In wire form: days as `--json` has them, what each held besides, and the incidents somebody would have heard of. */
export const replayResult = (
  { configId, from, to, entityType, trainEveryDays, overrides }: AskedReplay,
  { report: { days, incidents, totals }, account, replayed }: ConfigReplay,
): Readonly<Record<string, unknown>> => {
  const told = new Set<number>()
  return {
    config_id: configId,
    from,
    to,
    entity_type: entityType,
    train_every: trainEveryDays,
    overrides,
    totals,
    // Of each day also what is not among its anomalies, and whom it would have woken.
    per_day: replayed.days.map(({ day, signals, gated, anomalies }) => {
      const fresh = new Set(
        anomalies.flatMap(({ alerted, incident }) =>
          alerted && incident !== null && !told.has(incident) ? [incident] : [],
        ),
      )
      for (const incident of fresh) told.add(incident)
      return {
        date: toLocalDate(account.firstDay + day),
        signals,
        gated,
        anomalies: anomalies.length,
        alerted: anomalies.filter(({ alerted }) => alerted).length,
        new_alerted_incidents: fresh.size,
      }
    }),
    days: shortened(days),
    incidents: withCauses(
      mostUrgentFirst(incidents.filter(({ alerted }) => alerted)).slice(0, MOST_INCIDENTS),
    ),
  }
}
