/**
 * Runs in PostgreSQL. Every change of a run names the execution that makes it (id and attempt) and is refused
 * when that is no longer the one; what follows from a change (an outbox mark, a parent's last step, cancelled
 * children) is in the same transaction. Locks are taken from parent to child.
 */
import type { Knex } from 'knex'
import type { PageRequest } from '../../shared/core/page.ts'
import { toPage } from '../../shared/core/page.ts'
import type { Fence, RunCounts } from '../../shared/core/work.ts'
import type { ChildrenSummary, QueueName } from '../../shared/jobs/define-job.ts'
import type { RunStatus } from '../../shared/jobs/enqueue.ts'
import type {
  Cancelled,
  Carriage,
  Claim,
  NeededRun,
  Pulse,
  RecordedRun,
  Run,
  RunDraft,
  RunFilter,
  RunPhase,
  RunsRepository,
} from '../../shared/runs/run.ts'
import { assertFence } from '../fence.ts'

interface RunRow {
  readonly id: string
  readonly job: string
  readonly key: string
  readonly queue: QueueName
  readonly config_id: number | null
  readonly parent_id: string | null
  readonly as_of: Date | null
  readonly payload: unknown
  readonly status: RunStatus
  readonly phase: RunPhase
  readonly progress: number
  readonly counts: RunCounts
  readonly reasons: Record<string, number>
  readonly result: Record<string, unknown> | null
  readonly error: string | null
  readonly attempt: number
  readonly tries: number
  readonly deaths: number
  readonly cancel_requested: boolean
  readonly actor: string
  readonly trace_id: string | null
  readonly created_at: Date
  readonly started_at: Date | null
  readonly finished_at: Date | null
  readonly updated_at: Date
}

interface CarriageRow {
  readonly id: string
  readonly job: string
  readonly key: string
  readonly queue: QueueName
  readonly generation: number
  readonly tries: number
  readonly delay_ms: number
}

const RUN_COLUMNS = `id, job, key, queue, config_id, parent_id, as_of, payload, status, phase, progress, counts,
  reasons, result, error, attempt, tries, deaths, cancel_requested, actor, trace_id, created_at, started_at,
  finished_at, updated_at`

const CARRIAGE_COLUMNS = `id, job, key, queue, generation, tries,
  greatest(0, coalesce(ceil(extract(epoch from available_at - now()) * 1000), 0))::float8 as delay_ms`

const NO_COUNTS = '{"done":0,"skipped":0,"failed":0}'

/** Runs a known key starts again: what hindered a skipped one, missing data or a setting, may be gone. */
const RESTARTS = `(runs.status in ('failed', 'partial', 'cancelled')
  or (runs.status = 'skipped' and jsonb_exists_any(runs.reasons, array['stale_data', 'needs_failed', 'disabled'])))`

const toRun = (row: RunRow): Run => ({
  id: row.id,
  job: row.job,
  key: row.key,
  queue: row.queue,
  configId: row.config_id,
  parentId: row.parent_id,
  asOf: row.as_of,
  payload: row.payload,
  status: row.status,
  phase: row.phase,
  progress: row.progress,
  counts: row.counts,
  reasons: row.reasons,
  result: row.result,
  error: row.error,
  attempt: row.attempt,
  cancelRequested: row.cancel_requested,
  actor: row.actor,
  traceId: row.trace_id,
  createdAt: row.created_at,
  startedAt: row.started_at,
  finishedAt: row.finished_at,
  updatedAt: row.updated_at,
})

const toCarriage = (row: CarriageRow): Carriage => ({
  runId: row.id,
  job: row.job,
  key: row.key,
  queue: row.queue,
  generation: row.generation,
  tries: row.tries,
  delayMs: row.delay_ms,
})

const rows = async <Row>(
  knex: Knex | Knex.Transaction,
  sql: string,
  bindings: readonly Knex.RawBinding[],
): Promise<readonly Row[]> => {
  const reply = (await knex.raw(sql, bindings as Knex.RawBinding[])) as { rows: Row[] }
  return reply.rows
}

