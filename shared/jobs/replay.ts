/** Detection over the past of a config, on demand. */
import { z } from 'zod'
import { Instant } from '../core/clock.ts'
import { LocalDate, toLocalDate } from '../core/days.ts'
import { ConfigId, EntityId, Level } from '../core/entity.ts'
import { wireNumber } from '../core/wire.ts'
import { ReplayOverrides } from '../replay/overrides.ts'
import type { ConfigReplay } from '../replay/replay-config.ts'
import type { ReplayDay } from '../replay/report.ts'
import { mostUrgentFirst, toldIncidents } from '../replay/words.ts'
import { askedFor } from './asked-for.ts'
import { defineJob, instantKey } from './define-job.ts'

export const LONGEST_CADENCE_DAYS = 365

export const ReplayPayload = z.object({
  configId: ConfigId,
  asOf: Instant,
  /** First and last day that are reported. */
  from: LocalDate,
  to: LocalDate,
  /** Days between trainings. */
  trainEveryDays: z.int().min(1).max(LONGEST_CADENCE_DAYS).default(1),
  /** Null: all levels. */
  entityType: Level.nullable().default(null),
  /** Null: all entities of the level. */
  entityIds: z.array(EntityId).min(1).max(500).nullable().default(null),
  overrides: ReplayOverrides.default({}),
})
export type ReplayPayload = z.output<typeof ReplayPayload>

/** A run's row is read whole by every list of runs: what nobody was told of is left out beyond so many. */
const MOST_ANOMALIES = 5000
const MOST_INCIDENTS = 200

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

const resultOf = (
  { configId, from, to, entityType, trainEveryDays, overrides }: ReplayPayload,
  { report: { days, totals }, account, replayed }: ConfigReplay,
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
    incidents: mostUrgentFirst(toldIncidents({ account, replayed }))
      .slice(0, MOST_INCIDENTS)
      .map(({ severity, campaign, from: first, to: last, isOver, money, sentence }) => ({
        severity,
        campaign,
        date_from: toLocalDate(first),
        date_to: toLocalDate(last),
        status: isOver ? 'resolved' : 'open',
        money: wireNumber(money),
        sentence,
      })),
  }
}

/** A report, in the run's result; nothing else is written. */
export const replay = defineJob<ReplayPayload>({
  name: 'replay',
  queue: 'ml',
  payload: ReplayPayload,
  retry: { attempts: 2, delayMs: 15_000 },
  timeoutMs: 30 * 60_000,
  key: ({ configId, asOf, from, to, trainEveryDays, entityType, entityIds, overrides }) => [
    configId,
    instantKey(asOf),
    from,
    to,
    trainEveryDays,
    askedFor(entityType, entityIds),
    overrides.z_threshold ?? '',
    overrides.iqr_multiplier ?? '',
    overrides.contamination ?? '',
    overrides.fdr_q ?? '',
  ],
  configId: ({ configId }) => configId,
  run: async (context, { replays }) => {
    const { payload } = context
    const replayed = await replays.replay(
      { ...payload, asOf: new Date(payload.asOf), level: payload.entityType },
      { signal: context.signal, progress: (fraction) => context.progress(fraction) },
    )
    return {
      status: 'succeeded',
      counts: { done: replayed.replayed.entities, skipped: 0, failed: 0 },
      reasons: {},
      result: resultOf(payload, replayed),
    }
  },
})
