/** What the nightly clean-up removes from PostgreSQL. */
import type { Knex } from 'knex'
import type { HousekeepingStore } from '../../shared/retention/retention.ts'

export const housekeeping = (db: Knex): HousekeepingStore => ({
  dropAudit: (before) => db('audit_log').where('at', '<', before).delete(),
  dropExpiredReplies: (now) => db('idempotency_keys').where('expires_at', '<', now).delete(),
  // Its clock is that of the processes: they write `expire`.
  dropSpentLimits: (now) => db('rate_limits').where('expire', '<', now.getTime()).delete(),
  dropRuns: (before) =>
    db('runs').where('finished_at', '<', before).whereNotIn('status', ['queued', 'running']).delete(),
  dropMessages: (before) =>
    db('webhook_deliveries').where('created_at', '<', before).whereNot('status', 'pending').delete(),
  // The newest claim of each schedule stays: it says where catching up begins.
  dropClaims: (before) =>
    db('schedule_claims as c')
      .where('c.scheduled_at', '<', before)
      .whereExists(
        db('schedule_claims as newer')
          .whereRaw('newer.schedule_id = c.schedule_id')
          .whereRaw('newer.scheduled_at > c.scheduled_at')
          .select(db.raw('1')),
      )
      .delete(),
})