/** Records runs in a transaction of the caller's; keys of one job must differ. Answers in the drafts' order. */
export const recordRuns = async (
  trx: Knex.Transaction,
  drafts: readonly RunDraft[],
): Promise<readonly RecordedRun[]> => {
  if (drafts.length === 0) return []
  const input = JSON.stringify(
    drafts.map((draft) => ({
      id: draft.id,
      job: draft.job,
      key: draft.key,
      queue: draft.queue,
      config_id: draft.configId,
      parent_id: draft.parentId,
      as_of: draft.asOf,
      payload: draft.payload,
      actor: draft.actor,
      trace_id: draft.traceId,
      delay_ms: draft.delayMs,
    })),
  )
  const COLUMNS = `as draft(id uuid, job text, key text, queue text, config_id int, parent_id uuid,
    as_of timestamptz, payload jsonb, actor text, trace_id text, delay_ms float8)`
  // In key order, so that rivals with overlapping keys wait for each other instead of locking up.
  const started = await rows<CarriageRow & { status: RunStatus }>(
    trx,
    `insert into runs (id, job, key, queue, config_id, parent_id, as_of, payload, actor, trace_id, available_at)
     select id, job, key, queue, config_id, parent_id, as_of, payload, actor, trace_id,
            case when delay_ms > 0 then now() + delay_ms * interval '1 millisecond' end
     from jsonb_to_recordset(?::jsonb) ${COLUMNS}
     order by job, key
     on conflict (job, key) do update set
       queue = excluded.queue, parent_id = excluded.parent_id, as_of = excluded.as_of,
       payload = excluded.payload, actor = excluded.actor, trace_id = excluded.trace_id,
       available_at = excluded.available_at, status = 'queued', phase = 'run',
       generation = runs.generation + 1, tries = 0, deaths = 0, progress = 0, counts = '${NO_COUNTS}',
       reasons = '{}', result = null, error = null, lease_until = null, cancel_requested = false,
       started_at = null, finished_at = null, updated_at = now()
     where ${RESTARTS}
     returning ${CARRIAGE_COLUMNS}, status`,
    [input],
  )
  if (started.length > 0) {
    await trx('run_needs')
      .whereIn(
        'run_id',
        started.filter((row) => row.generation > 1).map((row) => row.id),
      )
      .delete()
    await trx.raw('insert into outbox (run_id) select unnest(?::uuid[]) on conflict do nothing', [
      started.map((row) => row.id),
    ])
  }
  const nameOf = (run: { readonly job: string; readonly key: string }): string => `${run.job}|${run.key}`
  const byName = new Map<string, RecordedRun>()
  for (const row of started) {
    byName.set(nameOf(row), { id: row.id, status: row.status, created: true, carriage: toCarriage(row) })
  }
  if (started.length < drafts.length) {
    const known = await rows<{ id: string; job: string; key: string; status: RunStatus }>(
      trx,
      `select runs.id, runs.job, runs.key, runs.status
       from jsonb_to_recordset(?::jsonb) as draft(job text, key text) join runs using (job, key)`,
      [input],
    )
    for (const row of known) {
      if (byName.has(nameOf(row))) continue
      byName.set(nameOf(row), { id: row.id, status: row.status, created: false, carriage: null })
    }
  }
  return drafts.map((draft) => {
    const run = byName.get(nameOf(draft))
    if (!run) throw new Error(`run ${draft.job} ${draft.key} was deleted while it was being recorded`)
    return run
  })
}

/** Sets the parent to its finish step when no child is open; it must be locked. Null when one is, or it ended. */
const finishParent = async (trx: Knex.Transaction, parentId: string): Promise<Carriage | null> => {
  const [parent] = await rows<CarriageRow>(
    trx,
    `update runs set phase = 'finish', generation = generation + 1, available_at = null, updated_at = now()
     where id = ? and phase = 'children' and status = 'running'
       and not exists (select from runs child where child.parent_id = runs.id and child.status in ('queued', 'running'))
     returning ${CARRIAGE_COLUMNS}`,
    [parentId],
  )
  if (!parent) {
    await trx.raw(
      `update runs set progress = ended.share, updated_at = now()
       from (select avg((status not in ('queued', 'running'))::int)::float8 as share from runs where parent_id = ?) ended
       where id = ? and phase = 'children' and status = 'running'`,
      [parentId, parentId],
    )
    return null
  }
  await trx.raw('insert into outbox (run_id) values (?) on conflict do nothing', [parentId])
  return toCarriage(parent)
}

/**
 * Sets the runs that wait for any of `endedIds`, and for nothing that is open, to their next execution. They are
 * locked first: of two last needs one then sees the other's end.
 */
