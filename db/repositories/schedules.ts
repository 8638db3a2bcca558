/** Schedules and their claims in PostgreSQL. */
import type { Knex } from 'knex'
import type { RunStatus } from '../../shared/jobs/enqueue.ts'
import type {
  Claimed,
  Decision,
  LastRun,
  Schedule,
  SchedulesRepository,
} from '../../shared/schedules/schedule.ts'
import { recordRuns } from './runs.ts'

interface ScheduleRow {
  readonly id: string
  readonly job: string
  readonly cron: string
  readonly cron_override: string | null
  readonly timezone: string
  readonly paused: boolean
  /** Moves with what makes earlier instants void, and only then. */
  readonly updated_at: Date
  readonly last_claimed: Date | null
}

interface LastRunRow {
  readonly run_id: string | null
  readonly run_at: Date | null
  readonly run_status: RunStatus | null
}

const LAST_CLAIMED = `(select max(scheduled_at) from schedule_claims where schedule_id = schedules.id) as last_claimed`

const toSchedule = (row: ScheduleRow): Schedule => ({
  id: row.id,
  job: row.job,
  cron: row.cron,
  cronOverride: row.cron_override,
  cronInForce: row.cron_override ?? row.cron,
  timezone: row.timezone,
  paused: row.paused,
  since: row.updated_at,
  lastClaimed: row.last_claimed,
})

const toLastRun = (row: LastRunRow): LastRun | null =>
  row.run_at && { runId: row.run_id, scheduledAt: row.run_at, status: row.run_status }

/** Inserts claims; answers which were won, as `schedule|instant`. */
const insertClaims = async (
  trx: Knex.Transaction,
  decisions: readonly Decision[],
): Promise<ReadonlySet<string>> => {
  if (decisions.length === 0) return new Set()
  const input = JSON.stringify(
    decisions.map(({ scheduleId, scheduledAt, draft }) => ({
      schedule_id: scheduleId,
      scheduled_at: scheduledAt,
      state: draft ? 'claimed' : 'missed',
    })),
  )
  const reply = (await trx.raw(
    `insert into schedule_claims (schedule_id, scheduled_at, state)
     select schedule_id, scheduled_at, state
     from jsonb_to_recordset(?::jsonb) as claim(schedule_id text, scheduled_at timestamptz, state text)
     order by schedule_id, scheduled_at
     on conflict do nothing
     returning schedule_id, scheduled_at`,
    [input],
  )) as { rows: { schedule_id: string; scheduled_at: Date }[] }
  return new Set(reply.rows.map((row) => claimName(row.schedule_id, row.scheduled_at)))
}

const claimName = (scheduleId: string, scheduledAt: Date): string => `${scheduleId}|${scheduledAt.getTime()}`

export const schedules = (knex: Knex): SchedulesRepository => ({
  sync: (wanted) =>
    knex.transaction(async (trx) => {
      await trx.raw(
        `insert into schedules (id, job, cron, timezone)
         select id, job, cron, timezone
         from jsonb_to_recordset(?::jsonb) as row(id text, job text, cron text, timezone text)
         order by id
         on conflict (id) do update
           set job = excluded.job, cron = excluded.cron, timezone = excluded.timezone, updated_at = now()
           where (schedules.job, schedules.timezone) is distinct from (excluded.job, excluded.timezone)
             or schedules.cron <> excluded.cron`,
        [JSON.stringify(wanted)],
      )
      await trx('schedules')
        .whereNotIn(
          'id',
          wanted.map((row) => row.id),
        )
        .delete()
    }),

  list: async () => {
    const reply = (await knex.raw(
      `select schedules.*, ${LAST_CLAIMED}, last.run_id, last.scheduled_at as run_at, runs.status as run_status
       from schedules
       left join lateral (
         select run_id, scheduled_at from schedule_claims
         where schedule_id = schedules.id and state = 'claimed' order by scheduled_at desc limit 1
       ) last on true
       left join runs on runs.id = last.run_id
       order by schedules.id`,
    )) as { rows: (ScheduleRow & LastRunRow)[] }
    return reply.rows.map((row) => ({ ...toSchedule(row), lastRun: toLastRun(row) }))
  },

  change: (id, { paused, cronOverride }) =>
    knex.transaction(async (trx) => {
      const before = await trx<ScheduleRow>('schedules').where({ id }).forUpdate().first()
      if (!before) return null
      const after = {
        paused: paused ?? before.paused,
        cron_override: cronOverride === undefined ? before.cron_override : cronOverride,
      }
      // Pausing leaves `updated_at`: nothing is due while paused, and resuming moves it.
      const resumed = before.paused && !after.paused
      const recast = (after.cron_override ?? before.cron) !== (before.cron_override ?? before.cron)
      await trx('schedules')
        .where({ id })
        .update({ ...after, ...(resumed || recast ? { updated_at: trx.fn.now() } : {}) })
      const row = (await trx('schedules')
        .where({ id })
        .first('schedules.*', trx.raw(LAST_CLAIMED))) as ScheduleRow
      return toSchedule(row)
    }),

  claim: (decide) =>
    knex.transaction(async (trx) => {
      const reply = (await trx.raw(
        `select schedules.*, ${LAST_CLAIMED}, now() as clock from schedules order by id`,
      )) as { rows: (ScheduleRow & { clock: Date })[] }
      const clock = reply.rows[0]?.clock
      if (!clock) return { claimed: [], missed: [] }
      const decisions = decide(reply.rows.map(toSchedule), clock)
      const won = await insertClaims(trx, decisions)
      const ours = decisions.filter(({ scheduleId, scheduledAt }) =>
        won.has(claimName(scheduleId, scheduledAt)),
      )
      const toRun = ours.flatMap((decision) =>
        decision.draft ? [{ ...decision, draft: decision.draft }] : [],
      )
      const recorded = await recordRuns(
        trx,
        toRun.map(({ draft }) => draft),
      )
      const claimed = toRun.flatMap(({ scheduleId, scheduledAt }, index): Claimed[] => {
        const run = recorded[index]
        return run ? [{ scheduleId, scheduledAt, runId: run.id, carriage: run.carriage }] : []
      })
      if (claimed.length > 0) {
        await trx.raw(
          `update schedule_claims set run_id = claim.run_id
           from jsonb_to_recordset(?::jsonb) as claim(schedule_id text, scheduled_at timestamptz, run_id uuid)
           where schedule_claims.schedule_id = claim.schedule_id and schedule_claims.scheduled_at = claim.scheduled_at`,
          [
            JSON.stringify(
              claimed.map(({ scheduleId, scheduledAt, runId }) => ({
                schedule_id: scheduleId,
                scheduled_at: scheduledAt,
                run_id: runId,
              })),
            ),
          ],
        )
      }
      const missed = ours.filter(({ draft }) => draft === null)
      return { claimed, missed: missed.map(({ scheduleId, scheduledAt }) => ({ scheduleId, scheduledAt })) }
    }),
})
