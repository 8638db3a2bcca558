/** The nightly clean-up: what is kept stays bounded. */
import type { WorkOutcome } from '../core/work.ts'
import type { RetentionWork } from '../jobs/maintenance.ts'
import type { ModelRegistry } from '../registry/model-registry.ts'

export interface HousekeepingStore {
  /** @returns how many audit rows were older than `before` */
  dropAudit(before: Date): Promise<number>
  /** @returns how many kept replies had expired */
  dropExpiredReplies(now: Date): Promise<number>
  /** @returns how many counts of limits were over */
  dropSpentLimits(now: Date): Promise<number>
  /** @returns how many runs had ended before `before` and were dropped */
  dropRuns(before: Date): Promise<number>
  /** @returns how many messages to webhooks, delivered or given up, were older than `before` */
  dropMessages(before: Date): Promise<number>
  /** @returns how many schedule claims were older than `before` */
  dropClaims(before: Date): Promise<number>
}

export interface RetentionParts {
  readonly housekeeping: HousekeepingStore
  readonly registry: Pick<ModelRegistry, 'retire'>
  /** Days the audit log is kept. */
  readonly auditDays: number
}

const DAY_MS = 86_400_000
/** Runs, claims and messages only matter for hours or days; a quarter is kept to look at. */
const HISTORY_DAYS = 90

export const createRetention = ({ housekeeping, registry, auditDays }: RetentionParts): RetentionWork => ({
  nightly: async (asOf, { signal }): Promise<WorkOutcome> => {
    const models = await registry.retire(asOf, signal)
    signal.throwIfAborted()
    const audit = await housekeeping.dropAudit(new Date(asOf.getTime() - auditDays * DAY_MS))
    const replies = await housekeeping.dropExpiredReplies(asOf)
    const limits = await housekeeping.dropSpentLimits(asOf)
    const runs = await housekeeping.dropRuns(new Date(asOf.getTime() - HISTORY_DAYS * DAY_MS))
    const claims = await housekeeping.dropClaims(new Date(asOf.getTime() - HISTORY_DAYS * DAY_MS))
    const messages = await housekeeping.dropMessages(new Date(asOf.getTime() - HISTORY_DAYS * DAY_MS))
    return {
      status: 'succeeded',
      counts: { done: 1, skipped: 0, failed: 0 },
      reasons: {},
      result: {
        versions_archived: models.archived,
        files_unpublished: models.unpublished,
        orphans_removed: models.orphans,
        audit_rows_dropped: audit,
        replies_dropped: replies,
        limits_dropped: limits,
        runs_dropped: runs,
        claims_dropped: claims,
        messages_dropped: messages,
      },
    }
  },
})