const wakeNeeding = async (
  trx: Knex.Transaction,
  endedIds: readonly string[],
): Promise<readonly Carriage[]> => {
  const waiting = await rows<{ id: string }>(
    trx,
    `select id from runs where phase = 'needs' and status = 'running'
       and id in (select run_id from run_needs where needs_id = any(?::uuid[]))
     order by id for no key update`,
    [endedIds as string[]],
  )
  return wake(
    trx,
    waiting.map((row) => row.id),
  )
}

/** Of `waitingIds`, which are locked, those with nothing open that they need. */
const wake = async (trx: Knex.Transaction, waitingIds: readonly string[]): Promise<readonly Carriage[]> => {
  if (waitingIds.length === 0) return []
  const woken = await rows<CarriageRow>(
    trx,
    `update runs set phase = 'run', generation = generation + 1, available_at = null, updated_at = now()
     where id = any(?::uuid[]) and phase = 'needs' and status = 'running'
       and not exists (select from run_needs join runs needed on needed.id = run_needs.needs_id
                       where run_needs.run_id = runs.id and needed.status in ('queued', 'running'))
     returning ${CARRIAGE_COLUMNS}`,
    [waitingIds as string[]],
  )
  if (woken.length > 0) {
    await trx.raw('insert into outbox (run_id) select unnest(?::uuid[]) on conflict do nothing', [
      woken.map((row) => row.id),
    ])
  }
  return woken.map(toCarriage)
}

/** Locks the parent, if any, before its child changes: of two last children one then sees the other's end. */
const lockParentOf = async (trx: Knex.Transaction, runId: string): Promise<string | null> => {
  const [row] = await rows<{ id: string }>(
    trx,
    `select id from runs where id = (select parent_id from runs where id = ?) for no key update`,
    [runId],
  )
  return row?.id ?? null
}

/** Ends queued descendants and asks running ones to end. Answers the queue jobs left over. */
const cancelChildren = async (
  trx: Knex.Transaction,
  parentIds: readonly string[],
): Promise<readonly Carriage[]> => {
  if (parentIds.length === 0) return []
  const changed = await rows<CarriageRow & { status: RunStatus }>(
    trx,
    `update runs set
       cancel_requested = true,
       status = case when ${ENDS_AT_ONCE} then 'cancelled' else status end,
       finished_at = case when ${ENDS_AT_ONCE} then now() end,
       updated_at = now()
     where parent_id = any(?::uuid[]) and status in ('queued', 'running')
     returning ${CARRIAGE_COLUMNS}, status`,
    [parentIds as string[]],
  )
  const ended = changed.filter((row) => row.status === 'cancelled')
  const below = await cancelChildren(
    trx,
    changed.map((row) => row.id),
  )
  return [...ended.map(toCarriage), ...below]
}

/** No execution is under way that could end it: queued, waiting for children, or left by a dead worker. */
const ENDS_AT_ONCE = `(status = 'queued' or lease_until is null or lease_until < now())`

