/**
 * Runs: the record of all work asked for. PostgreSQL remembers them; a queue only carries their ids to a
 * worker and may forget them at any time.
 *
 * A run is `queued`, then `running` under a lease, then ended. A run that waits for its children is
 * `running` without a lease (phase `children`), and needs one more execution after the last (`finish`); one
 * that waits for runs it builds on likewise (phase `needs`), and is executed again when they have ended.
 */
import type { Page, PageRequest } from '../core/page.ts'
import type { Fence, RunCounts, WorkOutcome } from '../core/work.ts'
import type { ChildrenSummary, QueueName } from '../jobs/define-job.ts'
import type { RunStatus } from '../jobs/enqueue.ts'

export const RUN_STATUSES = [
  'queued',
  'running',
  'succeeded',
  'partial',
  'failed',
  'skipped',
  'cancelled',
] as const satisfies readonly RunStatus[]

export type RunPhase = 'run' | 'needs' | 'children' | 'finish'
export type EndedStatus = Exclude<RunStatus, 'queued' | 'running'>

export interface Run {
  readonly id: string
  readonly job: string
  readonly key: string
  readonly queue: QueueName
  readonly configId: number | null
  readonly parentId: string | null
  readonly asOf: Date | null
  readonly payload: unknown
  readonly status: RunStatus
  readonly phase: RunPhase
  /** 0..1 */
  readonly progress: number
  readonly counts: Readonly<RunCounts>
  readonly reasons: Readonly<Record<string, number>>
  readonly result: Readonly<Record<string, unknown>> | null
  readonly error: string | null
  /** Executions so far. */
  readonly attempt: number
  readonly cancelRequested: boolean
  readonly actor: string
  readonly traceId: string | null
  readonly createdAt: Date
  readonly startedAt: Date | null
  readonly finishedAt: Date | null
  readonly updatedAt: Date
}

/** A run to be recorded. */
export interface RunDraft {
  readonly id: string
  readonly job: string
  readonly key: string
  readonly queue: QueueName
  readonly configId: number | null
  readonly parentId: string | null
  readonly asOf: Date | null
  readonly payload: unknown
  readonly actor: string
  readonly traceId: string | null
  readonly delayMs: number
}

/** What the queue needs to carry a run. */
export interface Carriage {
  readonly runId: string
  readonly job: string
  readonly key: string
  readonly queue: QueueName
  /** Counts the queue jobs a run needed: the first, one per new start, one for its finish. */
  readonly generation: number
  /** Failed tries so far. */
  readonly tries: number
  /** Wait before it may start. */
  readonly delayMs: number
}

/** A recorded run; `carriage` when it was started (anew) and has to reach the queue. */
export interface RecordedRun {
  readonly id: string
  readonly status: RunStatus
  readonly created: boolean
  readonly carriage: Carriage | null
}

/** A run under lease by this execution. */
export interface ClaimedRun {
  readonly run: Run
  readonly fence: Fence
  readonly tries: number
  /** Executions that ended with their worker. */
  readonly deaths: number
}

export type Claim =
  | { readonly kind: 'claimed'; readonly claimed: ClaimedRun }
  /** Another execution holds the lease. */
  | { readonly kind: 'leased'; readonly untilMs: number }
  /** Ended, deleted, or waiting for children: nothing to do. */
  | { readonly kind: 'nothing' }

export interface Pulse {
  readonly runId: string
  readonly attempt: number
  /** False when the run ended or is another execution's. */
  readonly ours: boolean
  readonly cancelRequested: boolean
}

/** How an execution ended its run. */
export interface Conclusion {
  readonly status: EndedStatus
  readonly outcome: WorkOutcome | null
  readonly error: string | null
}

export interface Concluded {
  /** False when the fence was lost and nothing was written. */
  readonly written: boolean
  /** Runs that waited for this one only: its parent, and those that need it. */
  readonly woken: readonly Carriage[]
}

/** A run another one needs. */
export interface NeededRun {
  readonly id: string
  readonly job: string
  readonly status: RunStatus
  readonly reasons: Readonly<Record<string, number>>
}

export interface Cancelled {
  readonly status: RunStatus
  /** `requested`: running, its worker will end it. */
  readonly kind: 'cancelled' | 'requested' | 'ended'
  /** Queue jobs nobody needs any more. */
  readonly withdrawn: readonly Carriage[]
  /** As in `Concluded`. */
  readonly woken: readonly Carriage[]
}

export interface RunFilter {
  readonly job?: string
  readonly status?: RunStatus
  readonly configId?: number
  /** Configs the asker may see; runs of no config are seen by those who may see all. Null: all. */
  readonly configIds: readonly number[] | null
}

/** The runs table, as the parts that move runs along need it. */
export interface RunsRepository {
  /**
   * One transaction: inserts runs and outbox marks. A known key answers its queued, running or succeeded run
   * as it is; a failed, partial or cancelled one starts again, and so
   * does one that was skipped for stale_data, needs_failed or disabled. Keys must differ.
   * @throws FenceLost when `fence` is given and lost
   */
  record(drafts: readonly RunDraft[], fence?: Fence): Promise<readonly RecordedRun[]>
  /** Takes back outbox marks of runs the queue has. */
  clearOutbox(runIds: readonly string[]): Promise<void>

  claim(runId: string, leaseMs: number): Promise<Claim>
  /** Renews leases and looks for lost fences and cancel requests, for all executions of a worker at once. */
  pulse(fences: readonly Fence[], leaseMs: number): Promise<readonly Pulse[]>
  progress(fence: Fence, fraction: number, counts: RunCounts | null): Promise<void>
  conclude(fence: Fence, conclusion: Conclusion): Promise<Concluded>
  /** After a failed try; false when the fence was lost. */
  retryLater(fence: Fence, error: string, delayMs: number): Promise<boolean>
  /** Gives the run back without using up a try; false when the fence was lost. */
  handBack(fence: Fence): Promise<boolean>
  /** After `run` of a job with `finish`: `ready` when no child is open any more, else it waits for them. */
  awaitChildren(fence: Fence, outcome: WorkOutcome): Promise<'ready' | 'waiting' | 'lost'>
  childrenOf(runId: string): Promise<ChildrenSummary>
  /** The runs this execution's run was told to wait for; none until `awaitNeeds`. */
  needsOf(runId: string): Promise<readonly NeededRun[]>
  /** Notes what the run needs: `ready` when all of it has ended, else the run waits without a lease. */
  awaitNeeds(fence: Fence, runIds: readonly string[]): Promise<'ready' | 'waiting' | 'lost'>

  get(runId: string): Promise<Run | null>
  byKey(job: string, key: string): Promise<Run | null>
  list(filter: RunFilter, page: PageRequest): Promise<Page<Run>>
  /** Null when there is no such run. */
  cancel(runId: string): Promise<Cancelled | null>

  /** Runs whose outbox mark is older than `minAgeMs`, oldest first. */
  outboxDue(minAgeMs: number, limit: number): Promise<readonly Carriage[]>
  /** Queued runs past their wait and running ones past their lease, untouched for `minAgeMs`; by id, after `afterId`. */
  unattended(minAgeMs: number, afterId: string | null, limit: number): Promise<readonly Carriage[]>
  /** Gives runs whose queue job ended without them a new one. Answers those that are still open. */
  renew(runIds: readonly string[]): Promise<readonly Carriage[]>
  /** Runs that wait although nothing they wait for is open: sets them to their next step. */
  wakeWaiting(): Promise<readonly Carriage[]>
  /** Runs `work` unless another process does so now; false when it was not run. */
  exclusively(name: string, work: () => Promise<void>): Promise<boolean>
}