export const runs = (knex: Knex): RunsRepository => {
  const record = (drafts: readonly RunDraft[], fence?: Fence): Promise<readonly RecordedRun[]> =>
    knex.transaction(async (trx) => {
      if (fence) await assertFence(trx, fence)
      return recordRuns(trx, drafts)
    })

  const claim = async (runId: string, leaseMs: number): Promise<Claim> => {
    const [claimed] = await rows<RunRow>(
      knex,
      `update runs set
         status = 'running', attempt = attempt + 1, deaths = deaths + (lease_until is not null)::int,
         lease_until = now() + ? * interval '1 millisecond', available_at = null,
         started_at = coalesce(started_at, now()), updated_at = now()
       where id = ? and phase not in ('children', 'needs')
         and (status = 'queued' or (status = 'running' and (lease_until is null or lease_until < now())))
       returning ${RUN_COLUMNS}`,
      [leaseMs, runId],
    )
    if (claimed) {
      const fence = { runId, attempt: claimed.attempt }
      const { tries, deaths } = claimed
      return { kind: 'claimed', claimed: { run: toRun(claimed), fence, tries, deaths } }
    }
    const [leased] = await rows<{ until_ms: number }>(
      knex,
      `select extract(epoch from lease_until - now())::float8 * 1000 as until_ms from runs
       where id = ? and status = 'running' and phase not in ('children', 'needs') and lease_until is not null`,
      [runId],
    )
    return leased ? { kind: 'leased', untilMs: Math.max(0, leased.until_ms) } : { kind: 'nothing' }
  }

  const pulse = async (fences: readonly Fence[], leaseMs: number): Promise<readonly Pulse[]> => {
    if (fences.length === 0) return []
    const ids = fences.map((fence) => fence.runId)
    const attempts = fences.map((fence) => fence.attempt)
    const found = await rows<{ run_id: string; attempt: number; ours: boolean; cancel_requested: boolean }>(
      knex,
      // A lease is written anew when a third of it is gone, not at every pulse.
      `with ours as (select * from unnest(?::uuid[], ?::int[]) as fence(run_id, attempt)),
       renewed as (
         update runs set lease_until = now() + ? * interval '1 millisecond'
         from ours where runs.id = ours.run_id and runs.attempt = ours.attempt and runs.status = 'running'
           and runs.phase not in ('children', 'needs') and runs.lease_until < now() + ? * interval '1 millisecond'
       )
       select ours.run_id, ours.attempt,
         coalesce(runs.attempt = ours.attempt and runs.status = 'running', false) as ours,
         coalesce(runs.cancel_requested, false) as cancel_requested
       from ours left join runs on runs.id = ours.run_id`,
      [ids, attempts, leaseMs, (leaseMs * 2) / 3],
    )
    return found.map((row) => ({
      runId: row.run_id,
      attempt: row.attempt,
      ours: row.ours,
      cancelRequested: row.cancel_requested,
    }))
  }

  return {
    record,
    claim,
    pulse,

    clearOutbox: async (runIds) => {
      if (runIds.length > 0)
        await knex('outbox')
          .whereIn('run_id', [...runIds])
          .delete()
    },

    progress: async ({ runId, attempt }, fraction, counts) => {
      await knex('runs')
        .where({ id: runId, attempt, status: 'running' })
        .update({
          progress: fraction,
          updated_at: knex.fn.now(),
          ...(counts ? { counts: JSON.stringify(counts) } : {}),
        })
    },

    conclude: (fence, { status, outcome, error }) =>
      knex.transaction(async (trx) => {
        const parentId = await lockParentOf(trx, fence.runId)
        const changed = await trx('runs')
          .where({ id: fence.runId, attempt: fence.attempt, status: 'running' })
          .update({
            status,
            error: error ?? outcome?.error ?? null,
            lease_until: null,
            finished_at: trx.fn.now(),
            updated_at: trx.fn.now(),
            ...(outcome
              ? {
                  progress: 1,
                  counts: JSON.stringify(outcome.counts),
                  reasons: JSON.stringify(outcome.reasons),
                  result: outcome.result ? JSON.stringify(outcome.result) : null,
                }
              : {}),
          })
        if (changed === 0) return { written: false, woken: [] }
        const cancelled = status === 'cancelled' ? await cancelChildren(trx, [fence.runId]) : []
        const needing = await wakeNeeding(trx, [fence.runId, ...cancelled.map(({ runId }) => runId)])
        const parent = parentId ? await finishParent(trx, parentId) : null
        return { written: true, woken: parent ? [...needing, parent] : needing }
      }),

    retryLater: async ({ runId, attempt }, error, delayMs) =>
      (await knex('runs')
        .where({ id: runId, attempt, status: 'running' })
        .update({
          status: 'queued',
          tries: knex.raw('tries + 1'),
          error,
          lease_until: null,
          available_at: knex.raw(`now() + ? * interval '1 millisecond'`, [delayMs]),
          updated_at: knex.fn.now(),
        })) > 0,

    handBack: async ({ runId, attempt }) =>
      (await knex('runs')
        .where({ id: runId, attempt, status: 'running' })
        .update({ status: 'queued', lease_until: null, updated_at: knex.fn.now() })) > 0,

    awaitChildren: (fence, outcome) =>
      knex.transaction(async (trx) => {
        const [self] = await rows<{ id: string }>(
          trx,
          `select id from runs where id = ? and attempt = ? and status = 'running' for no key update`,
          [fence.runId, fence.attempt],
        )
        if (!self) return 'lost'
        const [open] = await rows<{ id: string }>(
          trx,
          `select id from runs where parent_id = ? and status in ('queued', 'running') limit 1`,
          [fence.runId],
        )
        await trx('runs')
          .where({ id: fence.runId })
          .update({
            phase: open ? 'children' : 'finish',
            ...(open ? { lease_until: null } : {}),
            counts: JSON.stringify(outcome.counts),
            reasons: JSON.stringify(outcome.reasons),
            result: outcome.result ? JSON.stringify(outcome.result) : null,
            updated_at: trx.fn.now(),
          })
        return open ? 'waiting' : 'ready'
      }),

    childrenOf: async (runId): Promise<ChildrenSummary> => {
      const [sum] = await rows<{
        done: number
        skipped: number
        failed: number
        failed_runs: number
        reasons: Record<string, number> | null
        results: Record<string, unknown>[] | null
      }>(
        knex,
        `with child as (select * from runs where parent_id = ?)
         select coalesce(sum((counts->>'done')::float8), 0) as done,
           coalesce(sum((counts->>'skipped')::float8), 0) as skipped,
           coalesce(sum((counts->>'failed')::float8), 0) as failed,
           count(*) filter (where status in ('failed', 'cancelled')) as failed_runs,
           (select jsonb_object_agg(name, total) from (
             select name, sum(value::float8) as total from child, jsonb_each_text(reasons) as r(name, value)
             group by name
           ) by_reason) as reasons,
           jsonb_agg(result order by id) filter (where result is not null) as results
         from child`,
        [runId],
      )
      return {
        counts: { done: sum?.done ?? 0, skipped: sum?.skipped ?? 0, failed: sum?.failed ?? 0 },
        reasons: sum?.reasons ?? {},
        results: sum?.results ?? [],
        failedRuns: sum?.failed_runs ?? 0,
      }
    },

    needsOf: (runId) =>
      rows<NeededRun>(
        knex,
        `select runs.id, runs.job, runs.status, runs.reasons from run_needs join runs on runs.id = run_needs.needs_id
         where run_needs.run_id = ? order by runs.id`,
        [runId],
      ),

    awaitNeeds: (fence, runIds) =>
      knex.transaction(async (trx) => {
        // Shared locks until the wait is noted: one that ends meanwhile finds it then. Locks are taken from
        // the run that is needed to the one that needs it, here as where a run ends.
        const needed = await rows<{ open: boolean }>(
          trx,
          `select status in ('queued', 'running') as open from runs where id = any(?::uuid[]) order by id for share`,
          [runIds as string[]],
        )
        const open = needed.some((row) => row.open)
        const changed = await trx('runs')
          .where({ id: fence.runId, attempt: fence.attempt, status: 'running' })
          .update({
            updated_at: trx.fn.now(),
            ...(open ? { phase: 'needs', lease_until: null } : {}),
          })
        if (changed === 0) return 'lost'
        await trx.raw(
          'insert into run_needs (run_id, needs_id) select ?::uuid, unnest(?::uuid[]) on conflict do nothing',
          [fence.runId, runIds as string[]],
        )
        return open ? 'waiting' : 'ready'
      }),

    get: async (runId) => {
      const [row] = await rows<RunRow>(knex, `select ${RUN_COLUMNS} from runs where id = ?`, [runId])
      return row ? toRun(row) : null
    },

    byKey: async (job, key) => {
      const where = `select ${RUN_COLUMNS} from runs where job = ? and key = ?`
      const [row] = await rows<RunRow>(knex, where, [job, key])
      return row ? toRun(row) : null
    },

    list: async (filter, page) => {
      const all = filtered(knex, filter)
      const [{ total = 0 } = {}] = (await all.clone().count({ total: '*' })) as { total?: number }[]
      const cut = cutPage(all, page)
      const found = cut
        ? ((await cut.select(knex.raw(RUN_COLUMNS)).orderBy('id', 'desc').limit(page.pageSize)) as RunRow[])
        : []
      return toPage(page, total, found.map(toRun), (run) => run.id)
    },

    cancel: (runId): Promise<Cancelled | null> =>
      knex.transaction(async (trx) => {
        const parentId = await lockParentOf(trx, runId)
        const [run] = await rows<CarriageRow & { status: RunStatus; at_once: boolean }>(
          trx,
          `select ${CARRIAGE_COLUMNS}, status, ${ENDS_AT_ONCE} as at_once from runs where id = ? for no key update`,
          [runId],
        )
        if (!run) return null
        if (run.status !== 'queued' && run.status !== 'running') {
          return { status: run.status, kind: 'ended', withdrawn: [], woken: [] }
        }
        await trx('runs')
          .where({ id: runId })
          .update({
            cancel_requested: true,
            updated_at: trx.fn.now(),
            ...(run.at_once ? { status: 'cancelled', finished_at: trx.fn.now(), lease_until: null } : {}),
          })
        const children = await cancelChildren(trx, [runId])
        const ended = run.at_once ? [toCarriage(run), ...children] : children
        const needing = await wakeNeeding(
          trx,
          ended.map((carriage) => carriage.runId),
        )
        const parent = run.at_once && parentId ? await finishParent(trx, parentId) : null
        return {
          status: run.at_once ? 'cancelled' : run.status,
          kind: run.at_once ? 'cancelled' : 'requested',
          withdrawn: ended,
          woken: parent ? [...needing, parent] : needing,
        }
      }),

    outboxDue: async (minAgeMs, limit) =>
      (
        await rows<CarriageRow>(
          knex,
          `select ${CARRIAGE_COLUMNS} from outbox join runs on runs.id = outbox.run_id
           where outbox.created_at < now() - ? * interval '1 millisecond'
           order by outbox.created_at limit ?`,
          [minAgeMs, limit],
        )
      ).map(toCarriage),

    unattended: async (minAgeMs, afterId, limit) =>
      (
        await rows<CarriageRow>(
          knex,
          `select ${CARRIAGE_COLUMNS} from runs
           where status in ('queued', 'running') and phase not in ('children', 'needs')
             and (?::uuid is null or id > ?::uuid)
             and greatest(updated_at, lease_until, available_at) < now() - ? * interval '1 millisecond'
           order by id limit ?`,
          [afterId, afterId, minAgeMs, limit],
        )
      ).map(toCarriage),

    renew: async (runIds) =>
      (
        await rows<CarriageRow>(
          knex,
          `update runs set generation = generation + 1, updated_at = now()
           where id = any(?::uuid[]) and phase not in ('children', 'needs')
             and (status = 'queued' or (status = 'running' and (lease_until is null or lease_until < now())))
           returning ${CARRIAGE_COLUMNS}`,
          [runIds as string[]],
        )
      ).map(toCarriage),

    wakeWaiting: () =>
      knex.transaction(async (trx) => {
        const waiting = await rows<{ id: string }>(
          trx,
          `select id from runs parent where phase = 'children' and status = 'running'
             and not exists (select from runs child where child.parent_id = parent.id and child.status in ('queued', 'running'))
           order by id for no key update skip locked`,
          [],
        )
        const woken: Carriage[] = []
        for (const { id } of waiting) {
          const parent = await finishParent(trx, id)
          if (parent) woken.push(parent)
        }
        const needing = await rows<{ id: string }>(
          trx,
          `select id from runs where phase = 'needs' and status = 'running' order by id for no key update skip locked`,
          [],
        )
        woken.push(
          ...(await wake(
            trx,
            needing.map((row) => row.id),
          )),
        )
        return woken
      }),

    exclusively: (name, work) =>
      knex.transaction(async (trx) => {
        const [lock] = await rows<{ got: boolean }>(
          trx,
          `select pg_try_advisory_xact_lock(hashtext('vigia'), hashtext(?)) as got`,
          [name],
        )
        if (!lock?.got) return false
        await work()
        return true
      }),
  }
}

const filtered = (knex: Knex, filter: RunFilter): Knex.QueryBuilder => {
  const query = knex('runs')
  if (filter.job !== undefined) void query.where('job', filter.job)
  if (filter.status !== undefined) void query.where('status', filter.status)
  if (filter.configId !== undefined) void query.where('config_id', filter.configId)
  if (filter.configIds) void query.whereIn('config_id', [...filter.configIds])
  return query
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Null when the cursor is none of ours: nothing comes after it. */
const cutPage = (query: Knex.QueryBuilder, page: PageRequest): Knex.QueryBuilder | null => {
  if (page.afterId === null) return query.clone().offset((page.page - 1) * page.pageSize)
  return UUID.test(page.afterId) ? query.clone().where('id', '<', page.afterId) : null
}
